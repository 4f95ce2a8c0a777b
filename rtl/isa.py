"""The instruction set: every field's place and width, once.

An instruction is 256 bits. Each format is a frozen dataclass whose annotations give the widths; the encoder, the
decoder, the gateware (:mod:`rtl.isa_layout`) and the handbook are all derived from it.

Four engines run instructions, each its own in program order: load, compute, post-processing and store. They
synchronise by tokens: an instruction with a bit set in ``wait`` takes a token from that engine before it starts, and
one with a bit set in ``signal`` gives a token to that engine when it retires (one is given earlier where
:attr:`Compute.chain` says so). Every ordered pair of engines has its own counter of tokens.
"""

from __future__ import annotations

import functools
import typing
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Annotated, ClassVar, NamedTuple

from rtl.config import PARAM_BYTES

__all__ = [
    "ENGINE_COUNT",
    "FORMATS",
    "INSTRUCTION_BITS",
    "INSTRUCTION_BYTES",
    "MAX_TOKENS",
    "PARAM_BYTES",
    "AccumulateOp",
    "Bits",
    "Compute",
    "End",
    "Engine",
    "Fault",
    "Field",
    "Fill",
    "Instruction",
    "IsaError",
    "Load",
    "Opcode",
    "Post",
    "PostConfig",
    "PostFill",
    "Space",
    "Sparse",
    "SparsePost",
    "Store",
    "decode",
    "encode",
    "layout_of",
]

INSTRUCTION_BITS = 256
INSTRUCTION_BYTES = INSTRUCTION_BITS // 8
MAX_TOKENS = 255
"""Most tokens one pair of engines can have outstanding."""


class IsaError(ValueError):
    """A field that does not fit its instruction, or a word that is no instruction."""


class Engine(IntEnum):
    """Who runs an instruction; the value is the bit in ``wait`` and ``signal``."""

    LOAD = 0
    COMPUTE = 1
    POST = 2
    STORE = 3


ENGINE_COUNT = len(Engine)


class Opcode(IntEnum):
    """What to do. Values not listed are faults."""

    END = 1
    LOAD = 2
    FILL = 3
    COMPUTE = 4
    POST = 5
    POST_CONFIG = 6
    POST_FILL = 7
    STORE = 8
    SPARSE = 9
    SPARSE_POST = 10


class Space(IntEnum):
    """A scratchpad."""

    IFM = 0
    OFM = 1
    WEIGHT = 2
    PARAM = 3
    SPMAT = 4
    """Entries of the sparse matrix; see :mod:`rtl.sparse.layout` for the three below."""
    POINTER = 5
    CODEBOOK = 6


class AccumulateOp(IntEnum):
    """How a COMPUTE accumulates."""

    SET = 0
    """The first reduction tile overwrites the accumulator; later ones add to it."""
    ADD = 1
    """All tiles add to it."""
    MAX = 2
    """The first tile overwrites it; later ones keep the maximum."""


class Fault(IntEnum):
    """Why the accelerator stopped."""

    NONE = 0
    OPCODE = 1
    """Unknown opcode, or a field with an impossible value."""
    SCRATCHPAD = 2
    """An address outside its scratchpad."""
    DRAM = 3
    """An address outside the DRAM window."""
    DEADLOCK = 4
    """Every engine waits for a token that nobody can give."""
    BUS = 5
    """An AXI response other than OKAY."""
    BANK = 6
    """Two bytes of one vector in the same bank."""
    TOKEN = 7
    """More than MAX_TOKENS tokens outstanding."""
    PROGRAM = 8
    """The program ended without END."""
    TIMEOUT = 9
    """The bus owed an answer for longer than BUS_TIMEOUT."""
    LIMIT = 10
    """The run took more cycles than CYCLE_LIMIT."""


class Bits(NamedTuple):
    """Width of a field."""

    width: int
    signed: bool = False


