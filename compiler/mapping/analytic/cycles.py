"""Cycles of plans, closely: the engines' overlap in max-plus algebra, over the steps of all layers at once.

Column ``j`` of every array here is a layer. A layer begins (cycle 0) when the one before it ends, in the state in which
that one leaves the engines: an evaluation gives the states that the next one begins with, until they stay the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.mapping.analytic.steps import FIELDS, Steps, plan_steps
from rtl.dense.timing import COMPUTE_DECODE
from rtl.post.timing import LANE_LATENCY, POST_DECODE, POST_TAIL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from compiler.mapping.plan import Plan
    from rtl.config import ArchConfig

__all__ = ["Table", "plan_cycles", "steps_cycles"]

_NEVER = -(1 << 40)
_NO_STORES = np.array([_NEVER, _NEVER, 0.0])[:, None, None]
_TURNS, _CLOSE, _CLOSE_CYCLES = 5, 0.002, 4
_ADDRESS = 2
"""Cycles from the issue of a LOAD to its first address."""


class Table:
    """The steps of many layers in one array ``[field][step, layer]``, longest layers first."""

    def __init__(self, steps: Sequence[Steps], before: Sequence[int]) -> None:
        lengths = np.array([len(s.values) for s in steps])
        self.order = np.argsort(-lengths, kind="stable")
        self.rank = np.argsort(self.order)
        self.lengths = lengths[self.order]
        values = np.zeros((int(lengths.max()), len(FIELDS), len(steps)), np.int64)
        for column, layer in enumerate(self.order):
            values[: lengths[layer], :, column] = steps[layer].values
        self.values = values
        self.active = [int((self.lengths > s).sum()) for s in range(len(values))]
        self.leaps: dict[int, list[tuple[int, int, float]]] = {}
        for column, layer in enumerate(self.order):
            for leap in steps[layer].leaps:
                self.leaps.setdefault(leap.at, []).append((column, leap.since, leap.times))
        ordered = [steps[k] for k in self.order]
        self.margin = np.array([s.margin for s in ordered])
        self.turns = np.array([s.turns for s in ordered])
        self.after_input = np.array([s.after_input for s in ordered])
        behind = np.array(before)
        self.first, self.last = (behind < 0)[self.order], ~np.isin(np.arange(len(steps)), behind)[self.order]
        self.before = self.rank[np.maximum(behind, 0)][self.order]


def plan_cycles(plans: Sequence[Plan], config: ArchConfig) -> NDArray[np.int64]:
    """``[plans]``: cycles of each layer, from the end of the ones before to its own."""
    if not plans:
        return np.zeros(0, np.int64)
    before = [k - 1 if k and plans[k - 1].segment == plan.segment else -1 for k, plan in enumerate(plans)]
    return steps_cycles(Table(plan_steps(plans, config, before), before), config)


def steps_cycles(table: Table, config: ArchConfig) -> NDArray[np.int64]:
    """As :func:`plan_cycles`, of steps that are there already."""
    run = _Run(table, config)
    before = np.zeros(0)
    # Small layers run ahead of one another by several: until what they find does not change them any more.
    for turn in range(_TURNS):
        run.evaluate()
        if turn and np.all(np.abs(run.ends - before) <= np.maximum(_CLOSE_CYCLES, _CLOSE * run.ends)):
            break
        before = run.ends
    cycles = np.maximum(run.ends + 2 * table.last, 0)
    return np.rint(cycles).astype(np.int64)[table.rank]


class _Run:
    def __init__(self, table: Table, config: ArchConfig) -> None:
        self.table = table
        self.config = config
        layers = len(table.lengths)
        self.depth = depth = config.control.queue_depth + 1
        steps = len(table.values)
        # Histories by step; the first `depth` rows are the last of the layer before, row `depth` is "never". A step is
        # dispatched once the one that is a queue and itself before it has been issued.
        shape = (depth + 1 + steps, layers)
        self.issued, self.retired, self.posted, self.post_issued, self.stored, self.sent = (
            np.full(shape, float(_NEVER)) for _ in range(6)
        )
        # The last two groups of STOREs: when they begin and end, and how many they are.
        self.groups = np.broadcast_to(_NO_STORES, (3, 2, layers)).copy()
        self.state = np.zeros((7, layers))
        self.last_store = np.zeros(layers)
        self.last_post = np.zeros(layers)
        self.tails = {name: np.zeros((depth, layers)) for name in ("issued", "posted", "post_issued")}
        self.ends = np.zeros(layers)
        fields: dict[str, NDArray] = dict(zip(FIELDS, table.values.transpose(1, 0, 2), strict=True))
        latency, interval = config.dram.latency_cycles, config.dram.beat_interval
        outstanding = config.bus.outstanding
        for kind in ("in", "w", "p", "s", "o"):
            beats, bursts = fields[f"{kind}_beats"], fields[f"{kind}_bursts"]
            extra = 4 if kind == "o" else 3
            slow = (bursts * (latency + extra - interval) + beats * interval) / outstanding
            fields[f"{kind}_bus"] = np.maximum(beats * interval, slow)
        self.fields = fields
        # What LOAD, POST and STORE have to do up to each step, whatever they wait for.
        work = np.zeros((3, steps + 1, layers))
        load = sum(fields[f"{kind}_bus"] for kind in ("in", "w", "p", "s")) + fields["in_fill"]
        np.cumsum(load, axis=0, out=work[0, 1:])
        np.cumsum(fields["post"] + fields["posts"] * (POST_DECODE + POST_TAIL + 1), axis=0, out=work[1, 1:])
        np.cumsum(np.maximum(fields["o_bus"], 4 * fields["stores"]), axis=0, out=work[2, 1:])
        self.work = work

    def evaluate(self) -> None:
        table, config, depth = self.table, self.config, self.depth
        f = self.fields
        latency = config.dram.latency_cycles
        lanes = LANE_LATENCY + config.dense.cols - 1
        boot = latency + 8
        before, first = table.before, table.first
        state = np.where(first, 0.0, self.state[:, before])
        ld_ready, ld_end, c_ready, c_free, p_ready, st_ready, st_end = (row.copy() for row in state)
        ld_ready[first] = boot
        for history, name in ((self.issued, "issued"), (self.posted, "posted"), (self.post_issued, "post_issued")):
            history[:] = _NEVER
            history[:depth] = np.where(first, _NEVER, self.tails[name][:, before])
        self.retired[:] = _NEVER
        self.stored[:] = _NEVER
        self.sent[:] = _NEVER
        groups = np.where(first, _NO_STORES, self.groups[:, :, before])
        groups_now = np.broadcast_to(_NO_STORES, groups.shape).copy()
        last_post = np.where(first, _NEVER, self.last_post[before])
        last_stored = np.where(first, _NEVER, self.last_store[before])
        last_store = last_stored.copy()
        # Who the layer before still needs its scratchpads for: nobody, its last COMPUTE, POST, STORE.
        until = np.array([np.full(len(first), float(_NEVER)), c_free + config.dense.rows + 3, last_post, last_stored])
        p_ready = np.maximum(p_ready, last_post + 2) + table.margin + 5
        # The stores of a layer come at even intervals.
        between = np.maximum(self.ends[before], 0) / table.turns[before]
        c_ready = np.where(table.after_input, np.maximum(c_ready, last_post + 1), c_ready)
        skip = np.zeros(len(first))
        skips = np.zeros_like(self.retired)
        posts = np.zeros(len(first), np.int64)  # so far, of each layer
        post_at = np.full((len(table.values) + 2, len(first)), float(_NEVER))
        post_at[0] = self.posted[depth - 2]
        post_at[1] = self.posted[depth - 1]
        ends = np.full(len(first), float(_NEVER))
        lanes_index = np.arange(len(first))
        for s, n in enumerate(table.active):
            row = depth + 1 + s
            a = slice(0, n)
            columns = lanes_index[a]
            gate, part = f["gate"][s, a], f["gate_part"][s, a] / 1000
            under_way = np.where(gate > 0, depth + gate, depth)
            begun, over = self.sent[under_way, columns], self.stored[under_way, columns] - latency
            room = np.where(gate > 0, begun + part * (over - begun), _nth_last(groups[:, :, a], -gate))
            dispatched = np.maximum(self.issued[s if s < depth else s + 1, a], room)
            # Loads, in order.
            ready, end = ld_ready[a], ld_end[a]
            landed = np.full(n, float(_NEVER))
            for kind in ("in", "w"):
                beats = f[f"{kind}_beats"][s, a]
                fill = f["in_fill"][s, a] if kind == "in" else 0
                there = (beats > 0) | (fill > 0)
                if not there.any():
                    continue
                after = f[f"{kind}_after"][s, a]
                issue = np.maximum(ready, dispatched + 2)
                issue = np.maximum(issue, self.retired[np.where(after > 0, depth + after, depth), columns] + 1)
                loads = 1
                over = f[f"{kind}_over"][s, a]
                if over.any():
                    issue = np.maximum(issue, until[over, columns] + 1)
                if kind == "in":
                    fresh = f["in_fresh"][s, a]
                    stored_by = last_stored[a] + 1 - (fresh - 1) * between[a]
                    issue = np.where(fresh > 0, np.maximum(issue, stored_by), issue)
                    loads = f["in_loads"][s, a]
                bus = f[f"{kind}_bus"][s, a]
                start = np.maximum(issue + 1, end) + fill
                arrived = np.maximum(issue + 4 * (loads - 1) + _ADDRESS + latency, start) + bus
                arrived = np.where(beats > 0, arrived, start)
                end = np.where(there, arrived, end)
                ready = np.where(there, issue + f[f"{kind}_bursts"][s, a] + 3 + 4 * (loads - 1), ready)
                landed = np.where(there, arrived, landed)
            # The array.
            older = post_at[posts[a], columns]
            issue = np.maximum(np.maximum(c_ready[a], landed + 2), older + 1)
            start = np.maximum(issue + COMPUTE_DECODE + f["walk"][s, a], c_free[a])
            last = start + f["spacing"][s, a]
            c_ready[a] = np.maximum(last, issue + COMPUTE_DECODE + f["walk"][s, a] + f["beside"][s, a])
            c_free[a] = last + f["stream"][s, a]
            retired = c_free[a] + f["leave"][s, a]
            self.issued[row, a] = issue
            self.retired[row, a] = retired
            ends[a] = np.maximum(ends[a], retired)
            # The output stage.
            post = f["posts"][s, a] > 0
            if post.any():
                there = np.full(n, float(_NEVER))
                for kind in ("p", "s"):
                    beats = f[f"{kind}_beats"][s, a]
                    loads = beats > 0
                    if not loads.any():
                        continue
                    load = np.maximum(ready, dispatched + 2)
                    if kind == "p":
                        load = np.maximum(load, until[f["p_over"][s, a], columns] + 1)
                    if kind == "s":
                        fresh = f["s_fresh"][s, a]
                        stored_by = last_stored[a] + 1 - (fresh - 1) * between[a]
                        load = np.where(fresh > 0, np.maximum(load, stored_by), load)
                    arrived = np.maximum(load + _ADDRESS + latency, end) + f[f"{kind}_bus"][s, a]
                    end = np.where(loads, arrived, end)
                    ready = np.where(loads, load + f[f"{kind}_bursts"][s, a] + 3, ready)
                    there = np.where(loads, arrived, there)
                after = f["p_after"][s, a]
                summed = np.where(f["chain"][s, a] > 0, last + f["leave"][s, a] + 1, retired)
                begin = np.maximum(p_ready[a], np.maximum(summed, there) + 1)
                begin = np.maximum(begin, self.stored[np.where(after > 0, depth + after, depth), columns] + 1)
                done = begin + POST_DECODE + f["post"][s, a] - 1
                p_ready[a] = np.where(post, done + 1 + POST_TAIL, p_ready[a])
                finished = done + lanes
                post_at[posts[a] + 2, columns] = np.where(post, finished, post_at[posts[a] + 2, columns])
                posts[a] += post
                last_post[a] = np.where(post, finished, last_post[a])
                ends[a] = np.where(post, np.maximum(ends[a], finished), ends[a])
                # To DRAM.
                count = f["stores"][s, a]
                store = count > 0
                if store.any():
                    issue = np.maximum(st_ready[a], finished + 1)
                    written = np.maximum(issue + 4, st_end[a]) + np.maximum(f["o_bus"][s, a], 4 * count)
                    self.sent[row, a] = np.where(store, issue, _NEVER)
                    groups_now[:, 0, a] = np.where(store, groups_now[:, 1, a], groups_now[:, 0, a])
                    groups_now[:, 1, a] = np.where(store, (issue, written, count), groups_now[:, 1, a])
                    st_end[a] = np.where(store, written, st_end[a])
                    st_ready[a] = np.where(store, written, st_ready[a])
                    response = written + latency
                    self.stored[row, a] = np.where(store, response, _NEVER)
                    last_store[a] = np.where(store, response, last_store[a])
                    ends[a] = np.where(store, np.maximum(ends[a], response), ends[a])
            ld_ready[a], ld_end[a] = ready, end
            skips[row, a] = skip[a]
            for column, since, times in table.leaps.get(s + 1, ()):
                was = depth + since
                passed = retired[column] + skip[column]
                if since:
                    # Who is slowest by itself will be what all wait for, once the buffers are full.
                    passed -= self.retired[was, column] + skips[was, column]
                    work = self.work[:, s + 1, column] - self.work[:, since, column]
                    passed = max(passed, *(work + skip[column] - skips[was, column]))
                skip[column] += times * passed
        self.state = np.array([ld_ready, ld_end, c_ready, c_free, p_ready, st_ready, st_end]) - ends
        self.last_post, self.last_store = last_post - ends, last_store - ends
        self._remember(posts, post_at, ends)
        groups_now[:2] -= ends
        self.groups = groups_now
        self.ends = ends + skip

    def _remember(self, posts: NDArray[np.int64], post_at: NDArray[np.float64], ends: NDArray[np.float64]) -> None:
        """The last entries of the histories: what the next layer looks back on."""
        depth, columns = self.depth, np.arange(len(ends))
        length = self.table.lengths
        for back in range(depth):
            row = depth + length - back
            value = np.where(row > depth, self.issued[row, columns], _NEVER)
            self.tails["issued"][depth - 1 - back] = value - ends
            at = posts + 1 - back
            value = np.where(at >= 0, post_at[np.maximum(at, 0), columns], _NEVER)
            self.tails["posted"][depth - 1 - back] = value - ends


def _nth_last(groups: NDArray[np.float64], n: NDArray[np.int64]) -> NDArray[np.float64]:
    """When the last STORE but ``n - 1`` begins, of two groups ``[begin, end, count][older, younger]`` of them."""
    (older, younger), (older_end, younger_end), (older_count, younger_count) = groups
    inside = younger_end - n * (younger_end - younger) / np.maximum(younger_count, 1)
    behind = np.minimum(n - younger_count, older_count)
    outside = older_end - behind * (older_end - older) / np.maximum(older_count, 1)
    return np.where(n <= younger_count, inside, outside)
