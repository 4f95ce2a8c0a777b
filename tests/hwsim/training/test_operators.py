"""Every operator that training knows computes what ONNX Runtime does, for a batch, and its gradient is its slope."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from compiler.errors import ModelError
from hwsim.training.executor import Executor
from hwsim.training.operators import OPERATORS
from tests.hwsim.training.models import Case, graph_of, run_onnxruntime

RNG = np.random.default_rng(5)


def _f(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def _i(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def _norm(channels: int) -> tuple[np.ndarray, ...]:
    return _f(channels), _f(channels), _f(channels), np.abs(_f(channels)) + 0.5


S = np.float32(0.1)
POOL = {"kernel_shape": [3, 3], "strides": [2, 2]}
CASES = [
    *[Case(op, (3, 4)) for op in ("Abs", "Neg", "Exp", "Erf", "Relu", "Sigmoid", "Tanh", "Softplus", "Softsign")],
    *[Case(op, (3, 4)) for op in ("Sin", "Cos", "HardSwish", "Identity", "Reciprocal", "Selu")],
    Case("Mish", (3, 4), opset=18),
    Case("Gelu", (3, 4), opset=20),
    Case("Gelu", (3, 4), attributes={"approximate": "tanh"}, opset=20, id="Gelu tanh"),
    Case("Elu", (3, 4), attributes={"alpha": 0.5}),
    Case("LeakyRelu", (3, 4), attributes={"alpha": 0.2}),
    Case("PRelu", (3, 4, 4), (_f(3, 1, 1),)),
    Case("HardSigmoid", (3, 4), attributes={"alpha": 0.3, "beta": 0.4}),
    Case("Clip", (3, 4), (np.float32(-0.5), np.float32(0.5))),
    Case("Clip", (3, 4), (None, np.float32(0.5)), id="Clip above"),
    Case("Clip", (3, 4), attributes={"min": -0.5, "max": 6.0}, opset=7, id="Clip by attributes"),
    Case("Softmax", (3, 4), attributes={"axis": -1}),
    Case("Softmax", (3, 4), attributes={"axis": 1}, opset=11, id="Softmax of old"),
    Case("LogSoftmax", (5,), attributes={"axis": 1}),
    Case("Add", (3, 4), (_f(3, 4),)),
    Case("Sub", (3, 4), (_f(1, 4),), first=1, id="Sub from a constant"),
    Case("Mul", (3, 4), (_f(4),)),
    Case("Div", (3, 4), (_f(3, 4),)),
    Case("Pow", (3, 4), (np.float32(2),)),
    Case("Max", (3, 4), (_f(3, 4), _f(3, 4))),
    Case("Min", (3, 4), (_f(3, 4),)),
    Case("Sum", (3, 4), (_f(3, 4), _f(3, 4))),
    Case("Mean", (3, 4), (_f(3, 4), _f(3, 4))),
    Case("Dropout", (3, 4), (np.float32(0.4),)),
    Case("Gemm", (6,), (_f(4, 6), _f(4)), {"transB": 1, "alpha": 0.5, "beta": 2.0}),
    Case("MatMul", (3, 6), (_f(6, 4),)),
    Case("Conv", (4, 7, 6), (_f(5, 4, 3, 3), _f(5)), {"pads": [1, 0, 2, 1], "strides": [2, 1]}),
    Case("Conv", (4, 7, 6), (_f(8, 1, 3, 3),), {"group": 4, "dilations": [2, 1]}, id="Conv depthwise, dilated"),
    Case("Conv", (4, 9), (_f(5, 4, 3),), {"auto_pad": "SAME_UPPER", "strides": [2]}, id="Conv 1-D, same upper"),
    Case("Conv", (4, 7, 6), (_f(5, 4, 4, 4),), {"auto_pad": "SAME_LOWER"}, id="Conv same lower"),
    Case("Conv", (2, 5, 5, 5), (_f(3, 2, 2, 2, 2),), {"auto_pad": "VALID"}, id="Conv 3-D, valid"),
    Case("ConvTranspose", (4, 5, 5), (_f(4, 3, 3, 3), _f(3)), {"strides": [2, 2], "pads": [1, 1, 0, 1]}),
    Case("MaxPool", (3, 7, 8), attributes={**POOL, "pads": [1, 1, 1, 0]}),
    Case("MaxPool", (3, 7, 8), attributes={**POOL, "ceil_mode": 1}, id="MaxPool up"),
    Case("AveragePool", (3, 7, 8), attributes={**POOL, "pads": [1, 1, 1, 0]}, id="AveragePool without pads"),
    Case("AveragePool", (3, 7, 8), attributes={**POOL, "pads": [1] * 4, "count_include_pad": 1}),
    Case("AveragePool", (3, 8, 8), attributes={**POOL, "ceil_mode": 1}, opset=19, id="AveragePool up"),
    Case("GlobalAveragePool", (3, 4, 5)),
    Case("GlobalMaxPool", (3, 4, 5)),
    Case("BatchNormalization", (3, 4, 4), _norm(3), {"epsilon": 1e-3}),
    Case("InstanceNormalization", (3, 4, 4), (_f(3), _f(3))),
    Case("LayerNormalization", (3, 4), (_f(4), _f(4)), {"axis": -1}),
    Case("LRN", (6, 4, 4), attributes={"size": 3, "alpha": 0.1, "bias": 2.0}),
    Case("Flatten", (3, 4)),
    Case("Reshape", (3, 4), (_i(0, 2, -1),)),
    Case("Squeeze", (1, 4), (_i(1),)),
    Case("Unsqueeze", (4,), (_i(1),)),
    Case("Transpose", (3, 4), attributes={"perm": [0, 2, 1]}),
    Case("Concat", (3, 4), ("x",), {"axis": 2}),
    Case("Split", (6, 2), (_i(2, 4),), {"axis": 1}, outputs=2),
    Case("Slice", (5, 6), (_i(1, 5), _i(4, 0), _i(1, 2), _i(1, -2))),
    Case("Gather", (5, 6), (_i(0, -1, 2),), {"axis": 1}),
    Case("Pad", (3, 4, 4), (_i(0, 0, 1, 2, 0, 0, 0, 1), np.float32(0.5))),
    Case("Pad", (3, 4, 4), (_i(0, 0, 1, 2, 0, 0, 0, 1),), {"mode": "reflect"}, id="Pad reflecting"),
    Case("ReduceMean", (3, 4), attributes={"axes": [1], "keepdims": 0}),
    *[Case(op, (3, 4), attributes={"axes": [-1]}) for op in ("ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2")],
    Case("ReduceProd", (3, 4), attributes={"axes": [1, 2]}),
    Case("ReduceSum", (3, 4), (_i(2),)),
    Case("DepthToSpace", (8, 2, 3), attributes={"blocksize": 2}),
    Case("DepthToSpace", (8, 2, 3), attributes={"blocksize": 2, "mode": "CRD"}, id="DepthToSpace CRD"),
    Case("SpaceToDepth", (2, 4, 6), attributes={"blocksize": 2}),
]
POSITIVE = [Case("Log", (3, 4)), Case("Sqrt", (3, 4))]
BATCH = 2


@pytest.mark.parametrize("case", [*CASES, *POSITIVE], ids=str)
def test_equals_onnxruntime_for_a_batch(case, tmp_path):
    x = np.random.default_rng(1).standard_normal((BATCH, *case.shape)).astype(np.float32)
    x = np.abs(x) + 0.1 if case.op in ("Log", "Sqrt") else x
    graph = graph_of(case.model(), tmp_path)
    got = Executor(graph)({"x": torch.from_numpy(x)})
    for name, want in zip(graph.outputs, run_onnxruntime(case.model(), x), strict=True):
        np.testing.assert_allclose(got[name].detach().numpy(), want, rtol=2e-5, atol=2e-6)


def test_quantise_and_dequantise_equal_onnxruntime(tmp_path):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    scale, zero = np.array([0.1, 0.02], np.float32), np.array([3, -5], np.int8)
    graph = helper.make_graph(
        [
            helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"], axis=1),
            helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["y"], axis=1),
        ],
        "qdq",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2, 3])],
        [numpy_helper.from_array(scale, "scale"), numpy_helper.from_array(zero, "zero")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    x = (np.random.default_rng(2).standard_normal((4, 2, 3)) * 8).astype(np.float32)
    got = Executor(graph_of(model, tmp_path))({"x": torch.from_numpy(x)})["y"]
    np.testing.assert_array_equal(got.numpy(), run_onnxruntime(model, x)[0])


def test_every_operator_has_a_case():
    tested = {case.op for case in (*CASES, *POSITIVE)} | {"QuantizeLinear", "DequantizeLinear"}
    # Ours, formed by passes: the networks of test_executor have them.
    assert set(OPERATORS) - tested == {"FullyConnected", "Bipolar"}


SLOPES = ["Conv", "Gemm", "MatMul", "BatchNormalization", "LayerNormalization", "PRelu", "AveragePool", "MaxPool"]


@pytest.mark.parametrize("case", [next(c for c in CASES if c.op == op) for op in SLOPES], ids=str)
def test_gradient_is_the_slope(case, tmp_path):
    """Against central differences in double precision, of every parameter and of the input."""
    graph = graph_of(case.model(), tmp_path)
    executor = Executor(graph, dtype=torch.float64)
    x = torch.from_numpy(np.random.default_rng(3).standard_normal((BATCH, *case.shape))).requires_grad_()
    weight = torch.from_numpy(np.random.default_rng(4).standard_normal(executor({"x": x})["y0"].shape))

    def loss() -> torch.Tensor:
        return (executor({"x": x})["y0"] * weight).sum()

    for tensor in (x, *executor.parameters.values()):
        (gradient,) = torch.autograd.grad(loss(), tensor)
        for index in np.random.default_rng(6).choice(tensor.numel(), min(5, tensor.numel()), replace=False):
            np.testing.assert_allclose(
                gradient.flatten()[index], _slope(loss, tensor, int(index)), rtol=1e-5, atol=1e-7
            )


def _slope(loss, tensor: torch.Tensor, index: int, step: float = 1e-6) -> float:
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            tensor.view(-1)[index] += sign * step
            values.append(float(loss()))
            tensor.view(-1)[index] -= sign * step
    return (values[0] - values[1]) / (2 * step)


def test_concat_gives_every_sample_its_copy_of_a_constant(tmp_path):
    token = _f(1, 2, 4)
    x = _f(BATCH, 3, 4)
    case = Case("Concat", (3, 4), (token,), {"axis": 1}, first=1)
    graph = graph_of(case.model(), tmp_path)
    got = Executor(graph)({"x": torch.from_numpy(x)})["y0"].numpy()
    for sample, image in zip(got, x, strict=True):
        np.testing.assert_array_equal(sample, np.concatenate([token[0], image]))


REFUSED = [
    (Case("Transpose", (3,), attributes={"perm": [1, 0]}), r"^node 'node' \(Transpose\): moves the batch axis"),
    (Case("Concat", (3,), ("x",), {"axis": 0}), r"^node 'node' \(Concat\): works across the batch axis"),
    (Case("ReduceMean", (3,)), r"^node 'node' \(ReduceMean\): works across the batch axis"),
    (Case("Hardmax", (3,)), r"^node 'node' \(Hardmax\): training knows no such operator; known: Abs, Add"),
]


@pytest.mark.parametrize(("case", "message"), REFUSED, ids=lambda v: str(v) if isinstance(v, Case) else "")
def test_refuses_what_would_mix_samples(case, message, tmp_path):
    with pytest.raises(ModelError, match=message):
        Executor(graph_of(case.model(), tmp_path))({"x": torch.zeros(2, *case.shape)})
