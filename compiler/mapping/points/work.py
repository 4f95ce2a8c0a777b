"""What a layer has to do at every point: for how long each engine is busy, and where one has to wait for another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.mapping.plan import aligned
from compiler.mapping.points.cycles import Work
from compiler.program.chaining import chaining_rows
from rtl.counters import COUNTERS
from rtl.dense.timing import COMPUTE_DECODE, GATHER_LATENCY
from rtl.isa import PARAM_BYTES
from rtl.post.timing import LANE_LATENCY, POST_DECODE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.mapping.points.cycles import Bus
    from compiler.mapping.points.shape import JobShape
    from rtl.config import ArchConfig

__all__ = ["Rooms", "work_of"]

_INDEX = {counter.name: index for index, counter in enumerate(COUNTERS)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rooms:
    """``[points]``: bytes for tiles of the input, and of an output that leaves the chip."""

    ifm: NDArray[np.int64]
    staging: NDArray[np.int64]


def work_of(
    shape: JobShape,
    config: ArchConfig,
    bus: Bus,
    events: NDArray[np.int64],
    array: NDArray[np.int64],
    cut: dict[str, NDArray],
    rooms: Rooms,
    *,
    resident: NDArray[np.bool_],
    stores: NDArray[np.bool_],
    made: bool,
) -> Work:
    """The work of ``shape``, cut so: ``events`` ``[points, counters]`` and cycles of the ``array``.

    ``resident``: the input is in OFM; ``stores``: the output goes to DRAM; ``made``: by the layer before.
    """
    job, beat = shape.job, config.bus.data_bytes

    def count(name: str) -> NDArray[np.int64]:
        return events[:, _INDEX[name]]

    tiles = len(job.tiles)
    patches = cut["loads"] // tiles
    posts = np.full_like(patches, tiles) if job.hold else patches * tiles
    pixels = 1 if job.hold else job.out_shape[0] * job.out_shape[1]
    constants = count("weight_write_bytes") + count("param_write_bytes")
    filled = count("ifm_write_bytes") + constants - count("dram_read_bytes")
    first = cut["first_bytes"] + job.tiles[0].windows[0].size
    strips = np.where(cut["groups"] == 1, patches, cut["groups"] * job.out_shape[0])
    loads = np.where(cut["group"] > 1, tiles * patches, tiles)
    writes, turns = count("dram_write_beats"), patches * cut["groups"]
    chained = _chained(shape, config)
    busy = array if job.hold else _taking_turns(config, array, posts, cut["last_pixels"], chained=chained)
    busy = np.maximum(busy, _uneven_windows(shape, config, bus, events, array, cut, patches))
    if not job.hold:
        busy = _turns(shape, config, bus, events, busy, cut, rooms.ifm)
    # A tile of an output that leaves has its room until it is stored.
    out = np.maximum(rooms.staging // np.maximum(cut["last_pixels"] * cut["strip"], 1), 1)
    left = bus.cycles(writes, count("dram_write_bursts"), 4) / turns
    outside = np.where(stores, turns * (left + busy / turns + bus.latency) / out, 0)
    return Work(
        array=np.maximum(busy, outside),
        computes=patches * sum(len(t.windows) for t in job.tiles),
        posts=posts,
        post_pixels=np.full_like(patches, tiles * pixels),
        param_loads=np.full_like(patches, tiles) if job.hold else loads,
        patches=turns,
        read_beats=count("dram_read_beats"),
        read_bursts=count("dram_read_bursts"),
        fill_cycles=filled // beat,
        first_beats=np.minimum(-(-first // beat), count("dram_read_beats")),
        write_beats=writes,
        write_bursts=count("dram_write_bursts"),
        stores=np.where(stores, strips, 0),
        stores_late=np.minimum(out * strips / turns, config.control.queue_depth + 1),
        from_before=resident & made,
        stored_before=~resident & made,
        chained=chained,
    )


def _chained(shape: JobShape, config: ArchConfig) -> bool:
    """Whether every COMPUTE is one reduction tile of an array that chains (see :mod:`compiler.program.chaining`)."""
    job, rows = shape.job, chaining_rows(config)
    windows = [tile.windows for tile in job.tiles]
    return not (job.depthwise or job.hold) and all(
        len(of) == 1 and of[0].run * of[0].kx * of[0].ky <= rows for of in windows
    )


def _taking_turns(
    config: ArchConfig, array: NDArray[np.int64], posts: NDArray[np.int64], pixels: NDArray[np.int64], *, chained: bool
) -> NDArray[np.float64]:
    """Cycles of the array where it waits for one of the two halves of the accumulators to be drained."""
    rows, each = config.dense.rows, array / posts
    leave = pixels % rows if config.dense.dataflow == "output_stationary" else rows
    through = COMPUTE_DECODE + leave + GATHER_LATENCY + (1 if chained else np.minimum(rows, each) + each)
    drain = 1 + POST_DECODE + PARAM_BYTES + pixels + LANE_LATENCY + config.dense.cols
    return np.asarray(posts * np.maximum(each, (through + drain) / 2), np.float64)


def _turns(
    shape: JobShape,
    config: ArchConfig,
    bus: Bus,
    events: NDArray[np.int64],
    busy: NDArray[np.float64],
    cut: dict[str, NDArray],
    ifm: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Cycles of the array with what it waits for in each turn: instructions are dispatched in order.

    Where a turn has more STOREs than their queue takes, the loads of the next go out when its outputs are there.
    """
    tiles, depth, rate = len(shape.job.tiles), config.control.queue_depth, _cycles_per_byte(bus, events)
    patches = cut["loads"] // tiles
    turns = patches * cut["groups"]
    turn = busy / turns
    weights = events[:, _INDEX["weight_write_bytes"]] * rate
    # Weights that stay are loaded in the first turn of their group.
    first = np.where(cut["holds_weights"], weights / cut["groups"], 0)
    every = np.where(cut["holds_weights"], 0, weights / turns)
    streaming = cut["groups"] * np.maximum(turn, first) + (turns - cut["groups"]) * np.maximum(turn, every)
    rooms = ifm // np.maximum(cut["held_bytes"] // patches, 1)
    waits = _waits_for_input(shape, config, bus, events, cut, turn, rooms)
    crowded = (cut["groups"] > 1) & (cut["height"] > depth)
    window = shape.job.tiles[0].windows[0].size * rate
    drain = cut["last_pixels"] + PARAM_BYTES + LANE_LATENCY + config.dense.rows + config.dense.cols
    alone = np.where(cut["holds_weights"], 0, window + bus.latency) + drain
    return np.asarray(streaming + waits + np.where(crowded, (turns - 1) * alone, 0), np.float64)


