"""The sample program of a hand-over: a small network compiled for the accelerator, and what must come of it.

Nothing is simulated here: bytes are the reference interpreter's, cycles and counters the cycle model's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.interpreter import interpret
from compiler.ir import Conv, Graph, IntegerOp, Layout, Pool, PoolKind, Port, QuantParams, Requantize, Tensor
from compiler.ir.shapes import integer_shape
from compiler.mapping.compile import compile_graph
from compiler.program.program import HostStep
from hwsim.activity import program_works
from hwsim.cycles import SegmentCycles, program_cycles
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from compiler.mapping.engines import Preference
    from compiler.program.program import LayerInfo, Segment
    from rtl.config import ArchConfig, SparseConfig

__all__ = ["Output", "Sample", "make_sample"]

_SEED = 7
_SIZES = ((6, 6, 4), (4, 4, 3), (3, 3, 2), (1, 2, 2))
"""Inputs to try, ``(height, width, channels)``: the first whose network the accelerator has room for."""
_VECTORS = (96, 24, 8)
"""The same for an accelerator that has a sparse engine only."""
_DENSITY = 0.25
"""Of the weights of a sparse layer; and three quarters of its activations are zero."""


@dataclass(frozen=True, slots=True)
class Output:
    """A tensor that the program leaves in memory."""

    name: str
    address: int
    data: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A memory to start with, a program in it, and what it must do."""

    image: bytes
    segment: Segment
    window_bytes: int
    layers: tuple[LayerInfo, ...]
    outputs: tuple[Output, ...]
    model: SegmentCycles


def make_sample(config: ArchConfig) -> Sample:
    """A program for ``config`` that uses every engine that it has: the same one for the same hardware.

    Raises:
        InputError: its memories are too small for any.

    """
    engine: Preference = "sparse" if config.sparse_engine is not None else "dense"
    for graph in _candidates(config):
        try:
            return _compiled(graph, config, engine)
        except ModelError:
            continue
    raise InputError(f"{config.name}: too small for the sample program of a hand-over (raise the sizes in `memory`)")


def _compiled(graph: Graph, config: ArchConfig, engine: Preference) -> Sample:
    program = compile_graph(graph, config, engine=engine)
    if any(isinstance(step, HostStep) for step in program.steps):
        raise ModelError(f"{graph.name}: a part of it is the host's")
    rng = np.random.default_rng(_SEED)
    port = graph.input_ports[0]
    values = rng.integers(-128, 128, port.shape) * (rng.random(port.shape) < 1 - _DENSITY)
    reference = interpret(graph, {port.name: values.astype(np.int8)})
    image = program.image.copy()
    for name in graph.inputs:
        program.place(image, name, reference[name])
    (model,) = program_cycles(program, config, program_works(program, config, reference)).segments
    (segment,) = program.segments
    return Sample(
        image=image.tobytes(),
        segment=segment,
        window_bytes=program.window_bytes,
        layers=program.layers,
        outputs=tuple(Output(name, program.tensors[name].address, reference[name].tobytes()) for name in graph.outputs),
        model=model,
    )


def _candidates(config: ArchConfig) -> Iterator[Graph]:
    """Networks of two layers, the larger ones first; and of one, for an accelerator that counts no more."""
    sparse = config.sparse_engine
    if config.dense_engine is None and sparse is not None:
        for size in _VECTORS:
            net = _Network((1, 1, size))
            net.connect(max(2, size // 2), sparse, low=0)
            net.connect(max(2, size // 8), sparse)
            yield net.finish()
        yield _single((1, 1, _VECTORS[-1]), sparse)
        return
    for shape in _SIZES:
        net = _Network(shape)
        # Beside a sparse engine, which can run any convolution, the array keeps what only it can do.
        if sparse is None:
            net.convolve(2 * shape[2])
        else:
            net.average()
        net.connect(10, sparse)
        yield net.finish()
    yield _single(_SIZES[-1], sparse)


def _single(shape: tuple[int, int, int], sparse: SparseConfig | None) -> Graph:
    net = _Network(shape)
    net.connect(4, sparse)
    return net.finish()


class _Network:
    """A chain of layers with random weights."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self._rng = np.random.default_rng(_SEED)
        self._graph = Graph("sample")
        self._last = self._tensor("input", shape)
        self._graph.input_ports = (self._port(),)

    def convolve(self, filters: int) -> None:
        """A 3 x 3 convolution that keeps the extents, with ReLU."""
        channels = self._graph.tensor(self._last).shape[2]
        weights = self._rng.integers(-128, 128, (3, 3, channels, filters)).astype(np.int16)
        self._conv("conv", weights, low=0, pads=(1, 1, 1, 1))

    def average(self) -> None:
        """A 3 x 3 average pool that keeps the extents."""
        self._add(
            Pool(
                name=self._next("pool"),
                inputs=(self._last,),
                output=self._next("pool") + "_out",
                kind=PoolKind.AVERAGE,
                kernel=(3, 3),
                input_zero_point=0,
                requantize=Requantize(np.full(1, 1 / 3, np.float32), 0),
                pads=(1, 1, 1, 1),
            )
        )

    def connect(self, outputs: int, sparse: SparseConfig | None, *, low: int = -128) -> None:
        """A fully connected layer: for the sparse engine of few weights, and of few different ones."""
        shape = (*self._graph.tensor(self._last).shape, outputs)
        weights = self._rng.integers(-128, 128, shape).astype(np.int16)
        if sparse is not None:
            codes = 1 << min(sparse.code_bits, 4)
            book = np.unique(self._rng.integers(1, 128, codes - 1))
            book = book * self._rng.choice([-1, 1], book.size)
            kept = self._rng.random(shape) < _DENSITY
            weights = (self._rng.choice(book, shape) * kept).astype(np.int16)
        self._conv("dense", weights, low=low)

    def finish(self) -> Graph:
        """The network."""
        self._graph.output_ports = (self._port(),)
        self._graph.verify()
        return self._graph

    def _conv(
        self, kind: str, weights: NDArray[np.int16], *, low: int, pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    ) -> None:
        filters = weights.shape[3]
        spread = 75.0 * np.sqrt(np.mean(weights.astype(np.float64) ** 2) * weights[..., 0].size + 1)
        self._add(
            Conv(
                name=self._next(kind),
                inputs=(self._last,),
                output=self._next(kind) + "_out",
                weights=weights,
                bias=self._rng.integers(-2000, 2000, filters).astype(np.int32),
                input_zero_point=0,
                requantize=Requantize(np.full(filters, 50.0 / spread, np.float32), 0, low, 127),
                pads=pads,
            )
        )

    def _next(self, kind: str) -> str:
        return f"{kind}{len(list(self._graph.operators())) + 1}"

    def _add(self, op: IntegerOp) -> None:
        shape = integer_shape(op, self._graph.tensor)
        assert shape is not None
        self._last = self._tensor(op.output, shape)
        self._graph.add(op)

    def _tensor(self, name: str, shape: tuple[int, ...]) -> str:
        self._graph.add_tensor(Tensor(name, tuple(shape), np.dtype(np.int8), QuantParams(0.0625, 0)))
        return name

    def _port(self) -> Port:
        height, width, channels = self._graph.tensor(self._last).shape
        layout = Layout.natural((1, channels, height, width))
        return Port(self._last, self._last, np.dtype(np.int8), layout)
