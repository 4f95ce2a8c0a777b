"""Random programs of the sparse engine, instruction by instruction: no compiler decides what is tested.

A program loads all its matrices at once, and then runs a chain of layers, the first from IFM and the others from what
the one before left in OFM. The vectors of a layer are cut into groups whose sums lie in alternate halves, so that one
group is multiplied while another one is requantised; columns may be cut into two blocks. On an accelerator with both
engines, layers are dense or sparse by chance.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from rtl.config import PARAM_BYTES
from rtl.isa import Compute, End, Engine, Instruction, Load, Post, PostConfig, Space, Sparse, SparsePost, Store
from rtl.sparse.layout import SparseLayout
from tests.rtl.sparse.matrices import codebook_image, encode, pointer_image, random_codes, spmat_image

if TYPE_CHECKING:
    from random import Random

    from rtl.config import ArchConfig

__all__ = ["Program", "random_program"]

LOAD, COMPUTE, POST, STORE = (1 << engine for engine in Engine)
_ALIGNMENT = 64


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Instructions, and the DRAM window that they begin with."""

    instructions: tuple[Instruction, ...]
    window: np.ndarray
    layers: int


@dataclass(slots=True)
class _Memories:
    """What is taken of each memory, and what DRAM holds."""

    config: ArchConfig
    dram: bytearray = field(default_factory=bytearray)
    row: int = 0
    column: int = 0
    table: int = 0
    params: int = 0
    weight: int = 0
    ofm: int = 0
    loads: list[Load] = field(default_factory=list)

    def load(self, space: Space, spad: int, data: bytes) -> None:
        """Put ``data`` into DRAM, and LOAD it from there."""
        self.dram += bytes(-len(self.dram) % _ALIGNMENT)
        self.loads.append(
            Load(space=space, dram=len(self.dram), spad=spad, rows=1, row_bytes=len(data), dram_stride=0, spad_stride=0)
        )
        self.dram += data

    def place_in_ofm(self, size: int) -> int | None:
        """The next ``size`` bytes; None if there are none."""
        first, self.ofm = self.ofm, self.ofm + size
        return first if self.ofm <= self.config.memory.ofm_kib * 1024 else None


@dataclass(frozen=True, slots=True)
class _Tensor:
    """Vectors in a scratchpad, one behind the other."""

    space: Space
    first: int
    width: int
    height: int
    channels: int


def random_program(rng: Random, config: ArchConfig) -> Program:
    """A program that fits ``config``."""
    while True:
        found = _attempt(rng, config)
        if found is not None:
            return found


def _attempt(rng: Random, config: ArchConfig) -> Program | None:
    numbers = np.random.default_rng(rng.getrandbits(32))
    memories = _Memories(config)
    width, height = rng.randint(1, 7), rng.choice([1, 1, rng.randint(1, 5)])
    channels = rng.choice([1, rng.randint(1, 40), rng.randint(1, 300)])
    size = width * height * channels
    if size > config.memory.ifm_kib * 1024:
        return None
    zeros = numbers.random(size) < numbers.choice([0.0, 0.3, 0.6, 0.9, 1.0])
    values = np.where(zeros, 0, numbers.integers(-128, 128, size)).astype(np.int8)
    memories.load(Space.IFM, 0, values.tobytes())
    tensor = _Tensor(Space.IFM, 0, width, height, channels)

    body: list[Instruction] = []
    layers = rng.randint(1, 3)
    for layer in range(layers):
        dense = config.sparse_engine is None or (config.dense_engine is not None and rng.random() < 0.4)
        made = (_dense_layer if dense else _sparse_layer)(rng, numbers, memories, tensor, layer)
        if made is None:
            return None
        instructions, tensor = made
        # Only the last instruction of a layer tells the next one that all is there.
        instructions[-1] = replace(instructions[-1], signal=STORE if layer == layers - 1 else COMPUTE)
        first = next(k for k, i in enumerate(instructions) if i.ENGINE == Engine.COMPUTE)
        instructions[first] = replace(instructions[first], wait=POST if layer else LOAD)
        body += instructions
    out = tensor.width * tensor.height * tensor.channels
    memories.dram += bytes(-len(memories.dram) % _ALIGNMENT)
    store = Store(
        dram=len(memories.dram), spad=tensor.first, rows=1, row_bytes=out, dram_stride=0, spad_stride=0, wait=POST,
        layer=layers - 1,
    )  # fmt: skip
    memories.dram += numbers.bytes(out)
    loads = memories.loads
    # Parameters are loaded before what COMPUTE waits for, and so long before POST reads them.
    loads[-1] = replace(loads[-1], signal=COMPUTE)
    return Program((*loads, *body, store, End()), np.frombuffer(bytes(memories.dram), np.uint8).copy(), layers)


