"""A network in the course of its recipe."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from compiler.compress.masks import Masks
    from compiler.compress.quantisers import Codes, WeightQuantiser
    from compiler.compress.recipe import StoreStep
    from compiler.ir import Graph

__all__ = ["State"]


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Where a recipe has got to."""

    graph: Graph
    masks: Masks
    formats: Mapping[str, WeightQuantiser] = field(default_factory=dict)
    """By the name of a layer's weights."""
    calibration: str = "max"
    store: StoreStep | None = None
    """How the result's storage is to be reckoned; None if it is not."""
    log: tuple[str, ...] = ()
    """One line for each thing that was done."""

    def noted(self, line: str) -> State:
        """The same, with one more line in the log."""
        return replace(self, log=(*self.log, line))

    @property
    def emulated(self) -> Graph:
        """The graph with its weights as their formats store them, in floats."""
        graph = self.graph.copy()
        for name, codes in self.codes().items():
            graph.set_constant(name, codes.real)
        return graph

    def codes(self) -> dict[str, Codes]:
        """The stored weights of every layer that has a format."""
        found = {}
        for name, quantiser in self.formats.items():
            value = self.graph.constant(name)
            assert value is not None, "formats are of constants"
            found[name] = quantiser.encode(value)
        return found