def _waits_for_input(
    shape: JobShape,
    config: ArchConfig,
    bus: Bus,
    events: NDArray[np.int64],
    cut: dict[str, NDArray],
    turn: NDArray[np.float64],
    rooms: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Cycles beyond those of the turns, where tiles of the input come slower than the array is done with them.

    ``rooms``: tiles that IFM holds. A load goes out when the tile has left whose room it takes, and when no more
    COMPUTEs before its own are left than their queue takes: this may be turns ahead.
    """
    patches = cut["loads"] // len(shape.job.tiles)
    turns, computes = patches * cut["groups"], patches * sum(len(tile.windows) for tile in shape.job.tiles)
    loading = np.where(cut["holds_input"], patches, turns)
    constants = events[:, _INDEX["weight_write_bytes"]] + events[:, _INDEX["param_write_bytes"]]
    read = events[:, _INDEX["dram_read_bytes"]] - constants
    filled = events[:, _INDEX["ifm_write_bytes"]] - read
    moved = (read * _cycles_per_byte(bus, events) + filled / config.bus.data_bytes) / loading
    there = moved + bus.latency
    whole, part = np.divmod((config.control.queue_depth + 1) * turns / computes, 1)
    dispatched = ((1 - part) * turn + there) / (1 + whole)
    every = np.maximum(moved, np.maximum((turn + there) / np.maximum(rooms, 1), dispatched))
    waits = np.maximum(every - turn, 0) * np.maximum(loading - 1, 0)
    return np.asarray(np.where((cut["held_bytes"] > 0) & (read > 0), waits, 0), np.float64)


def _uneven_windows(
    shape: JobShape,
    config: ArchConfig,
    bus: Bus,
    events: NDArray[np.int64],
    array: NDArray[np.int64],
    cut: dict[str, NDArray],
    patches: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Cycles where two windows' weights have room and no third's: the largest is loaded, then streamed, then the next.

    Smaller ones between them are hidden.
    """
    sizes = [aligned(window.size, config.banks) for tile in shape.job.tiles for window in tile.windows]
    largest, number = max(sizes), len(sizes) * patches
    if 3 * largest <= config.memory.weight_kib * 1024:
        return np.zeros(len(patches))
    load = largest * _cycles_per_byte(bus, events) + bus.latency
    stream = array / number * (largest * len(sizes) / sum(sizes))
    return np.where(cut["holds_weights"], 0, number / 2 * (load + stream))


def _cycles_per_byte(bus: Bus, events: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of what LOAD reads in the layer, bursts of its usual length."""
    beats = np.maximum(events[:, _INDEX["dram_read_beats"]], 1)
    return bus.cycles(beats, events[:, _INDEX["dram_read_bursts"]], 3) / beats / bus.data_bytes
