"""Tiles of the input and of the residual of a plan: resident in OFM, kept in IFM, or loaded there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.mapping.analytic.traffic import TileLoad, input_rows, skip_row
from compiler.mapping.plan import held_bytes
from compiler.mapping.tiling import input_pitch

if TYPE_CHECKING:
    from compiler.mapping.analytic.course import Course
    from compiler.mapping.analytic.ring import Use
    from compiler.mapping.plan import Plan
    from compiler.mapping.tiling import Patch

__all__ = ["Inputs", "Source", "load_tile"]


@dataclass(frozen=True, slots=True)
class Source:
    """The input of a patch."""

    use: Use | None
    """None where it is in OFM."""
    ready: int
    """The cycle in which the last instruction that makes it retires."""
    pitch: int


class Inputs:
    """As the code generator has them."""

    def __init__(self, course: Course, plan: Plan, patches: tuple[Patch, ...]) -> None:
        self._course = course
        self._machine = course.machine
        self._plan = plan
        self._patches = patches
        self._banks = course.config.banks
        self._loads = input_rows(plan, self._banks)
        self._pitches: dict[int, int] = {}
        self._held: dict[tuple[str, int], Use] = {}
        self._resident: Source | None = None
        if plan.hold_input:
            course.machine.ifm.reserve(held_bytes(plan, course.config))
        if plan.source is not None:
            self._resident = Source(None, course.wait_for_posts(plan.source.block), plan.source.pitch)

    @property
    def loads_skip(self) -> bool:
        """Whether there is a residual in IFM."""
        return self._plan.job.skip is not None and self._plan.skip is None

    def source(self, number: int) -> Source:
        """The input of a patch, loaded if need be."""
        if self._resident is not None:
            return self._resident
        course, pitch = self._course, self._pitch(number)
        if self._plan.kept_input:
            assert course.kept is not None, f"{self._plan.job.name}: nothing is kept in IFM"
            return Source(course.kept, course.kept.loaded, pitch)
        use = self._held.get(("input", number))
        if use is None:
            use = self._load("input", number, self._loads[number], self._plan.job.source)
        course.kept = use
        return Source(use, use.loaded, pitch)

    def skip(self, number: int) -> Use:
        """The residual of a patch, which is not in OFM."""
        plan, course = self._plan, self._course
        if plan.kept_skip:
            assert course.kept is not None, f"{plan.job.name}: nothing is kept in IFM"
            return course.kept
        use = self._held.get(("skip", number))
        if use is not None:
            return use
        patch = self._patches[number]
        tile = TileLoad(patch.height * patch.width * plan.channels, (), skip_row(plan, patch))
        assert plan.job.skip is not None
        return self._load("skip", number, tile, plan.job.skip)

    def _pitch(self, number: int) -> int:
        job, width = self._plan.job, self._patches[number].width
        found = self._pitches.get(width)
        if found is None:
            cols = width if job.hold else (width - 1) * job.strides[1] + job.kernel[1]
            run = 0 if job.hold else job.natural_run
            found = self._pitches[width] = input_pitch(cols, job.in_shape[2], run, self._banks)
        return found

    def _load(self, role: str, number: int, tile: TileLoad, tensor: str) -> Use:
        use = load_tile(self._course, tile, tensor)
        if self._plan.hold_input:
            self._held[role, number] = use
        return use


def load_tile(course: Course, tile: TileLoad, tensor: str) -> Use:
    """A tile of ``tensor``, loaded into IFM."""
    machine = course.machine
    use, wait = machine.ifm.put(tile.size)
    for rows, row_bytes in tile.fills:
        machine.load(machine.ports.load.fill(rows, row_bytes), wait)
    if tile.row is not None:
        pattern = machine.ports.load.pattern(tile.row)
        machine.load(pattern, max(wait, course.wait_for_stores(tensor, tile.row)))
    use.loaded = machine.load_retire
    return use
