"""The accelerator's engines, as max-plus recursions over instructions: when each is issued and retires.

As :mod:`rtl.control.timing` and the timing beside each engine have it, but for tokens: instead of them, who issues an
instruction names the cycle in which the last of what it depends on retires. Cycles count from the start of a program.
"""

from __future__ import annotations

import copy
from collections import deque
from typing import TYPE_CHECKING

from compiler.mapping.analytic.ring import Ring
from compiler.mapping.analytic.transfers import load_port, store_port
from rtl.config import PARAM_BYTES
from rtl.control.timing import RETIRE_TO_DONE
from rtl.dense.timing import COMPUTE_DECODE
from rtl.dma.timing_fetch import fetch_block_bytes
from rtl.isa import INSTRUCTION_BYTES
from rtl.post.timing import LANE_LATENCY, POST_DECODE, POST_TAIL, SPARSE_LANE_LATENCY
from rtl.sparse.layout import SparseLayout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from compiler.mapping.analytic.ring import Use
    from compiler.mapping.analytic.streams import Stream
    from compiler.mapping.analytic.transfers import Port
    from compiler.mapping.sparse.expected import Flow
    from rtl.config import ArchConfig

__all__ = ["Machine", "Ports"]

_NEVER = -(1 << 60)


class Ports:
    """Load and store engine: tables that all programs with that bus and that DRAM may share."""

    def __init__(self, config: ArchConfig) -> None:
        self.load: Port = load_port(config)
        self.store: Port = store_port(config)


