"""Training on the digits: it learns, keeps its promises, and repeats itself."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.compress.masks import Masks
from compiler.compress.source import float_graph
from compiler.compress.trainer import Penalty
from hwsim.errors import InputError
from hwsim.training import Distillation, Settings, TorchTrainer, activation_grid, load_data
from hwsim.training.data import DataSet
from hwsim.training.parameters import batch_norm_gains
from workloads.registry import resolve


@pytest.fixture(scope="module")
def data() -> DataSet:
    return load_data("digits")


@pytest.fixture(scope="module")
def cnn(tmp_path_factory):
    return float_graph(resolve("digits-cnn").file(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def mlp(tmp_path_factory):
    return float_graph(resolve("digits-mlp").file(tmp_path_factory.mktemp("model")))


def _blank(graph, seed=0):
    """``graph`` with weights of He's rule in place of its own, and no biases."""
    rng, fresh = np.random.default_rng(seed), graph.copy()
    for name in (n for op in graph.operators() for n in op.inputs if graph.constant(n) is not None):
        value = graph.constant(name)
        if name.endswith(".weight"):
            deviation = np.sqrt(2 / value[0].size)
            fresh.set_constant(name, (rng.standard_normal(value.shape) * deviation).astype(np.float32))
        elif name.startswith("dense") or name == "classifier.bias":
            fresh.set_constant(name, np.zeros_like(value))
    return fresh


def _equal(a, b) -> bool:
    names = {n for op in a.operators() for n in op.inputs if a.constant(n) is not None}
    return all(np.array_equal(a.constant(n), b.constant(n)) for n in names)


@pytest.mark.parametrize("settings", [Settings(rate=3e-3), Settings(optimizer="sgd", rate=0.05)], ids=["adam", "sgd"])
def test_learns_the_digits_from_nothing(mlp, data, settings):
    trainer = TorchTrainer(data, settings)
    start = _blank(mlp)
    trained = trainer.fit(start, epochs=15)
    assert trainer.evaluate(start) < 0.3
    assert trainer.evaluate(trained) > 0.93
    assert trainer.test(trained) > 0.93


def test_equal_seeds_give_equal_networks_and_others_do_not(cnn, data):
    trainer = TorchTrainer(data, Settings(seed=3))
    assert _equal(trainer.fit(cnn, epochs=1), trainer.fit(cnn, epochs=1))
    assert not _equal(trainer.fit(cnn, epochs=1), TorchTrainer(data, Settings(seed=4)).fit(cnn, epochs=1))


def test_what_is_pruned_stays_zero_and_the_rest_moves(cnn, data):
    rng = np.random.default_rng(0)
    masks = Masks({n: rng.random(cnn.constant(n).shape) < 0.4 for n in ("conv2.weight", "classifier.bias")})
    for settings in (Settings(weight_decay=0.1), Settings(optimizer="sgd", rate=0.01)):
        tuned = TorchTrainer(data, settings).fit(cnn, masks, 1)
        for name, mask in masks.kept.items():
            assert not tuned.constant(name)[~mask].any()
            assert (tuned.constant(name)[mask] != cnn.constant(name)[mask]).all()


class Binary:
    """Signs with one scale: binary weight networks."""

    format = "binary"

    def quantise(self, w):
        return np.where(w >= 0, 1, -1).astype(np.float32) * np.abs(w).mean(dtype=np.float32)


def test_training_with_binary_weights_in_the_loop_repairs_them(cnn, data):
    quantisers = {"conv2.weight": Binary(), "conv3.weight": Binary()}
    trainer = TorchTrainer(data)

    def binary(graph):
        result = graph.copy()
        for name, quantiser in quantisers.items():
            result.set_constant(name, quantiser.quantise(graph.constant(name)))
        return result

    tuned = trainer.fit(cnn, epochs=4, quantisers=quantisers)
    assert trainer.test(binary(tuned)) > trainer.test(binary(cnn)) + 0.05
    assert len(np.unique(np.abs(tuned.constant("conv2.weight")))) > 100, "the float weights are what is returned"


