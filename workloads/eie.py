"""The nine fully connected layers of EIE Table III: shapes and densities from the paper, what fills them from a seed.

Weights that are kept take one of 15 values, as 4-bit weight sharing leaves them; which are kept is independent from one
to the next. As many inputs as the table says are other than zero; they are positive, as ReLU leaves them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workloads.onnx_graph import OnnxGraph
from workloads.reference.eie import BENCHMARKS, Benchmark

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx.model_container import ModelContainer

__all__ = ["SHARED_WEIGHTS", "Layer", "active_inputs", "generate", "layers", "model"]

SHARED_WEIGHTS = np.array([15 * i for i in range(-7, 9) if i], np.int8)
"""What a weight that is kept can be."""

_SCALE = 1 / 128


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A layer as generated, and an input of it."""

    benchmark: Benchmark
    weights: NDArray[np.int8]
    """``[outputs, inputs]``."""
    activations: NDArray[np.int8]
    """``[inputs]``; the zero point is 0."""


def layers() -> dict[str, Benchmark]:
    """The rows of the table by workload name, such as ``eie/alex-6``."""
    return {f"eie/{row.layer.lower()}": row for row in BENCHMARKS.rows()}


def generate(name: str, seed: int = 0) -> Layer:
    """The layer called ``name``, always the same one, and the input of ``seed``."""
    benchmark = layers()[name]
    return Layer(benchmark, _weights(benchmark), active_inputs(name, seed)[0])


def active_inputs(name: str, seed: int) -> NDArray[np.int8]:
    """An input ``[1, inputs]`` of the layer called ``name``: the table's share of it is not zero, in 1..127."""
    row = layers()[name]
    rng = np.random.default_rng((seed, row.inputs, row.outputs))
    values = np.zeros((1, row.inputs), np.int8)
    active = rng.permutation(row.inputs)[: round(row.inputs * row.act_pct / 100)]
    values[0, active] = rng.integers(1, 128, len(active))
    return values


def model(name: str) -> ModelContainer:
    """``a`` int8 ``[1, inputs]`` times the layer's weights is ``product`` int8 ``[1, outputs]``; zero points are 0."""
    benchmark = layers()[name]
    weights = _weights_by_input(benchmark)
    graph = OnnxGraph(name.replace("/", "-"), description=f"EIE Table III, {benchmark.layer}: generated")
    # Three standard deviations of a sum of that many products, at full scale.
    products = benchmark.inputs * benchmark.act_pct / 100 * benchmark.weight_pct / 100
    deviation = np.sqrt(products) * 74 * np.sqrt(np.mean(SHARED_WEIGHTS.astype(float) ** 2)) * _SCALE * _SCALE
    zero = graph.scalar("zero_point", 0, "int8")
    inputs = [
        graph.input("a", (1, benchmark.inputs), "int8"),
        graph.scalar("a_scale", _SCALE),
        zero,
        graph.constant("weights", weights),
        graph.scalar("weights_scale", _SCALE),
        zero,
        graph.scalar("product_scale", float(3 * deviation / 127)),
        zero,
    ]
    graph.nodes("QLinearMatMul", inputs, ["product"], "fc")
    graph.output("product", (1, benchmark.outputs), "int8")
    return graph.container()


def _weights(benchmark: Benchmark) -> NDArray[np.int8]:
    """``[outputs, inputs]``."""
    shape = benchmark.outputs, benchmark.inputs
    places, kept = _kept(benchmark)
    weights = np.zeros(shape, np.int8)
    weights.ravel()[places] = kept
    return weights


def _weights_by_input(benchmark: Benchmark) -> NDArray[np.int8]:
    """The same, ``[inputs, outputs]``; to transpose 10^8 of them takes longer than to put a few in place."""
    weights = np.zeros(benchmark.inputs * benchmark.outputs, np.int8)
    places, kept = _kept(benchmark)
    row = places // benchmark.inputs
    column = places - row * benchmark.inputs
    # In order of memory: NumPy's stable sort of 16-bit numbers is by radix.
    order = np.argsort(column.astype(np.uint16), kind="stable")
    weights[(column * benchmark.outputs + row)[order]] = kept[order]
    return weights.reshape(benchmark.inputs, benchmark.outputs)


def _kept(benchmark: Benchmark) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Where in ``[outputs, inputs]`` weights are, and which."""
    shape = benchmark.outputs, benchmark.inputs
    rng = np.random.default_rng(shape)
    # Places by their distance from the one before, which is all the randomness that few places among many need.
    places = _bernoulli(rng, benchmark.outputs * benchmark.inputs, benchmark.weight_pct / 100)
    return places, SHARED_WEIGHTS[rng.integers(0, len(SHARED_WEIGHTS), len(places))]


def _bernoulli(rng: np.random.Generator, count: int, density: float) -> NDArray[np.int64]:
    """The places of ``count`` that are chosen, each with probability ``density``, independently."""
    chosen = np.cumsum(rng.geometric(density, int(count * density + 10 * np.sqrt(count)) + 10)) - 1
    return chosen[chosen < count]
