"""A network at every point: groups of points whose jobs are the same, each laid out, cut and timed as arrays."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.mapping.analytic.events import array_cycles, compute_table, plan_events
from compiler.mapping.points.choice import Kept, Traffic, choose
from compiler.mapping.points.cuts import Situations, cut_table
from compiler.mapping.points.cycles import Bus, Chain
from compiler.mapping.points.network import jobs_by_operator, layout_of, shapes_of, signatures
from compiler.mapping.points.work import Rooms, work_of
from compiler.mapping.tiling import Tile
from rtl.config import ConfigError
from rtl.counters import COUNTERS

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from compiler.ir.graph import Graph
    from compiler.mapping.job import Job
    from compiler.mapping.plan import Plan
    from compiler.mapping.points.cycles import Work
    from compiler.mapping.points.network import Layout
    from compiler.mapping.points.points import Points
    from compiler.mapping.points.shape import JobShape
    from rtl.config import ArchConfig

__all__ = ["PointCosts", "point_costs"]

_ARRAY = ("dense.rows", "dense.cols", "dense.dataflow", "dense.depthwise_taps")
_BUS = ("bus.data_bytes", "bus.burst_beats")
_FREE = ("clock_mhz", "technology.")
"""What neither cycles nor events depend on."""
_COLUMNS = (
    "memory.ifm_kib", "memory.ofm_kib", "memory.param_kib", "memory.accumulators", "bus.outstanding",
    "dram.latency_cycles", "dram.beat_interval",
)  # fmt: skip
"""Settings of which points that go through the model as one array may have any; they agree in all others."""
_LAYOUT = ("memory.ofm_kib", "memory.param_kib")
_ROOM = ("memory.ifm_kib", "memory.accumulators")
_CHUNK = 2048


@dataclass(frozen=True, slots=True, eq=False)
class PointCosts:
    """What one network costs at every point."""

    layers: tuple[str, ...]
    row: NDArray[np.int64]
    """``[points]``: its row in what follows, which points share that differ in clock and technology only."""
    row_cycles: NDArray[np.int64]
    """``[rows, layers]``; 0 where all of its points are refused."""
    row_plans: NDArray[np.int32]
    """``[rows, layers]``: rows of :attr:`events`."""
    events: NDArray[np.int64]
    """``[plans, counters]``: of every way in which any layer is done at any point; stalls are 0."""
    refused: Mapping[int, str]
    """Points that cannot be built, or cannot take the network, and why."""

    def layer_cycles(self, point: int) -> NDArray[np.int64]:
        """``[layers]`` at a point."""
        return self.row_cycles[self.row[point]]

    def layer_events(self, point: int) -> NDArray[np.int64]:
        """``[layers, counters]`` at a point."""
        return self.events[self.row_plans[self.row[point]]]

    def network_cycles(self) -> NDArray[np.int64]:
        """``[points]``, of all layers; 0 at points that are refused."""
        return self._by_point(self.row_cycles.sum(axis=1))

    def network_events(self) -> NDArray[np.int64]:
        """``[points, counters]``, of all layers; 0 at points that are refused."""
        sums = np.zeros((len(self.row_plans), self.events.shape[1]), np.int64)
        for first in range(0, len(sums), _CHUNK):
            part = slice(first, first + _CHUNK)
            sums[part] = self.events[self.row_plans[part]].sum(axis=1)
        return self._by_point(sums)

    def _by_point(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        found = rows[self.row]
        found[list(self.refused)] = 0
        return found


def point_costs(graph: Graph, points: Points) -> PointCosts:
    """Cycles and events of every layer of ``graph`` at every point, mapped for the fewest cycles.

    How layers are cut and what stays on the chip is what :func:`compiler.mapping.planner.plan_graph` chooses at first;
    the second look of :mod:`compiler.mapping.search` is left out. Events are exact for these plans; cycles are those of
    :mod:`compiler.mapping.points.cycles`.

    Raises:
        ModelError: the points have a sparse engine.

    """
    if points.base.sparse_engine is not None:
        raise ModelError(f"{points.base.name}: many points at once are for the dense engine alone; set sparse to null")
    rows, row = points.alike([name for name in points.settings if not name.startswith(_FREE)])
    found = _Evaluation(graph, rows).run(row)
    return dataclasses.replace(found, refused={**found.refused, **_refused_values(points)})


def _refused_values(points: Points) -> dict[int, str]:
    """Points with a value that cannot be: each that a setting takes is checked once, by itself."""
    refused: dict[int, str] = {}
    for name in points.settings:
        if not name.startswith((*_COLUMNS, *_FREE)):
            continue
        values, first = np.unique(points.column(name), return_index=True)
        for value, point in zip(values, first.tolist(), strict=True):
            try:
                points.only(name, point)
            except ConfigError as error:
                refused |= dict.fromkeys(np.flatnonzero(points.column(name) == value).tolist(), str(error))
    return refused


@dataclass
class _Figures:
    """Plans by what tells them apart, and what is known of each."""

    number: dict[Hashable, int] = field(default_factory=dict)
    fresh: list[Plan] = field(default_factory=list)
    events: list[NDArray[np.int64]] = field(default_factory=list)
    array: list[NDArray[np.int64]] = field(default_factory=list)

    def price(self, config: ArchConfig) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Events and array cycles of all plans, the fresh ones included."""
        if self.fresh:
            table = compute_table(self.fresh, config)
            self.events.append(plan_events(self.fresh, config, table))
            self.array.append(array_cycles(table, config, len(self.fresh)))
            self.fresh.clear()
        if len(self.events) > 1:
            self.events, self.array = [np.concatenate(self.events)], [np.concatenate(self.array)]
        return self.events[0], self.array[0]


