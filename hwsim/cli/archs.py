"""``hwsim archs``: the architectures that have a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.cli.command import JsonFile, check_json, deliver

if TYPE_CHECKING:
    from rtl.config import ArchConfig

__all__ = ["archs"]

COLUMNS = ("name", "array", "sparse", "clock", "activations", "weights", "sums", "bus", "DRAM")


def archs(json_file: JsonFile = None) -> None:
    """List the presets that --arch takes by name."""
    check_json(json_file)

    from hwsim.report.tables import architectures_table
    from rtl.config import load_arch, preset_names

    configs = [load_arch(name) for name in preset_names()]
    rows = [_row(config) for config in configs]
    tree = {"archs": [config.model_dump() for config in configs]}
    deliver(architectures_table(rows, COLUMNS), tree, json_file)


def _row(config: ArchConfig) -> tuple[str, ...]:
    """Both engines' weights and sums, the dense one's first."""
    dense, sparse, memory = config.dense_engine, config.sparse_engine, config.memory
    weights = [memory.weight_kib] if dense else []
    sums = [f"2 x {memory.accumulators}"] if dense else []
    if sparse:
        weights.append(sparse.pes * sparse.spmat_kib)
        sums.append(f"2 x {sparse.accumulators}")
    return (
        config.name,
        f"{dense.rows} x {dense.cols}" if dense else "",
        f"{sparse.pes} PEs" if sparse else "",
        f"{config.clock_mhz:g} MHz",
        f"{memory.ifm_kib} + {memory.ofm_kib} KiB",
        " + ".join(map(str, weights)) + " KiB",
        ", ".join(sums),
        f"{8 * config.bus.data_bytes} bits",
        f"{config.dram.latency_cycles} cycles, 1 beat in {config.dram.beat_interval}",
    )
