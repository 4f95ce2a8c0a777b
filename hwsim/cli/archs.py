"""``hwsim archs``: the architectures that have a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.cli.command import JsonFile, check_json, deliver

if TYPE_CHECKING:
    from rtl.config import ArchConfig

__all__ = ["archs"]

COLUMNS = ("name", "array", "sparse PEs", "clock", "activations", "weights", "accumulators", "bus", "DRAM")


def archs(json_file: JsonFile = None) -> None:
    """List the presets that --arch takes by name."""
    check_json(json_file)

    from hwsim.report.tables import architectures_table
    from rtl.config import load_arch, preset_names

    configs = [load_arch(name) for name in preset_names()]
    rows = [
        (
            config.name,
            f"{config.dense.rows} x {config.dense.cols}" if config.dense_engine else "",
            f"{config.sparse.pes}" if config.sparse_engine else "",
            f"{config.clock_mhz:g} MHz",
            f"{config.memory.ifm_kib} + {config.memory.ofm_kib} KiB",
            _weights(config),
            _accumulators(config),
            f"{8 * config.bus.data_bytes} bits",
            f"{config.dram.latency_cycles} cycles, 1 beat in {config.dram.beat_interval}",
        )
        for config in configs
    ]
    tree = {"archs": [config.model_dump() for config in configs]}
    deliver(architectures_table(rows, COLUMNS), tree, json_file)


def _weights(config: ArchConfig) -> str:
    """On-chip memory for weights, of each engine."""
    parts = [f"{config.memory.weight_kib} KiB"] if config.dense_engine else []
    if config.sparse_engine:
        parts.append(f"{config.sparse.pes} x {config.sparse.spmat_kib} KiB")
    return ", ".join(parts)


def _accumulators(config: ArchConfig) -> str:
    """Sums of each column or PE, in both halves."""
    parts = [f"2 x {config.memory.accumulators}"] if config.dense_engine else []
    if config.sparse_engine:
        parts.append(f"2 x {config.sparse.accumulators}")
    return ", ".join(parts)
