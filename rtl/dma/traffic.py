"""What an instruction asks of DRAM, counted in closed form, and the bursts it is made of."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rtl.config import ArchConfig
    from rtl.isa import Load, Store

__all__ = ["Traffic", "burst_beats", "traffic"]


class Traffic(NamedTuple):
    """What an instruction asks of DRAM."""

    bytes: int
    beats: int
    bursts: int


def traffic(config: ArchConfig, instruction: Load | Store) -> Traffic:
    """Bytes, beats and bursts of an instruction, in closed form."""
    first, stride, rows = instruction.dram, instruction.dram_stride, instruction.rows
    last = first + instruction.row_bytes - 1

    def touched(unit: int) -> int:
        """Aligned units of that many bytes that the rows touch, each row counted on its own."""
        return rows + _sum_floor(rows, unit, stride, last) - _sum_floor(rows, unit, stride, first)

    beat = config.bus.data_bytes
    return Traffic(rows * instruction.row_bytes, touched(beat), touched(beat * config.bus.burst_beats))


def _sum_floor(n: int, m: int, a: int, b: int) -> int:
    """The sum of ``(a * i + b) // m`` over ``i`` in ``range(n)``, by Euclid's algorithm."""
    total = 0
    while True:
        total += (n - 1) * n // 2 * (a // m) + n * (b // m)
        top = a % m * n + b % m
        if top < m:
            return total
        n, m, a, b = top // m, a % m, m, top % m


@functools.lru_cache(maxsize=1 << 14)
def burst_beats(beat: int, longest: int, offset: int, stride: int, rows: int, row_bytes: int) -> tuple[int, ...]:
    """Beats of each burst of ``rows`` rows, in order.

    A burst ends with its row, or before the next multiple of ``longest`` beats of ``beat`` bytes; the first row begins
    ``offset`` bytes, and each row ``stride`` bytes further, after such a multiple.
    """
    found: list[int] = []
    for row in range(rows):
        begin = (offset + row * stride) // beat
        end = -(-(offset + row * stride + row_bytes) // beat)
        # A byte of the next row may lie in the same beat; that beat is then carried twice.
        boundary = (begin // longest + 1) * longest
        if end <= boundary:
            found.append(end - begin)
            continue
        full, tail = divmod(end - boundary, longest)
        found.append(boundary - begin)
        found += [longest] * full
        if tail:
            found.append(tail)
    return tuple(found)
