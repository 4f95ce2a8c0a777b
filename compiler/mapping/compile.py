"""A quantised graph to a program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.errors import ModelError
from compiler.ir.integer import Host, IntegerOp
from compiler.mapping.codegen import Codegen, Target
from compiler.mapping.image import ImageBuilder
from compiler.mapping.job import Job, jobs_of
from compiler.mapping.resident import Resident, margin_for
from compiler.program.program import HostStep, LayerInfo, Program
from rtl.isa import End, IsaError, encode

if TYPE_CHECKING:
    from collections.abc import Collection

    from compiler.ir.graph import Graph
    from rtl.config import ArchConfig
    from rtl.isa import Instruction

__all__ = ["compile_graph"]

_MAX_CHANNELS = (1 << 16) - 1
"""Bytes from a pixel to the next, in 16 bits."""
_RESERVE = 4
"""One part in so many of OFM stays free of resident tensors, for the tiles of those that leave the chip."""


def compile_graph(graph: Graph, config: ArchConfig, *, observe: Collection[str] = ()) -> Program:
    """Map ``graph`` onto ``config``.

    ``observe`` names tensors that are stored to DRAM even if they could stay on the chip, so that they can be looked
    at. That costs traffic and time, in the hardware as in the model.

    Raises:
        ModelError: an operator or a size that this architecture cannot take; the message names the operator.

    """
    return _Compilation(graph, config, frozenset(observe)).run()


class _Compilation:
    def __init__(self, graph: Graph, config: ArchConfig, observe: frozenset[str]) -> None:
        self.graph = graph
        self.observe = observe
        self.config = config
        self.image = ImageBuilder(align=config.bus.data_bytes * config.bus.burst_beats)
        self.codegen = Codegen(config, self.image)
        self.layers: list[LayerInfo] = []
        self.operators: list[IntegerOp] = [op for op in graph.operators() if isinstance(op, IntegerOp)]
        self.jobs = {op.name: jobs_of(graph, op, config) for op in self.operators if not isinstance(op, Host)}
        self.segment = self._segments()
        self.reads_left = {t: len(graph.consumers(t)) for op in self.operators for t in (*op.inputs, op.output)}

    def run(self) -> Program:
        for tensor in self.graph.inputs:
            if self.graph.tensor(tensor).quant is not None:  # floats are the host's
                self._in_dram(tensor)
        programs: list[list[Instruction]] = []
        order: list[HostStep | None] = []
        for op in self.operators:
            if isinstance(op, Host):
                self._close_segment(programs, order)
                order.append(self._host_step(op))
                if self._jobs_reading(op.output):
                    self._in_dram(op.output)
            else:
                self._operator(op)
            self._release(op)
        self._close_segment(programs, order)
        try:
            image, window, segments = self.image.finish(programs)
        except IsaError as error:
            raise ModelError(f"{self._misfit(programs)}: too large for the instruction set: {error}") from error
        placed = iter(segments)
        return Program(
            rtl_hash=self.config.rtl_hash,
            layers=tuple(self.layers),
            steps=tuple(next(placed) if step is None else step for step in order),
            tensors=dict(self.image.tensors),
            image=image,
            window_bytes=window,
        )

    def _host_step(self, op: Host) -> HostStep:
        read = 0
        for argument in op.arguments:
            if argument.constant is not None:
                read += argument.constant.nbytes
            elif argument.tensor is not None:
                tensor = self.graph.tensor(argument.tensor)
                # of a slice, the slice
                size = tensor.size if argument.layout is None else argument.layout.index.size
                read += size * tensor.dtype.itemsize
        output = self.graph.tensor(op.output)
        return HostStep(op.name, op.op_type, op.reason, read, output.size * output.dtype.itemsize)

    def _misfit(self, programs: list[list[Instruction]]) -> str:
        """The first layer with an instruction that cannot be encoded."""
        for instruction in (i for program in programs for i in program):
            try:
                encode(instruction)
            except IsaError:
                return self.layers[instruction.layer].name
        return self.graph.name

    def _segments(self) -> dict[str, int]:
        """The segment of every operator: the host's operators lie between them."""
        number = 0
        segments = {}
        for op in self.operators:
            number += isinstance(op, Host)
            segments[op.name] = number
        return segments

    def _close_segment(self, programs: list[list[Instruction]], order: list[HostStep | None]) -> None:
        if len(self.codegen.placer):
            programs.append([*self.codegen.placer.finish(), End()])
            order.append(None)
            self.codegen.begin_segment()

    def _operator(self, op: IntegerOp) -> None:
        channels = max(self._shape(tensor)[2] for tensor in (*op.inputs, op.output))
        if channels > _MAX_CHANNELS:
            raise ModelError(f"{op.name}: a tensor of {channels} channels; instructions reach {_MAX_CHANNELS}")
        target: Target | None = None
        for job in self.jobs[op.name]:
            layer = len(self.layers)
            if layer >= self.config.control.max_layers:
                raise ModelError(
                    f"{op.name}: more than {self.config.control.max_layers} layers (raise control.max_layers)"
                )
            if target is None:
                target = self._target(op)
                if target.resident is not None:
                    self.codegen.fill_margin(target.resident, layer)
            self.codegen.job(job, layer, target)
            self.layers.append(
                LayerInfo(
                    name=job.name,
                    op=job.op,
                    target=op.output,
                    channels=(job.channel_offset, job.channel_offset + job.out_shape[2]),
                    macs=job.macs,
                    out_shape=job.out_shape,
                    resident=target.resident is not None,
                )
            )
        if target is not None and target.resident is not None:
            self.codegen.resident[op.output] = target.resident

    def _target(self, op: IntegerOp) -> Target:
        shape = self._shape(op.output)
        here = self.segment[op.name]
        crosses = any(self.segment[c.name] != here for c in self.graph.consumers(op.output))
        # A later segment finds nothing in the scratchpads.
        wanted_later = any(self.segment[name] != here for name in self._jobs_reading(op.output))
        resident = None if wanted_later else self._stay(op.output, shape)
        leaves = crosses or op.output in self.graph.outputs or op.output in self.observe
        leaves = leaves or self._is_weights(op.output)
        dram = self.image.tensor(op.output, shape) if leaves or resident is None else None
        return Target(resident, dram, shape[2])

    def _stay(self, tensor: str, shape: tuple[int, int, int]) -> Resident | None:
        """Room for ``tensor`` in OFM, if its readers can use it there and enough is left for others."""
        consumers = self.graph.consumers(tensor)
        readers = [job for op in consumers if op.name in self.jobs for job in self._reading(op.name, tensor)]
        if not readers:
            return None
        margin = margin_for(readers, self.config.dense.rows)
        if margin is None:
            return None
        pitch, size = Resident.footprint(shape, margin, self.config.banks)
        arena = self.codegen.ofm
        if size + arena.size // _RESERVE > arena.largest_gap():
            return None
        block = arena.allocate(size)
        return None if block is None else Resident(block, shape, margin, pitch)

    def _jobs_reading(self, tensor: str) -> list[str]:
        """The operators that read ``tensor`` on the accelerator."""
        return [op.name for op in self.graph.consumers(tensor) if op.name in self.jobs]

    def _is_weights(self, tensor: str) -> bool:
        """Whether a product of two activations loads ``tensor`` as its weights."""
        readers = self._jobs_reading(tensor)
        return any(job.weights_from == tensor for name in readers for job in self.jobs[name])

    def _reading(self, operator: str, tensor: str) -> list[Job]:
        return [job for job in self.jobs[operator] if job.source == tensor]

    def _release(self, op: IntegerOp) -> None:
        """Free resident tensors that nobody reads any more."""
        for tensor in set(op.inputs):
            self.reads_left[tensor] -= 1
            if self.reads_left[tensor] == 0 and tensor in self.codegen.resident:
                self.codegen.ofm.free(self.codegen.resident.pop(tensor).block)

    def _in_dram(self, tensor: str) -> None:
        self.image.tensor(tensor, self._shape(tensor))

    def _shape(self, tensor: str) -> tuple[int, int, int]:
        height, width, channels = self.graph.tensor(tensor).shape
        return height, width, channels
