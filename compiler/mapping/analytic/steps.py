"""A plan as a short list of steps: what its loops do, with the middle of long loops left out and counted.

A step is one COMPUTE with what is loaded before it, the POST behind the last window of a filter tile, and the STORE
behind the last tile of a patch. Loops are periodic once their buffers are full, so of a loop of many turns the first
few and the last are steps, and a :class:`Leap` says how many turns are like the ones before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from compiler.mapping.analytic.traffic import Row, input_rows, skip_rows, store_row, touched, weight_row
from compiler.mapping.plan import Plan, aligned, flattens, held_bytes, input_areas, param_chunks, plan_patches
from compiler.program.chaining import chaining_rows
from rtl.dense.timing import GATHER_LATENCY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from compiler.mapping.job import Window
    from compiler.mapping.tiling import Patch
    from rtl.config import ArchConfig

__all__ = ["FIELDS", "Leap", "Steps", "plan_steps"]

FIELDS = (
    "in_beats", "in_bursts", "in_fill", "in_loads", "in_after", "in_fresh",
    "w_beats", "w_bursts", "w_after",
    "walk", "beside", "spacing", "stream", "leave", "chain",
    "posts", "p_beats", "p_bursts", "s_beats", "s_bursts", "s_fresh", "post", "p_after",
    "stores", "o_beats", "o_bursts",
    "in_over", "w_over", "p_over", "gate", "gate_part",
)  # fmt: skip
"""What a step is made of. Beats and bursts of the input tile, weights, parameters, residual and output; ``_after`` is
the step that has to be over before (1 is the first of the layer, 0 none); ``_fresh``: it waits for the
last STORE but so many, less 1, of the layer before (0: none). ``beside`` rows are walked while the first tile streams;
with ``chain`` the output stage follows the array from the first sum on. ``_over``: it lies over what the layer
before needs until its last COMPUTE (1), POST (2) or STORE (3). The queue of
STORE has room for what is behind the step once the STOREs of step ``gate`` are under way, ``gate_part`` thousandths of
them; -n is the last but n - 1 of the layer before."""

_TILES, _WINDOWS, _PATCHES, _MOST = 20, 12, 10, 240
_MIN = 4


@dataclass(frozen=True, slots=True)
class Leap:
    """After step ``at``, so many times what passed between the ends of steps ``since`` and ``at``."""

    at: int
    since: int
    times: float


@dataclass(slots=True)
class Steps:
    """``values[step, field]``, and the leaps, in order. Steps count from 1."""

    values: NDArray[np.int64]
    leaps: list[Leap] = field(default_factory=list)
    turns: int = 1
    """How many patches, over all groups, the layer has."""
    margin: int = 0
    """Cycles of the output stage before the first step: padding around a resident output."""
    after_input: bool = False
    """It reads, from OFM, what the layer before it writes."""


def plan_steps(plans: Sequence[Plan], config: ArchConfig, before: Sequence[int]) -> list[Steps]:
    """The steps of each plan. ``before`` is the plan before each one, -1 where a program begins."""
    return [
        _Walk(plan, config, plans[behind] if behind >= 0 else None).steps()
        for plan, behind in zip(plans, before, strict=True)
    ]


def _shown(count: int, most: int) -> list[tuple[int, int]]:
    """Turns of a loop that are steps, each with how many are skipped after it."""
    most = max(most, _MIN)
    if count <= most + 1:
        return [(k, 0) for k in range(count)]
    return [(k, 0) for k in range(most - 2)] + [(most - 2, count - most), (count - 1, 0)]


class _Walk:
    def __init__(self, plan: Plan, config: ArchConfig, before: Plan | None) -> None:
        self.plan = plan
        self.job = plan.job
        self.config = config
        self.before = before
        self.rows: list[list[int]] = []
        self.leaps: list[Leap] = []
        self.transfers: list[tuple[int, int, Row]] = []
        patches = list(plan_patches(plan))
        self.across = -(-(self.job.in_shape if self.job.hold else self.job.out_shape)[1] // plan.tile.width)
        self.patches = patches
        self.down = len(patches) // self.across
        self.inputs = input_rows(plan, config)
        self.skips = skip_rows(plan)
        self.areas = input_areas(plan, config)
        self.caps = self._caps()
        self.input_ends: list[int] = []
        self.weight_ends: list[int] = []
        self.patch_ends: list[int] = []
        self.chunk = -1
        self.free: dict[str, int] = dict.fromkeys(("in", "w", "p"), 1 << 40)
        if before is not None:
            self._take(before)
        self.chunks_seen: set[int] = set()
        self._buffers()

    def _buffers(self) -> None:
        """How many input tiles, weights and output tiles there is room for."""
        plan, job, config = self.plan, self.job, self.config
        memory, banks = config.memory, config.banks
        tile = 0
        if self.inputs:
            area, pitch = self.areas[0]
            tile += aligned(area.rows * pitch, banks)
        if self.skips:
            tile += aligned(self.patches[0].height * self.patches[0].width * job.out_shape[2], banks)
        self.input_room = max(1, memory.ifm_kib * 1024 // tile) if tile else 1 << 30
        weights = aligned(max(w.size for t in job.tiles for w in t.windows), banks)
        self.weight_room = max(1, memory.weight_kib * 1024 // weights)
        written = sum(t.filters for t in job.tiles[: plan.group])
        out = aligned(self.patches[0].height * self.patches[0].width * written, banks)
        self.output_room = max(1, plan.staging.size // out) if plan.target is None else 1 << 30

    def _take(self, before: Plan) -> None:
        """Count what the layer before still needs in its scratchpads at its end."""
        memory, banks = self.config.memory, self.config.banks
        groups = (before.job.tiles[g.start : g.stop] for g in before.groups)
        held = max(sum(aligned(tile.weight_bytes, banks) for tile in group) for group in groups)
        last = aligned(before.job.tiles[-1].windows[-1].size, banks)
        self.free["w"] = memory.weight_kib * 1024 - (held if before.hold_weights else last)
        chunks = param_chunks(before)
        chunks = chunks if before.hold_params else chunks[-1:]
        self.free["p"] = memory.param_kib * 1024 - sum(before.job.tiles[n].param_bytes for c in chunks for n in c)
        held = held_bytes(before, self.config)
        patches = sum(1 for _ in plan_patches(before))
        self.free["in"] = memory.ifm_kib * 1024 - (held if before.hold_input else -(-held // patches))

    def _over(self, step: int, name: str, size: int, until: int) -> None:
        """Note that ``size`` bytes more may lie over what the layer before needs."""
        if self.free[name] >= 1 << 39:
            return
        self.free[name] -= size
        if self.free[name] < 0:
            self._set(step, f"{name}_over", until)
            self.free[name] = 1 << 40

    def steps(self) -> Steps:
        plan, job = self.plan, self.job
        if job.hold:
            self._pool()
        else:
            self._loops()
        values = np.array(self.rows, np.int64)
        self._gates(values)
        if self.transfers:
            table = np.array([row for _, _, row in self.transfers], np.int64)
            at = np.array([where for where, _, _ in self.transfers]), np.array([f for _, f, _ in self.transfers])
            beat = self.config.bus.data_bytes
            np.add.at(values, at, table[:, 0] * touched(beat, table))
            np.add.at(values, (at[0], at[1] + 1), table[:, 0] * touched(beat * self.config.bus.burst_beats, table))
        margin = 0
        if plan.fills_margin and plan.target is not None:
            margin = sum(4 + rows * -(-size // self.config.banks) for _, rows, size in plan.target.fills())
        made = self.before.job.target if self.before is not None else None
        return Steps(
            values, self.leaps, 1 if job.hold else len(self.patches) * len(plan.groups), margin,
            after_input=plan.source is not None and job.source == made,
        )  # fmt: skip

    def _fresh(self, tensor: str | None, last_row: int) -> int:
        """Which STORE of the layer before, counted from its end, ``tensor`` waits for up to that row."""
        before = self.before
        if before is None or before.job.target != tensor:
            return 0
        if before.job.hold:
            return 1
        height, width, _ = before.job.out_shape
        across = -(-width // before.tile.width)
        return across * ((height - 1) // before.tile.height - min(last_row, height - 1) // before.tile.height) + 1

    def _gates(self, values: NDArray[np.int64]) -> None:
        """Which STORE must have been issued before a step can be dispatched."""
        counts = values[:, _AT["stores"]]
        done = np.cumsum(counts)
        depth = self.config.control.queue_depth
        # The STORE that many before the first one behind the step, and the step that it belongs to.
        wanted = done - counts - depth
        at = np.searchsorted(done, wanted, side="right")
        inside = wanted >= 0
        known = np.minimum(at, len(counts) - 1)
        part = 1000 * (wanted - (done - counts)[known]) // np.maximum(counts[known], 1)
        values[:, _AT["gate"]] = np.where(inside, at + 1, wanted)
        values[:, _AT["gate_part"]] = np.where(inside, part, 0)

    def _caps(self) -> tuple[int, int, int]:
        """Turns shown of the loops over patches, tiles and windows."""
        plan = self.plan
        windows = min(_WINDOWS, max(len(t.windows) for t in self.job.tiles))
        tiles = min(_TILES, plan.group)
        patches = _PATCHES
        turns = min(patches, self.down) * min(patches, self.across) * min(_MIN, len(plan.groups))
        while turns * tiles * windows > _MOST and (patches > _MIN or tiles > 12 or windows > _MIN):
            if patches > _MIN:
                patches -= 1
            elif tiles > 12:
                tiles -= 2
            else:
                windows -= 1
            turns = min(patches, self.down) * min(patches, self.across) * min(_MIN, len(plan.groups))
        return patches, tiles, windows

    def _loops(self) -> None:
        patches, tiles, _ = self.caps
        groups = self.plan.groups
        for g in self._turns(len(groups), _MIN if groups[0].stop > 1 else _TILES):
            for row in self._turns(self.down, patches):
                for col in self._turns(self.across, patches):
                    self._patch(groups[g], g, row * self.across + col, tiles)

    def _turns(self, count: int, most: int) -> Iterator[int]:
        """The turns of a loop that are shown; notes the leap over the others."""
        ends = [len(self.rows)]
        for turn, skipped in _shown(count, most):
            yield turn
            ends.append(len(self.rows))
            if skipped:
                # Two turns, since the halves of the accumulators take turns.
                back = 2 if len(ends) > 3 else 1
                self.leaps.append(Leap(ends[-1], ends[-1 - back], skipped / back))

    def _patch(self, group: range, g: int, number: int, tiles: int) -> None:
        plan, job = self.plan, self.job
        patch = self.patches[number]
        for t in self._turns(len(group), tiles):
            tile = job.tiles[group[t]]
            for w in self._turns(len(tile.windows), self.caps[2]):
                step = self._step()
                if t == 0 and w == 0:
                    self._load_input(step, g, number)
                window = tile.windows[w]
                self._load_weights(step, window, first=number == 0)
                self._stream(step, patch, window, self._pitch(number))
                if len(tile.windows) == 1 and self._one_tile(window, self._pitch(number)):
                    self._set(step, "chain", 1)
                if w == len(tile.windows) - 1:
                    alone = len(group) == 1 and number > 0
                    self._post(step, group[t], patch, load=not alone)
                    if t == 0 and self.skips and not (plan.hold_input and g):
                        self._move(step, "s_beats", self.skips[number])
                        self._set(step, "s_fresh", self._fresh(job.skip, patch.y + patch.height - 1))
        self._store(len(self.rows), group, patch)
        self.patch_ends.append(len(self.rows))
        self.input_ends.append(len(self.rows))

    def _one_tile(self, window: Window, pitch: int) -> bool:
        """Whether the COMPUTE of ``window`` is one reduction tile of an array that chains."""
        rows = chaining_rows(self.config)
        if self.job.depthwise or window.run > rows:
            return False
        taps = window.kx * window.ky
        return taps == 1 or (window.run * taps <= rows and flattens(self.job, window, pitch, self.config.banks))

    def _pitch(self, number: int) -> int:
        if self.plan.source is not None:
            return self.plan.source.pitch
        return self.areas[number][1]

    def _pool(self) -> None:
        """A global pool: all its computes, then its posts."""
        job = self.job
        for number in self._turns(len(self.patches), _PATCHES):
            for t in self._turns(len(job.tiles), _TILES):
                step = self._step()
                if t == 0:
                    self._load_input(step, 0, number)
                window = job.tiles[t].windows[0]
                self._load_weights(step, window, first=number == 0)
                self._stream(step, self.patches[number], window, 0)
            self.input_ends.append(len(self.rows))
        step = len(self.rows)
        for t in range(len(job.tiles)):
            self._set(step, "posts", 1, add=True)
            self._params(step, t)
        # Each of one pixel, with its parameters.
        self._set(step, "post", len(job.tiles) * (8 + 1 + 6) - 6)
        if self.plan.stores:
            self._set(step, "stores", 1)
            self._move(step, "o_beats", Row(1, 0, 0, 1, self.plan.channels))

    def _step(self) -> int:
        self.rows.append([0] * len(FIELDS))
        return len(self.rows)

    def _set(self, step: int, name: str, value: int, *, add: bool = False) -> None:
        at = _AT[name]
        self.rows[step - 1][at] = self.rows[step - 1][at] + value if add else value

    def _move(self, step: int, name: str, row: Row) -> None:
        self.transfers.append((step - 1, _AT[name], row))

    def _load_input(self, step: int, g: int, number: int) -> None:
        if not self.inputs or (self.plan.hold_input and g):
            return
        row, fills = self.inputs[number]
        beat = self.config.bus.data_bytes
        if row is not None:
            self._move(step, "in_beats", row)
        self._set(step, "in_fill", sum(n * -(-size // beat) for n, size in fills))
        self._set(step, "in_loads", len(fills) + (row is not None))
        area, _ = self.areas[number]
        self._set(step, "in_fresh", self._fresh(self.job.source, area.y + area.rows - 1))
        by_post = self.before is not None and self.before.job.skip is not None and self.before.skip is None
        self._over(step, "in", area.rows * self.areas[number][1], 2 if by_post else 1)
        ordinal = len(self.input_ends)
        if ordinal >= self.input_room and not self.plan.hold_input:
            self._set(step, "in_after", self.input_ends[ordinal - self.input_room])

    def _load_weights(self, step: int, window: Window, *, first: bool) -> None:
        if self.plan.hold_weights and not first:
            return
        self._move(step, "w_beats", weight_row(self.plan, window))
        self._over(step, "w", window.size, 1)
        if self.before is not None and self.job.weights_from == self.before.job.target:
            self._set(step, "w_over", 3)
        ordinal = len(self.weight_ends)
        if ordinal >= self.weight_room:
            self._set(step, "w_after", self.weight_ends[ordinal - self.weight_room])
        self.weight_ends.append(step)

    def _stream(self, step: int, patch: Patch, window: Window, pitch: int) -> None:
        walk, spacing, stream, leave = _stream(self.plan, self.config, patch, window, pitch)
        if _short(self.plan, self.config, window):
            self._set(step, "beside", walk - 1)
            walk = 1
        self._set(step, "walk", walk)
        self._set(step, "spacing", spacing)
        self._set(step, "stream", stream)
        self._set(step, "leave", leave)

    def _params(self, step: int, number: int) -> None:
        plan = self.plan
        chunk = number // plan.param_chunk
        if chunk == self.chunk or (plan.hold_params and chunk in self.chunks_seen):
            return
        self.chunk = chunk
        self.chunks_seen.add(chunk)
        size = sum(self.job.tiles[n].param_bytes for n in param_chunks(plan)[chunk])
        self._move(step, "p_beats", Row(1, 0, 0, 1, size))
        if plan.hold_params:
            size = sum(tile.param_bytes for tile in self.job.tiles)
        self._over(step, "p", size, 2)

    def _post(self, step: int, number: int, patch: Patch, *, load: bool) -> None:
        self._set(step, "posts", 1)
        self._params(step, number)
        self._set(step, "post", 8 * load + patch.height * patch.width)
        ordinal = len(self.patch_ends)
        if ordinal >= self.output_room:
            self._set(step, "p_after", self.patch_ends[ordinal - self.output_room])

    def _store(self, step: int, group: range, patch: Patch) -> None:
        plan, job = self.plan, self.job
        if not plan.stores:
            return
        first = job.tiles[group.start].channel
        written = sum(job.tiles[n].filters for n in group)
        if written == plan.channels:
            self._set(step, "stores", 1)
            self._move(step, "o_beats", store_row(plan, patch.y, patch.x, patch.height, patch.width))
            return
        self._set(step, "stores", patch.height)
        at = (patch.y * job.out_shape[1] + patch.x) * plan.channels + job.channel_offset + first
        # Rows of the patch are alike enough: one of them, as often.
        self._move(step, "o_beats", Row(patch.height, at, plan.channels, patch.width, written))


_AT = {name: index for index, name in enumerate(FIELDS)}


def _short(plan: Plan, config: ArchConfig, window: Window) -> bool:
    """As :func:`rtl.dense.timing.is_short`, on an array that loads the weights of such a COMPUTE beside its stream."""
    one_run = window.kx == 1 and window.ky == 1 and not plan.job.depthwise
    return one_run and window.run <= config.dense.rows and config.dense.dataflow == "weight_stationary"


def _stream(plan: Plan, config: ArchConfig, patch: Patch, window: Window, pitch: int) -> tuple[int, int, int, int]:
    """Four parts of a COMPUTE.

    Rows walked before the first tile; cycles from the start of the first tile to that of the last; from there until
    the next COMPUTE may start; from there to the retirement.
    """
    job, rows = plan.job, config.dense.rows
    run, kx, ky = window.run, window.kx, window.ky
    pixels = patch.height * patch.width
    if job.depthwise:
        vectors = ((patch.width - 1) * job.strides[1] + kx) * patch.height
        return kx, (ky - 1) * max(vectors, kx), vectors, GATHER_LATENCY + rows - 1
    flat = not job.hold and flattens(job, window, pitch, config.banks)
    length, runs = (run * kx * ky, 1) if flat else (run, kx * ky)
    full, tail = divmod(length, rows)
    full, tails = full * runs, runs if tail else 0
    first, last = (rows if full else tail), (tail or rows)
    if config.dense.dataflow == "output_stationary":
        block, blocks = min(rows, pixels), -(-pixels // rows)
        cycles = rows if full else max(block, tail)
        leaving = pixels - (blocks - 1) * rows
        return first, ((full + tails) * blocks - 1) * cycles, max(block, last), leaving + GATHER_LATENCY
    whole = full * max(pixels, rows) + tails * max(pixels, tail)
    return first, whole - max(pixels, first), pixels, GATHER_LATENCY + rows - 1
