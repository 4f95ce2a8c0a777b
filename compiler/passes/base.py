"""What a pass is, and how passes are run."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from compiler.ir import Graph, IRError

__all__ = ["Pass", "PassError", "Trace", "run_passes"]

log = logging.getLogger(__name__)


class Pass(Protocol):
    """A rewrite of a graph in place.

    A pass preserves what the graph computes (:func:`compiler.evaluate.evaluate` at the ONNX level, up to float
    rounding; :func:`compiler.interpreter.interpret` at the integer level, exactly) and returns whether it changed
    anything. Run again on its own result, it changes nothing.
    """

    name: str

    def __call__(self, graph: Graph) -> bool:
        """Rewrite ``graph``; returns whether that changed it."""
        ...


class PassError(RuntimeError):
    """A pass broke the graph. A fault of the compiler, not of the model being compiled."""


@dataclass(frozen=True, slots=True)
class Trace:
    """What one pass did."""

    name: str
    changed: bool
    operators: int
    seconds: float


def run_passes(
    graph: Graph, passes: Sequence[Pass], *, after: Callable[[str, Graph], None] | None = None
) -> list[Trace]:
    """Apply ``passes`` in order, verifying the graph after each. ``after`` sees the graph as each pass leaves it.

    Raises:
        PassError: if a pass leaves an invalid graph.

    """
    traces: list[Trace] = []
    for step in passes:
        start = time.perf_counter()
        changed = step(graph)
        try:
            graph.verify()
        except IRError as error:
            raise PassError(f"{step.name} left an invalid graph: {error}") from error
        traces.append(Trace(step.name, changed, len(graph), time.perf_counter() - start))
        log.debug("%s: %s, %d operators", step.name, "changed" if changed else "no change", len(graph))
        if after is not None:
            after(step.name, graph)
    return traces
