"""Whole networks: the graph on PyTorch is the graph in ONNX Runtime, before and after the compiler's passes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from compiler.compress.source import float_graph
from compiler.errors import ModelError
from compiler.frontend.load import ONNX_PASSES
from compiler.ir import QuantParams
from compiler.passes.base import run_passes
from hwsim.training.executor import Executor
from hwsim.training.parameters import batch_norm_gains, statistics, trained
from tests.hwsim.training.models import run_onnxruntime
from workloads import builders
from workloads.registry import resolve


def _model(name: str):
    if name == "lenet-5":
        return builders.lenet_5(builders.Weights.SEEDED)
    return (
        builders.transformer_block(weights=builders.Weights.SEEDED)
        if name == "transformer-block"
        else resolve(name).model()
    )


@pytest.mark.parametrize("name", ["digits-cnn", "digits-mlp", "lenet-5", "transformer-block"])
def test_equals_onnxruntime(name, tmp_path):
    model = _model(name)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    graph = float_graph(path)
    x = np.random.default_rng(0).standard_normal(graph.input_ports[0].shape).astype(np.float32)
    want = run_onnxruntime(model, x)[0]
    fused = graph.copy()
    run_passes(fused, ONNX_PASSES)
    for each in (graph, fused):
        got = Executor(each)({each.input_ports[0].name: torch.from_numpy(x)})[each.outputs[0]]
        np.testing.assert_allclose(got.detach().numpy(), want, rtol=1e-4, atol=1e-5)


@pytest.fixture
def cnn(tmp_path):
    return float_graph(resolve("digits-cnn").file(tmp_path))


def test_what_is_trained(cnn):
    assert trained(cnn)[:3] == ("conv1.weight", "conv1_norm.scale", "conv1_norm.bias")
    assert len(trained(cnn)) == 5 * 3 + 2
    assert statistics(cnn)[:2] == ("conv1_norm.mean", "conv1_norm.variance")
    assert batch_norm_gains(cnn) == tuple(
        f"{n}_norm.scale" for n in ("conv1", "conv2", "depthwise", "pointwise", "conv3")
    )


def test_a_batch_is_its_samples_one_by_one(cnn):
    x = torch.from_numpy(np.random.default_rng(0).random((3, 1, 8, 8), np.float32))
    executor = Executor(cnn)
    together = executor({"image": x})["probabilities"]
    alone = [executor({"image": x[i : i + 1]})["probabilities"] for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_training_moves_the_statistics_and_inference_does_not(cnn):
    executor, x = Executor(cnn), torch.rand(8, 1, 8, 8)
    before = executor.state()["conv1_norm.mean"]
    executor({"image": x})
    np.testing.assert_array_equal(executor.state()["conv1_norm.mean"], before)
    executor({"image": x}, training=True)
    assert not np.array_equal(executor.state()["conv1_norm.mean"], before)
    assert np.array_equal(cnn.constant("conv1_norm.mean"), before), "the source graph is not changed"


def test_masks_hold_in_the_forward_pass_and_in_the_gradient(cnn):
    mask = np.random.default_rng(0).random((32, 16, 3, 3)) < 0.5
    executor = Executor(cnn, masks={"conv2.weight": mask})
    assert not executor.parameters["conv2.weight"].detach().numpy()[~mask].any()
    executor({"image": torch.rand(4, 1, 8, 8)})["probabilities"][:, 0].sum().backward()
    gradient = executor.parameters["conv2.weight"].grad
    assert gradient is not None
    assert gradient.numpy()[mask].any()
    assert not gradient.numpy()[~mask].any()


class Ternary:
    """A format of three values."""

    def quantise(self, w):
        return np.sign(np.where(np.abs(w) > 0.05, w, 0)).astype(np.float32)


def test_a_quantiser_is_seen_forwards_and_passed_through_backwards(cnn):
    executor = Executor(cnn, quantisers={"conv2.weight": Ternary()})
    float_weights = cnn.constant("conv2.weight")
    seen = executor.seen("conv2.weight")
    np.testing.assert_array_equal(seen.detach().numpy(), Ternary().quantise(float_weights))
    (seen * 3).sum().backward()
    np.testing.assert_array_equal(executor.parameters["conv2.weight"].grad, np.full(float_weights.shape, 3))
    np.testing.assert_array_equal(executor.graph().constant("conv2.weight"), float_weights)


def test_an_activation_is_rounded_to_its_grid_with_a_gradient_inside_it(cnn):
    quant = QuantParams(0.5, -128)  # 0 .. 127.5 in halves
    executor = Executor(cnn, activations={"image": quant, "conv1_relu": quant})
    x = torch.rand(2, 1, 8, 8, requires_grad=True)
    seen = executor({"image": x}, wanted=["image", "conv1_relu"])
    np.testing.assert_array_equal(seen["image"].detach(), quant.dequantize(quant.quantize(x.detach().numpy())))
    assert set(np.unique(seen["conv1_relu"].detach().numpy() % 0.5)) == {0.0}
    seen["image"].sum().backward()
    np.testing.assert_array_equal(x.grad, np.ones(x.shape))


@pytest.mark.parametrize("given", ["masks", "quantisers"])
def test_refuses_what_is_for_no_parameter(cnn, given):
    value = {"conv9.weight": np.ones(3, bool) if given == "masks" else Ternary()}
    with pytest.raises(ModelError, match=r"^there is a (mask|quantiser) for 'conv9.weight', which is no trained"):
        Executor(cnn, **{given: value})
