"""SCALE-Sim's cycles beside ours: its closed forms, and our array with memory out of the way.

SCALE-Sim takes a layer for a matrix product (im2col): ``m`` pixels, ``k`` elements of a window, ``n`` filters. Two of
the three lie across the array, in *folds*; the third passes through in time, and folds follow one another without
overlap. The forms are those of ``workloads.reference.accelerators.SCALESIM_EQUATIONS``; the tool reports one cycle
less per layer. Memory plays no part in them, so ours are counted without it too: every operand lies in the scratchpads
and every instruction is at hand. What ours have on top is the output stage (bias, requantisation) and the registers
between a scratchpad and the array; what they lack is the time that SCALE-Sim's array fills, drains and loads weights.
A tile whose sums are one fold is chained: its weights arrive beside its own stream, and the output stage follows the
sums as they are made (:mod:`compiler.program.chaining`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from compiler.ir.integer import Conv
from compiler.mapping.compile import compile_graph
from compiler.program.chaining import chaining_rows
from compiler.program.hazards import Memory, Range, TokenPlacer
from hwsim.cycles import program_cycles
from hwsim.network import load_network
from rtl.config import ArchConfig, load_arch
from rtl.control.timing import schedule
from rtl.dense.timing import compute_timing
from rtl.dma.timing import LoadTiming, StoreTiming
from rtl.isa import AccumulateOp, Compute, End, Engine, Post, Space
from rtl.post.timing import PostTiming

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    from compiler.ir.graph import Graph
    from rtl.isa import Instruction

__all__ = [
    "DATAFLOWS",
    "Comparison",
    "Dataflow",
    "LayerComparison",
    "Product",
    "array_cycles",
    "compare",
    "products",
    "scalesim_cycles",
]

Dataflow = Literal["ws", "os", "is"]
DATAFLOWS: tuple[Dataflow, ...] = ("ws", "os", "is")

_REPORTED_LESS = 1
"""Cycles that the tool reports less per layer than its equations give."""
_MAX_RUN = (1 << 16) - 1
_MAX_EXTENT = 4095
_FEW_FOLDS = 64


@dataclass(frozen=True, slots=True)
class Product:
    """A layer as ``groups`` matrix products ``[m, k] x [k, n]``."""

    m: int
    """Output pixels."""
    k: int
    """Elements of a window."""
    n: int
    """Filters of a group."""
    groups: int = 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates of all groups."""
        return self.m * self.k * self.n * self.groups


