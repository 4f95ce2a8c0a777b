"""Bandwidth: how many bytes move on each level, each way; where that puts a layer under the roofline; what binds it.

    intensity    = MACs / bytes asked of DRAM, both ways
    attainable   = MACs / max(MACs / peak, read beats * interval, write beats * interval)      MACs per cycle

The array and the two directions of the bus work at the same time, so the slowest of them is the roof: ``attainable``
is what a layer would reach if the other two, and starting and ending, cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rtl.counters import COUNTERS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rtl.config import ArchConfig

__all__ = ["BINDING", "LEVELS", "Bandwidth", "LayerBandwidth", "LevelBytes", "bandwidth"]

BINDING = ("compute", "dram_read", "dram_write", "post", "fill_drain")
"""What can bind a layer: the array, the bus each way, the output stage; or none of them, long enough."""

LEVELS = {
    "dram": (("dram_read_bytes",), ("dram_write_bytes",)),
    "ifm": (("ifm_read_bytes", "skip_ifm_bytes"), ("ifm_write_bytes",)),
    "ofm": (("ofm_read_bytes", "skip_ofm_bytes", "store_ofm_bytes"), ("ofm_write_bytes",)),
    "weight": (("weight_read_bytes",), ("weight_write_bytes",)),
    "param": (("param_read_bytes",), ("param_write_bytes",)),
    "accumulator": (("acc_reads", "requantized"), ("acc_writes",)),
}
"""Memory levels, and the events that read from each and write to each."""

_BYTES = {"accumulator": 4}
"""Bytes of an event, where it is not one."""
_BUSY_SHARE = 0.5
"""A layer is bound by what is busy for at least this share of its cycles; else by filling and draining."""
_INDEX = {counter.name: index for index, counter in enumerate(COUNTERS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelBytes:
    """Bytes that left a memory and entered it."""

    read: int
    write: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerBandwidth:
    """One layer's."""

    levels: dict[str, LevelBytes]
    """By level of :data:`LEVELS`."""
    dram_efficiency: float
    """Bytes asked of DRAM, over those of the beats that carried them; 0..1, and 1 without traffic."""
    dram_burst_beats: float
    """Beats a burst, on average; 0 without traffic."""
    dram_utilization: float
    """Cycles that the busier direction of the bus carried a beat, over the layer's; can pass 1 where layers overlap."""
    intensity_macs_per_byte: float | None
    """None without DRAM traffic."""
    attainable_macs_per_cycle: float
    """The roof over this layer."""
    achieved_macs_per_cycle: float
    """Where the layer is. Above its roof when its work was done in an earlier layer's cycles."""
    bound: str


@dataclass(frozen=True, slots=True, eq=False)
class Bandwidth:
    """Any number of layers at once, as arrays ``[layers]``."""

    levels: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]
    """Bytes read and written, by level."""
    dram_efficiency: NDArray[np.float64]
    dram_burst_beats: NDArray[np.float64]
    dram_utilization: NDArray[np.float64]
    intensity_macs_per_byte: NDArray[np.float64]
    """Infinite without DRAM traffic."""
    attainable_macs_per_cycle: NDArray[np.float64]
    achieved_macs_per_cycle: NDArray[np.float64]
    bound: NDArray[np.int64]
    """Index into :data:`BINDING`."""

    def layer(self, index: int) -> LayerBandwidth:
        """One of them."""
        intensity = float(self.intensity_macs_per_byte[index])
        return LayerBandwidth(
            levels={
                name: LevelBytes(read=int(read[index]), write=int(write[index]))
                for name, (read, write) in self.levels.items()
            },
            dram_efficiency=float(self.dram_efficiency[index]),
            dram_burst_beats=float(self.dram_burst_beats[index]),
            dram_utilization=float(self.dram_utilization[index]),
            intensity_macs_per_byte=intensity if np.isfinite(intensity) else None,
            attainable_macs_per_cycle=float(self.attainable_macs_per_cycle[index]),
            achieved_macs_per_cycle=float(self.achieved_macs_per_cycle[index]),
            bound=BINDING[self.bound[index]],
        )


def bandwidth(counters: NDArray[np.int64], cycles: NDArray[np.int64], config: ArchConfig) -> Bandwidth:
    """Traffic and roofline of layers: their events ``[layers, counters]`` and cycles ``[layers]``."""

    def count(*names: str) -> NDArray[np.int64]:
        return counters[:, [_INDEX[name] for name in names]].sum(axis=1)

    levels = {
        name: (count(*read) * _BYTES.get(name, 1), count(*write) * _BYTES.get(name, 1))
        for name, (read, write) in LEVELS.items()
    }
    macs, asked = count("macs"), count("dram_read_bytes", "dram_write_bytes")
    beats = count("dram_read_beats", "dram_write_beats")
    interval = config.dram.beat_interval
    busy = np.stack(
        [
            count("stream_cycles"),
            count("dram_read_beats") * interval,
            count("dram_write_beats") * interval,
            -(-count("requantized") // config.dense.cols),
        ],
        axis=1,
    )
    wire = busy[:, 1:3].max(axis=1)
    roof = np.maximum(macs / config.macs_per_cycle, wire)
    most = busy.max(axis=1)
    # The second condition is for a layer without work and without cycles of its own.
    bound = np.where((most >= _BUSY_SHARE * cycles) & (most > 0), busy.argmax(axis=1), BINDING.index("fill_drain"))
    return Bandwidth(
        levels=levels,
        dram_efficiency=_ratio(asked, beats * config.bus.data_bytes, otherwise=1.0),
        dram_burst_beats=_ratio(beats, count("dram_read_bursts", "dram_write_bursts"), otherwise=0.0),
        dram_utilization=_ratio(wire, cycles, otherwise=0.0),
        intensity_macs_per_byte=_ratio(macs, asked, otherwise=np.inf),
        attainable_macs_per_cycle=_ratio(macs, roof, otherwise=0.0),
        achieved_macs_per_cycle=_ratio(macs, cycles, otherwise=0.0),
        bound=bound,
    )


def _ratio(over: NDArray, under: NDArray, *, otherwise: float) -> NDArray[np.float64]:
    """``over / under``, and ``otherwise`` where ``under`` is 0."""
    return np.divide(over, under, out=np.full(len(over), otherwise, np.float64), where=under != 0)