def test_penalties_shrink_what_they_are_for(cnn, data):
    gains = batch_norm_gains(cnn)
    trainer = TorchTrainer(data, Settings(optimizer="sgd", rate=0.01))
    slim = trainer.fit(cnn, epochs=2, penalty=Penalty(0.3, dict.fromkeys(gains)))
    plain = trainer.fit(cnn, epochs=2)
    assert sum(abs(slim.constant(n)).sum() for n in gains) < 0.9 * sum(abs(plain.constant(n)).sum() for n in gains)


def test_a_student_learns_from_its_teacher(mlp, data):
    teacher = mlp
    student = _blank(mlp)
    wrong = DataSet(
        name="noise", train=type(data.train)(data.train.x, np.zeros_like(data.train.y)), validation=data.validation,
        test=data.test,
    )  # fmt: skip
    settings = Settings(rate=3e-3)
    taught = TorchTrainer(wrong, settings, teacher=teacher, distillation=Distillation(share=1.0)).fit(
        student, epochs=10
    )
    alone = TorchTrainer(wrong, settings).fit(student, epochs=10)
    assert TorchTrainer(data).test(taught) > 0.9, "from the teacher's logits alone: the labels are all the same"
    assert TorchTrainer(data).test(alone) < 0.2


def test_quantisation_aware_training_sees_the_int8_grid(cnn, data):
    grid = activation_grid(cnn, data.train.x[:64])
    assert "conv1_relu" in grid
    assert "conv1" not in grid, "fused on the chip, so not rounded"
    assert "conv1_norm" not in grid
    coarse = {name: type(q)(q.scale * 64, max(q.zero_point, -128)) for name, q in grid.items() if name != "image"}
    trainer = TorchTrainer(data, Settings(rate=2e-3), activations=coarse)
    before = trainer.test(cnn)
    after = trainer.test(trainer.fit(cnn, epochs=4))
    assert before < 0.9, "4 steps an activation are too few for a network that was not trained for it"
    assert after > before + 0.05


def test_stops_early_and_keeps_the_best_epoch(mlp, data):
    class Heard:
        def __init__(self):
            self.stages = []

        def stage(self, what, total=None):
            self.stages.append(what)

        def at(self, done):
            pass

    heard = Heard()
    trainer = TorchTrainer(data, Settings(rate=3e-3, patience=2), reporter=heard)
    tuned = trainer.fit(mlp, epochs=50)
    assert 3 <= len(heard.stages) < 50
    assert heard.stages[0] == "training, epoch 1 of 50"
    assert "accuracy" in heard.stages[1]
    assert "left" in heard.stages[1]
    assert trainer.evaluate(tuned) >= TorchTrainer(data, Settings(rate=3e-3)).evaluate(trainer.fit(mlp, epochs=1))


def test_a_loss_that_is_not_finite_stops_with_its_step(mlp, data):
    with pytest.raises(
        InputError, match=r"^the loss is (nan|inf) in step \d+ \(epoch \d+, rate 1e\+18\); lower the rate"
    ):
        TorchTrainer(data, Settings(optimizer="sgd", rate=1e18)).fit(mlp, epochs=5)


def test_gradients_are_means_over_single_samples(mlp, data):
    trainer = TorchTrainer(data)
    alone = [
        TorchTrainer(
            DataSet(name="one", train=type(data.train)(data.train.x[i : i + 1], data.train.y[i : i + 1]),
                    validation=data.validation, test=data.test)
        ).gradients(mlp, 1).mean["dense1.weight"]
        for i in range(3)
    ]  # fmt: skip
    got = trainer.gradients(mlp, 3)
    np.testing.assert_allclose(got.mean["dense1.weight"], np.mean(alone, 0), rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(got.square["dense1.weight"], np.mean(np.square(alone), 0), rtol=1e-5, atol=1e-12)


def test_activations_are_those_of_the_compilers_own_evaluation(cnn, data):
    from compiler.evaluate import evaluate

    trainer = TorchTrainer(data)
    got = trainer.activations(cnn, 3, ["conv1_relu", "classifier"])
    assert got["conv1_relu"].shape == (3, 16, 8, 8)
    for i in range(3):
        want = evaluate(cnn, {"image": data.train.x[i : i + 1]})
        np.testing.assert_allclose(got["conv1_relu"][i], want["conv1_relu"][0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(got["classifier"][i], want["classifier"][0], rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(trainer.labels(3), data.train.y[:3])