@dataclass(frozen=True, slots=True)
class LayerComparison:
    """One layer: SCALE-Sim's three dataflows, our array without memory, and the whole accelerator as it is."""

    name: str
    product: Product
    scalesim: dict[Dataflow, int]
    array: int | None
    """None for what our array does not take for a matrix product: depthwise convolution."""
    cycles: int

    def to_json(self) -> dict[str, Any]:
        """As in ``docs/formats.md``."""
        p = self.product
        return {
            "name": self.name,
            "m": p.m,
            "k": p.k,
            "n": p.n,
            "groups": p.groups,
            "scalesim_cycles": dict(self.scalesim),
            "array_cycles": self.array,
            "cycles": self.cycles,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """A network on an architecture, layer by layer: those that are matrix products."""

    model: str
    arch: str
    rows: int
    cols: int
    dataflow: Dataflow
    """Ours."""
    layers: tuple[LayerComparison, ...]

    def to_json(self) -> dict[str, Any]:
        """What ``hwsim estimate --scalesim --json`` writes."""
        return {
            "model": self.model,
            "arch": self.arch,
            "rows": self.rows,
            "cols": self.cols,
            "dataflow": self.dataflow,
            "layers": [layer.to_json() for layer in self.layers],
        }


def scalesim_cycles(product: Product, rows: int, cols: int, dataflow: Dataflow) -> int:
    """What SCALE-Sim reports for a layer on a ``rows x cols`` array; groups are layers of their own."""
    m, k, n = product.m, product.k, product.n
    across_rows, across_cols, time = {"ws": (k, n, m), "os": (m, n, k), "is": (k, m, n)}[dataflow]
    folds = -(-across_rows // rows) * -(-across_cols // cols)
    # What is stationary is loaded first, row by row; sums have the array's depth and width to cross.
    fold = (rows if dataflow != "os" else 0) + rows + cols + time - 2
    return product.groups * (folds * fold - _REPORTED_LESS)


def compare(
    model: str, arch: str | Path | ArchConfig, *, calibration: NDArray[np.float32] | Literal["random"] | None = None
) -> Comparison:
    """Every convolution and matrix product of ``model`` on ``arch``.

    Raises:
        ConfigError, ModelError, WorkloadError: one line that names the culprit.

    """
    config = arch if isinstance(arch, ArchConfig) else load_arch(arch)
    network = load_network(model, calibration)
    program = compile_graph(network.graph, config)
    cycles = program_cycles(program, config).layers
    spent = {layer.name: (layer.op, int(count)) for layer, count in zip(program.layers, cycles, strict=True)}
    rows, cols = config.dense.rows, config.dense.cols
    layers = tuple(
        LayerComparison(
            name=name,
            product=product,
            scalesim={dataflow: scalesim_cycles(product, rows, cols, dataflow) for dataflow in DATAFLOWS},
            array=None if spent[name][0] == "depthwise" else array_cycles(product, config),
            cycles=spent[name][1],
        )
        for name, product in products(network.graph).items()
        if name in spent
    )
    ours: Dataflow = "os" if config.dense.dataflow == "output_stationary" else "ws"
    return Comparison(network.name, config.name, rows, cols, ours, layers)


def products(graph: Graph) -> dict[str, Product]:
    """The convolutions and matrix products of a graph, by the name of their operator."""
    found = {}
    for op in graph.operators():
        if isinstance(op, Conv):
            kernel_h, kernel_w, depth, filters = op.weights.shape
            height, width, _ = graph.tensor(op.output).shape
            found[op.name] = Product(height * width, kernel_h * kernel_w * depth, filters // op.groups, op.groups)
    return found


def array_cycles(product: Product, config: ArchConfig) -> int:
    """Our cycles for a layer, from the issue of the first instruction to the last output byte.

    The operands lie in the scratchpads. Pixels are cut as suits the layer best.
    """
    largest = min(config.memory.accumulators, _MAX_EXTENT)
    fewest = -(-product.m // largest)
    # Small tiles let the output stage overlap with the array, and end soon after it; over many folds that is nothing.
    folds = -(-product.k // config.dense.rows) * -(-product.n // config.dense.cols)
    cuts = (1, 2, 4, 6, 8, 16) if folds <= _FEW_FOLDS else (1, 2)
    sizes = {-(-product.m // (fewest * cut)) for cut in cuts}
    return min(_scheduled(product, config, size) for size in sizes)


def _scheduled(product: Product, config: ArchConfig, pixels: int) -> int:
    out = schedule(
        [*_instructions(product, config, pixels), End()],
        fetch=_AtHand(),
        engines={
            Engine.LOAD: LoadTiming(config),
            Engine.COMPUTE: compute_timing(config),
            Engine.POST: PostTiming(config),
            Engine.STORE: StoreTiming(config),
        },
        queue_depth=config.control.queue_depth,
    )
    return max(out.retire) - out.issue[0] + 1


class _AtHand:
    """A fetcher that has every instruction before it is asked."""

    def offered(self, k: int) -> int:
        del k
        return 0

    def taken(self, k: int, cycle: int) -> None:
        del k, cycle


def _instructions(product: Product, config: ArchConfig, pixels: int) -> list[Instruction]:
    """Tiles of pixels, and in each all filters, a half of the accumulators after the other."""
    placer = TokenPlacer(chaining_rows(config))
    half, entries = 0, config.memory.accumulators
    for size in _parts(product.m, pixels):
        for _ in range(product.groups):
            for filters in _parts(product.n, config.dense.cols):
                half ^= 1
                first = half * entries
                accumulators = (Range(Memory.ACCUMULATOR, first, first + entries),)
                op = AccumulateOp.SET
                for run in _parts(product.k, _MAX_RUN // config.dense.rows * config.dense.rows):
                    placer.emit(_compute(size, run, filters, first, op), writes=accumulators)
                    op = AccumulateOp.ADD
                placer.emit(_post(size, filters, first), reads=accumulators)
    return placer.finish()


def _compute(pixels: int, run: int, filters: int, acc: int, op: AccumulateOp) -> Compute:
    # Where the operands lie does not matter to the time.
    return Compute(
        source=Space.IFM, act=0, out_w=pixels, out_h=1, x_stride=0, y_stride=0,
        run=run, kx=1, kx_stride=0, ky=1, ky_stride=0, weight=0, filters=filters, acc=acc, op=op,
        flatten=0, depthwise=0, reuse_weights=0, hold=0,
    )  # fmt: skip


def _post(pixels: int, filters: int, acc: int) -> Post:
    return Post(
        acc=acc, out_w=pixels, out_h=1, ofm=0, x_stride=0, y_stride=0, filters=filters, load_params=1, params=0,
        residual=0, skip_source=Space.IFM, skip=0, skip_x_stride=0, skip_y_stride=0,
    )  # fmt: skip


def _parts(total: int, most: int) -> Iterator[int]:
    for first in range(0, total, most):
        yield min(most, total - first)