class _Evaluation:
    def __init__(self, graph: Graph, points: Points) -> None:
        self.graph = graph
        self.points = points
        self.refused: dict[int, str] = {}
        self.layers: tuple[str, ...] = ()
        self.cycles = np.zeros((len(points), 0), np.int64)
        self.plan = np.zeros((len(points), 0), np.int32)
        self.events: list[NDArray[np.int64]] = []
        self.kinds: dict[Hashable, int] = {}
        """A number for each kind of job: many layers of a network are alike."""

    def run(self, row: NDArray[np.int64]) -> PointCosts:
        """The costs of points of which ``row`` says which of these each is."""
        self.refused = _refused_values(self.points)
        for array in self._groups(np.arange(len(self.points)), _ARRAY):
            jobs: dict[int, Mapping[str, Sequence[Job]]] = {}
            kinds: dict[int, list[int]] = {}
            for bus in self._groups(array, _BUS):
                figures = _Figures()
                base = sum(len(part) for part in self.events)
                for group in self._groups(bus, self._others()):
                    self._guarded(group, jobs, kinds, figures, base)
                if figures.events:
                    self.events += figures.events
        events = np.concatenate(self.events) if self.events else np.zeros((1, len(COUNTERS)), np.int64)
        refused = {point: self.refused[of] for point, of in enumerate(row.tolist()) if of in self.refused}
        return PointCosts(self.layers, row, self.cycles, self.plan, events, refused)

    def _others(self) -> list[str]:
        """Settings in which a group's points agree, beside those of the array and the bus."""
        return ["memory.weight_kib", *(n for n in self.points.settings if n not in {*_ARRAY, *_BUS, *_COLUMNS})]

    def _groups(self, index: NDArray[np.int64], names: Sequence[str]) -> list[NDArray[np.int64]]:
        """``index`` in parts that agree in all of ``names``."""
        _, inverse = np.unique(self.points.numbers(names)[index], axis=0, return_inverse=True)
        order = np.argsort(inverse.ravel(), kind="stable")
        ends = np.cumsum(np.bincount(inverse.ravel()))
        return [index[part] for part in np.split(order, ends[:-1])]

    def _guarded(
        self,
        group: NDArray[np.int64],
        jobs: dict[int, Mapping[str, Sequence[Job]]],
        kinds: dict[int, list[int]],
        figures: _Figures,
        base: int,
    ) -> None:
        group = np.array([point for point in group.tolist() if point not in self.refused], np.int64)
        if not len(group):
            return
        try:
            config = self.points.config(int(group[0]))
            weight = config.memory.weight_kib
            if weight not in jobs:
                jobs[weight] = jobs_by_operator(self.graph, config)
                found = signatures(jobs[weight])
                kinds[weight] = [self.kinds.setdefault(kind, len(self.kinds)) for kind in found]
            shapes = shapes_of(jobs[weight], config)
            if len(shapes) > config.control.max_layers:
                most = config.control.max_layers
                raise ModelError(f"{shapes[most].job.name}: more than {most} layers (raise control.max_layers)")
            self._name_layers(shapes)
            _Group(self, group, config, jobs[weight], kinds[weight], shapes, figures, base).run()
        except (ConfigError, ModelError) as error:
            self.refused |= dict.fromkeys(group.tolist(), str(error))

    def _name_layers(self, shapes: Sequence[JobShape]) -> None:
        if not self.layers:
            self.layers = tuple(shape.job.name for shape in shapes)
            size = len(self.points), len(shapes)
            self.cycles, self.plan = np.zeros(size, np.int64), np.zeros(size, np.int32)