def _sparse_layer(
    rng: Random, numbers: np.random.Generator, memories: _Memories, tensor: _Tensor, layer: int
) -> tuple[list[Instruction], _Tensor] | None:
    config, sparse = memories.config, memories.config.sparse
    layout = SparseLayout(config)
    kx, ky = rng.choice([1, 1, rng.randint(1, tensor.width)]), rng.choice([1, 1, rng.randint(1, tensor.height)])
    columns = kx * ky * tensor.channels
    rows = rng.choice([1, rng.randint(1, sparse.pes), rng.randint(1, 5 * sparse.pes), rng.randint(1, 60)])
    deep = -(-rows // sparse.pes)
    cut = rng.randrange(1, columns) if kx * ky == 1 and columns > 1 and rng.random() < 0.5 else 0
    codes = random_codes(numbers, config, rows, columns)
    blocks = [encode(part, sparse.pes, sparse.longest_run) for part in np.split(codes, [cut] if cut else [], axis=1)]
    places = []
    for block in blocks:
        longest = -(-max(len(entries) for entries in block.entries) // sparse.row_entries)
        if memories.row + longest > layout.rows or memories.column + block.codes.shape[1] + 1 > layout.columns:
            return None
        if longest:
            memories.load(Space.SPMAT, memories.row * layout.row_stride, spmat_image(config, block))
        memories.load(Space.POINTER, memories.column * layout.pointer_stride, pointer_image(config, block))
        places.append({"entry": memories.row, "column": memories.column, "run": block.codes.shape[1] // (kx * ky)})
        memories.row += longest
        memories.column += block.codes.shape[1] + 1
    table = memories.table % sparse.tables
    if sparse.weights == "codebook" and memories.table < sparse.tables:
        size = 1 << sparse.code_bits
        book = numbers.integers(-(1 << rng.choice([6, 15])), 1 << 6, size).astype(np.int16)
        memories.load(Space.CODEBOOK, table * size * layout.codebook_stride, codebook_image(config, book))
        memories.table += 1

    width, height = tensor.width - kx + 1, tensor.height - ky + 1
    most = min(sparse.accumulators // deep // width, height)
    if most == 0:
        return None
    tall = rng.randint(1, most)
    posted = _posted(rng, numbers, memories, rows, width, height)
    if posted is None:
        return None
    config_i, out, residual = posted
    skip = tensor.first if residual and (tensor.width, tensor.height) == (width, height) else None
    groups = -(-height // tall)
    multiplied: list[list[Instruction]] = []
    drained: list[Instruction] = []
    for g in range(groups):
        h = min(tall, height - g * tall)
        shape = {"out_w": width, "out_h": h, "layer": layer}
        spare = sparse.accumulators - deep * width * h
        acc = g % 2 * sparse.accumulators + rng.choice([0, rng.randint(0, spare)])
        row_bytes = tensor.width * tensor.channels
        act = tensor.first + g * tall * row_bytes
        multiplies = [
            Sparse(
                source=tensor.space, act=act + (k and cut), x_stride=tensor.channels, y_stride=row_bytes, kx=kx,
                kx_stride=tensor.channels, ky=ky, ky_stride=row_bytes, zero_point=rng.choice([0, 0, -128, 3]), acc=acc,
                acc_stride=deep, table=table, **shape, **place,
            )
            for k, place in enumerate(places)
        ]  # fmt: skip
        multiplies[0] = replace(multiplies[0], wait=POST if g >= 2 else 0)
        multiplies[-1] = replace(multiplies[-1], signal=POST)
        y_stride = width * rows
        post = SparsePost(
            acc=acc, acc_stride=deep, channels=rows, ofm=out.first + g * tall * y_stride, x_stride=rows,
            y_stride=y_stride, params=memories.params - PARAM_BYTES * rows, wait=COMPUTE,
            signal=COMPUTE if g + 2 < groups else 0, residual=int(skip is not None and rows <= tensor.channels),
            skip_source=tensor.space, skip=act if skip is not None else 0, skip_x_stride=tensor.channels,
            skip_y_stride=row_bytes, **shape,
        )  # fmt: skip
        multiplied.append(multiplies)
        drained.append(post)
    # A group is multiplied while the one before is drained; the one after that has the half of the first again.
    order: list[Instruction] = [replace(config_i, layer=layer), *multiplied[0]]
    for g, post in enumerate(drained):
        order += [*(multiplied[g + 1] if g + 1 < groups else []), post]
    return order, out


def _dense_layer(
    rng: Random, numbers: np.random.Generator, memories: _Memories, tensor: _Tensor, layer: int
) -> tuple[list[Instruction], _Tensor] | None:
    """A pointwise convolution."""
    config = memories.config
    filters = rng.randint(1, config.dense.cols)
    size = tensor.channels * filters
    pixels = tensor.width * tensor.height
    if memories.weight + size > config.memory.weight_kib * 1024 or pixels > config.memory.accumulators:
        return None
    posted = _posted(rng, numbers, memories, filters, tensor.width, tensor.height, planes=True)
    if posted is None:
        return None
    config_i, out, _ = posted
    memories.load(Space.WEIGHT, memories.weight, numbers.bytes(size))
    shape = {"out_w": tensor.width, "out_h": tensor.height, "filters": filters, "layer": layer}
    compute = Compute(
        source=tensor.space, act=tensor.first, x_stride=tensor.channels, y_stride=tensor.width * tensor.channels,
        run=tensor.channels, kx=1, kx_stride=0, ky=1, ky_stride=0, weight=memories.weight, acc=0, op=0, flatten=0,
        depthwise=0, reuse_weights=0, hold=0, signal=POST, **shape,
    )  # fmt: skip
    post = Post(
        acc=0, ofm=out.first, x_stride=filters, y_stride=tensor.width * filters, load_params=1,
        params=memories.params - PARAM_BYTES * filters, residual=0, skip_source=0, skip=0, skip_x_stride=0,
        skip_y_stride=0, wait=COMPUTE, **shape,
    )  # fmt: skip
    memories.weight += size
    return [replace(config_i, layer=layer), compute, post], out


def _posted(
    rng: Random, numbers: np.random.Generator, memories: _Memories, channels: int, width: int, height: int, *,
    planes: bool = False,
) -> tuple[PostConfig, _Tensor, bool] | None:  # fmt: skip
    """Constants and parameters of an output stage, and where it writes; ``planes``: as POST takes its parameters."""
    first = memories.place_in_ofm(width * height * channels)
    size = PARAM_BYTES * channels
    if first is None or memories.params + size > memories.config.memory.param_kib * 1024:
        return None
    params = np.zeros((channels, PARAM_BYTES), np.uint8)
    params[:, :4] = numbers.integers(-(1 << 14), 1 << 14, channels).astype("<i4").view(np.uint8).reshape(-1, 4)
    params[:, 4:7] = numbers.integers(0, 256, (channels, 3))
    params[:, 6] |= 0x80
    params[:, 7] = numbers.integers(30, 48, channels)
    memories.load(Space.PARAM, memories.params, (params.T if planes else params).tobytes())
    memories.params += size
    constants = PostConfig(
        zero_point=rng.choice([0, 0, -128, 3]), low=rng.choice([-128, 0]), high=rng.randint(1, 127),
        main=rng.randint(-65536, 65535), skip=rng.randint(-65536, 65535), offset=rng.randint(-(1 << 20), 1 << 20),
        shift=rng.randint(9, 20), residual_low=rng.randint(-128, 0), residual_high=rng.randint(0, 127),
    )  # fmt: skip
    return constants, _Tensor(Space.OFM, first, width, height, channels), rng.random() < 0.5