U1 = Annotated[int, Bits(1)]
U2 = Annotated[int, Bits(2)]
U3 = Annotated[int, Bits(3)]
U4 = Annotated[int, Bits(4)]
U5 = Annotated[int, Bits(5)]
U8 = Annotated[int, Bits(8)]
U12 = Annotated[int, Bits(12)]
U16 = Annotated[int, Bits(16)]
U20 = Annotated[int, Bits(20)]
U24 = Annotated[int, Bits(24)]
U28 = Annotated[int, Bits(28)]
U32 = Annotated[int, Bits(32)]
S8 = Annotated[int, Bits(8, signed=True)]
S20 = Annotated[int, Bits(20, signed=True)]
S32 = Annotated[int, Bits(32, signed=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """The fields that all instructions share, in the lowest bits."""

    OPCODE: ClassVar[Opcode]
    ENGINE: ClassVar[Engine | None] = None

    layer: U12 = 0
    """Layer that the events of this instruction are counted for."""
    wait: U4 = 0
    """Engines to take a token from before starting."""
    signal: U4 = 0
    """Engines to give a token to when retired."""

    @property
    def early(self) -> int:
        """Engines of ``signal`` that get their token before the retirement."""
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class End(Instruction):
    """Wait until every engine is idle, then report done."""

    OPCODE: ClassVar[Opcode] = Opcode.END


@dataclass(frozen=True, slots=True, kw_only=True)
class Load(Instruction):
    """Copy ``rows`` rows of ``row_bytes`` from DRAM to a scratchpad (any but OFM).

    To a memory of the sparse engine every address, stride and length is a multiple of the bus's ``data_bytes``.
    """

    OPCODE: ClassVar[Opcode] = Opcode.LOAD
    ENGINE: ClassVar[Engine | None] = Engine.LOAD

    space: U3
    dram: U32
    """Byte offset into the DRAM window."""
    spad: U24
    rows: U16
    row_bytes: U20
    dram_stride: U28
    spad_stride: U24


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill(Instruction):
    """Write ``value`` to ``rows`` rows of ``row_bytes`` of the IFM scratchpad: the padding of a tile."""

    OPCODE: ClassVar[Opcode] = Opcode.FILL
    ENGINE: ClassVar[Engine | None] = Engine.LOAD

    value: S8
    spad: U24
    rows: U16
    row_bytes: U20
    spad_stride: U24


@dataclass(frozen=True, slots=True, kw_only=True)
class Compute(Instruction):
    """Stream a tile of output pixels through the array, once for each tile of the reduction.

    Pixel (x, y) reads from byte ``act + x * x_stride + y * y_stride`` on; reduction element k lies
    ``c + i * kx_stride + j * ky_stride`` bytes further, where k counts ``c < run`` fastest, then ``i < kx``, then
    ``j < ky``. Reduction tiles take ``rows`` of the array at a time; unless ``flatten`` is set a tile ends with its
    run. With ``flatten`` set offsets must increase with k and be equal to k modulo the number of banks. Weights of a
    tile lie row by row, ``filters`` bytes each, tiles one after the other from ``weight`` on.

    ``depthwise``: column c of the array convolves channel c with its own kernel. ``run`` is the number of channels,
    equal to ``filters``; a weight tile is the ``kx`` taps of one kernel row; ``kx_stride`` is the convolution's
    stride along x in pixels, and ``x_stride`` the bytes from one *input* pixel to the next.
    """

    OPCODE: ClassVar[Opcode] = Opcode.COMPUTE
    ENGINE: ClassVar[Engine | None] = Engine.COMPUTE

    source: U2
    """IFM or OFM."""
    act: U24
    out_w: U12
    out_h: U12
    x_stride: U16
    y_stride: U24
    run: U16
    kx: U8
    kx_stride: U16
    ky: U8
    ky_stride: U24
    weight: U24
    filters: U8
    acc: U16
    """First accumulator; the half is the top bit of the address. Pixel m of the tile adds into ``acc + m``."""
    op: U2
    flatten: U1
    depthwise: U1
    reuse_weights: U1
    """All reduction tiles use the first one's weights."""
    hold: U1
    """All pixels accumulate into ``acc``."""
    chain: U1 = 0
    """POST gets its token with the first sum of the last reduction tile instead of at retirement: a POST of the same
    accumulators follows the sums, a pixel per cycle behind them. Weight-stationary only, not with ``depthwise`` or
    ``hold``; the tile must overwrite (one tile, SET): a half cannot be drained while it is read to be added to."""

    @property
    def early(self) -> int:
        """Engines of ``signal`` that get their token before the retirement."""
        return self.signal & self.chain << Engine.POST


@dataclass(frozen=True, slots=True, kw_only=True)
class Sparse(Instruction):
    """Multiply the compressed matrix with ``out_w`` x ``out_h`` vectors, skipping zeros on both sides.

    Vector (x, y) reads from byte ``act + x * x_stride + y * y_stride`` on; its element k lies
    ``c + i * kx_stride + j * ky_stride`` bytes further, where k counts ``c < run`` fastest, then ``i < kx``, then
    ``j < ky``. An element equal to ``zero_point`` is skipped; any other one, less ``zero_point``, multiplies column k.

    Column k of the matrix has pointers ``column + k`` and ``column + k + 1`` in each PE: the first of its entries and
    the one behind its last, counted from row ``entry`` of the sparse-matrix memory on. An entry skips as many of the
    PE's rows as it says; products of local row r of vector m = x + y * out_w are added to sum ``acc + m * acc_stride +
    r``. Sums are zero when a run starts, and when SPARSE_POST has read them.
    """

    OPCODE: ClassVar[Opcode] = Opcode.SPARSE
    ENGINE: ClassVar[Engine | None] = Engine.COMPUTE

    source: U2
    """IFM or OFM."""
    act: U24
    out_w: U12
    out_h: U12
    x_stride: U16
    y_stride: U24
    run: U16
    kx: U8
    kx_stride: U16
    ky: U8
    ky_stride: U24
    zero_point: S8
    column: U16
    """Pointer of the first column."""
    entry: U16
    """Row of the sparse-matrix memory that pointers count from."""
    acc: U12
    """First sum of each PE; the half is the top bit of the address."""
    acc_stride: U12
    """Sums per vector: local rows of each PE."""
    table: U4 = 0
    """Codebook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostConfig(Instruction):
    """Constants of a layer's output stage; kept until the next one.

    A requantised sum is ``q``, with ``zero_point`` added and clipped to ``low .. high``. A POST with a residual ``r``
    writes ``clip((q * main + r * skip + offset) >> shift, residual_low, residual_high)``.
    """

    OPCODE: ClassVar[Opcode] = Opcode.POST_CONFIG
    ENGINE: ClassVar[Engine | None] = Engine.POST

    zero_point: S8
    low: S8
    high: S8
    main: S20 = 0
    skip: S20 = 0
    offset: S32 = 0
    shift: U5 = 1
    residual_low: S8 = -128
    residual_high: S8 = 127


@dataclass(frozen=True, slots=True, kw_only=True)
class Post(Instruction):
    """Requantise a tile of accumulators, add the residual, and write it to the OFM scratchpad."""

    OPCODE: ClassVar[Opcode] = Opcode.POST
    ENGINE: ClassVar[Engine | None] = Engine.POST

    acc: U16
    out_w: U12
    out_h: U12
    ofm: U24
    x_stride: U16
    y_stride: U24
    filters: U8
    """Columns written, 1..cols."""
    load_params: U1
    """Load ``filters`` channels' parameters from ``params`` first; otherwise keep those of the last Post."""
    params: U24
    """Byte address in the PARAM scratchpad; byte j of channel c lies at ``params + j * filters + c``."""
    residual: U1
    skip_source: U2
    """IFM or OFM."""
    skip: U24
    skip_x_stride: U16
    skip_y_stride: U24


@dataclass(frozen=True, slots=True, kw_only=True)
class SparsePost(Instruction):
    """Requantise the sums of the sparse engine, add the residual, write them to the OFM scratchpad, and clear them.

    Channel q of vector m = x + y * out_w is sum ``acc + m * acc_stride + q // pes`` of PE ``q % pes``. It is written to
    byte ``ofm + x * x_stride + y * y_stride + q``; its parameters lie at ``params + PARAM_BYTES * q``, its residual at
    ``skip + x * skip_x_stride + y * skip_y_stride + q``.
    """

    OPCODE: ClassVar[Opcode] = Opcode.SPARSE_POST
    ENGINE: ClassVar[Engine | None] = Engine.POST

    acc: U12
    acc_stride: U12
    out_w: U12
    out_h: U12
    channels: U16
    """A multiple of ``lanes`` but for the last ones of the layer."""
    ofm: U24
    x_stride: U16
    y_stride: U24
    params: U24
    residual: U1 = 0
    skip_source: U2 = 0
    """IFM or OFM."""
    skip: U24 = 0
    skip_x_stride: U16 = 0
    skip_y_stride: U24 = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PostFill(Instruction):
    """Write ``value`` to ``rows`` rows of ``row_bytes`` of the OFM scratchpad: padding of a resident tensor."""

    OPCODE: ClassVar[Opcode] = Opcode.POST_FILL
    ENGINE: ClassVar[Engine | None] = Engine.POST

    value: S8
    spad: U24
    rows: U16
    row_bytes: U20
    spad_stride: U24


@dataclass(frozen=True, slots=True, kw_only=True)
class Store(Instruction):
    """Copy ``rows`` rows of ``row_bytes`` from the OFM scratchpad to DRAM."""

    OPCODE: ClassVar[Opcode] = Opcode.STORE
    ENGINE: ClassVar[Engine | None] = Engine.STORE

    spad: U24
    rows: U16
    row_bytes: U20
    spad_stride: U24
    dram: U32
    """Byte offset into the DRAM window."""
    dram_stride: U28


FORMATS: dict[Opcode, type[Instruction]] = {
    kind.OPCODE: kind for kind in (End, Load, Fill, Compute, Post, PostConfig, PostFill, Store, Sparse, SparsePost)
}
"""Format of the word, by opcode."""


class Field(NamedTuple):
    """Where a field lies in the word."""

    name: str
    offset: int
    width: int
    signed: bool


@functools.cache
def layout_of(kind: type[Instruction]) -> tuple[Field, ...]:
    """The fields of a format from bit 0 up; the opcode comes first, then those of :class:`Instruction`."""
    hints = typing.get_type_hints(kind, include_extras=True)
    placed = [Field("opcode", 0, 4, signed=False)]
    for field in fields(kind):
        (bits,) = hints[field.name].__metadata__
        placed.append(Field(field.name, placed[-1].offset + placed[-1].width, bits.width, bits.signed))
    if placed[-1].offset + placed[-1].width > INSTRUCTION_BITS:
        raise IsaError(f"{kind.__name__} is wider than {INSTRUCTION_BITS} bits")
    return tuple(placed)


def encode(instruction: Instruction) -> int:
    """The 256-bit word.

    Raises:
        IsaError: a field does not fit.

    """
    kind = type(instruction)
    word = int(instruction.OPCODE)
    for name, offset, low, high, mask in _encoding_of(kind):
        value = getattr(instruction, name)
        if not low <= value < high:
            raise IsaError(f"{kind.__name__}.{name} takes {low}..{high - 1}; {value} does not fit")
        word |= (value & mask) << offset
    return word


@functools.cache
def _encoding_of(kind: type[Instruction]) -> tuple[tuple[str, int, int, int, int], ...]:
    """Name, offset, least value, the one above the greatest, and mask of every field but the opcode."""
    return tuple(
        (f.name, f.offset, -(1 << (f.width - 1)) if f.signed else 0, 1 << (f.width - f.signed), (1 << f.width) - 1)
        for f in layout_of(kind)[1:]
    )


def decode(word: int) -> Instruction:
    """The instruction in a 256-bit word.

    Raises:
        IsaError: unknown opcode.

    """
    try:
        kind = FORMATS[Opcode(word & 0xF)]
    except ValueError as error:
        raise IsaError(f"unknown opcode {word & 0xF}") from error
    values: dict[str, int] = {}
    for name, offset, width, signed in layout_of(kind)[1:]:
        raw = (word >> offset) & ((1 << width) - 1)
        values[name] = raw - (1 << width) if signed and raw >> (width - 1) else raw
    return kind(**values)
