"""Weights and parameters of a plan: loaded when they are needed, kept as the plan says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.mapping.analytic.traffic import Row, weight_row
from compiler.mapping.plan import aligned, param_chunks

if TYPE_CHECKING:
    from compiler.mapping.analytic.course import Course
    from compiler.mapping.analytic.ring import Use
    from compiler.mapping.job import Window
    from compiler.mapping.plan import Plan

__all__ = ["Constants"]


class Constants:
    """As the code generator has them."""

    def __init__(self, course: Course, plan: Plan) -> None:
        self._course = course
        self._machine = course.machine
        self._plan = plan
        self._banks = course.config.banks
        self._patterns: dict[int, int] = {}
        self._held_weights: dict[int, list[Use]] = {}
        self._chunks = param_chunks(plan)
        self._held_params: dict[int, list[Use]] = {}
        self._lanes_hold = -1

    def begin_group(self, numbers: range) -> None:
        """Make room for all weights of a group, if they stay."""
        self._held_weights.clear()
        if self._plan.hold_weights:
            sizes = (w.size for n in numbers for w in self._plan.job.tiles[n].windows)
            self._machine.weights.reserve(sum(aligned(size, self._banks) for size in sizes))

    def held(self, number: int) -> list[Use] | None:
        """The weights of all windows of a filter tile, if they are there and stay."""
        return self._held_weights.get(number)

    def weights(self, window: Window, number: int) -> Use:
        """The next window of filter tile ``number``, loaded."""
        use = self._load_weights(window)
        if self._plan.hold_weights:
            self._held_weights.setdefault(number, []).append(use)
        return use

    def _load_weights(self, window: Window) -> Use:
        machine, source, size = self._machine, self._plan.job.weights_from, window.size
        use, wait = machine.weights.put(size)
        if source is not None:
            row = weight_row(self._plan, window)
            wait = max(wait, self._course.wait_for_stores(source, row))
            use.loaded = machine.load(machine.ports.load.pattern(row), wait)
            return use
        pattern = self._patterns.get(size)
        if pattern is None:
            pattern = self._patterns[size] = machine.ports.load.pattern(_contiguous(size))
        use.loaded = machine.load(pattern, wait)
        return use

    def params(self, number: int) -> tuple[Use, bool]:
        """Parameters of a filter tile, and whether the lanes have yet to take them."""
        index = number // self._plan.param_chunk
        parts = self._held_params.get(index) or self._load_params(index)
        load, self._lanes_hold = self._lanes_hold != number, number
        return parts[number - self._chunks[index].start], load

    def _load_params(self, index: int) -> list[Use]:
        plan, machine = self._plan, self._machine
        if not plan.hold_params:
            self._held_params.clear()
        elif not self._held_params:
            sizes = (sum(self._sizes(k)) for k in range(len(self._chunks)))
            machine.params.reserve(sum(aligned(size, self._banks) for size in sizes))
        sizes = self._sizes(index)
        size = sum(sizes)
        use, wait = machine.params.put(size)
        use.loaded = machine.load(machine.ports.load.pattern(_contiguous(size)), wait)
        parts = self._held_params[index] = machine.params.split(use, sizes)
        return parts

    def _sizes(self, index: int) -> list[int]:
        return [self._plan.job.tiles[n].param_bytes for n in self._chunks[index]]


def _contiguous(size: int) -> Row:
    return Row(1, 0, 0, 1, size)