class Machine:
    """State of all engines, scratchpads and tensors in the course of one program."""

    def __init__(self, config: ArchConfig, ports: Ports) -> None:
        self.config = config
        self.ports = ports
        depth, memory, banks = config.control.queue_depth, config.memory, config.banks
        # Of each engine, the cycles behind its last issues, as many as its queue is deep.
        self.loads, self.computes, self.posts, self.stores = (deque([0] * depth, depth) for _ in range(4))
        self.dispatched = -1
        self._begin_fetch()
        self.load_state = self.load_ready = self.load_retire = 0
        self.store_state = self.store_ready = self.store_retire = 0
        self.compute_ready = self.compute_free = self.compute_retire = 0
        self.leaving = self.leaving_until = 0
        self.post_ready = self.post_empty = self.post_retire = 0
        self._lanes = LANE_LATENCY + (config.dense_engine.cols if config.dense_engine else 1) - 1
        self.half = 0
        self.filled = [0, 0]
        """Of each half of the accumulators: when the last COMPUTE into it lets a POST begin,"""
        self.drained = [0, 0]
        """and the last POST out of it."""
        self._begin_sparse()
        self.ifm = Ring(memory.ifm_kib * 1024, banks)
        self.weights = Ring(memory.weight_kib * 1024, banks)
        self.params = Ring(memory.param_kib * 1024, banks)

    def _begin_sparse(self) -> None:
        """The zero-skipping engine, if there is one: it has zeroed its sums before it takes anything."""
        sparse = self.config.sparse_engine
        self.sparse_ready = self._zeroed = sparse.accumulators if sparse else 0
        self.sparse_retire = _NEVER
        self._sparse_turn = self.config.dense_engine is None
        """Whether the COMPUTE queue gave to the sparse engine last."""
        self.sparse_half = 0
        self.summed, self.cleared = [0, 0], [0, 0]
        """Of each half of its sums: when the last SPARSE into it retires, and the last SPARSE_POST out of it."""
        self.sparse_post_empty = 0
        layout = SparseLayout(self.config) if sparse else None
        self.spmat = Ring(layout.spmat_bytes, layout.row_stride) if layout else Ring(0, 1)
        self.pointers = Ring(layout.pointer_bytes, layout.pointer_stride) if layout else Ring(0, 1)
        self.tables = [0] * (sparse.tables if sparse else 0)
        """When each table of the codebook was last read."""
        self.table = 0

    # Instruction fetch -------------------------------------------------------------------------------------------

    def _begin_fetch(self) -> None:
        control, bus, dram = self.config.control, self.config.bus, self.config.dram
        block = fetch_block_bytes(self.config)
        self._words = max(1, block // INSTRUCTION_BYTES)
        self._bursts = max(1, INSTRUCTION_BYTES // block)
        """Of a word, where it takes more than one."""
        self._interval = dram.beat_interval
        self._per_word = INSTRUCTION_BYTES // bus.data_bytes * self._interval
        self._per_burst = self._words * self._per_word // self._bursts
        self._to_first = 1 + dram.latency_cycles
        self._fetched_ends = deque([_NEVER] * bus.outstanding, bus.outstanding)
        blocks = control.fetch_depth // self._words
        self._taken = deque([_NEVER] * blocks, blocks)
        """When the last instruction of each of the last blocks was taken: that makes room for another block."""
        self._chosen, self._fetched = 0, _NEVER
        self._fetch_block()

    def _fetch_block(self) -> None:
        """The next instructions: as many as a burst has, or one. When the first of them is offered."""
        chosen, fetched, interval = max(self._chosen, self._taken[0]), self._fetched, self._interval
        for _ in range(self._bursts):
            chosen = max(chosen, self._fetched_ends[0]) + 1
            fetched = max(chosen + self._to_first, fetched + interval) + self._per_burst - interval
            self._fetched_ends.append(fetched)
        self._chosen, self._fetched = chosen, fetched
        self._offered = fetched - (self._words - 1) * self._per_word + 1
        self._left = self._words

    def _issue(self, queue: deque[int], ready: int, wait: int) -> int:
        """Fetch, dispatch and issue the next instruction, of the engine of ``queue``."""
        cycle = self.dispatched + 1
        if self._offered > cycle:
            cycle = self._offered
        if queue[0] > cycle:
            cycle = queue[0]
        self.dispatched = cycle
        self._left -= 1
        if self._left:
            self._offered += self._per_word
        else:
            self._taken.append(cycle)
            self._fetch_block()
        cycle += 1
        if queue[-1] > cycle:
            cycle = queue[-1]
        if ready > cycle:
            cycle = ready
        if wait >= cycle:
            cycle = wait + 1
        queue.append(cycle + 1)
        return cycle

    # Instructions. `wait` is the last cycle in which something that they depend on retires. -------------------------

    def load(self, pattern: int, wait: int) -> int:
        """A LOAD or a FILL; the cycle of its retirement."""
        cycle = self._issue(self.loads, self.load_ready, wait)
        step = self.ports.load.step(self.load_state, cycle - self.load_ready, pattern)
        self.load_state, self.load_ready, self.load_retire = step.state, cycle + step.ready, cycle + step.retire
        return self.load_retire

    def compute(self, stream: Stream, wait: int) -> int:
        """A COMPUTE into the current half of the accumulators."""
        half = self.half
        if self.drained[half] > wait:
            wait = self.drained[half]
        walk, spacing, vectors, leave, summed, block, leaving, beside = stream
        if self._sparse_turn:
            start = self._dense_turn(wait) + COMPUTE_DECODE + walk
        else:
            start = self._issue(self.computes, self.compute_ready, wait) + COMPUTE_DECODE + walk
        walked = start + beside
        if self.compute_free > start:
            start = self.compute_free
        if block < self.leaving and self.leaving_until > start:
            start = self.leaving_until
        self.compute_ready = start + spacing
        if walked > self.compute_ready:
            self.compute_ready = walked
        self.compute_free = free = start + spacing + vectors
        self.leaving, self.leaving_until = leaving, free + leaving + 1
        self.filled[half] = free + summed
        self.compute_retire = free + leave
        return self.compute_retire

    def _dense_turn(self, wait: int) -> int:
        """The issue of a COMPUTE behind a SPARSE: it waits, out of the queue, until that one is over."""
        cycle = self._issue(self.computes, self.sparse_ready, wait)
        self._sparse_turn = False
        return max(cycle + 1, self.sparse_retire + 1, self.compute_ready)

    def sparse(self, flow: Flow, wait: int) -> int:
        """A SPARSE into the current half of the sums."""
        half = self.sparse_half
        wait = max(wait, self.cleared[half])
        if self._sparse_turn:
            cycle = self._issue(self.computes, self.sparse_ready, wait)
        else:
            cycle = self._issue(self.computes, self.compute_ready, wait)
            self._sparse_turn = True
            cycle = max(cycle + 1, self.compute_retire + 1, self.sparse_ready)
        handed = max(cycle + 1, self.sparse_retire + 2)
        self.sparse_ready = max(cycle + flow.scanned, handed + flow.scanned_late) + 1
        self.sparse_retire = max(cycle + flow.retired, handed + flow.retired_late)
        self.summed[half] = self.compute_retire = self.sparse_retire
        return self.sparse_retire

    def computes_of(self, streams: Sequence[Stream], weights: Sequence[Use], ready: int) -> None:
        """COMPUTEs into the current half, with weights of their own, of one input that is there since ``ready``."""
        for stream, use in zip(streams, weights, strict=True):
            use.read = self.compute(stream, use.loaded if use.loaded > ready else ready)

    def post(self, pixels: int, wait: int, *, load: bool) -> int:
        """A POST of ``pixels`` out of the current half of the accumulators; ``load``: with its parameters."""
        half = self.half
        if self.filled[half] > wait:
            wait = self.filled[half]
        cycle = self._issue(self.posts, self.post_ready, wait)
        last = cycle + POST_DECODE + PARAM_BYTES * load + pixels - 1
        self.post_ready = last + 1 + POST_TAIL
        self.post_empty = last + self._lanes + 1
        self.drained[half] = self.post_retire = last + self._lanes
        return self.post_retire

    def sparse_post(self, cycles: int, wait: int) -> int:
        """A SPARSE_POST of so many cycles out of the current half of the sums."""
        half = self.sparse_half
        cycle = self._issue(self.posts, self.post_ready, max(wait, self.summed[half]))
        last = max(cycle + POST_DECODE, self.post_empty, self._zeroed) + cycles
        self.post_ready = last + 1 + POST_TAIL
        self.sparse_post_empty = last + SPARSE_LANE_LATENCY + 1
        self.cleared[half] = self.post_retire = last + SPARSE_LANE_LATENCY
        return self.post_retire

    def post_alone(self, cycles: int, wait: int) -> int:
        """A POST_CONFIG, or a POST_FILL of so many cycles."""
        cycle = self._issue(self.posts, self.post_ready, wait)
        self.post_retire = max(cycle + POST_DECODE, self.post_empty, self.sparse_post_empty) + cycles + 1
        self.post_ready = self.post_retire
        return self.post_retire

    def store(self, pattern: int, wait: int) -> int:
        """A STORE."""
        cycle = self._issue(self.stores, self.store_ready, wait)
        step = self.ports.store.step(self.store_state, cycle - self.store_ready, pattern)
        self.store_state, self.store_ready, self.store_retire = step.state, cycle + step.ready, cycle + step.retire
        return self.store_retire

    def copy(self) -> Machine:
        """Another one in the same state."""
        other = copy.copy(self)
        for name in ("loads", "computes", "posts", "stores", "_fetched_ends", "_taken"):
            setattr(other, name, getattr(self, name).copy())
        other.filled, other.drained = self.filled.copy(), self.drained.copy()
        other.summed, other.cleared, other.tables = self.summed.copy(), self.cleared.copy(), self.tables.copy()
        for name in ("ifm", "weights", "params", "spmat", "pointers"):
            setattr(other, name, getattr(self, name).copy())
        return other

    @property
    def done(self) -> int:
        """The last cycle of the program if END comes next: it takes fetching, too."""
        offered = max(self._offered, self.dispatched + 1)
        return max(offered, self.end + RETIRE_TO_DONE)

    @property
    def end(self) -> int:
        """The last retirement so far."""
        return max(self.load_retire, self.compute_retire, self.post_retire, self.store_retire)
