"""``hwsim.compress``: a file that the other commands take, and errors before the work."""

from __future__ import annotations

import json

import numpy as np
import pytest

import hwsim
from compiler.compress.layers import weight_layers
from compiler.errors import ModelError
from hwsim.compression import api
from hwsim.compression.energy import energy_per_weight
from hwsim.errors import InputError
from rtl.config import load_arch
from tests.compiler.compress.networks import digits_cnn
from tests.hwsim.cli.command_line import hwsim as command

RECIPE = """
name: quick
samples: 32
steps:
  - prune: {granularity: filter, sparsity: 0.25, score: taylor}
  - prune: {score: energy, scope: global, sparsity: 0.4, epochs: 1}
  - share: {bits: 5}
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "quick.yaml"
    path.write_text(RECIPE)
    return path


def test_the_result_goes_straight_into_an_estimate(tmp_path, recipe):
    target = tmp_path / "small.onnx"
    result = hwsim.compress("digits-cnn", recipe, output=target, arch="dense-8x8")
    small, large = (hwsim.estimate(str(m), "dense-8x8") for m in (target, "digits-cnn"))
    assert small.macs < large.macs
    assert small.cycles < large.cycles
    assert [layer.name for layer in result.layers if layer.kept] == [layer.name for layer in result.layers]
    assert result.kept == sum(layer.kept for layer in result.layers) < 0.4 * result.weights_before
    assert result.accuracy > 0.5
    assert target.stat().st_mode & 0o444 == 0o444
    assert sorted(p.name for p in tmp_path.iterdir()) == ["quick.yaml", "small.onnx"]


def test_the_same_seed_gives_the_same_file(recipe):
    first, second = (hwsim.compress("digits-cnn", recipe, arch="dense-8x8").model for _ in range(2))
    assert first.SerializeToString(deterministic=True) == second.SerializeToString(deterministic=True)


def test_the_command_prints_a_table_and_writes_json(tmp_path, capsys, recipe):
    recipe.write_text("{name: tiny, samples: 8, steps: [prune: {sparsity: 0.5}, quantise]}")
    done = command(capsys, "compress", "digits-mlp", recipe, "-o", tmp_path / "o.onnx", "--json", tmp_path / "o.json")
    assert done.status == 0
    assert "digits-mlp after tiny" in done.out
    tree = json.loads((tmp_path / "o.json").read_text())
    assert [layer["name"] for layer in tree["layers"]] == ["dense1", "dense2", "classifier"]
    assert tree["kept"] <= 0.5 * tree["weights_before"] + 1
    assert set(tree["accuracy"]) == {"validation_before", "validation", "test_before", "test"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: [{prune: {sparsity: 1.2}}]", "a sparsity is at least 0 and below 1, not 1.2"),
        ("steps: [{prune: {sparsity: 0.5, score: l1}}]", "there is no score 'l1'; known: apoz"),
        ("steps: [{prune: {sparsity: 0.5, score: energy}}]", "is not known; name an architecture"),
    ],
)
def test_bad_recipes_exit_with_2_and_one_line(tmp_path, capsys, recipe, text, message):
    recipe.write_text(text)
    done = command(capsys, "compress", "digits-cnn", recipe, "-o", tmp_path / "o.onnx")
    assert done.status == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "o.onnx").exists()


def test_data_that_do_not_fit_are_refused(tmp_path, recipe):
    with pytest.raises(InputError, match=r"takes \[1, 28, 28\] a sample, and digits has \[1, 8, 8\]"):
        hwsim.compress("lenet-5", recipe)
    with pytest.raises(InputError, match="there is no folder"):
        hwsim.compress("digits-cnn", recipe, output=tmp_path / "no" / "o.onnx")


def test_quantised_models_are_refused(tmp_path, recipe):
    recipe.write_text("{samples: 8, steps: [quantise]}")
    hwsim.compress("digits-mlp", recipe, output=tmp_path / "q.onnx")
    with pytest.raises(ModelError, match="is quantised already"):
        hwsim.compress(str(tmp_path / "q.onnx"), recipe)


def test_without_pytorch_everything_but_training_works(monkeypatch, recipe):
    find = api.importlib.util.find_spec
    monkeypatch.setattr(api.importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    recipe.write_text("{samples: 8, steps: [prune: {sparsity: 0.5, score: apoz, granularity: filter}, quantise]}")
    with_numpy = hwsim.compress("digits-mlp", recipe)
    monkeypatch.undo()
    with_torch = hwsim.compress("digits-mlp", recipe)
    assert with_numpy.kept == with_torch.kept
    assert with_numpy.test == pytest.approx(with_torch.test)


def test_a_users_own_data(tmp_path, recipe):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "own.npz", x=rng.random((60, 8, 8)).astype(np.float32), y=rng.integers(0, 10, 60))
    recipe.write_text("{samples: 8, steps: [quantise]}")
    result = hwsim.compress("digits-mlp", recipe, data=str(tmp_path / "own.npz"))
    assert 0 <= result.accuracy <= 1


def test_the_energy_of_a_layer_is_shared_among_its_weights():
    graph, config = digits_cnn(), load_arch("dense-16x16")
    figures = energy_per_weight(graph, config)
    estimate = hwsim.estimate("digits-cnn", config)
    by_name = {layer.name: layer.energy_pj.total for layer in estimate.layers}
    for layer in weight_layers(graph):
        assert figures[layer.weights] * layer.value(graph).size == pytest.approx(by_name[layer.name], rel=0.02)
