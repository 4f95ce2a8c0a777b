"""From a graph to plans: who stays on the chip, how every job is done. No weight is touched, no instruction made."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, TypeVar

from compiler.errors import ModelError
from compiler.ir.integer import Conv, IntegerOp, Pool
from compiler.mapping.analytic.events import plan_events
from compiler.mapping.engines import choices, host_reason
from compiler.mapping.mapper import CYCLES, Cut, Objective, Situation, cut_cost, cuts
from compiler.mapping.memory import Block
from compiler.mapping.plan import Area, Plan, aligned, held_bytes, input_areas
from compiler.mapping.residency import Residency
from compiler.mapping.search import refine
from compiler.mapping.sparse.events import sparse_events
from compiler.mapping.sparse.plan import SparsePlan, sparse_cost, sparse_cuts
from compiler.mapping.tiling import MAX_EXTENT, Tile

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from compiler.ir.graph import Graph
    from compiler.mapping.engines import Preference
    from compiler.mapping.job import Job
    from compiler.mapping.resident import Resident
    from compiler.mapping.sparse.job import SparseJob
    from rtl.config import ArchConfig

__all__ = ["assumed_density", "plan_graph"]

Job_ = TypeVar("Job_")
Plan_ = TypeVar("Plan_")

_CONTENDERS, _NEARLY = 6, 1.6
"""How many plans of a layer are looked at more closely, and how much dearer than the cheapest they may seem."""
_RELU_DENSITY = 0.5


def plan_graph(
    graph: Graph,
    config: ArchConfig,
    objective: Objective = CYCLES,
    *,
    observe: Collection[str] = (),
    density: Mapping[str, float] | None = None,
    engine: Preference = "cheapest",
) -> tuple[Plan | SparsePlan, ...]:
    """How every job of ``graph`` is done on ``config``, in order, each on the ``engine`` where it is cheapest.

    ``observe`` names tensors that are stored to DRAM even if they could stay on the chip. ``density`` has the share of
    each tensor's elements that differ from its zero point: what the sparse engine takes depends on it. Without it half
    of what a ReLU leaves is taken to be zero, and nothing else.

    Raises:
        ModelError: an operator or a size that this architecture cannot take; the message names the operator.

    """
    return _Planning(graph, config, objective, frozenset(observe), density, engine).run()


def assumed_density(graph: Graph) -> dict[str, float]:
    """A density for every tensor of a network of which no activation has been seen."""
    density = {tensor.name: 1.0 for tensor in graph.tensors()}
    for op in graph.operators():
        if isinstance(op, (Conv, Pool)):
            rule = op.residual if isinstance(op, Conv) and op.residual is not None else op.requantize
            quant = graph.tensor(op.output).quant
            if quant is not None and rule.low == quant.zero_point:
                density[op.output] = _RELU_DENSITY
    return density


class _Planning:
    def __init__(
        self,
        graph: Graph,
        config: ArchConfig,
        objective: Objective,
        observe: frozenset[str],
        density: Mapping[str, float] | None,
        engine: Preference,
    ) -> None:
        self.graph = graph
        self.config = config
        self.objective = objective
        self.operators: list[IntegerOp] = [op for op in graph.operators() if isinstance(op, IntegerOp)]
        self.density = assumed_density(graph) if density is None else density
        found = {op.name: choices(graph, op, config).preferring(engine) for op in self.operators}
        self.choices = {name: choice for name, choice in found.items() if choice.jobs}
        self.jobs = {name: choice.jobs for name, choice in self.choices.items()}
        if not self.jobs and self.operators:
            first = self.operators[0]
            why = f"{first.name}: {host_reason(graph, first, config)}"
            raise ModelError(f"nothing of this network runs on {config.name}; {why}")
        self.residency = Residency(graph, self.operators, self.jobs, config, observe)
        self.plans: list[Plan | SparsePlan] = []
        self.contenders: list[list[Plan]] = []
        self._kept_by = -1
        self._counted_on: set[int] = set()
        self._kept: tuple[object, ...] | None = None

    def run(self) -> tuple[Plan | SparsePlan, ...]:
        for op in self.operators:
            if op.name in self.jobs:
                self._operator(op)
            else:
                self._kept = None
            self.residency.release(op)
        most = self.config.control.max_layers
        if len(self.plans) > most:
            raise ModelError(f"{self.plans[most].job.name}: more than {most} layers (raise control.max_layers)")
        free = self._free_contenders()
        dense = {layer: plan for layer, plan in enumerate(self.plans) if isinstance(plan, Plan)}
        if dense:
            refined = refine(list(dense.values()), [free[layer] for layer in dense], self.config, self.objective)
            dense = dict(zip(dense, refined, strict=True))
        return tuple(dense.get(layer, plan) for layer, plan in enumerate(self.plans))

    def _free_contenders(self) -> list[list[Plan]]:
        """Contenders for layers whose input in IFM nobody after them counts on."""
        return [[] if layer in self._counted_on else found for layer, found in enumerate(self.contenders)]

    def _operator(self, op: IntegerOp) -> None:
        here = self.residency.segment[op.name]
        output = self.residency.output(op)
        target, stores = output
        choice = self.choices[op.name]
        for number in range(len(choice.jobs)):
            fills = number == 0 and target is not None
            self.plans.append(
                self._cheaper(
                    choice.dense[number : number + 1],
                    choice.sparse[number : number + 1],
                    lambda job, fills=fills: self._plan(job, here, target, stores=stores, fills=fills),
                    lambda job, fills=fills: self._sparse_plan(job, here, target, stores=stores, fills=fills),
                )
            )
        self.residency.written(op, output)

    def _cheaper(
        self,
        dense: Sequence[Job],
        sparse: Sequence[SparseJob],
        plan_dense: Callable[[Job], Plan],
        plan_sparse: Callable[[SparseJob], SparsePlan],
    ) -> Plan | SparsePlan:
        """The plan for the engine where the job is cheaper, of one or two that can run it."""
        if not sparse:
            return plan_dense(dense[0])
        if not dense:
            self.contenders.append([])
            return self._no_longer_kept(plan_sparse(sparse[0]))
        before = self._kept, self._kept_by, set(self._counted_on)
        plan, rival = self._unless_refused(plan_dense, dense[0]), self._unless_refused(plan_sparse, sparse[0])
        if plan is None and rival is None:
            return plan_dense(dense[0])
        if rival is None or (plan is not None and self._price(plan) <= self._sparse_price(rival)):
            assert plan is not None
            return plan
        if plan is not None:
            self._kept, self._kept_by, self._counted_on = before
            self.contenders.pop()
        self.contenders.append([])
        return self._no_longer_kept(rival)

    def _unless_refused(self, make: Callable[[Job_], Plan_], job: Job_) -> Plan_ | None:
        try:
            return make(job)
        except ModelError:
            return None

    def _no_longer_kept(self, plan: SparsePlan) -> SparsePlan:
        if plan.source is None or (plan.job.skip is not None and plan.skip is None):
            self._kept = None
        return plan

    def _price(self, plan: Plan) -> float:
        cost = cut_cost(plan.job, self.config, self._situation(plan.job, plan.target), Cut(plan.tile, plan.group))
        events = [] if self.objective.kind == "cycles" else plan_events([plan], self.config)[0].tolist()
        return self.objective.price(cost.cycles, cost.dram_bytes, events)

    def _sparse_price(self, plan: SparsePlan) -> float:
        density = self.density[plan.job.source]
        situation = self._situation(plan.job, plan.target)
        cost = sparse_cost(plan.job, self.config, situation, plan.cut, density)
        events = [] if self.objective.kind == "cycles" else sparse_events(plan, self.config, density).tolist()
        return self.objective.price(cost.cycles, cost.dram_bytes, events)

    def _situation(self, job: Job, target: Resident | None) -> Situation:
        start, stop = self.residency.free()
        return Situation(
            input_resident=self.residency.of(job.source) is not None,
            skip_resident=self.residency.of(job.skip) is not None,
            output_resident=target is not None,
            ofm_gap=stop - start,
        )

    def _sparse_plan(
        self, job: SparseJob, segment: int, target: Resident | None, *, stores: bool, fills: bool
    ) -> SparsePlan:
        start, stop = self.residency.free()
        plans = [
            SparsePlan(
                job=job,
                segment=segment,
                channels=self._shape(job.target)[2],
                cut=cut,
                source=self.residency.of(job.source),
                skip=self.residency.of(job.skip),
                target=target,
                stores=stores,
                fills_margin=fills,
                staging=Block(start, stop - start),
            )
            for cut in sparse_cuts(job, self.config, self._situation(job, target))
        ]
        return min(plans, key=self._sparse_price)

    def _plan(self, job: Job, segment: int, target: Resident | None, *, stores: bool, fills: bool) -> Plan:
        largest = max(window.size for tile in job.tiles for window in tile.windows)
        if largest > self.config.memory.weight_kib * 1024:
            raise ModelError(
                f"{job.name}: a tile of {largest} bytes of weights exceeds the weight scratchpad "
                "(raise memory.weight_kib)"
            )
        source = self.residency.of(job.source)
        skip = self.residency.of(job.skip)
        start, stop = self.residency.free()
        situation = self._situation(job, target)
        chunk, hold_params = self._params(job)
        plan = Plan(
            job=job,
            segment=segment,
            channels=self._shape(job.target)[2],
            weight_columns=self._shape(job.weights_from)[2] if job.weights_from is not None else 0,
            tile=Tile(1, 1),
            group=1,
            source=source,
            skip=skip,
            target=target,
            stores=stores,
            fills_margin=fills,
            staging=Block(start, stop - start),
            hold_weights=False,
            hold_input=False,
            kept_input=False,
            kept_skip=False,
            param_chunk=chunk,
            hold_params=hold_params,
        )
        if job.hold:
            found = [self._cut(plan, self._global_pool(job, situation))]
        else:
            found = self._cheapest(plan, situation)
        best, *others = found
        self.contenders.append(others)
        if best.kept_input or best.kept_skip:
            self._counted_on.add(self._kept_by)
        kept = self._left_in_ifm(best)
        if kept is not self._kept:
            self._kept, self._kept_by = kept, len(self.plans)
        return best

    def _cut(self, plan: Plan, cut: Cut) -> Plan:
        """``plan``, cut so, and with what then stays in the scratchpads."""
        stays = self._weights_stay(plan.job, cut)
        return self._input_stays(dataclasses.replace(plan, tile=cut.tile, group=cut.group, hold_weights=stays))

    def _cheapest(self, plan: Plan, situation: Situation) -> list[Plan]:
        """``plan``, cut as is cheapest, among equals by the first; then what is not much dearer."""
        choices = cuts(plan.job, self.config, situation)
        plans = [self._cut(plan, cut) for cut in choices]
        costs = [cut_cost(plan.job, self.config, situation, cut) for cut in choices]
        events: list[list[float]] = [[]] * len(plans)
        if self.objective.kind != "cycles":
            events = plan_events(plans, self.config).tolist()
        prices = [
            self.objective.price(cost.cycles, cost.dram_bytes, counted)
            for cost, counted in zip(costs, events, strict=True)
        ]
        order = sorted(range(len(plans)), key=prices.__getitem__)
        return [plans[k] for k in order[: 1 + _CONTENDERS] if prices[k] <= _NEARLY * prices[order[0]]]

    def _global_pool(self, job: Job, situation: Situation) -> Cut:
        """Rows of the input at a time, as many as half of IFM takes."""
        memory = self.config.memory
        height, width, channels = job.in_shape
        if len(job.tiles) > memory.accumulators:
            raise ModelError(f"{job.name}: {channels} channels exceed the accumulators (raise memory.accumulators)")
        if not situation.output_resident and channels > situation.ofm_gap:
            raise ModelError(f"{job.name}: no room in OFM for {channels} bytes (raise memory.ofm_kib)")
        rows, width = min(height, MAX_EXTENT), min(width, MAX_EXTENT)
        if not situation.input_resident:
            rows = min(rows, memory.ifm_kib * 512 // (width * channels))
        if rows == 0:
            raise ModelError(f"{job.name}: a row of {width * channels} bytes exceeds half of IFM (raise ifm_kib)")
        return Cut(Tile(rows, width), len(job.tiles))

    def _weights_stay(self, job: Job, cut: Cut) -> bool:
        """Whether the weights of every group fit, and are wanted more than once."""
        height, width, _ = job.in_shape if job.hold else job.out_shape
        if cut.tile.height >= height and cut.tile.width >= width:
            return False
        banks, size = self.config.banks, self.config.memory.weight_kib * 1024
        sizes = [sum(aligned(w.size, banks) for w in tile.windows) for tile in job.tiles]
        return all(sum(sizes[k : k + cut.group]) <= size for k in range(0, len(sizes), cut.group))

    def _params(self, job: Job) -> tuple[int, bool]:
        """Filter tiles whose parameters are loaded together, half of the scratchpad at most; whether all stay."""
        size, banks = self.config.memory.param_kib * 1024, self.config.banks
        per_tile = max(tile.param_bytes for tile in job.tiles)
        chunk = max(1, min(len(job.tiles), size // 2 // per_tile))
        sizes = [
            sum(tile.param_bytes for tile in job.tiles[first : first + chunk])
            for first in range(0, len(job.tiles), chunk)
        ]
        return chunk, sum(aligned(s, banks) for s in sizes) <= size

    def _input_stays(self, plan: Plan) -> Plan:
        """``plan``, with what IFM holds: all patches for further groups, or the whole input from the layer before."""
        key = self._whole_input(plan)
        if key is not None and key == self._kept and not self._loads_skip(plan):
            return dataclasses.replace(plan, kept_input=True)
        if plan.source is not None and self._loads_skip(plan) and self._kept is not None:
            # Nothing is loaded over it meanwhile.
            height, width, _ = plan.job.out_shape
            tensor, area, _, fill = self._kept
            if (tensor, area, fill) == (plan.job.skip, Area(0, 0, height, width), None):
                return dataclasses.replace(plan, kept_skip=True)
        loads = plan.source is None or self._loads_skip(plan)
        if loads and len(plan.groups) > 1 and held_bytes(plan, self.config) <= self.config.memory.ifm_kib * 1024:
            return dataclasses.replace(plan, hold_input=True)
        return plan

    def _left_in_ifm(self, plan: Plan) -> tuple[object, ...] | None:
        """The input of ``plan``, if all of it is in IFM afterwards for sure."""
        if plan.source is not None and not self._loads_skip(plan):
            return self._kept
        # What is loaded after it may lie over it.
        if self._loads_skip(plan) or not (plan.kept_input or plan.hold_input or len(plan.groups) == 1):
            return None
        return self._whole_input(plan)

    def _whole_input(self, plan: Plan) -> tuple[object, ...] | None:
        """What tells the input in IFM from others, if it is read from DRAM at once."""
        job = plan.job
        if plan.source is not None:
            return None
        areas = input_areas(plan, self.config)
        if len(areas) > 1:
            return None
        return (job.source, *areas[0], job.fill if any(areas[0][0].inside(*job.in_shape[:2])) else None)

    def _loads_skip(self, plan: Plan) -> bool:
        return plan.job.skip is not None and plan.skip is None and not plan.kept_skip

    def _shape(self, tensor: str) -> tuple[int, int, int]:
        height, width, channels = self.graph.tensor(tensor).shape
        return height, width, channels
