"""What one weight of each layer costs on an architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.compress.finish import fold
from compiler.compress.layers import weight_layers
from compiler.compress.masks import Masks
from compiler.compress.quantisers.codebook import Codebook
from compiler.interpreter import interpret
from compiler.lower import lower
from compiler.mapping.compile import compile_graph
from compiler.passes.base import run_passes
from compiler.passes.dead_code import RemoveDeadCode
from compiler.passes.fuse_activation import FuseActivation
from compiler.passes.fuse_residual import FuseResidual
from compiler.quantize.calibrate import nominal
from compiler.quantize.post_training import quantize_graph
from compiler.quantize.scales import IntegerWeights
from hwsim.activity import program_works
from hwsim.cycles import program_cycles
from hwsim.energy.model import EnergyModel
from hwsim.inputs import random_inputs

if TYPE_CHECKING:
    from compiler.ir import Graph
    from rtl.config import ArchConfig

__all__ = ["energy_per_weight"]


def energy_per_weight(graph: Graph, config: ArchConfig) -> dict[str, float]:
    """The energy of each layer in pJ over the number of its weights, by the name of its weights; by the cycle model.

    Layers that run on the host have no figure.
    """
    folded, _ = fold(graph, Masks.none())
    run_passes(folded, (FuseActivation(), RemoveDeadCode()))
    quantize_graph(folded, nominal(folded), _shared(folded, config))
    integer = lower(folded)
    run_passes(integer, (FuseResidual(), RemoveDeadCode()))
    program = compile_graph(integer, config)
    # What a sparse layer takes depends on its data; which share of it each layer takes, hardly.
    values = interpret(integer, random_inputs(integer, 0)) if config.sparse_engine is not None else {}
    cycles = program_cycles(program, config, program_works(program, config, values) if values else None)
    energies = EnergyModel(config).energy(cycles.counters, cycles.layers)
    totals: dict[str, float] = {}
    for layer, energy in zip(program.layers, energies, strict=True):
        totals[layer.name] = totals.get(layer.name, 0.0) + energy.total
    return {
        layer.weights: totals[layer.name] / layer.value(graph).size
        for layer in weight_layers(graph)
        if layer.name in totals
    }


def _shared(graph: Graph, config: ArchConfig) -> dict[str, IntegerWeights]:
    """Weights by as many values as the engine has codes for, where it has no others: as a recipe will share them."""
    sparse = config.sparse_engine
    if sparse is None or sparse.weights != "codebook":
        return {}
    found = {}
    for layer in weight_layers(graph):
        weights = layer.restore(layer.value(graph))
        codes = Codebook(bits=sparse.code_bits).fit(weights, layer.filter_axis).encode(weights)
        found[layer.weights] = IntegerWeights(codes.values, codes.scale, codes.zero_point.astype(np.int32), codes.axis)
    return found
