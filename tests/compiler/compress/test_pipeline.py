"""Recipes on the digits networks: what comes out is ordinary ONNX that computes what the compressor says."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import onnx
import onnxruntime
import pytest

from compiler.compress.finish import FORMATS_KEY
from compiler.compress.layers import weight_layers
from compiler.compress.pipeline import compress_graph
from compiler.compress.recipe import parse_recipe
from compiler.compress.source import float_graph
from compiler.compress.summary import layer_summaries
from compiler.errors import ModelError
from compiler.frontend.load import load
from compiler.interpreter import interpret, read_outputs
from tests.compiler.builders import model, op, rand, save
from tests.compiler.compress.networks import digits_cnn, digits_mlp, untrained
from workloads.digits import data

FORMATS = {
    "uniform-8": "quantise: {}",
    "uniform-4": "quantise: {weights: {name: uniform, bits: 4, calibration: mse}}",
    "asymmetric": "quantise: {weights: {name: uniform, bits: 6, scheme: asymmetric, per: tensor}}",
    "power-of-two": "quantise: {weights: power-of-two}",
    "ternary": "quantise: {weights: ternary}",
    "codebook": "share: {bits: 4}",
    "mixed": "quantise: {weights: uniform, layers: {conv2: ternary, classifier: {name: codebook, bits: 3}}}",
    "kl": "quantise: {activations: kl}",
}


def compressed(graph, *steps: str, samples: int = 24):
    recipe = parse_recipe(f"samples: {samples}\nsteps:\n" + "\n".join(f"  - {step}" for step in steps), "test")
    return compress_graph(graph, recipe, untrained())


def on_runtime(proto, images):
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    (port,) = session.get_inputs()
    return np.concatenate([session.run(None, {port.name: x[None]})[0] for x in images])


def on_ours(proto, images, folder):
    graph = load(save(proto, folder))
    (port,) = graph.input_ports
    return np.concatenate(
        [next(iter(read_outputs(graph, interpret(graph, {port.name: x[None]})).values())) for x in images]
    )


@cache
def in_format(name: str):
    return compressed(digits_cnn(), "prune: {sparsity: 0.3}", FORMATS[name])


@pytest.mark.parametrize("name", FORMATS)
def test_the_file_is_the_same_network_here_and_in_onnx_runtime(tmp_path, name):
    result = in_format(name)
    onnx.checker.check_model(result.model, full_check=True)
    images = data.load().test_x[:30]
    runtime, ours = on_runtime(result.model, images), on_ours(result.model, images, tmp_path)
    assert (runtime.argmax(axis=1) == ours.argmax(axis=1)).mean() >= 0.96
    assert np.abs(runtime - ours).max() < 0.15
    assert [p.name for p in result.model.graph.input] == ["image"]
    assert [p.name for p in result.model.graph.output] == ["probabilities"]


@pytest.mark.parametrize("name", FORMATS)
def test_the_file_holds_the_codes_that_were_chosen(tmp_path, name):
    result = in_format(name)
    state = result.state
    codes = state.codes()
    arrays = {t.name: onnx.numpy_helper.to_array(t) for t in result.model.graph.initializer}
    formats = json.loads(next(p.value for p in result.model.metadata_props if p.key == FORMATS_KEY))
    for layer in weight_layers(state.graph):
        stored = arrays[f"{layer.weights}/int8"]
        np.testing.assert_array_equal(stored, codes[layer.weights].values)
        np.testing.assert_array_equal(
            stored == codes[layer.weights].along(codes[layer.weights].zero_point),
            state.emulated.constant(layer.weights) == 0,
        )
        assert (state.emulated.constant(layer.weights)[~state.masks[layer.weights]] == 0).all()
        assert formats[layer.name]["bits"] == codes[layer.weights].format.bits


def test_eight_bits_cost_nothing_on_digits(tmp_path):
    result = compressed(digits_cnn(), "quantise: {}", samples=64)
    digits = data.load()
    correct = on_runtime(result.model, digits.test_x[:100]).argmax(axis=1) == digits.test_y[:100]
    assert correct.mean() >= result.accuracy_before - 0.01
    assert result.accuracy >= result.accuracy_before - 0.01


def test_channels_that_were_cut_are_not_in_the_file():
    result = compressed(digits_cnn(), "prune: {granularity: filter, sparsity: 0.5}", "quantise")
    shapes = {t.name: tuple(t.dims) for t in result.model.graph.initializer}
    assert shapes["conv2/weights/int8"] == (16, 8, 3, 3)
    assert shapes["depthwise/weights/int8"] == (16, 1, 3, 3)
    assert shapes["classifier.weight/int8"] == (10, 24)
    summary = {layer.name: layer for layer in layer_summaries(result.state)}
    assert summary["conv2"].weights == 16 * 8 * 9
    assert summary["classifier"].bits == 8


def test_float_output_has_the_stored_weights_in_floats(tmp_path):
    recipe = parse_recipe("{output: float, samples: 16, steps: [prune: {sparsity: 0.5}, share: {bits: 3}]}", "test")
    result = compress_graph(digits_mlp(), recipe, untrained())
    assert {node.op_type for node in result.model.graph.node} == {"Flatten", "Gemm", "Relu", "Softmax"}
    for tensor in result.model.graph.initializer:
        if tensor.name.endswith("weight"):
            assert np.unique(onnx.numpy_helper.to_array(tensor)).size <= 8
    images = data.load().test_x[:20]
    correct = on_runtime(result.model, images).argmax(axis=1)
    assert correct.shape == (20,)


def test_two_byte_weights_run_in_onnx_runtime():
    result = compressed(digits_mlp(), "quantise: {weights: dual-plane}")
    assert {o.version for o in result.model.opset_import} == {21}
    digits = data.load()
    correct = on_runtime(result.model, digits.test_x[:100]).argmax(axis=1) == digits.test_y[:100]
    assert correct.mean() >= result.accuracy_before - 0.01


def test_low_rank_pruning_and_a_fit_in_one_recipe(tmp_path):
    result = compressed(
        digits_mlp(),
        "low_rank: {method: {name: svd, energy: 0.95}, layers: [dense*]}",
        "prune: {sparsity: 0.3, score: obs, update: obs}",
        "finetune: {method: least-squares}",
        "quantise",
        "store",
    )
    images = data.load().test_x[:20]
    np.testing.assert_allclose(on_runtime(result.model, images), on_ours(result.model, images, tmp_path), atol=0.1)
    assert len(result.state.log) == 4
    assert [s.name for s in result.storage] == [layer.name for layer in weight_layers(result.state.graph)]
    assert all(s.kept < s.weights for s in result.storage)


def test_a_model_of_an_old_operator_set_is_converted(tmp_path):
    nodes = [
        op("Conv", "x w", "p", kernel_shape=[3, 3]),
        op("Relu", "p", "r"),
        op("Flatten", "r", "f"),
        op("Gemm", "f v b", "y", transB=1),
    ]
    constants = {"w": rand(4, 1, 3, 3), "v": rand(10, 144), "b": rand(10)}
    graph = float_graph(save(model(nodes, {"x": (1, 1, 8, 8)}, "y", constants, opset=9), tmp_path))
    result = compressed(graph, "quantise")
    assert {o.version for o in result.model.opset_import} == {13}
    assert on_runtime(result.model, data.load().test_x[:2]).shape == (2, 10)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (
            ["prune: {sparsity: 0.5}", "quantise: {weights: binary}"],
            r"step 2 \(quantise\): layer 'conv1' is pruned, and its format 'binary' has no zero",
        ),
        (["quantise", "prune: {sparsity: 0.5}"], r"step 2 \(prune\): prune before quantising"),
        (["prune: {sparsity: 0.5, epochs: 2}"], r"step 1 \(prune\): 2 epochs of training need PyTorch"),
        (["prune: {sparsity: 0.5, score: taylor}"], r"gradients of 'digits-cnn' over 24 samples need PyTorch"),
        (["quantise: {layers: {fc9: ternary}}"], r"layers: no layer is called 'fc9'; there are conv1, conv2"),
        (["low_rank: {method: {name: svd, rank: 1}, layers: [fc9]}"], r"no layer is called 'fc9'"),
    ],
)
def test_a_step_that_does_not_fit_is_named(steps, message):
    with pytest.raises(ModelError, match=message):
        compressed(digits_cnn(), *steps)
