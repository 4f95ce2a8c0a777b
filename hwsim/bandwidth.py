"""Bandwidth: how many bytes move on each level, each way; where that puts a layer under the roofline; what binds it.

    intensity    = MACs / bytes asked of DRAM, both ways
    attainable   = MACs / max(MACs / peak, read beats * interval, write beats * interval)      MACs per cycle

MACs and peak are those of the engine that the layer runs on; of the sparse engine the ones that are done, zeros left
out.

The array and the two directions of the bus work at the same time, so the slowest of them is the roof: ``attainable``
is what a layer would reach if the other two, and starting and ending, cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rtl.counters import COUNTERS
from rtl.sparse.layout import CODEBOOK_VALUE_BYTES, POINTER_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from rtl.config import ArchConfig

__all__ = ["BINDING", "LEVELS", "Bandwidth", "LayerBandwidth", "LevelBytes", "bandwidth"]

BINDING = ("compute", "dram_read", "dram_write", "post", "fill_drain", "broadcast", "load_imbalance")
"""What can bind a layer: the engine, the bus each way, the output stage; or none of them, long enough. In the place of
``compute``, of the sparse engine: the one activation per cycle that it broadcasts, or some PEs while others idle."""

LEVELS = {
    "dram": (("dram_read_bytes",), ("dram_write_bytes",)),
    "ifm": (("ifm_read_bytes", "skip_ifm_bytes"), ("ifm_write_bytes",)),
    "ofm": (("ofm_read_bytes", "skip_ofm_bytes", "store_ofm_bytes"), ("ofm_write_bytes",)),
    "weight": (("weight_read_bytes",), ("weight_write_bytes",)),
    "param": (("param_read_bytes",), ("param_write_bytes",)),
    "accumulator": (("acc_reads", "requantized", "sparse_macs"), ("acc_writes", "sparse_macs")),
    "spmat": (("sparse_rows",), ("spmat_write_bytes",)),
    "pointer": (("sparse_broadcasts",), ("pointer_write_bytes",)),
    "codebook": (("sparse_macs", "sparse_padding"), ("codebook_write_bytes",)),
}
"""Memory levels, and the events that read from each and write to each."""

_SUM_BYTES = 4
_BUSY_SHARE = 0.5
"""A layer is bound by what is busy for at least this share of its cycles; else by filling and draining."""
_IMBALANCE_SHARE = 0.25
"""Of the engine's cycles, that neither its entries, evenly spread, nor its broadcasts need: more, and these bind."""
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
        name: (count(*read) * unit[0], count(*write) * unit[1])
        for (name, (read, write)), unit in zip(LEVELS.items(), _units(config), strict=True)
    }
    dense, sparse = config.dense_engine, config.sparse_engine
    macs, asked = count("macs", "sparse_macs"), count("dram_read_bytes", "dram_write_bytes")
    on_sparse = count("sparse_cycles") > 0
    peak = np.where(on_sparse, sparse.pes if sparse else 0, dense.rows * dense.cols if dense else 0)
    lanes = np.where(on_sparse, sparse.lanes if sparse else 0, dense.cols if dense else 0)
    beats = count("dram_read_beats", "dram_write_beats")
    interval = config.dram.beat_interval
    busy = np.stack(
        [
            count("stream_cycles", "sparse_cycles"),
            count("dram_read_beats") * interval,
            count("dram_write_beats") * interval,
            -(-count("requantized") // np.maximum(lanes, 1)),
        ],
        axis=1,
    )
    wire = busy[:, 1:3].max(axis=1)
    roof = np.maximum(macs / np.maximum(peak, 1), wire)
    most = busy.max(axis=1)
    # The second condition is for a layer without work and without cycles of its own.
    bound = np.where((most >= _BUSY_SHARE * cycles) & (most > 0), busy.argmax(axis=1), BINDING.index("fill_drain"))
    if sparse is not None:
        bound = np.where(on_sparse & (bound == 0), _within_sparse(count, sparse.pes), bound)
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


def _units(config: ArchConfig) -> list[tuple[int, int]]:
    """Bytes of an event of each level, read and written."""
    sparse = config.sparse_engine
    units = {
        "accumulator": (_SUM_BYTES, _SUM_BYTES),
        "spmat": (sparse.row_bytes if sparse else 0, 1),
        # Every PE reads where the column starts and where it ends.
        "pointer": (2 * POINTER_BYTES * sparse.pes if sparse else 0, 1),
        "codebook": (CODEBOOK_VALUE_BYTES if sparse and sparse.weights == "codebook" else 0, 1),
    }
    return [units.get(name, (1, 1)) for name in LEVELS]


def _within_sparse(count: Callable[..., NDArray[np.int64]], pes: int) -> NDArray[np.int64]:
    """What binds layers whose time is the sparse engine's, as indices into :data:`BINDING`."""
    cycles, sent = count("sparse_cycles"), count("sparse_broadcasts")
    even = -(-count("sparse_macs", "sparse_padding") // pes)
    lost = cycles - np.maximum(even, sent)
    needed = np.where(sent > even, BINDING.index("broadcast"), BINDING.index("compute"))
    return np.where(lost > _IMBALANCE_SHARE * cycles, BINDING.index("load_imbalance"), needed)


def _ratio(over: NDArray, under: NDArray, *, otherwise: float) -> NDArray[np.float64]:
    """``over / under``, and ``otherwise`` where ``under`` is 0."""
    return np.divide(over, under, out=np.full(len(over), otherwise, np.float64), where=under != 0)
