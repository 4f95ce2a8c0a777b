"""``hwsim archs``: the architectures that have a name."""

from __future__ import annotations

from hwsim.cli.command import JsonFile, check_json, deliver

__all__ = ["archs"]

COLUMNS = ("name", "array", "clock", "activations", "weights", "accumulators", "bus", "DRAM")


def archs(json_file: JsonFile = None) -> None:
    """List the presets that --arch takes by name."""
    check_json(json_file)

    from hwsim.report.tables import architectures_table
    from rtl.config import load_arch, preset_names

    configs = [load_arch(name) for name in preset_names()]
    rows = [
        (
            config.name,
            f"{config.dense.rows} x {config.dense.cols}",
            f"{config.clock_mhz:g} MHz",
            f"{config.memory.ifm_kib} + {config.memory.ofm_kib} KiB",
            f"{config.memory.weight_kib} KiB",
            f"2 x {config.memory.accumulators}",
            f"{8 * config.bus.data_bytes} bits",
            f"{config.dram.latency_cycles} cycles, 1 beat in {config.dram.beat_interval}",
        )
        for config in configs
    ]
    tree = {"archs": [config.model_dump() for config in configs]}
    deliver(architectures_table(rows, COLUMNS), tree, json_file)
