"""Every way in which a program can be wrong, and the fault that it must end with.

For accelerators like :data:`VICTIMS`, with a window of :data:`WINDOW_BYTES`. Each is an instruction stream that is
right but for one thing.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from rtl.config import ArchConfig, BusConfig, ControlConfig, DramConfig, MemoryConfig, SparseConfig
from rtl.isa import (
    MAX_TOKENS,
    Compute,
    End,
    Engine,
    Fault,
    Fill,
    Instruction,
    Load,
    Opcode,
    Post,
    PostConfig,
    PostFill,
    Space,
    Sparse,
    SparsePost,
    Store,
    encode,
)
from rtl.sparse.layout import SparseLayout
from tests.system.random_archs import random_arch

__all__ = [
    "DISPATCH", "FETCH", "SPARSE_VICTIM", "VICTIMS", "WINDOW_BYTES", "Mistake", "mistakes_of", "sparse_mistakes",
]  # fmt: skip

_FAST = DramConfig(latency_cycles=20, beat_interval=1)
VICTIMS: dict[str, ArchConfig] = {
    "weight-stationary": random_arch(102, rows=4, cols=4, dataflow="weight_stationary"),
    "output-stationary": random_arch(103, rows=3, cols=5, dataflow="output_stationary"),
}
VICTIMS = {name: config.model_copy(update={"dram": _FAST}) for name, config in VICTIMS.items()}
"""The accelerators that are maltreated, by name."""
SPARSE_VICTIM = ArchConfig(
    name="sparse-victim",
    dense=None,
    sparse=SparseConfig(
        pes=2, lanes=2, pointers=1024, accumulators=16, tables=2, spmat_kib=4, code_bits=8, index_bits=4, row_bytes=2
    ),
    memory=MemoryConfig(ifm_kib=2, ofm_kib=2, weight_kib=1, param_kib=1, accumulators=16),
    bus=BusConfig(data_bytes=8, burst_beats=16, outstanding=4),
    control=ControlConfig(queue_depth=4, fetch_depth=16, max_layers=8),
    dram=_FAST,
)
"""One with the zero-skipping engine alone, for :func:`sparse_mistakes`."""
WINDOW_BYTES = 0x2000
DISPATCH, FETCH = 4, 5
LOAD, COMPUTE, POST, STORE = (1 << engine for engine in Engine)

_LOAD = Load(space=Space.IFM, dram=0, spad=0, rows=1, row_bytes=4, dram_stride=0, spad_stride=0)
_FILL = Fill(value=1, spad=0, rows=1, row_bytes=4, spad_stride=0)
_COMPUTE = Compute(
    source=Space.IFM, act=0, out_w=2, out_h=2, x_stride=2, y_stride=8, run=2, kx=1, kx_stride=8, ky=1, ky_stride=16,
    weight=0, filters=2, acc=0, op=0, flatten=0, depthwise=0, reuse_weights=0, hold=0,
)  # fmt: skip
_DEPTHWISE = dataclasses.replace(_COMPUTE, depthwise=1, kx=2, kx_stride=1)
_CONFIG = PostConfig(zero_point=0, low=-128, high=127)
_POST = Post(
    acc=0, out_w=2, out_h=2, ofm=0, x_stride=2, y_stride=8, filters=2, load_params=1, params=0, residual=0,
    skip_source=Space.IFM, skip=0, skip_x_stride=2, skip_y_stride=8,
)  # fmt: skip
_SPARSE = Sparse(
    source=Space.IFM, act=0, out_w=2, out_h=2, x_stride=2, y_stride=8, run=2, kx=1, kx_stride=0, ky=1, ky_stride=0,
    zero_point=0, column=0, entry=0, acc=0, acc_stride=1,
)  # fmt: skip
_SPARSE_POST = SparsePost(
    acc=0, acc_stride=1, out_w=2, out_h=2, channels=2, ofm=0, x_stride=2, y_stride=8, params=0, residual=0,
    skip_source=Space.IFM, skip=0, skip_x_stride=2, skip_y_stride=8,
)  # fmt: skip
_POST_FILL = PostFill(value=1, spad=0, rows=1, row_bytes=4, spad_stride=0)
_STORE = Store(spad=0, rows=1, row_bytes=4, spad_stride=0, dram=0, dram_stride=0)


@dataclass(frozen=True, slots=True)
class Mistake:
    """A program, and the fault it must end with."""

    words: list[int]
    fault: Fault
    unit: int
    """Who must see it."""
    layer: int | None = 0
    """Layer that it must be reported for; None for none."""
    length: int | None = None
    """Instructions that the accelerator is told of; all by default."""
    program: int | None = None
    """Where it is told that the program lies."""
    window_bytes: int = WINDOW_BYTES
    may_write: tuple[tuple[int, int], ...] = field(default=())
    """Parts of the window, as start and stop, that are written before the mistake is reached."""


def _one(instruction: Instruction, fault: Fault, **fields: int) -> Mistake:
    """The instruction with some fields changed, and END."""
    engine = instruction.ENGINE
    assert engine is not None
    wrong = dataclasses.replace(instruction, layer=3, **fields)
    return Mistake([encode(wrong), encode(End())], fault, engine, layer=3)


def _run(*program: Instruction) -> list[int]:
    return [encode(i) for i in program]


def _opcodes() -> dict[str, Mistake]:
    known = {int(opcode) for opcode in Opcode}
    words = {f"opcode {code}": code | 5 << 4 for code in range(16) if code not in known}
    return {name: Mistake([word, encode(End())], Fault.OPCODE, DISPATCH, layer=5) for name, word in words.items()}


def _dispatch(config: ArchConfig) -> dict[str, Mistake]:
    most = config.control.max_layers
    return {
        "layer that is not counted": Mistake(
            _run(dataclasses.replace(_LOAD, layer=most), End()), Fault.OPCODE, DISPATCH, layer=most
        ),
        "token from itself": Mistake(_run(dataclasses.replace(_LOAD, wait=LOAD), End()), Fault.OPCODE, DISPATCH),
        "token to itself": Mistake(_run(dataclasses.replace(_STORE, signal=STORE), End()), Fault.OPCODE, DISPATCH),
        "no END": Mistake(_run(_LOAD, _FILL), Fault.PROGRAM, DISPATCH, layer=None),
        "END behind the end": Mistake(_run(_LOAD, _FILL, End()), Fault.PROGRAM, DISPATCH, layer=None, length=2),
        "no instructions": Mistake(_run(End()), Fault.PROGRAM, DISPATCH, layer=None, length=0),
        "program not aligned": Mistake(_run(End()), Fault.DRAM, FETCH, layer=None, program=0x1010),
        "program beyond memory": Mistake(_run(End()), Fault.BUS, FETCH, layer=None, program=0x7000_0000),
        "program past the end of addresses": Mistake(
            _run(End()), Fault.DRAM, FETCH, layer=None, program=0xFFFF_FFE0, length=100
        ),
    }


def _empty(config: ArchConfig) -> dict[str, Mistake]:
    """Counts of zero, and numbers that mean nothing."""
    fields = {
        "load": (_LOAD, ["rows", "row_bytes"]),
        "fill": (_FILL, ["rows", "row_bytes"]),
        "compute": (_COMPUTE, ["out_w", "out_h", "run", "kx", "ky", "filters"]),
        "post": (_POST, ["out_w", "out_h", "filters"]),
        "post_fill": (_POST_FILL, ["rows", "row_bytes"]),
        "store": (_STORE, ["rows", "row_bytes"]),
    }
    zeros = {
        f"{name} of no {field}": _one(instruction, Fault.OPCODE, **{field: 0})
        for name, (instruction, names) in fields.items()
        for field in names
    }
    taps = config.dense.depthwise_taps
    return zeros | {
        "load to where only results go": _one(_LOAD, Fault.OPCODE, space=Space.OFM),
        "compute from weights": _one(_COMPUTE, Fault.OPCODE, source=Space.WEIGHT),
        "compute with an unknown accumulation": _one(_COMPUTE, Fault.OPCODE, op=3),
        "compute of more filters than columns": _one(_COMPUTE, Fault.OPCODE, filters=config.dense.cols + 1),
        "depthwise of more taps than there are": _one(_DEPTHWISE, Fault.OPCODE, kx=taps + 1),
        "depthwise of more channels than filters": _one(_DEPTHWISE, Fault.OPCODE, run=3),
        "depthwise without a stride": _one(_DEPTHWISE, Fault.OPCODE, kx_stride=0),
        "depthwise of a stride too long": _one(_DEPTHWISE, Fault.OPCODE, kx_stride=16),
        "depthwise that spans runs": _one(_DEPTHWISE, Fault.OPCODE, flatten=1),
        "post of more filters than columns": _one(_POST, Fault.OPCODE, filters=config.dense.cols + 1),
        "post of a residual from parameters": _one(_POST, Fault.OPCODE, residual=1, skip_source=Space.PARAM),
    }


def _scratchpads(config: ArchConfig) -> dict[str, Mistake]:
    """A byte outside: the first byte, a later row, the far end of the address space."""
    far = (1 << 24) - 1
    m = config.memory
    ifm, ofm, weight, param = (1024 * kib for kib in (m.ifm_kib, m.ofm_kib, m.weight_kib, m.param_kib))
    # An array without depthwise convolution refuses it as such.
    depthwise = Fault.SCRATCHPAD if config.dense.depthwise_taps else Fault.OPCODE
    places = {"just past": (-3, 0), "in its second row": (-4, 64), "far beyond": (None, 0)}
    found = {}
    for where, (start, stride) in places.items():
        more = {"rows": 2, "spad_stride": stride, "dram_stride": 8} if stride else {}
        for space, size in ((Space.IFM, ifm), (Space.WEIGHT, weight), (Space.PARAM, param)):
            spad = far if start is None else size + start
            found[f"load to {space.name} {where}"] = _one(_LOAD, Fault.SCRATCHPAD, space=space, spad=spad, **more)
        rows = {name: value for name, value in more.items() if name != "dram_stride"}
        at = {size: far if start is None else size + start for size in (ifm, ofm)}
        found[f"fill {where}"] = _one(_FILL, Fault.SCRATCHPAD, spad=at[ifm], **rows)
        found[f"post_fill {where}"] = _one(_POST_FILL, Fault.SCRATCHPAD, spad=at[ofm], **rows)
        store = _one(_STORE, Fault.SCRATCHPAD, spad=at[ofm], **more)
        found[f"store {where}"] = dataclasses.replace(store, may_write=((0, 4),)) if stride else store
    for space, size in ((Space.IFM, ifm), (Space.OFM, ofm)):
        found |= {
            f"compute from {space.name}, first pixel": _one(_COMPUTE, Fault.SCRATCHPAD, source=space, act=size - 1),
            f"compute from {space.name}, last column": _one(
                _COMPUTE, Fault.SCRATCHPAD, source=space, act=size - 20, x_stride=19, out_h=1
            ),
            f"compute from {space.name}, last row": _one(
                _COMPUTE, Fault.SCRATCHPAD, source=space, act=size - 20, y_stride=20
            ),
            f"compute from {space.name}, last tap": _one(
                _COMPUTE, Fault.SCRATCHPAD, source=space, act=size - 20, ky=2, ky_stride=16
            ),
            f"depthwise from {space.name}": _one(_DEPTHWISE, depthwise, source=space, act=size - 12),
            f"residual from {space.name}": _one(
                _POST, Fault.SCRATCHPAD, residual=1, skip_source=space, skip=size - 8, skip_x_stride=7
            ),
        }
    return found | {
        "compute from the end of addresses": _one(_COMPUTE, Fault.SCRATCHPAD, act=far),
        "compute with a tap beyond all memory": _one(_COMPUTE, Fault.SCRATCHPAD, ky=2, ky_stride=far),
        "weights past the end": _one(_COMPUTE, Fault.SCRATCHPAD, weight=weight - 3),
        "weights far beyond": _one(_COMPUTE, Fault.SCRATCHPAD, weight=far),
        "accumulator that is not there": _one(_COMPUTE, Fault.SCRATCHPAD, acc=2 * m.accumulators),
        "sums past the first half": _one(_COMPUTE, Fault.SCRATCHPAD, acc=m.accumulators - 3),
        "sums past the second half": _one(_COMPUTE, Fault.SCRATCHPAD, acc=2 * m.accumulators - 3),
        "post of an accumulator that is not there": _one(_POST, Fault.SCRATCHPAD, acc=2 * m.accumulators),
        "post past the first half": _one(_POST, Fault.SCRATCHPAD, acc=m.accumulators - 3),
        "post past the second half": _one(_POST, Fault.SCRATCHPAD, acc=2 * m.accumulators - 3),
        "parameters past the end": _one(_POST, Fault.SCRATCHPAD, params=param - 15),
        "parameters far beyond": _one(_POST, Fault.SCRATCHPAD, params=far),
        "pixels past the end of OFM": _one(_POST, Fault.SCRATCHPAD, ofm=ofm - 11),
        "pixels far beyond": _one(_POST, Fault.SCRATCHPAD, ofm=far),
    }


def _banks(config: ArchConfig) -> dict[str, Mistake]:
    pixels = min(100, config.memory.accumulators)
    long = dataclasses.replace(_COMPUTE, out_w=pixels, out_h=1, x_stride=1, op=1, layer=3)
    drain = dataclasses.replace(_POST, out_w=pixels, out_h=1, x_stride=1, load_params=0)
    return {
        "two rows in one bank": _one(_COMPUTE, Fault.BANK, kx=2, kx_stride=3, flatten=1),
        "sums of a half that drains": Mistake(_run(long, drain, End()), Fault.BANK, Engine.COMPUTE, layer=3),
    }


def _dram(config: ArchConfig) -> dict[str, Mistake]:
    end = WINDOW_BYTES
    burst = config.bus.data_bytes * config.bus.burst_beats
    cases = {
        "just past": ({"dram": end - 3}, ((end - 3, end),)),
        "in its second row": ({"dram": end - 8, "rows": 2, "dram_stride": 8}, ((end - 8, end - 4),)),
        "in its second burst": ({"dram": end - burst, "row_bytes": burst + 1}, ((end - burst, end),)),
        "far beyond": ({"dram": (1 << 32) - 4}, ()),
        "over the end of addresses": ({"dram": (1 << 32) - 2}, ()),
    }
    found = {}
    for where, (fields, written) in cases.items():
        found[f"load from DRAM {where}"] = _one(_LOAD, Fault.DRAM, **fields)
        store = _one(_STORE, Fault.DRAM, **fields)
        found[f"store to DRAM {where}"] = dataclasses.replace(store, may_write=written)
    for name, instruction in (("load from", _LOAD), ("store to", _STORE)):
        found[f"{name} a window of nothing"] = dataclasses.replace(_one(instruction, Fault.DRAM), window_bytes=0)
        beyond = _one(instruction, Fault.BUS, dram=1 << 25)
        found[f"{name} where no memory is"] = dataclasses.replace(beyond, window_bytes=1 << 26)
    return found


def _tokens(config: ArchConfig) -> dict[str, Mistake]:
    waits = dataclasses.replace(_STORE, wait=LOAD, layer=2)
    given = dataclasses.replace(_LOAD, signal=STORE)
    deep = config.control.queue_depth + 2
    lone = dataclasses.replace(_LOAD, wait=COMPUTE, signal=COMPUTE, layer=1)
    other = dataclasses.replace(_COMPUTE, wait=LOAD, signal=LOAD, layer=2)
    everyone = [
        dataclasses.replace(i, wait=wait, layer=4)
        for i, wait in ((_LOAD, STORE), (_COMPUTE, LOAD), (_POST, COMPUTE), (_STORE, POST))
    ]
    return {
        "token that nobody gives": Mistake(_run(_LOAD, waits, End()), Fault.DEADLOCK, Engine.STORE, layer=2),
        "token taken twice": Mistake(_run(given, waits, waits, End()), Fault.DEADLOCK, Engine.STORE, layer=2,
                                     may_write=((0, 4),)),
        "token given too late": Mistake(_run(waits, _CONFIG, End(), given), Fault.DEADLOCK, Engine.STORE, layer=2),
        "queue full of those that wait": Mistake(_run(*[waits] * deep, End()), Fault.DEADLOCK, Engine.STORE, layer=2),
        "each waits for the other": Mistake(_run(lone, other, End()), Fault.DEADLOCK, Engine.LOAD, layer=1),
        "all four in a circle": Mistake(_run(*everyone, End()), Fault.DEADLOCK, Engine.LOAD, layer=4),
        "more tokens than can be counted": Mistake(
            _run(*[given] * (MAX_TOKENS + 1), End()), Fault.TOKEN, Engine.STORE, layer=None
        ),
    }  # fmt: skip


def mistakes_of(config: ArchConfig) -> dict[str, Mistake]:
    """What can be wrong in a program for ``config``, by what is wrong: the same names for all."""
    parts = (_dispatch, _empty, _scratchpads, _banks, _dram, _tokens)
    return _opcodes() | {name: mistake for part in parts for name, mistake in part(config).items()}


def sparse_mistakes(config: ArchConfig) -> dict[str, Mistake]:
    """What can be wrong with SPARSE and SPARSE_POST in a program for ``config``, by what is wrong.

    What the engine's memories hold is what the program before has left there.
    """
    sparse, m = config.sparse, config.memory
    far = (1 << 24) - 1
    ifm, ofm, param = (1024 * kib for kib in (m.ifm_kib, m.ofm_kib, m.param_kib))
    sums, pointers = sparse.accumulators, sparse.pointers

    def multiply(fault: Fault, **fields: int) -> Mistake:
        return _one(_SPARSE, fault, **fields)

    def drain(fault: Fault, **fields: int) -> Mistake:
        return _one(_SPARSE_POST, fault, **fields)

    found = {
        **{
            f"sparse of no {name}": multiply(Fault.OPCODE, **{name: 0})
            for name in ("out_w", "out_h", "run", "kx", "ky")
        },
        **{f"sparse_post of no {name}": drain(Fault.OPCODE, **{name: 0}) for name in ("out_w", "out_h", "channels")},
        "sparse from parameters": multiply(Fault.OPCODE, source=Space.PARAM),
        "sparse with a codebook that is not there": multiply(Fault.OPCODE, table=sparse.tables),
        "sparse_post of a residual from parameters": drain(Fault.OPCODE, residual=1, skip_source=Space.PARAM),
        "compute without an array": _one(_COMPUTE, Fault.OPCODE),
        "post without an array": _one(_POST, Fault.OPCODE),
        "sparse into a sum that is not there": multiply(Fault.SCRATCHPAD, acc=2 * sums),
        "sparse into sums past the first half": multiply(Fault.SCRATCHPAD, acc=sums - 3),
        "sparse into sums past the second half": multiply(Fault.SCRATCHPAD, acc=2 * sums - 3),
        "sparse of a column that is not there": multiply(Fault.SCRATCHPAD, column=pointers),
        "sparse of a last column that is not there": multiply(Fault.SCRATCHPAD, column=pointers - 2),
        "sparse_post of sums that are not there": drain(Fault.SCRATCHPAD, acc=2 * sums),
        "sparse_post past the first half": drain(Fault.SCRATCHPAD, acc=sums - 3),
        "sparse_post past the second half": drain(Fault.SCRATCHPAD, acc=2 * sums - 3),
        "sparse_post of parameters past the end": drain(Fault.SCRATCHPAD, params=param - 15),
        "sparse_post of parameters far beyond": drain(Fault.SCRATCHPAD, params=far),
        "sparse_post past the end of OFM": drain(Fault.SCRATCHPAD, ofm=ofm - 11),
        "sparse_post far beyond OFM": drain(Fault.SCRATCHPAD, ofm=far),
    }
    for space, size in ((Space.IFM, ifm), (Space.OFM, ofm)):
        found |= {
            f"sparse from {space.name}, first vector": multiply(Fault.SCRATCHPAD, source=space, act=size - 1),
            f"sparse from {space.name}, last column": multiply(
                Fault.SCRATCHPAD, source=space, act=size - 20, x_stride=19, out_h=1
            ),
            f"sparse from {space.name}, last row": multiply(Fault.SCRATCHPAD, source=space, act=size - 20, y_stride=20),
            f"sparse from {space.name}, last tap": multiply(
                Fault.SCRATCHPAD, source=space, act=size - 20, ky=2, ky_stride=16
            ),
            f"sparse_post with a residual from {space.name}": drain(
                Fault.SCRATCHPAD, residual=1, skip_source=space, skip=size - 8, skip_x_stride=7
            ),
        }
    return found | _sparse_loads(config)


def _sparse_loads(config: ArchConfig) -> dict[str, Mistake]:
    """LOADs beyond the engine's memories, and a draining of the half that is in use."""
    layout = SparseLayout(config)
    sizes = {
        Space.SPMAT: layout.spmat_bytes, Space.POINTER: layout.pointer_bytes, Space.CODEBOOK: layout.codebook_bytes,
    }  # fmt: skip
    beat = config.bus.data_bytes
    found = {
        f"load to {space.name} past the end": _one(_LOAD, Fault.SCRATCHPAD, space=space, spad=size, row_bytes=beat)
        for space, size in sizes.items()
    }
    # Zeros only: nothing but the scan takes time, and no pointer is looked at.
    zeros = dataclasses.replace(_FILL, value=0, row_bytes=32, signal=COMPUTE)
    long = dataclasses.replace(
        _SPARSE, out_w=64, out_h=16, x_stride=0, y_stride=0, run=32, acc_stride=0, layer=3, wait=LOAD
    )
    post = dataclasses.replace(_SPARSE_POST, layer=2)
    return found | {
        "sums of a half that is multiplied": Mistake(
            _run(zeros, long, post, End()), Fault.BANK, Engine.COMPUTE, layer=3
        ),
    }
