"""Cycles and events of layers, by either model, as an estimate: energy, bandwidth and utilisation of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.ir.integer import Conv
from compiler.mapping.compile import host_step
from compiler.mapping.engines import host_operators
from compiler.passes.low_planes import has_two_planes
from hwsim.bandwidth import bandwidth
from hwsim.energy.formats import weight_format
from hwsim.energy.model import EnergyModel
from hwsim.results import Estimate, HostStepEstimate, LayerEstimate
from rtl.counters import COUNTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.mapping.sparse.coded import CodedWeights
    from compiler.program.program import LayerInfo, Program
    from hwsim.analytic import AnalyticCycles
    from hwsim.costing import Fidelity
    from hwsim.cycles import ProgramCycles
    from hwsim.network import Network
    from rtl.config import ArchConfig

__all__ = ["estimate_layers", "estimate_program"]


def estimate_program(network: Network, program: Program, config: ArchConfig, cycles: ProgramCycles) -> Estimate:
    """The cycle model's figures of a program, by layer, priced in the configuration's technology.

    Raises:
        InputError: the technology cannot be as the configuration asks for it.

    """
    return estimate_layers(network, program.layers, config, cycles, "cycle")


def estimate_layers(
    network: Network,
    infos: Sequence[LayerInfo],
    config: ArchConfig,
    cycles: ProgramCycles | AnalyticCycles,
    fidelity: Fidelity,
    *,
    coded: Sequence[CodedWeights | None] = (),
) -> Estimate:
    """Figures of either model, by layer, priced in the configuration's technology; ``coded`` is all or nothing."""
    counters = cycles.counters
    model = EnergyModel(config)
    energies = model.energy(counters, cycles.layers)
    traffics = bandwidth(counters, cycles.layers, config)
    layers = []
    weighted = {op.output: op for op in network.graph.select(Conv)}
    for index, layer in enumerate(infos):
        counts = {counter.name: int(counters[index, i]) for i, counter in enumerate(COUNTERS)}
        spent = int(cycles.layers[index])
        traffic = traffics.layer(index)
        effective = counts["sparse_macs"] if layer.engine == "sparse" else layer.macs
        op = weighted.get(layer.target)
        stored = weight_format(op, layer.engine, counts, energies[index], model) if op is not None else None
        priced = stored.energy_pj if op is not None and stored is not None and has_two_planes(op) else None
        peak = config.sparse.pes if layer.engine == "sparse" else config.dense.rows * config.dense.cols
        layers.append(
            LayerEstimate(
                name=layer.name,
                op=layer.op,
                engine=layer.engine,
                macs=layer.macs,
                effective_macs=effective,
                cycles=spent,
                dram_read_bytes=counts["dram_read_bytes"],
                dram_write_bytes=counts["dram_write_bytes"],
                utilization=effective / (spent * peak) if spent else 0.0,
                bound=traffic.bound,
                counters=counts,
                # The low plane is all that was mapped.
                energy_pj=priced or energies[index],
                bandwidth=traffic,
                coded_weights=coded[index] if coded else None,
                weight_format=stored,
            )
        )
    targets = {info.target for info in infos}
    hosts = tuple(
        HostStepEstimate(
            name=step.operator,
            op=step.op_type,
            reason=step.reason,
            read_bytes=step.read_bytes,
            write_bytes=step.write_bytes,
        )
        for step in (host_step(network.graph, op, config) for op in host_operators(network.graph, targets))
    )
    return Estimate(
        model=network.name,
        arch=config.name,
        clock_mhz=model.clock_mhz,
        macs_per_cycle=config.macs_per_cycle,
        fidelity=fidelity,
        cycles=cycles.cycles,
        layers=tuple(layers),
        host_operators=tuple(f"{host.name} ({host.op})" for host in hosts),
        host_steps=hosts,
        notes=network.graph.notes,
        technology=model.technology,
        area_mm2=model.area_mm2(),
        dram_bytes_per_cycle=config.bus.data_bytes / config.dram.beat_interval,
    )
