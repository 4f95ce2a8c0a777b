"""A small accelerator, and its hand-over, for the tests of what is in it."""

from __future__ import annotations

import functools

from hwsim.handover.folder import contents
from rtl.config import ArchConfig, parse_arch

__all__ = ["small", "small_contents"]

_SMALL = """
name: small
clock_mhz: 250
dense: {rows: 4, cols: 3, depthwise_taps: 3}
memory: {ifm_kib: 1, ofm_kib: 1, weight_kib: 1, param_kib: 1, accumulators: 16}
bus: {data_bytes: 4, burst_beats: 4, outstanding: 2}
dram: {latency_cycles: 7, beat_interval: 2}
control: {queue_depth: 2, fetch_depth: 8, max_layers: 3}
"""


def small() -> ArchConfig:
    """An accelerator whose Verilog is soon written."""
    return parse_arch(_SMALL, "small")


@functools.cache
def small_contents() -> dict[str, str]:
    """The files of its hand-over."""
    return contents(small())
