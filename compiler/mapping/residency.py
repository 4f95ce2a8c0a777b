"""Which tensors stay in OFM from the layer that writes them to those that read them.

It depends on the graph and on the size of OFM alone: not on how any layer is cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from compiler.errors import ModelError
from compiler.mapping.memory import Arena
from compiler.mapping.resident import Resident, margin_for

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from compiler.ir.graph import Graph
    from compiler.ir.integer import IntegerOp
    from compiler.mapping.job import Job
    from rtl.config import ArchConfig

__all__ = ["Output", "Residency"]

_MAX_CHANNELS = (1 << 16) - 1
"""Bytes from a pixel to the next, in 16 bits."""
_RESERVE = 4
"""One part in so many of OFM stays free of resident tensors, for the tiles of those that leave the chip."""


class Output(NamedTuple):
    """Where the result of an operator goes."""

    target: Resident | None
    """Its place in OFM, if it stays there."""
    stores: bool
    """Whether it goes to DRAM."""


class Residency:
    """OFM while a network runs: :meth:`output`, :meth:`written` and :meth:`release` for one operator after the other.

    ``jobs`` has those of the operators that the accelerator runs; the others are the host's, and lie between segments.
    """

    def __init__(
        self,
        graph: Graph,
        operators: Sequence[IntegerOp],
        jobs: Mapping[str, Sequence[Job]],
        config: ArchConfig,
        observe: Collection[str],
    ) -> None:
        self._graph, self._jobs, self._observe = graph, jobs, observe
        self._banks = config.banks
        self._rows = config.dense.rows if config.dense_engine is not None else 1
        self._reads_left = {t: len(graph.consumers(t)) for op in operators for t in (*op.inputs, op.output)}
        self._ofm = Arena(config.memory.ofm_kib * 1024, config.banks)
        self._resident: dict[str, Resident] = {}
        self.segment: dict[str, int] = {}
        """Of every operator: which of the programs between the host's operators it is in."""
        number = 0
        for op in operators:
            number += op.name not in jobs
            self.segment[op.name] = number

    def of(self, tensor: str | None) -> Resident | None:
        """Where ``tensor`` is in OFM now, if it is."""
        return None if tensor is None else self._resident.get(tensor)

    def free(self) -> tuple[int, int]:
        """The largest free part of OFM: its first byte, and the one behind its last."""
        return self._ofm.largest_free()

    def output(self, op: IntegerOp) -> Output:
        """Where the result of ``op`` goes; the room is taken.

        Raises:
            ModelError: a tensor of too many channels.

        """
        graph = self._graph
        channels = max(self._shape(tensor)[2] for tensor in (*op.inputs, op.output))
        if channels > _MAX_CHANNELS:
            raise ModelError(f"{op.name}: a tensor of {channels} channels; instructions reach {_MAX_CHANNELS}")
        here = self.segment[op.name]
        consumers = graph.consumers(op.output)
        readers = [c.name for c in consumers if c.name in self._jobs]
        # A later segment finds nothing in the scratchpads.
        wanted_later = any(self.segment[name] != here for name in readers)
        target = None if wanted_later else self._stay(op.output)
        crosses = any(self.segment[c.name] != here for c in consumers)
        leaves = crosses or op.output in graph.outputs or op.output in self._observe
        leaves = leaves or any(job.weights_from == op.output for name in readers for job in self._jobs[name])
        return Output(target, leaves or target is None)

    def written(self, op: IntegerOp, output: Output) -> None:
        """``op`` has run: whoever reads its result finds it there."""
        if output.target is not None:
            self._resident[op.output] = output.target

    def release(self, op: IntegerOp) -> None:
        """Free resident tensors that nobody reads any more."""
        for tensor in set(op.inputs):
            self._reads_left[tensor] -= 1
            if self._reads_left[tensor] == 0 and tensor in self._resident:
                self._ofm.free(self._resident.pop(tensor).block)

    def _stay(self, tensor: str) -> Resident | None:
        """Room for ``tensor`` in OFM, if its readers can use it there and enough is left for others."""
        shape = self._shape(tensor)
        readers = [
            job for op in self._graph.consumers(tensor) for job in self._jobs.get(op.name, ()) if job.source == tensor
        ]
        if not readers:
            return None
        margin = margin_for(readers, self._rows)
        if margin is None:
            return None
        pitch, size = Resident.footprint(shape, margin, self._banks)
        if size + self._ofm.size // _RESERVE > self._ofm.largest_gap():
            return None
        block = self._ofm.allocate(size)
        return None if block is None else Resident(block, shape, margin, pitch)

    def _shape(self, tensor: str) -> tuple[int, int, int]:
        height, width, channels = self._graph.tensor(tensor).shape
        return height, width, channels
