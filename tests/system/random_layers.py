"""Random small integer networks: every operator in every shape that the accelerator takes, weighted to corners.

A network is made from a seed alone. What it may hold is what :mod:`compiler.ir.integer` allows; whether an architecture
has room for it is for the compiler to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from compiler.ir import (
    Add,
    Concat,
    Conv,
    Graph,
    Layout,
    Pool,
    PoolKind,
    Port,
    QuantParams,
    Requantize,
    Residual,
    Tensor,
)
from compiler.ir.shapes import integer_shape
from compiler.numerics import RESIDUAL_BITS, residual

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.ir import IntegerOp

__all__ = ["Builder", "Case", "random_case"]

CHANNELS = (1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33)
EXTENTS = (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 16, 17)
ZERO_POINTS = (0, 0, -128, 127, 3, -77)


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A network and what to feed it."""

    seed: int
    graph: Graph
    inputs: dict[str, NDArray[np.int8]]

    def __str__(self) -> str:
        return f"network {self.seed}: " + ", ".join(describe(op, self.graph) for op in self.graph.operators())


def describe(op: IntegerOp, graph: Graph) -> str:
    """An operator in a few words, for the message of a test that fails."""
    shapes = "+".join("x".join(map(str, graph.tensor(name).shape)) for name in op.inputs)
    kind = type(op).__name__.lower()
    if isinstance(op, Conv):
        kind += f" {'x'.join(map(str, op.weights.shape))} s{op.strides} p{op.pads} d{op.dilations} g{op.groups}"
    if isinstance(op, Pool):
        kind += f" {op.kind.value} {op.kernel} s{op.strides} p{op.pads}"
    return f"{kind} of {shapes}"


def random_case(seed: int, *, most_macs: int = 60_000) -> Case:
    """The network of ``seed``: one to three layers, none of more than ``most_macs``."""
    return Builder(seed, most_macs).case()


