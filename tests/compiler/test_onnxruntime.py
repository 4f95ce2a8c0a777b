"""The reference interpreter on real trained networks, against ONNX Runtime and the golden outputs beside them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray

import compiler
from compiler.interpreter import execute
from compiler.ir import Conv, Graph, Host, Pool, PoolKind
from tests.compiler import oracle
from tests.compiler.shared import TFLITE, golden_path, model_path, needs_models

pytestmark = needs_models


@cache
def graph(name: str) -> Graph:
    return compiler.load(model_path(name))


@cache
def samples(name: str) -> NDArray:
    with np.load(golden_path(name)) as data:
        return data["x"]


@cache
def tensors(name: str, count: int) -> list[dict[str, NDArray]]:
    (port,) = graph(name).input_ports
    return [compiler.interpret(graph(name), {port.name: x[None]}) for x in samples(name)[:count]]


def without_residual(conv: Conv) -> Conv:
    return Conv(
        conv.name,
        conv.inputs[:1],
        conv.output,
        conv.weights,
        conv.bias,
        conv.input_zero_point,
        conv.requantize,
        conv.strides,
        conv.pads,
        conv.dilations,
        conv.groups,
    )


@pytest.mark.parametrize("name", TFLITE)
def test_only_softmax_runs_on_the_host(name: str):
    operators = graph(name).operators()
    assert {type(o).__name__ for o in operators} <= {"Conv", "Pool", "Add", "Host"}
    assert {o.op_type for o in operators if isinstance(o, Host)} <= {"Softmax", "LogSoftmax"}
    assert all(isinstance(o, Host) for o in operators[-1:]) or name == "autoencoder"


MULTIPLY_ACCUMULATES = {"resnet-8": 12_501_632, "ds-cnn": 2_656_768, "autoencoder": 264_192}


@pytest.mark.parametrize("name", MULTIPLY_ACCUMULATES)
def test_all_the_work_of_the_network_is_there(name: str):
    """The figures that MLPerf Tiny's papers and `reference/` give, computed from the layers' shapes."""
    g = graph(name)
    total = sum(
        c.weights[..., 0].size * int(np.prod(g.tensor(c.output).shape)) for c in g.operators() if isinstance(c, Conv)
    )
    assert total == MULTIPLY_ACCUMULATES[name]


LAYERS = [
    (name, layer)
    for name, count in [("autoencoder", 10), ("ds-cnn", 10), ("mobilenet", 28), ("resnet-8", 10), ("lenet-300-100", 3)]
    for layer in range(count)
]


@pytest.mark.parametrize(("name", "layer"), LAYERS)
def test_every_layer_fed_the_same_input_gives_the_same_bytes(name: str, layer: int):
    convs = [op for op in graph(name).operators() if isinstance(op, Conv)]
    conv = without_residual(convs[layer])
    for values in tensors(name, 2):
        x = values[conv.inputs[0]]
        got = execute(graph(name), conv, values)
        assert len(np.unique(got)) > 3, "a constant output would prove nothing"
        np.testing.assert_array_equal(got, oracle.conv(conv, x))
        if conv.weights.shape[:3] == x.shape:
            np.testing.assert_array_equal(got, oracle.matmul(conv, x))


@pytest.mark.parametrize("name", TFLITE)
def test_there_is_no_layer_beyond_those_listed(name: str):
    convs = [op for op in graph(name).operators() if isinstance(op, Conv)]
    assert len(convs) == sum(model == name for model, _ in LAYERS)


@pytest.mark.parametrize("name", ["ds-cnn", "mobilenet", "resnet-8"])
def test_global_average_fed_the_same_input_gives_the_same_bytes(name: str):
    g = graph(name)
    (pool,) = [op for op in g.operators() if isinstance(op, Pool)]
    assert pool.kind is PoolKind.GLOBAL
    have, out = g.tensor(pool.inputs[0]).quant, g.tensor(pool.output).quant
    assert have is not None
    assert out is not None
    for values in tensors(name, 2):
        want = oracle.global_average(pool, values[pool.inputs[0]], have, out)
        np.testing.assert_array_equal(values[pool.output], want)


@dataclass(frozen=True)
class Agreement:
    """How near the network's outputs are to a reference: what was measured."""

    equal: int
    """Bytes (for floats, values within 1e-5) that are the same."""
    total: int
    winners: int
    """Samples with the same largest output."""
    worst: float
    """Largest difference, in the output's own units."""


def agreement(name: str, want: NDArray) -> Agreement:
    g = graph(name)
    got = np.concatenate([next(iter(compiler.read_outputs(g, v).values())) for v in tensors(name, len(samples(name)))])
    difference = np.abs(got.astype(np.float64) - want.reshape(got.shape))
    return Agreement(
        int((difference <= (1e-5 if got.dtype.kind == "f" else 0)).sum()),
        got.size,
        int((got.argmax(axis=1) == want.reshape(got.shape).argmax(axis=1)).sum()),
        float(np.round(difference.max(), 4)),
    )


def onnxruntime_outputs(name: str, *, optimised: bool) -> NDArray:
    options = onnxruntime.SessionOptions()
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(model_path(name)), options, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    return np.concatenate([session.run(None, {entry.name: x[None]})[0] for x in samples(name)])


MEASURED = {
    ("autoencoder", "y_ref"): Agreement(10880, 10880, 17, 0.0),
    ("autoencoder", "y_xnnpack"): Agreement(10880, 10880, 17, 0.0),
    ("autoencoder", "onnxruntime"): Agreement(10880, 10880, 17, 0.0),
    # TFLite's reference kernels round twice
    ("ds-cnn", "y_ref"): Agreement(92, 108, 9, 12.0),
    ("ds-cnn", "y_xnnpack"): Agreement(108, 108, 9, 0.0),
    ("ds-cnn", "onnxruntime"): Agreement(108, 108, 9, 0.0),
    ("mobilenet", "y_ref"): Agreement(5933, 6006, 6, 19.0),
    ("mobilenet", "y_xnnpack"): Agreement(5998, 6006, 6, 1.0),
    ("mobilenet", "y_ort"): Agreement(6006, 6006, 6, 0.0),
    ("mobilenet", "onnxruntime"): Agreement(6006, 6006, 6, 0.0),
    # additions in 20-bit fixed point here, in float there; a softmax makes the most of one unit in a logit
    ("resnet-8", "y_ref"): Agreement(155, 200, 19, 56.0),
    ("resnet-8", "y_xnnpack"): Agreement(188, 200, 20, 34.0),
    ("resnet-8", "y_ort"): Agreement(187, 200, 20, 22.0),
    ("resnet-8", "onnxruntime"): Agreement(187, 200, 20, 22.0),
    ("lenet-300-100", "y_ref"): Agreement(320, 320, 32, 0.0),
    ("lenet-300-100", "y_xnnpack"): Agreement(320, 320, 32, 0.0),
    ("lenet-300-100", "onnxruntime"): Agreement(320, 320, 32, 0.0),
}


@pytest.mark.parametrize(("name", "reference"), MEASURED)
def test_network_outputs_agree_at_least_as_measured(name: str, reference: str):
    if reference.startswith("onnxruntime"):
        want = onnxruntime_outputs(name, optimised=reference == "onnxruntime")
    else:
        with np.load(golden_path(name)) as data:
            want = data[reference]
    got, measured = agreement(name, want), MEASURED[name, reference]
    assert got.total == measured.total
    assert got.equal >= measured.equal
    assert got.winners >= measured.winners
    assert got.worst <= measured.worst