class _Group:
    """Points that differ in scratchpads (weights apart), accumulators and memory timing only."""

    def __init__(
        self,
        owner: _Evaluation,
        group: NDArray[np.int64],
        config: ArchConfig,
        jobs: Mapping[str, Sequence[Job]],
        kinds: Sequence[int],
        shapes: Sequence[JobShape],
        figures: _Figures,
        base: int,
    ) -> None:
        self.owner, self.group, self.config, self.shapes, self.kinds = owner, group, config, shapes, kinds
        self.figures, self.base = figures, base
        points = owner.points
        self.layouts, self.layout = self._layouts(jobs)
        rooms, self.situation = np.unique(
            np.column_stack([self.layout, points.numbers(_ROOM)[group]]), axis=0, return_inverse=True
        )
        self.situation = self.situation.ravel()
        self.room_layout, self.room_ifm, self.room_accumulators = rooms.T[0], rooms.T[1] * 1024, rooms.T[2]
        latency, interval, outstanding = points.numbers(
            ("dram.latency_cycles", "dram.beat_interval", "bus.outstanding")
        )[group].T
        self.traffic = Traffic(config.bus.data_bytes / interval, latency)
        self.bus = Bus(config.bus.data_bytes, latency, interval, outstanding)
        self.kept = Kept(len(group))
        self.fits = np.ones(len(group), bool)
        self.unfit = ""

    def _layouts(self, jobs: Mapping[str, Sequence[Job]]) -> tuple[list[Layout], NDArray[np.int64]]:
        """One for each OFM and parameter scratchpad, and which one each point has."""
        numbers = self.owner.points.numbers(_LAYOUT)[self.group]
        kinds, first, inverse = np.unique(numbers, axis=0, return_index=True, return_inverse=True)
        found = [
            layout_of(self.owner.graph, jobs, self.owner.points.config(int(self.group[first[k]])))
            for k in range(len(kinds))
        ]
        return found, inverse.ravel()

    def run(self) -> None:
        """Fill in the rows of the group."""
        cut = [self._layer(layer) for layer in range(len(self.shapes))]
        events, array = self.figures.price(self.config)
        chain = Chain(self.bus, self.config.dense.rows, self.config.dense.cols)
        before = None
        owner = self.owner
        for layer, (number, chosen) in enumerate(cut):
            plans = [layout.plans[layer] for layout in self.layouts]
            if before is not None and plans[0].segment != before[0].segment:
                chain.begin()
                before = None
            work = self._work(layer, plans, before, events[number], array[number], chosen)
            owner.cycles[self.group, layer] = np.rint(chain.layer(work))
            owner.plan[self.group, layer] = self.base + number
            before = plans
        for point in self.group[~self.fits].tolist():
            owner.refused[point] = f"the scratchpads of {self.config.name} are too small for {self.unfit}"
            owner.cycles[point], owner.plan[point] = 0, 0

    def _layer(self, layer: int) -> tuple[NDArray[np.int64], dict[str, NDArray]]:
        """The plan of every point, by number, and how it is cut."""
        shape = self.shapes[layer]
        plans = [layout.plans[layer] for layout in self.layouts]
        if layer and plans[0].segment != self.layouts[0].plans[layer - 1].segment:
            self.kept.forget()
        source, skip, target = (
            np.array([getattr(plan, name) is not None for plan in plans])[self.room_layout]
            for name in ("source", "skip", "target")
        )
        gaps = np.array([plan.staging.size for plan in plans])[self.room_layout]
        rooms = Situations(self.room_ifm, self.room_accumulators, gaps, source, skip, target)
        table = cut_table(shape, self.config, rooms)
        at = self.situation
        # The mapper refuses a layer of which one candidate does not fit, whatever the others.
        fits = np.all(table.fits, axis=0)[at]
        if not fits.all() and not self.unfit:
            self.unfit = shape.job.name
        self.fits &= fits
        best = choose(shape, table, at, ~target[at], self.traffic)
        names = (
            "height",
            "width",
            "group",
            "groups",
            "whole",
            "holds_weights",
            "held_bytes",
            "loads",
            "first_bytes",
            "last_pixels",
            "strip",
        )
        cut = {name: getattr(table, name)[best, at] for name in names}
        here = Situations(self.room_ifm[at], self.room_accumulators[at], gaps[at], source[at], skip[at], target[at])
        hold, kept, kept_skip = self.kept.job(shape, here, cut, self.room_ifm[at])
        flags = cut["holds_weights"] * 8 + hold * 4 + kept * 2 + kept_skip
        code = ((cut["height"] << 13 | cut["width"]) << 13 | cut["group"]) << 12 | flags << 8 | self.layout
        _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
        numbers = [
            self._number(
                layer, plans[self.layout[k]], {n: cut[n][k] for n in ("height", "width", "group")}, int(flags[k])
            )
            for k in first.tolist()
        ]
        cut["holds_input"] = hold | kept
        return np.array(numbers, np.int64)[inverse.ravel()], cut

    def _number(self, layer: int, plan: Plan, cut: dict[str, NDArray], flags: int) -> int:
        tile, group = Tile(int(cut["height"]), int(cut["width"])), int(cut["group"])
        key = self.kinds[layer], tile, group, flags, _places(plan), plan.param_chunk, plan.hold_params
        known = self.figures.number
        if key not in known:
            known[key] = len(known)
            self.figures.fresh.append(
                dataclasses.replace(
                    plan, tile=tile, group=group, hold_weights=bool(flags & 8), hold_input=bool(flags & 4),
                    kept_input=bool(flags & 2), kept_skip=bool(flags & 1),
                )
            )  # fmt: skip
        return known[key]

    def _work(
        self,
        layer: int,
        plans: Sequence[Plan],
        before: Sequence[Plan] | None,
        events: NDArray[np.int64],
        array: NDArray[np.int64],
        cut: dict[str, NDArray],
    ) -> Work:
        def of(flags: Iterable[bool]) -> NDArray[np.bool_]:
            return np.array(list(flags))[self.layout]

        job = self.shapes[layer].job
        made = before is not None and before[0].job.target == job.source
        staging = np.array([plan.staging.size if plan.target is None else 1 << 40 for plan in plans])[self.layout]
        return work_of(
            self.shapes[layer],
            self.config,
            self.bus,
            events,
            array,
            cut,
            Rooms(ifm=self.room_ifm[self.situation], staging=staging),
            resident=of(plan.source is not None for plan in plans),
            stores=of(plan.stores for plan in plans),
            made=made,
        )


def _places(plan: Plan) -> Hashable:
    """What the events of a job depend on of where its tensors are."""
    source, target = plan.source, plan.target
    margin = sum(rows * size for _, rows, size in target.fills()) if plan.fills_margin and target else 0
    pitches = source and source.pitch, target and target.pitch
    return pitches, margin, plan.skip is not None, plan.stores, plan.channels, plan.weight_columns
