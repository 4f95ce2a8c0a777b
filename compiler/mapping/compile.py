"""A quantised graph to a program."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.ir.integer import Host
from compiler.mapping.codegen import Codegen
from compiler.mapping.image import ImageBuilder
from compiler.mapping.mapper import CYCLES, Objective
from compiler.mapping.movement import Target
from compiler.mapping.planner import plan_graph
from compiler.program.program import HostStep, LayerInfo, Program
from rtl.isa import End, IsaError, encode, layout_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from compiler.ir.graph import Graph
    from compiler.mapping.plan import Plan
    from rtl.config import ArchConfig
    from rtl.isa import Instruction

__all__ = ["compile_graph", "compile_plans", "host_step", "layer_info"]


def compile_graph(
    graph: Graph, config: ArchConfig, *, observe: Collection[str] = (), objective: Objective = CYCLES
) -> Program:
    """Map ``graph`` onto ``config``, for the least of ``objective``.

    ``observe`` names tensors that are stored to DRAM even if they could stay on the chip, so that they can be looked
    at. That costs traffic and time, in the hardware as in the model.

    Raises:
        ModelError: an operator or a size that this architecture cannot take; the message names the operator.

    """
    return compile_plans(graph, config, plan_graph(graph, config, objective, observe=observe))


def compile_plans(graph: Graph, config: ArchConfig, plans: Sequence[Plan]) -> Program:
    """The program of ``plans``, which are those of ``graph`` for ``config``."""
    return _Compilation(graph, config, plans).run()


class _Compilation:
    def __init__(self, graph: Graph, config: ArchConfig, plans: Sequence[Plan]) -> None:
        self.graph = graph
        self.config = config
        self.plans = plans
        self.image = ImageBuilder(align=config.bus.data_bytes * config.bus.burst_beats)
        self.codegen = Codegen(config, self.image)

    def run(self) -> Program:
        hosts = [op for op in self.graph.operators() if isinstance(op, Host)]
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
                order.append(host_step(self.graph, op))
                if op.output in read:
                    self._in_dram(op.output)
            while layer < len(self.plans) and self.plans[layer].segment == segment:
                self._job(self.plans[layer], layer)
                layer += 1
            if len(self.codegen.placer):
                programs.append([*self.codegen.placer.finish(), End()])
                order.append(None)
                self.codegen.begin_segment()
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

    def _job(self, plan: Plan, layer: int) -> None:
        shape = self._shape(plan.job.target)
        dram = self.image.tensor(plan.job.target, shape) if plan.stores else None
        self.codegen.job(plan, layer, Target(dram, shape[2]))

    def _in_dram(self, tensor: str) -> None:
        self.image.tensor(tensor, self._shape(tensor))

    def _shape(self, tensor: str) -> tuple[int, int, int]:
        height, width, channels = self.graph.tensor(tensor).shape
        return height, width, channels


def host_step(graph: Graph, op: Host) -> HostStep:
    """What the host does for ``op``."""
    read = 0
    for argument in op.arguments:
        if argument.constant is not None:
            read += argument.constant.nbytes
        elif argument.tensor is not None:
            tensor = graph.tensor(argument.tensor)
            # of a slice, the slice
            size = tensor.size if argument.layout is None else argument.layout.index.size
            read += size * tensor.dtype.itemsize
    output = graph.tensor(op.output)
    return HostStep(op.name, op.op_type, op.reason, read, output.size * output.dtype.itemsize)


def layer_info(plan: Plan) -> LayerInfo:
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
    )
