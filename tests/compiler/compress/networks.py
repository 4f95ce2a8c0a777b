"""Networks and trainers for the tests of compression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compiler.compress.masks import Masks
from compiler.compress.source import float_graph
from compiler.compress.trainer import Gradients, Penalty
from compiler.compress.untrained import Untrained
from compiler.evaluate import evaluate
from compiler.ir import Graph
from workloads.digits.data import load

DIGITS = Path(__file__).resolve().parents[3] / "workloads" / "digits"


@cache
def digits_cnn() -> Graph:
    return float_graph(DIGITS / "digits_cnn.onnx")


@cache
def digits_mlp() -> Graph:
    return float_graph(DIGITS / "digits_mlp.onnx")


@cache
def untrained() -> Untrained:
    digits = load()
    return Untrained(
        inputs=digits.train_x[:64],
        classes=digits.train_y[:64],
        test_inputs=digits.test_x[:100],
        test_classes=digits.test_y[:100],
    )


def run(graph: Graph, count: int = 4) -> NDArray:
    """The outputs for the first test images."""
    (output,) = graph.outputs
    (port,) = graph.input_ports
    return np.concatenate([evaluate(graph, {port.name: x[None]})[output] for x in load().test_x[:count]])


@dataclass
class Shaker:
    """A trainer that stands in for PyTorch: it moves every weight by a little noise, and keeps a record.

    Gradients are noise too, but the same for the same graph: what schedules promise must hold whatever training does.
    """

    seed: int = 0
    samples: int = 16

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.epochs = 0
        self.penalties: list[Penalty] = []
        self.seen: dict[tuple[int, tuple[str, ...]], dict[str, NDArray]] = {}

    def fit(
        self,
        graph: Graph,
        masks: Masks,
        epochs: int,
        *,
        quantisers: Mapping[str, object] | None = None,
        penalty: Penalty | None = None,
    ) -> Graph:
        del quantisers
        assert epochs > 0
        self.epochs += epochs
        self.penalties += [penalty] if penalty else []
        moved = graph.copy()
        for name, value in constants(graph).items():
            moved.set_constant(name, (value + 0.05 * self.rng.standard_normal(value.shape)).astype(value.dtype))
        return masks.apply(moved)

    def evaluate(self, graph: Graph) -> float:
        return float(np.abs(np.concatenate([v.reshape(-1) for v in constants(graph).values()])).sum() % 1)

    def gradients(self, graph: Graph, samples: int) -> Gradients:
        rng = np.random.default_rng(samples)
        mean = {name: rng.standard_normal(value.shape) for name, value in constants(graph).items()}
        return Gradients(mean, {name: value**2 + 0.1 for name, value in mean.items()})

    def activations(self, graph: Graph, samples: int, tensors: Sequence[str]) -> dict[str, NDArray]:
        key = (id(graph), tuple(tensors))
        if key not in self.seen:
            found = untrained().activations(graph, min(samples, self.samples), tensors)
            self.seen[key] = found
            self.kept = [*getattr(self, "kept", []), graph]  # an id is taken again once its graph is gone
        return self.seen[key]

    def labels(self, samples: int) -> NDArray[np.int64]:
        return untrained().labels(min(samples, self.samples))


def constants(graph: Graph) -> dict[str, NDArray]:
    """The float constants that operators read."""
    names = dict.fromkeys(name for node in graph.operators() for name in node.inputs)
    values = {name: graph.constant(name) for name in names}
    return {name: v for name, v in values.items() if v is not None and v.dtype.kind == "f" and "variance" not in name}
