"""What a module's ports see, cycle by cycle, and what it must answer: a netlist is checked as it is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hwsim.silicon.switching.operands import Tile

__all__ = ["Stimulus", "column_stimulus", "held", "packed"]


_SETTLING = 160
"""Cycles until nothing moves in the longest column."""


@dataclass(frozen=True, slots=True, eq=False)
class Stimulus:
    """Inputs by cycle. Energy is counted from ``start`` on, up to ``stop`` or the end."""

    inputs: dict[str, NDArray[np.object_]]
    """Port to ``[cycles]``: unsigned integers of the port's width."""
    expected: dict[str, NDArray[np.object_]]
    """Port to ``[cycles]``, as read before the clock edge; -1 where it does not matter."""
    start: int
    stop: int | None = None
    zeroed: bool = False
    """Flip-flops start at 0. Where words are read before any was written, a simulator of gates makes all unknown that
    depends on them, also where it does not matter; silicon starts at something."""

    @property
    def cycles(self) -> int:
        """How many."""
        return len(next(iter(self.inputs.values())))

    @property
    def measured(self) -> int:
        """Cycles of which energy is counted."""
        return (self.cycles if self.stop is None else self.stop) - self.start


def column_stimulus(tiles: list[Tile], *, taps: int, psum_bits: int) -> Stimulus:
    """Tiles one behind the other through a column of the weight-stationary array, without a gap, skewed by row.

    A tile's weights are loaded a row per cycle while the one before streams; those of the first, before the start.
    """
    rows = tiles[0].weights.size
    vectors = [len(tile.activations) for tile in tiles]
    if min(vectors) < rows:
        raise ValueError(f"a tile of {min(vectors)} vectors is over before {rows} rows are loaded")
    starts = rows + 1 + np.concatenate([[0], np.cumsum(vectors)])
    cycles = int(starts[-1])
    act = np.zeros((cycles, rows), np.int64)
    swap, load = np.zeros((cycles, rows), np.int64), np.zeros((cycles, rows), np.int64)
    weight = np.zeros(cycles, np.int64)
    psum = np.full(cycles, -1, dtype=object)
    for tile, start in zip(tiles, starts[:-1], strict=True):
        values = tile.activations.astype(np.int64)
        sums = values @ tile.weights.astype(np.int64)
        for row in range(rows):
            # A row per cycle, in the cycles before the tile streams; used from a cycle after the swap.
            load[start - 1 - rows + row, row] = 1
            weight[start - 1 - rows + row] = int(tile.weights[row]) & 0xFF
            place = slice(start + row, start + row + len(values))
            seen = act[place, row]
            act[place, row] = values[: len(seen), row]
            if start - 1 + row < cycles:
                swap[start - 1 + row, row] = 1
        arrives = np.arange(len(values)) + start + rows
        inside = arrives < cycles
        psum[arrives[inside]] = [int(s) & ((1 << psum_bits) - 1) for s in sums[inside]]
    inputs = {
        "act_i": packed(act & 0xFF, 8),
        "swap_i": packed(swap, 1),
        "load_i": packed(load, 1),
        "weight": weight.astype(object),
        "rst": np.zeros(cycles, dtype=object),
    }
    if taps:
        inputs |= {"own_i": np.zeros(cycles, dtype=object), "own_act": np.zeros(cycles, dtype=object)}
    return Stimulus(inputs, {"psum_o": psum}, start=int(starts[0]) + rows)


def held(stimulus: Stimulus, cycles: int) -> Stimulus:
    """The same, then ``cycles`` more in which inputs stay and none asks for anything: what is measured."""
    inputs = {}
    for name, values in stimulus.inputs.items():
        last = 0 if name in ("swap_i", "load_i") else values[-1]
        inputs[name] = np.concatenate([values, np.full(_SETTLING + cycles, last, dtype=object)])
    more = np.full(_SETTLING + cycles, -1, dtype=object)
    expected = {name: np.concatenate([values, more]) for name, values in stimulus.expected.items()}
    return Stimulus(inputs, expected, start=stimulus.cycles + _SETTLING)


def packed(lanes: NDArray[np.int64], width: int) -> NDArray[np.object_]:
    """``[cycles, lanes]`` to one number per cycle, lane 0 lowest."""
    shifts = np.array([1 << (width * k) for k in range(lanes.shape[1])], dtype=object)
    return lanes.astype(object) @ shifts
