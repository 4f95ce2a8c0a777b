"""What one processing element of the zero-skipping engine gets of a real layer, cycle by cycle, and what it does.

The layers are digits-cnn's: weights pruned by magnitude and shared, the reference interpreter's activations. All rows
of the matrix lie in the one PE. An activation is sent as soon as the PE has room for it, as the engine does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from amaranth.sim import Simulator

from compiler.compress.shared_table import share
from compiler.sparse.csc import encode
from hwsim.silicon.switching.stimulus import Stimulus
from rtl.sparse.pe import ProcessingElement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from compiler.sparse.csc import Compressed
    from hwsim.silicon.switching.operands import LayerOperands
    from rtl.config import ArchConfig

__all__ = ["EVENTS", "SparseMatrix", "SparseStream", "idle_stream", "pruned", "stream"]

EVENTS = ("take", "queued", "mac", "padding")
"""Ports of a PE that say that something happens: an activation taken, a column queued, an entry, one of code 0."""
_CHECKED = ("ready", "busy", "queued", "row_read", "mac", "padding", "fault")
_RESET_CYCLES = 2
_IDLE_CYCLES = 32
_PLACES = 2
"""Vectors whose sums are apart: what is loaded and read around the measured cycles takes time too."""


@dataclass(frozen=True, slots=True, eq=False)
class SparseMatrix:
    """A layer with few weights left."""

    codes: NDArray[np.uint8]
    """``[rows, columns]``."""
    values: NDArray[np.int16]
    """``[codes]``."""
    activations: NDArray[np.int64]
    """``[vectors, columns]``, zero points taken off."""


@dataclass(frozen=True, slots=True)
class SparseStream:
    """A stimulus, and what happens in the cycles of it that are measured."""

    stimulus: Stimulus
    counts: tuple[int, ...]
    """Of :data:`EVENTS`."""


def pruned(
    layer: LayerOperands, config: ArchConfig, *, density: float, activations: float | None = None
) -> SparseMatrix:
    """``layer`` with this share of weights, the largest; and of activations, by chance, where it says how many.

    Raises:
        ModelError: the engine's entries hold weights and not codes.

    """
    weights = layer.weights.T.astype(np.float64)
    kept = np.sort(np.abs(weights), axis=None)[::-1][: max(1, round(density * weights.size))]
    shared = share(np.where(np.abs(weights) >= kept[-1], weights, 0.0), config.sparse)
    values = layer.activations.astype(np.int64) - layer.zero_point
    if activations is not None:
        rng = np.random.default_rng(0)
        filled = np.where(values == 0, rng.integers(1, 32, values.shape), values)
        values = np.where(rng.random(values.shape) < activations, filled, 0)
    return SparseMatrix(shared.codes, shared.values, values)


def stream(matrix: SparseMatrix, config: ArchConfig, *, cycles: int) -> SparseStream:
    """``cycles`` cycles of ``matrix`` times its vectors, one behind the other; sums are read behind them.

    Raises:
        ValueError: the matrix has more rows than the PE has sums, or the vectors are over before.

    """
    return _Run(matrix, config).stream(cycles)


def idle_stream(matrix: SparseMatrix, config: ArchConfig) -> SparseStream:
    """A few cycles of the same; those behind them are measured, in which nothing comes."""
    return _Run(matrix, config).idle()


class _Run:
    """One simulation of the PE's own description, every cycle of which is written down."""

    def __init__(self, matrix: SparseMatrix, config: ArchConfig) -> None:
        sparse = config.sparse.model_copy(update={"pes": 1})
        self._config = config
        self._matrix = matrix
        self._encoded: Compressed = encode(matrix.codes, sparse)
        self._dut = ProcessingElement(config)
        self._inputs: dict[str, list[int]] = {name: [] for name in self._in_ports()}
        self._outputs: dict[str, list[int]] = {name: [] for name in (*_CHECKED, "drain_data")}
        self._now = dict.fromkeys(self._inputs, 0)
        rows, room = len(matrix.codes), config.sparse.accumulators
        if rows > room:
            raise ValueError(f"{rows} rows for {room} sums")
        self._places = min(_PLACES, room // rows)
        self._sums = np.zeros(self._places * rows, np.int64)

    def stream(self, cycles: int) -> SparseStream:
        """See :func:`stream`."""
        start, stop = self._simulate(cycles)
        return self._result(start, stop)

    def idle(self) -> SparseStream:
        """See :func:`idle_stream`."""
        self._simulate(_IDLE_CYCLES)
        end = len(self._outputs["busy"])
        return self._result(end - _IDLE_CYCLES, end)

    def _in_ports(self) -> list[str]:
        members = self._dut.signature.members
        return ["rst", *(name for name, member in members.items() if member.flow.name == "In")]

    def _simulate(self, cycles: int) -> tuple[int, int]:
        measured = [0, 0]

        async def host(ctx: Any) -> None:
            for _ in range(_RESET_CYCLES):
                await self._cycle(ctx, rst=1)
            await self._load(ctx)
            measured[0] = len(self._inputs["take"])
            await self._multiply(ctx, cycles)
            measured[1] = measured[0] + cycles
            await self._drain(ctx)
            for _ in range(_IDLE_CYCLES):
                await self._cycle(ctx)

        simulator = Simulator(self._dut)
        simulator.add_clock(1e-6)
        simulator.add_testbench(host)
        simulator.run()
        return measured[0], measured[1]

    async def _cycle(self, ctx: Any, **changes: int) -> None:
        """One cycle. What an address or a value is stays; what asks for something is 0 unless told."""
        for name in self._now:
            if name.endswith("_en") or name in ("take", "clear", "rst"):
                self._now[name] = 0
        self._now |= changes
        for name, value in self._now.items():
            if name != "rst":
                ctx.set(getattr(self._dut, name), value)
            self._inputs[name].append(value)
        for name, row in self._outputs.items():
            row.append(self._answer(ctx, name))
        await ctx.tick()

    async def _load(self, ctx: Any) -> None:
        """Pointers, entries and weights; sums are zeroed."""
        sparse, matrix = self._config.sparse, self._encoded
        words = matrix.codes.astype(int) | matrix.runs.astype(int) << sparse.code_bits
        for row in range(-(-len(words) // sparse.row_entries)):
            entries = words[row * sparse.row_entries : (row + 1) * sparse.row_entries]
            data = sum(int(word) << (sparse.entry_bits * k) for k, word in enumerate(entries))
            await self._cycle(ctx, spmat_en=(1 << self._dut.parts) - 1, spmat_address=row, spmat_data=data)
        for column, pointer in enumerate(matrix.starts[0]):
            at = {"pointer_en": 1 << column % 2, "pointer_address": column // 2}
            await self._cycle(ctx, **at, pointer_data=int(pointer))
        for code, value in enumerate(self._matrix.values):
            await self._cycle(ctx, code_en=1, code_address=code, code_data=int(value) & 0xFFFF)
        for address in range(len(self._sums)):
            await self._cycle(ctx, zero_en=1, zero_address=address)

    async def _multiply(self, ctx: Any, cycles: int) -> None:
        """Activations that are not zero, until ``cycles`` are over; then until the PE has done what it took."""
        rows, vectors = len(self._matrix.codes), self._matrix.activations
        weights = self._matrix.values[self._matrix.codes].astype(np.int64)
        todo = [(v, k) for v, vector in enumerate(vectors) for k in np.flatnonzero(vector)]
        for done in range(cycles):
            if not todo:
                raise ValueError(f"the layer's activations are over after {done} of {cycles} cycles")
            v, column = todo[0]
            send = self._answer(ctx, "ready")
            first, value = v % self._places * rows, int(vectors[v, column])
            await self._cycle(ctx, take=send, value=value, column=int(column), first_sum=first)
            if send:
                todo.pop(0)
                self._sums[first : first + rows] += value * weights[:, column]
        while self._answer(ctx, "busy"):
            await self._cycle(ctx)

    async def _drain(self, ctx: Any) -> None:
        for address in range(len(self._sums)):
            await self._cycle(ctx, drain_en=1, drain_address=address)
        await self._cycle(ctx)

    def _result(self, start: int, stop: int) -> SparseStream:
        length = len(self._inputs["take"])
        expected = {name: _unchecked(length) for name in self._outputs}
        settled = _RESET_CYCLES + 1
        for name in _CHECKED:
            expected[name][settled:] = self._outputs[name][settled:]
        # A sum follows its address by a cycle.
        drained = np.flatnonzero(self._inputs["drain_en"]) + 1
        expected["drain_data"][drained] = [int(total) & 0xFFFF_FFFF for total in self._sums]
        widths = {name: self._width(name) for name in self._inputs}
        inputs = {
            name: np.array([value & ((1 << widths[name]) - 1) for value in row], dtype=object)
            for name, row in self._inputs.items()
        }
        events: list[Sequence[int]] = [self._inputs.get(name) or self._outputs[name] for name in EVENTS]
        counts = tuple(sum(row[start:stop]) for row in events)
        return SparseStream(Stimulus(inputs, expected, start, stop), counts)

    def _answer(self, ctx: Any, name: str) -> int:
        return int(ctx.get(getattr(self._dut, name)))

    def _width(self, name: str) -> int:
        return 1 if name == "rst" else len(getattr(self._dut, name))


def _unchecked(cycles: int) -> NDArray[np.object_]:
    return np.full(cycles, -1, dtype=object)
