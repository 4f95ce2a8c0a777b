"""Costs on an accelerator with a zero-skipping engine: by the same models, on the zeros of real inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.finish import fold
from compiler.compress.layers import Layer, weight_layers
from compiler.compress.shrink import shrink
from compiler.frontend.load import INTEGER_PASSES
from compiler.interpreter import interpret
from compiler.ir import Graph
from compiler.lower import lower
from compiler.mapping.compile import compile_graph
from compiler.passes.base import run_passes
from compiler.passes.dead_code import RemoveDeadCode
from compiler.passes.fuse_activation import FuseActivation
from compiler.quantize import quantize_graph
from compiler.quantize.scales import IntegerWeights
from hwsim.activity import program_works
from hwsim.codesign.cost import NetworkCost, Unit, layer_costs
from hwsim.costing import prepared
from hwsim.cycles import program_cycles
from hwsim.energy.model import EnergyModel
from hwsim.energy.prices import COMPONENTS
from hwsim.network import Network
from workloads.registry import Workload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from compiler.compress.masks import Masks
    from compiler.quantize import Range
    from rtl.config import ArchConfig

__all__ = ["SparseCost"]

_MOST_VALUES = 1024
"""Of a layer's weights, by which their shared values are found: quantiles beyond that say nothing new."""
_PEAK = 127
_ITERATIONS = 100


class SparseCost:
    """Each candidate is quantised, its weights shared if the engine wants that, mapped, and run for ``inputs``.

    Zero weights are not stored and zero activations not broadcast, so single weights count. What they save depends on
    where they are (an engine waits for its fullest PE) and on the activations that they meet; the cost is the mean over
    ``inputs`` ``[n, ...]``. A channel that goes saves what no single weight does: the pointers of its column in every
    PE, which are stored, moved and read however empty it is, and the broadcasts of its activations. ``ranges`` are
    those of the network's activations
    (:func:`compiler.compress.finish.activation_ranges`).
    """

    units: tuple[Unit, ...] = ("channel", "element")
    quantum = 1

    def __init__(self, config: ArchConfig, ranges: Mapping[str, Range], inputs: NDArray[np.floating]) -> None:
        self._config, self._ranges, self._inputs = config, ranges, inputs
        self._energy = EnergyModel(config)

    def cost(self, graph: Graph, masks: Masks) -> NetworkCost:
        """By compiling what is left of ``graph`` and running its timing on every input."""
        network = Network("candidate", self._integer(graph, masks), Workload(name="candidate", description="pruned"))
        network, density = prepared(network, self._config, "balanced")
        program = compile_graph(network.graph, self._config, density=density)
        port = network.graph.input_ports[0]
        energy = np.zeros((len(program.layers), len(COMPONENTS)))
        spent = np.zeros(len(program.layers))
        for sample in self._inputs:
            values = interpret(network.graph, {port.name: sample.reshape(port.shape)})
            cycles = program_cycles(program, self._config, program_works(program, self._config, values))
            energy += self._energy.price(cycles.counters, cycles.layers)
            spent += cycles.layers
        samples = len(self._inputs)
        names = [layer.name for layer in program.layers]
        return NetworkCost(layer_costs(names, energy / samples, spent / samples))

    def _integer(self, graph: Graph, masks: Masks) -> Graph:
        small, left = shrink(graph, masks)
        folded, _ = fold(small, left)
        stored = {}
        if self._config.sparse.weights == "codebook":
            values = 2**self._config.sparse.code_bits - 1
            stored = {layer.weights: _shared(layer, folded, values) for layer in weight_layers(folded)}
        run_passes(folded, (FuseActivation(), RemoveDeadCode()))
        quantize_graph(folded, self._ranges, stored)
        RemoveDeadCode()(folded)
        integer = lower(folded)
        run_passes(integer, INTEGER_PASSES)
        return integer


def _shared(layer: Layer, graph: Graph, count: int) -> IntegerWeights:
    """Weights with ``count`` values beside zero, near those that k-means over all of them would find.

    Zeros stay, and nothing else becomes zero: the pattern is what is priced.
    """
    value = graph.constant(layer.weights)
    assert value is not None, "a layer's weights are constant"
    kept = value[value != 0].astype(np.float64)
    scale = np.array([max(float(np.abs(kept).max(initial=0)), np.finfo(np.float32).tiny) / _PEAK], np.float32)
    result = np.zeros(value.shape, np.int8)
    if kept.size:
        sample = np.unique(np.quantile(kept, np.linspace(0, 1, min(kept.size, _MOST_VALUES))))
        table = sample
        if sample.size > count:
            table = _centres(sample, count)
        nearest = table[np.searchsorted((table[1:] + table[:-1]) / 2, kept)]
        steps = np.clip(np.rint(nearest / scale[0]), -_PEAK, _PEAK)
        result[value != 0] = np.where(steps == 0, np.where(nearest < 0, -1, 1), steps).astype(np.int8)
    return IntegerWeights(result, scale, np.zeros(1, np.int32), layer.filter_axis)


def _centres(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """``count`` centres of sorted ``values`` by Lloyd's iteration from evenly spaced ones, ascending.

    On a line a value's nearest centre is found by bisection; candidates are priced by the hundred, and a general
    k-means would take nearly all of their time.
    """
    centres = np.linspace(values[0], values[-1], count)
    for _ in range(_ITERATIONS):
        owner = np.searchsorted((centres[1:] + centres[:-1]) / 2, values)
        sizes = np.bincount(owner, minlength=count)
        moved = np.where(sizes > 0, np.bincount(owner, values, minlength=count) / np.maximum(sizes, 1), centres)
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres
