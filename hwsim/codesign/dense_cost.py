"""Costs on a dense array, by the cycle model that equals the RTL and the energy model of its events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.shrink import shrink
from compiler.frontend.load import INTEGER_PASSES, ONNX_PASSES
from compiler.ir import Graph, Node
from compiler.lower import lower
from compiler.mapping.compile import compile_graph
from compiler.passes.base import run_passes
from compiler.quantize import quantize_graph
from compiler.quantize.calibrate import nominal
from hwsim.codesign.cost import NetworkCost, Unit, layer_costs
from hwsim.cycles import program_cycles
from hwsim.energy.model import EnergyModel

if TYPE_CHECKING:
    from compiler.compress.masks import Masks
    from rtl.config import ArchConfig

__all__ = ["DenseCost"]

Shapes = tuple[tuple[int, ...], ...]


class DenseCost:
    """Each candidate is shrunk, quantised, mapped, and priced by the event.

    A dense array multiplies zeros like any other number, and moves them too. Only channels that are gone from the
    tensors cost nothing; so its only unit is the channel, and ``quantum`` the columns that a tile of filters has.
    Neither timing nor events depend on the weights' values here, only on shapes: each shape is priced once.
    """

    units: tuple[Unit, ...] = ("channel",)

    def __init__(self, config: ArchConfig) -> None:
        self._config = config
        self._energy = EnergyModel(config)
        self._known: dict[Shapes, NetworkCost] = {}

    @property
    def quantum(self) -> int:
        """Columns of the array."""
        return self._config.dense.cols

    def cost(self, graph: Graph, masks: Masks) -> NetworkCost:
        """By compiling what is left of ``graph``."""
        small, _ = shrink(graph, masks)
        shapes = _shapes(small)
        if shapes not in self._known:
            self._known[shapes] = self._priced(small)
        return self._known[shapes]

    def _priced(self, graph: Graph) -> NetworkCost:
        run_passes(graph, ONNX_PASSES)
        quantize_graph(graph, nominal(graph))
        integer = lower(graph)
        run_passes(integer, INTEGER_PASSES)
        program = compile_graph(integer, self._config)
        cycles = program_cycles(program, self._config)
        parts = self._energy.price(cycles.counters, cycles.layers)
        return NetworkCost(layer_costs([layer.name for layer in program.layers], parts, cycles.layers))


def _shapes(graph: Graph) -> Shapes:
    constants = (graph.constant(name) for node in graph.select(Node) for name in node.inputs if name)
    return tuple(np.shape(value) for value in constants if value is not None)
