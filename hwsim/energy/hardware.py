"""What there is on the chip to be clocked, to leak and to take area: memories and flip-flops, by configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtl.sparse.layout import ACTIVATION_BITS, POINTER_BYTES

if TYPE_CHECKING:
    from rtl.config import ArchConfig, SparseConfig

__all__ = [
    "LANE_STATE_BITS",
    "SPARSE_LANE_STATE_BITS",
    "Memory",
    "array_bits",
    "flip_flops",
    "memories",
    "multipliers",
    "pe_bits",
    "queue_bits",
]

LANE_STATE_BITS = 396
"""Flip-flops of a lane: the output stage's pipeline and a channel's parameters. As counted in the netlist."""

SPARSE_LANE_STATE_BITS = 366
"""Flip-flops of a sparse lane, whose parameters are never kept."""
_PE_FLAGS = 18
"""What a PE has in single bits."""

_REST_BITS = 4305
_REST_BITS_PER_LINE = 559
"""Flip-flops outside columns and lanes: control, DMA, skew. The line through the netlists of dense-8x8 and -16x16."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """``banks`` equal memories, side by side."""

    name: str
    banks: int
    bank_kib: float
    word_bits: int
    """Of one access to one bank."""
    read_ports: int
    """A macro has one; each further port is a copy, which is written, leaks and takes area as the first does."""
    shared: bool = True
    """The banks are one buffer, with the wires between them; or each is on its own."""

    @property
    def kib(self) -> float:
        """What it holds, copies apart."""
        return self.banks * self.bank_kib


def memories(config: ArchConfig) -> dict[str, Memory]:
    """Every memory of the accelerator: scratchpads in byte-wide banks, and those that each engine has of its own."""

    def scratchpad(name: str, kib: int, read_ports: int) -> Memory:
        banks = config.banks
        return Memory(name=name, banks=banks, bank_kib=kib / banks, word_bits=8, read_ports=read_ports)

    sizes = config.memory
    found = [
        # Read by an engine of COMPUTE and by POST; by STORE as well.
        scratchpad("ifm", sizes.ifm_kib, 2),
        scratchpad("ofm", sizes.ofm_kib, 3),
        scratchpad("param", sizes.param_kib, 1),
    ]
    if config.dense_engine is not None:
        found += [
            scratchpad("weight", sizes.weight_kib, 1),
            _private("accumulator", 2 * config.dense.cols, sizes.accumulators, 32),
        ]
    if config.sparse_engine is not None:
        found += _sparse_memories(config.sparse_engine)
    return {memory.name: memory for memory in found}


def _private(name: str, banks: int, words: int, bits: int) -> Memory:
    """Memories of one read port, each on its own."""
    kib = words * bits / 8192
    return Memory(name=name, banks=banks, bank_kib=kib, word_bits=bits, read_ports=1, shared=False)


def _sparse_memories(sparse: SparseConfig) -> list[Memory]:
    """Of all PEs."""
    row_bits = 8 * sparse.row_bytes
    found = [
        _private("spmat", sparse.pes, sparse.spmat_kib * 8192 // row_bits, row_bits),
        _private("pointer", 2 * sparse.pes, sparse.pointers // 2, 8 * POINTER_BYTES),
        _private("sparse_sum", 2 * sparse.pes, sparse.accumulators, 32),
    ]
    if sparse.weights == "codebook":
        found.append(_private("codebook", sparse.pes, sparse.tables << sparse.code_bits, sparse.weight_bits))
    return found


def array_bits(config: ArchConfig) -> int:
    """Flip-flops of the dense engine's columns. A PE has an activation, its weights, a sum, and two bits of control."""
    dense = config.dense
    if dense.dataflow == "output_stationary":
        # One weight, handed on to the row below; none under the last.
        column = dense.rows * (8 + config.psum_bits + 2) + 8 * (dense.rows - 1)
    else:
        # Two weights: the one in use and its successor.
        column = dense.rows * (3 * 8 + config.psum_bits + 2) + dense.depthwise_taps
    return dense.cols * column


def flip_flops(config: ArchConfig) -> int:
    """Flip-flops of the accelerator: exact for the array, a fit for what is around it."""
    bits = _REST_BITS
    if config.dense_engine is not None:
        lines = max(config.dense.rows, config.dense.cols)
        bits += array_bits(config) + config.dense.cols * LANE_STATE_BITS + _REST_BITS_PER_LINE * lines
    if config.sparse_engine is not None:
        sparse = config.sparse_engine
        bits += sparse.pes * pe_bits(sparse) + sparse.lanes * (SPARSE_LANE_STATE_BITS + _REST_BITS_PER_LINE)
    return bits


def queue_bits(sparse: SparseConfig) -> int:
    """A place in a PE's queue: the activation, first and last entry of its column, and its first sum."""
    return ACTIVATION_BITS + 2 * 8 * POINTER_BYTES + _width(sparse.accumulators)


def pe_bits(sparse: SparseConfig) -> int:
    """Flip-flops of a PE of the sparse engine, the places of its queue among them; memories have their own."""
    sums, slot, depth = _width(sparse.accumulators), _width(sparse.row_entries), sparse.fifo_depth
    # Stage by stage: activation, pointers, queue, walk, entry, multiplication, accumulation, drain.
    stages = (
        ACTIVATION_BITS + _width(sparse.pointers) + sums,
        ACTIVATION_BITS + sums + 1,
        depth * queue_bits(sparse) + 2 * _width(depth) + _width(depth + 1),
        2 * queue_bits(sparse) + 8 * POINTER_BYTES - slot,
        slot + ACTIVATION_BITS + sums + max(sums, sparse.index_bits) + 1,
        ACTIVATION_BITS + sums + (sparse.weight_bits if sparse.weights == "int8" else 0),
        ACTIVATION_BITS + sparse.weight_bits + sums + 32,
        sums,
    )
    return sum(stages) + _PE_FLAGS


def _width(count: int) -> int:
    """Bits that tell ``count`` things apart."""
    return (count - 1).bit_length()


def multipliers(config: ArchConfig) -> list[tuple[int, int, int, int]]:
    """Every multiplier and the adder behind it: how many, bits of one operand, of the other, and of the sum."""
    found = []
    lanes = 0
    if config.dense_engine is not None:
        rows, cols = config.dense.rows, config.dense.cols
        found.append((rows * cols, 8, 8, config.psum_bits))
        lanes += cols
    if config.sparse_engine is not None:
        found.append((config.sparse.pes, ACTIVATION_BITS, config.sparse.weight_bits, 32))
        lanes += config.sparse.lanes
    # A lane requantises by 24 x 24 bits, and blends a residual by two products of 8 x 17.
    return [*found, (lanes, 24, 24, 32), (2 * lanes, 8, 17, 34)]
