"""Columns of the matrix as nests of the input: what one SPARSE can walk.

Column k is element (j, i, c) of the kernel's window, c fastest. Columns from anywhere to anywhere are a few nests: the
rest of a kernel row, whole rows, the beginning of another; taps of a row likewise where they are not contiguous.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from compiler.mapping.sparse.job import SparseJob

__all__ = ["Nest", "nests"]

_MAX_RUN = (1 << 16) - 1


class Nest(NamedTuple):
    """``run`` elements from ``channel`` of tap (``row``, ``tap``) on, for ``kx`` taps along x and ``ky`` along y."""

    column: int
    """First column of the matrix."""
    row: int
    tap: int
    channel: int
    """May lie in one of the taps behind, where a kernel row is contiguous."""
    run: int
    kx: int
    ky: int


def nests(job: SparseJob, start: int, stop: int) -> list[Nest]:
    """Columns ``start`` to before ``stop``, in order."""
    taps, depth = job.taps[1], job.in_shape[2]
    contiguous = job.dilations[1] == 1 and taps * depth <= _MAX_RUN
    across, run = (1, taps * depth) if contiguous else (taps, depth)
    return list(_rows(start, stop, across, run))


def _rows(start: int, stop: int, across: int, run: int) -> Iterator[Nest]:
    """``across`` taps of ``run`` elements make a row."""
    row = across * run
    while start < stop:
        j, rest = divmod(start, row)
        if rest == 0 and stop - start >= row:
            ky = (stop - start) // row
            yield Nest(start, j, 0, 0, run, across, ky)
            start += ky * row
            continue
        end = min(stop, (j + 1) * row)
        yield from _taps(j, start, end, j * row, run)
        start = end


def _taps(j: int, start: int, stop: int, base: int, run: int) -> Iterator[Nest]:
    """Part of kernel row ``j``, which begins at column ``base``."""
    while start < stop:
        i, c = divmod(start - base, run)
        if c == 0 and stop - start >= run:
            kx = (stop - start) // run
            yield Nest(start, j, i, 0, run, kx, 1)
            start += kx * run
            continue
        end = min(stop, base + (i + 1) * run)
        yield Nest(start, j, i, c, end - start, 1, 1)
        start = end
