"""A quantised graph to a program."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.ir.integer import Host
from compiler.mapping.codegen import Codegen
from compiler.mapping.engines import host_operators, host_reason
from compiler.mapping.image import ImageBuilder
from compiler.mapping.mapper import CYCLES, Objective
from compiler.mapping.movement import Target
from compiler.mapping.planner import plan_graph
from compiler.mapping.sparse.codegen import SparseCodegen
from compiler.mapping.sparse.plan import SparsePlan
from compiler.program.program import HostStep, LayerInfo, Program
from rtl.isa import End, IsaError, encode, layout_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from compiler.ir.graph import Graph
    from compiler.ir.integer import IntegerOp
    from compiler.mapping.engines import Preference
    from compiler.mapping.plan import Plan
    from rtl.config import ArchConfig
    from rtl.isa import Instruction

__all__ = ["compile_graph", "compile_plans", "host_step", "layer_info"]


def compile_graph(
    graph: Graph,
    config: ArchConfig,
    *,
    observe: Collection[str] = (),
    objective: Objective = CYCLES,
    density: Mapping[str, float] | None = None,
    engine: Preference = "cheapest",
) -> Program:
    """Map ``graph`` onto ``config``, for the least of ``objective``.

    ``density`` and ``engine`` are as :func:`~compiler.mapping.planner.plan_graph` takes them.

    ``observe`` names tensors that are stored to DRAM even if they could stay on the chip, so that they can be looked
    at. That costs traffic and time, in the hardware as in the model.

    Raises:
        ModelError: an operator or a size that this architecture cannot take; the message names the operator.

    """
    plans = plan_graph(graph, config, objective, observe=observe, density=density, engine=engine)
    return compile_plans(graph, config, plans)


def compile_plans(graph: Graph, config: ArchConfig, plans: Sequence[Plan | SparsePlan]) -> Program:
    """The program of ``plans``, which are those of ``graph`` for ``config``."""
    return _Compilation(graph, config, plans).run()


class _Compilation:
    def __init__(self, graph: Graph, config: ArchConfig, plans: Sequence[Plan | SparsePlan]) -> None:
        self.graph = graph
        self.config = config
        self.plans = plans
        self.image = ImageBuilder(align=config.bus.data_bytes * config.bus.burst_beats)
        self.codegen = Codegen(config, self.image)
        self.sparse = SparseCodegen(config, self.codegen) if config.sparse_engine else None

    def run(self) -> Program:
        hosts = host_operators(self.graph, (plan.job.target for plan in self.plans))
        read = {name for p in self.plans for name in (p.job.source, p.job.skip, p.job.weights_from)}
        for tensor in self.graph.inputs:
            if self.graph.tensor(tensor).quant is not None:  # floats are the host's
                self._in_dram(tensor)
        programs: list[list[Instruction]] = []
        order: list[HostStep | None] = []
        layer = 0
        for segment in range(len(hosts) + 1):
            if segment:
                op = hosts[segment - 1]
                order.append(host_step(self.graph, op, self.config))
                if op.output in read:
                    self._in_dram(op.output)
            while layer < len(self.plans) and self.plans[layer].segment == segment:
                self._job(self.plans[layer], layer)
                layer += 1
            if len(self.codegen.placer):
                programs.append([*self.codegen.placer.finish(), End()])
                order.append(None)
                self.codegen.begin_segment()
                if self.sparse is not None:
                    self.sparse.begin_segment()
        for program in programs:
            self._check_fit(program)
        make_image, window, segments = self.image.finish(programs)
        placed = iter(segments)
        return Program(
            rtl_hash=self.config.rtl_hash,
            layers=tuple(layer_info(plan) for plan in self.plans),
            steps=tuple(next(placed) if step is None else step for step in order),
            tensors=dict(self.image.tensors),
            make_image=make_image,
            window_bytes=window,
        )

    def _check_fit(self, program: list[Instruction]) -> None:
        """Refuse instructions with a field that does not fit, without encoding them all."""
        for kind in {type(i) for i in program}:
            group = [i for i in program if type(i) is kind]
            fields = layout_of(kind)[1:]
            values = np.array([attrgetter(*(f.name for f in fields))(i) for i in group], np.int64)
            high = np.array([1 << (f.width - f.signed) for f in fields])
            low = np.array([-(1 << (f.width - 1)) if f.signed else 0 for f in fields])
            for k in np.flatnonzero(((values < low) | (values >= high)).any(axis=1)):
                try:
                    encode(group[k])
                except IsaError as error:
                    layer = self.plans[group[k].layer].job.name
                    raise ModelError(f"{layer}: too large for the instruction set: {error}") from error

    def _job(self, plan: Plan | SparsePlan, layer: int) -> None:
        shape = self._shape(plan.job.target)
        dram = self.image.tensor(plan.job.target, shape) if plan.stores else None
        target = Target(dram, shape[2])
        if isinstance(plan, SparsePlan):
            assert self.sparse is not None, "plans are for engines that there are"
            self.sparse.job(plan, layer, target)
        else:
            self.codegen.job(plan, layer, target)

    def _in_dram(self, tensor: str) -> None:
        self.image.tensor(tensor, self._shape(tensor))

    def _shape(self, tensor: str) -> tuple[int, int, int]:
        height, width, channels = self.graph.tensor(tensor).shape
        return height, width, channels


def host_step(graph: Graph, op: IntegerOp, config: ArchConfig) -> HostStep:
    """What the host does for ``op``."""
    read = _host_reads(graph, op) if isinstance(op, Host) else sum(graph.tensor(name).size for name in op.inputs)
    output = graph.tensor(op.output)
    op_type = op.op_type if isinstance(op, Host) else type(op).__name__
    return HostStep(op.name, op_type, host_reason(graph, op, config), read, output.size * output.dtype.itemsize)


def _host_reads(graph: Graph, op: Host) -> int:
    """Bytes of its tensors and of its own constants."""
    read = 0
    for argument in op.arguments:
        if argument.constant is not None:
            read += argument.constant.nbytes
        elif argument.tensor is not None:
            tensor = graph.tensor(argument.tensor)
            # of a slice, the slice
            size = tensor.size if argument.layout is None else argument.layout.index.size
            read += size * tensor.dtype.itemsize
    return read


def layer_info(plan: Plan | SparsePlan) -> LayerInfo:
    """The layer that ``plan`` makes."""
    job = plan.job
    return LayerInfo(
        name=job.name,
        op=job.op,
        target=job.target,
        channels=(job.channel_offset, job.channel_offset + job.out_shape[2]),
        macs=job.macs,
        out_shape=job.out_shape,
        resident=plan.target is not None,
        engine="sparse" if isinstance(plan, SparsePlan) else "dense",
    )