class Builder:
    """Makes the network of a seed, layer by layer."""

    def __init__(self, seed: int, most_macs: int) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.data = np.random.default_rng(seed)
        self.most_macs = most_macs
        self.graph = Graph(f"random{seed}")
        self.inputs: dict[str, NDArray[np.int8]] = {}
        self.activations: list[str] = []

    def case(self) -> Case:
        """The network."""
        for _ in range(self.rng.choice([1, 1, 1, 2])):
            self._input(self._shape())
        for _ in range(self.rng.choice([1, 1, 2, 2, 3])):
            self._layer()
        unread = [name for name in self.activations if not self.graph.consumers(name) and name not in self.graph.inputs]
        # A tensor may leave and be read again, too.
        also = [
            name for name in self.activations if name not in [*unread, *self.graph.inputs] and self.rng.random() < 0.2
        ]
        self.graph.output_ports = tuple(self._port(name) for name in [*also, *unread])
        self.graph.verify()
        return Case(self.seed, self.graph, self.inputs)

    def _shape(self) -> tuple[int, int, int]:
        rng = self.rng
        if rng.random() < 0.1:
            return 1, rng.choice([1, 1, rng.randint(2, 40)]), rng.choice([*CHANNELS, 64, 100, 200])
        return rng.choice(EXTENTS), rng.choice(EXTENTS), rng.choice(CHANNELS)

    def _quant(self) -> QuantParams:
        return QuantParams(float(np.float32(2.0 ** self.rng.uniform(-6, 0))), self._zero_point())

    def _zero_point(self) -> int:
        return self.rng.choice([*ZERO_POINTS, self.rng.randint(-128, 127)])

    def _tensor(self, shape: tuple[int, ...], quant: QuantParams | None = None) -> str:
        name = f"t{len(self.activations)}"
        self.graph.add_tensor(Tensor(name, tuple(shape), np.dtype(np.int8), quant or self._quant()))
        self.activations.append(name)
        return name

    def _port(self, name: str) -> Port:
        height, width, channels = self.graph.tensor(name).shape
        return Port(name, name, np.dtype(np.int8), Layout.natural((1, channels, height, width)))

    def _input(self, shape: tuple[int, int, int], quant: QuantParams | None = None) -> str:
        name = self._tensor(shape, quant)
        self.graph.input_ports = (*self.graph.input_ports, self._port(name))
        low, high = self.rng.choice([(-128, 127), (-128, 127), (-128, -128), (127, 127), (-3, 3)])
        self.inputs[name] = self.data.integers(low, high, shape, endpoint=True).astype(np.int8)
        return name

    def _layer(self) -> None:
        kinds = [self._conv] * 4 + [self._depthwise] * 2 + [self._grouped, self._dense, self._pool, self._pool]
        make = self.rng.choice([*kinds, self._global_pool, self._add, self._concat])
        # Mostly a chain, so that tensors have a reason to stay on the chip.
        make(self.activations[-1] if self.rng.random() < 0.6 else self.rng.choice(self.activations))

    def _emit(self, op: IntegerOp, quant: QuantParams | None = None) -> None:
        shape = integer_shape(op, self.graph.tensor)
        assert shape is not None
        assert op.output == self._tensor(shape, quant)
        self.graph.add(op)

    @property
    def _next(self) -> str:
        return f"t{len(self.activations)}"

    def _requantize(self, channels: int, spread: float) -> Requantize:
        """Scales that bring sums of such a standard deviation to int8; at times far too small or far too large."""
        rng = self.rng
        count = rng.choice([1, channels])
        exponent = rng.choice([0.0, 0.0, 0.0, 0.0, -20.0, 8.0])
        scale = np.clip(40.0 / spread * 2.0 ** (self.data.uniform(-2, 2, count) + exponent), 2.0**-40, 2.0**15)
        low, high = rng.choice([(-128, 127), (-128, 127), sorted(rng.choices(range(-128, 128), k=2))])
        return Requantize(scale.astype(np.float32), self._zero_point(), low, high)

    def _weights(self, shape: tuple[int, ...]) -> NDArray[np.int16]:
        kind = self.rng.random()
        if kind < 0.2:
            return self.data.integers(-255, 255, shape, endpoint=True).astype(np.int16)
        if kind < 0.3:  # few weights beyond int8
            wide = self.data.random(shape) < 0.02
            return np.where(wide, self.data.choice([-255, 128, 255], shape), 3).astype(np.int16)
        if kind < 0.35:
            return self.data.choice([-128, 127], shape).astype(np.int16)
        return self.data.integers(-128, 127, shape, endpoint=True).astype(np.int16)

    def _window(self, shape: tuple[int, ...], kernels: list[int]) -> dict[str, tuple[int, ...]]:
        """Kernel, strides, dilations and pads of a window that fits ``shape`` at least once."""
        rng = self.rng
        square = rng.random() < 0.5
        kernel, strides, dilations, pads = [0, 0], [1, 1], [1, 1], [0] * 4
        for axis in range(2):
            repeat = axis and square
            kernel[axis] = kernel[0] if repeat else rng.choice(kernels)
            strides[axis] = strides[0] if repeat else rng.choice([1, 1, 1, 2, 2, 3])
            dilations[axis] = dilations[0] if repeat else rng.choice([1, 1, 1, 1, 2, 3])
            while (kernel[axis] - 1) * dilations[axis] + 1 > shape[axis] + 2 * (kernel[axis] - 1):
                kernel[axis], dilations[axis] = max(1, kernel[axis] - 1), 1
            reach = (kernel[axis] - 1) * dilations[axis] + 1
            most = kernel[axis] - 1
            before, after = rng.choice([(0, 0), (most // 2, most // 2), (rng.randint(0, most), rng.randint(0, most))])
            if shape[axis] + before + after < reach:
                before, after = most, most
            pads[axis], pads[axis + 2] = before, after
        return {
            "kernel": tuple(kernel),
            "strides": tuple(strides),
            "dilations": tuple(dilations),
            "pads": tuple(pads),
        }

    def _conv(
        self, source: str, *, groups: int = 1, filters: int | None = None, kernels: list[int] | None = None
    ) -> None:
        rng, shape = self.rng, self.graph.tensor(source).shape
        window = self._window(shape, kernels or [1, 1, 2, 3, 3, 3, 4, 5])
        filters = filters or rng.choice(CHANNELS)
        skip = None
        if groups in (1, filters) and rng.random() < 0.35:  # of the input's own shape, so that something can be added
            window["strides"], window["dilations"] = (1, 1), (1, 1)
            top, left = ((k - 1) // 2 for k in window["kernel"])
            bottom, right = window["kernel"][0] - 1 - top, window["kernel"][1] - 1 - left
            window["pads"] = (top, left, bottom, right)
            filters, skip = shape[2], self._partner(source)
        self._add_conv(source, window, filters, groups, skip)

    def _add_conv(
        self, source: str, window: dict[str, tuple[int, ...]], filters: int, groups: int, skip: str | None
    ) -> None:
        rng, shape = self.rng, self.graph.tensor(source).shape
        kernel = window.pop("kernel")
        weights = self._weights((*kernel, shape[2] // groups, filters))
        output = self._next
        quant = self._quant()
        op = Conv(
            name=f"conv{len(self.activations)}",
            inputs=(source,) if skip is None else (source, skip),
            output=output,
            weights=weights,
            bias=self.data.integers(-1, 1, filters, endpoint=True).astype(np.int32) * rng.choice([0, 1, 3000, 1 << 28]),
            input_zero_point=self._zero_point(),
            requantize=self._requantize(filters, 75 * 75 * (weights[..., 0].size ** 0.5)),
            groups=groups,
            residual=None if skip is None else self._residual(skip, quant),
            **window,
        )
        out = integer_shape(op, self.graph.tensor)
        assert out is not None
        macs = out[0] * out[1] * weights[..., 0].size * filters
        if macs > self.most_macs:
            self._pool(source)
            return
        self._emit(op, quant)

    def _depthwise(self, source: str) -> None:
        channels = self.graph.tensor(source).shape[2]
        self._conv(source, groups=channels, filters=channels, kernels=[1, 2, 3, 3, 3, 4, 5, 7])

    def _grouped(self, source: str) -> None:
        channels = self.graph.tensor(source).shape[2]
        groups = self.rng.choice([g for g in range(1, channels + 1) if channels % g == 0])
        self._conv(source, groups=groups, filters=groups * self.rng.choice([1, 2, 3, 5]))

    def _dense(self, source: str) -> None:
        """The kernel is the whole input."""
        shape = self.graph.tensor(source).shape
        window = {"kernel": shape[:2], "strides": (1, 1), "dilations": (1, 1), "pads": (0, 0, 0, 0)}
        filters = self.rng.choice([*CHANNELS, 64])
        self._add_conv(source, window, min(filters, max(1, self.most_macs // int(np.prod(shape)))), 1, None)

    def _pool(self, source: str) -> None:
        window = self._window(self.graph.tensor(source).shape, [1, 2, 2, 3, 3, 4])
        kind = self.rng.choice([PoolKind.MAX, PoolKind.AVERAGE])
        if max(window.pop("dilations")) > 1:
            window["pads"] = tuple(k - 1 for k in window["kernel"]) * 2
        self._add_pool(source, kind, window)

    def _global_pool(self, source: str) -> None:
        self._add_pool(source, PoolKind.GLOBAL, {"kernel": (1, 1)})

    def _add_pool(self, source: str, kind: PoolKind, window: dict[str, tuple[int, ...]]) -> None:
        shape = self.graph.tensor(source).shape
        counts = {
            PoolKind.MAX: 1,
            PoolKind.AVERAGE: int(np.prod(window["kernel"])),
            PoolKind.GLOBAL: shape[0] * shape[1],
        }
        self._emit(
            Pool(
                name=f"pool{len(self.activations)}",
                inputs=(source,),
                output=self._next,
                kind=kind,
                input_zero_point=self._zero_point(),
                requantize=self._requantize(shape[2], 75 * counts[kind] ** 0.5),
                **window,
            )
        )

    def _residual(self, skip: str, out: QuantParams) -> Residual:
        rng = self.rng
        low, high = rng.choice([(-128, 127), sorted(rng.choices(range(-128, 128), k=2))])
        if rng.random() < 0.5:
            return residual(skip, self._quant(), self.graph.tensor(skip).quant or out, out, low, high)
        most = 1 << (RESIDUAL_BITS - 1)
        main, other = (rng.choice([0, 1, -1, most - 1, -most, rng.randint(-most, most - 1)]) for _ in range(2))
        return Residual(skip, main, other, rng.randint(-(1 << 30), 1 << 30), rng.choice([1, 8, 16, 31]), low, high)

    def _partner(self, tensor: str) -> str:
        """A tensor of the same shape: another one that is there, a new input, or itself."""
        shape = self.graph.tensor(tensor).shape
        others = [t for t in self.activations if self.graph.tensor(t).shape == shape and t != tensor]
        if others and self.rng.random() < 0.7:
            return self.rng.choice(others)
        height, width, channels = shape
        return tensor if self.rng.random() < 0.2 else self._input((height, width, channels))

    def _add(self, source: str) -> None:
        skip = self._partner(source)
        quant = self._quant()
        self._emit(
            Add(
                name=f"add{len(self.activations)}",
                inputs=(source, skip),
                output=self._next,
                residual=self._residual(skip, quant),
            ),
            quant,
        )

    def _concat(self, source: str) -> None:
        height, width, _ = self.graph.tensor(source).shape
        quant = self.graph.tensor(source).quant
        more = range(self.rng.choice([1, 1, 2]))
        parts = [source, *(self._input((height, width, self.rng.choice(CHANNELS[:10])), quant) for _ in more)]
        self.rng.shuffle(parts)
        self._emit(Concat(name=f"concat{len(self.activations)}", inputs=tuple(parts), output=self._next), quant)
