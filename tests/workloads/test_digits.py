"""The digits: their split, their training, and the two networks that ship."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import compiler
from compiler.ir import Graph
from workloads.digits import networks
from workloads.digits.data import Digits, calibration, load
from workloads.digits.export import to_onnx
from workloads.digits.layers import Layer
from workloads.digits.train import NETWORKS, Recipe, accuracy, main, train

SILENT = list[str]().append

# Of 360 test images: measured when the files were made (355 and 351), less one image for another runtime's rounding.
SHIPPED = {"digits-cnn": 354, "digits-mlp": 350}


@pytest.fixture(scope="module")
def digits() -> Digits:
    return load()


def run(model: bytes | Path, images: np.ndarray) -> np.ndarray:
    source = model if isinstance(model, bytes) else str(model)
    session = onnxruntime.InferenceSession(source, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"image": images})[0])


def read(graph: Graph, image: np.ndarray) -> np.ndarray:
    """What the integer reference interpreter makes of one image."""
    values = compiler.interpret(graph, {"image": image})
    return np.asarray(compiler.read_outputs(graph, values)["probabilities"])


def trained(name: str, digits: Digits, **changes: int) -> bytes:
    make, recipe, _ = NETWORKS[name]
    recipe = replace(recipe, **changes)
    network = make(recipe.seed)
    train(network, digits, recipe, SILENT)
    return to_onnx(network, "").SerializeToString(deterministic=True)


class TestData:
    def test_every_image_is_in_one_part(self, digits: Digits) -> None:
        assert digits.train_x.shape == (1437, 1, 8, 8)
        assert digits.test_x.shape == (360, 1, 8, 8)
        both = np.concatenate([digits.train_x, digits.test_x]).reshape(1797, 64)
        # The set has no duplicates, so a repeated image would be one in both parts.
        assert len(np.unique(both, axis=0)) == 1797

    def test_values(self, digits: Digits) -> None:
        assert digits.train_x.dtype == np.float32
        assert (digits.train_x.min(), digits.train_x.max()) == (0, 1)
        assert set(digits.test_y.tolist()) == set(range(10))

    def test_split_never_changes(self, digits: Digits) -> None:
        assert digits.test_y[:12].tolist() == [4, 2, 0, 3, 7, 0, 2, 0, 7, 5, 0, 1]
        assert Counter(digits.test_y.tolist()) == Counter(
            {0: 37, 1: 34, 2: 35, 3: 33, 4: 33, 5: 45, 6: 31, 7: 36, 8: 35, 9: 41}
        )

    def test_calibration_sees_no_test_image(self, digits: Digits) -> None:
        seen = {image.tobytes() for image in calibration()}
        assert len(seen) == 256
        assert seen.isdisjoint(image.tobytes() for image in digits.test_x)


class TestTraining:
    def test_same_seed_same_bytes(self, digits: Digits) -> None:
        first, second = (trained("digits-cnn", digits, epochs=1) for _ in range(2))
        assert first == second

    def test_another_seed_is_another_network(self, digits: Digits) -> None:
        assert trained("digits-mlp", digits, epochs=1) != trained("digits-mlp", digits, epochs=1, seed=2)

    def test_an_epoch_teaches(self, digits: Digits) -> None:
        network = networks.cnn(seed=5)
        before = accuracy(network, digits.test_x, digits.test_y)
        train(network, digits, Recipe(epochs=2), SILENT)
        assert before < 0.3
        assert accuracy(network, digits.test_x, digits.test_y) > 0.7

    def test_export_computes_what_the_network_does(self, digits: Digits) -> None:
        network = networks.cnn(seed=5)
        train(network, digits, Recipe(epochs=1), SILENT)
        images = digits.test_x[:16]
        logits = network(np.ascontiguousarray(images.transpose(0, 2, 3, 1)))
        expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        model = to_onnx(network, "").SerializeToString()
        np.testing.assert_allclose(run(model, images), expected, atol=1e-5)

    def test_a_layer_without_an_onnx_form_is_named(self) -> None:
        class Identity(Layer):
            def _forward(self, x: np.ndarray) -> np.ndarray:
                return x

            def backward(self, grad: np.ndarray) -> np.ndarray:
                return grad

        network = networks.mlp(seed=0)
        network.layers.append(Identity("strange"))
        with pytest.raises(TypeError, match=r"^strange: no ONNX form for Identity in 'digits-mlp', on 'classifier'$"):
            to_onnx(network, "")

    def test_command_writes_the_file(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        main(["digits-mlp", "--epochs", "1", "--output", str(tmp_path)])
        onnx.checker.check_model(tmp_path / "digits_mlp.onnx", full_check=True)
        assert [path.name for path in tmp_path.iterdir()] == ["digits_mlp.onnx"]
        assert "digits-mlp: test accuracy" in capsys.readouterr().out

    def test_command_refuses_an_unknown_network(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit, match="2"):
            main(["digits"])
        assert "unknown network 'digits' (choose from digits-cnn, digits-mlp)" in capsys.readouterr().err

    @pytest.mark.slow
    @pytest.mark.parametrize("name", NETWORKS)
    def test_recipe_reaches_the_accuracy(self, name: str, digits: Digits) -> None:
        guesses = run(trained(name, digits), digits.test_x).argmax(axis=1)
        assert (guesses == digits.test_y).mean() >= 0.97


class TestShipped:
    @pytest.mark.parametrize("name", NETWORKS)
    def test_accuracy_in_onnx_runtime(self, name: str, digits: Digits) -> None:
        _, _, path = NETWORKS[name]
        right = (run(path, digits.test_x).argmax(axis=1) == digits.test_y).sum()
        assert right >= SHIPPED[name]
        assert right / len(digits.test_y) >= 0.97

    @pytest.mark.parametrize("name", NETWORKS)
    def test_file_is_small_valid_and_says_how_it_was_made(self, name: str) -> None:
        _, recipe, path = NETWORKS[name]
        assert path.stat().st_size < 300_000
        onnx.checker.check_model(path, full_check=True)
        model = onnx.load(path)
        assert model.graph.doc_string.startswith(f"{recipe}; float accuracy on 360 test images 0.9")
        assert (model.ir_version, model.opset_import[0].version) == (10, 17)

    @pytest.mark.parametrize("name", NETWORKS)
    def test_int8_is_as_good_as_float(self, name: str, digits: Digits) -> None:
        """Measured on all 360 test images: 355 and 351 right in int8 as in float. One more may go wrong."""
        _, _, path = NETWORKS[name]
        graph = compiler.load(path, calibration=calibration())
        guesses = [int(read(graph, image[None]).argmax()) for image in digits.test_x]
        assert (np.array(guesses) == digits.test_y).sum() >= SHIPPED[name]

    def test_cnn_has_one_of_each(self) -> None:
        model = onnx.load(NETWORKS["digits-cnn"][2])
        operators = Counter(node.op_type for node in model.graph.node)
        assert operators == {
            "Conv": 5,
            "BatchNormalization": 5,
            "Relu": 5,
            "MaxPool": 1,
            "Add": 1,
            "GlobalAveragePool": 1,
            "Flatten": 1,
            "Gemm": 1,
            "Softmax": 1,
        }
        groups = {
            n.name: a.i for n in model.graph.node for a in n.attribute if n.op_type == "Conv" and a.name == "group"
        }
        assert groups == {"conv1": 1, "conv2": 1, "depthwise": 32, "pointwise": 1, "conv3": 1}
