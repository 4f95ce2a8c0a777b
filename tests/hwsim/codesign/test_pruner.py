"""The five steps on the digits: guided by cost, held to the floor, the same again after a kill."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from compiler.compress.masks import Masks
from compiler.compress.source import float_graph
from hwsim.codesign.cost import LayerCost, NetworkCost
from hwsim.codesign.dense_cost import DenseCost
from hwsim.codesign.prune import prune
from hwsim.codesign.pruner import Pruner
from hwsim.codesign.settings import PruneSettings
from hwsim.codesign.state import load_state, save_state
from hwsim.errors import InputError
from hwsim.training import Settings, TorchTrainer, load_data
from hwsim.training.data import split
from rtl.config import load_arch
from workloads.registry import resolve

ROOT = Path(__file__).parents[3]
FAST = PruneSettings(epochs=1, samples=256, rounds=3)


@pytest.fixture(scope="module")
def mlp(tmp_path_factory):
    return float_graph(resolve("digits-mlp").file(tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def trainer():
    return TorchTrainer(load_data("digits"), Settings(rate=2e-3))


class PricedWeights:
    """An engine that skips every zero: a layer costs so much for each weight that is left."""

    units, quantum = ("element",), 1

    def __init__(self, **prices: float) -> None:
        self.prices = prices

    def cost(self, graph, masks):
        kept = {n: int(np.count_nonzero(masks.apply(graph).constant(f"{n}.weight"))) for n in self.prices}
        return NetworkCost({n: LayerCost(energy_pj=p * kept[n], cycles=kept[n]) for n, p in self.prices.items()})


def _density(state, name):
    return float(state.accepted.masks[f"{name}.weight"].mean()) if f"{name}.weight" in state.accepted.masks else 1.0


def test_prunes_where_it_saves(mlp, trainer):
    """Two layers of like size: the one that costs fifty times as much loses more."""
    first = Pruner(mlp, PricedWeights(dense1=50, dense2=1, classifier=1), trainer, FAST).run()
    second = Pruner(mlp, PricedWeights(dense1=1, dense2=50, classifier=1), trainer, FAST).run()
    assert _density(first, "dense1") < 0.5
    assert _density(second, "dense2") < 0.5
    assert _density(first, "dense2") > _density(second, "dense2")
    assert _density(second, "dense1") > _density(first, "dense1")
    assert [step.target for step in first.locals][:1] == ["dense1 (weights)"]
    assert [step.target for step in second.locals][:1] == ["dense2 (weights)"]


def test_prunes_nothing_that_saves_nothing(mlp, trainer):
    class Indifferent(PricedWeights):
        def cost(self, graph, masks):
            return NetworkCost({name: LayerCost(energy_pj=1.0, cycles=1) for name in self.prices})

    state = Pruner(mlp, Indifferent(dense1=1, dense2=1, classifier=1), trainer, FAST).run()
    assert not state.rounds
    assert len(state.accepted.masks) == 0


@pytest.mark.parametrize("objective", ["energy", "latency", "edp"])
@pytest.mark.parametrize("method", ["energy-aware", "magnitude", "magnitude-uniform"])
def test_holds_the_floor_on_a_dense_array(mlp, trainer, objective, method):
    cost = DenseCost(load_arch("dense-8x8"))
    settings = PruneSettings(objective=objective, method=method, epochs=2, samples=256, rounds=2)
    pruner = Pruner(mlp, cost, trainer, settings)
    state = pruner.run()
    value = cost.cost(state.accepted.graph, state.accepted.masks).value(objective)
    assert value < 0.8 * cost.cost(mlp, Masks.none()).value(objective)
    assert trainer.evaluate(state.accepted.graph) >= trainer.evaluate(mlp) - settings.max_loss
    for name, mask in state.accepted.masks.kept.items():
        assert not state.accepted.graph.constant(name)[~mask].any()


def test_each_step_does_what_the_paper_says(mlp, trainer):
    state = Pruner(mlp, PricedWeights(dense1=1, dense2=1, classifier=1), trainer, FAST).run()
    pruned = [step for step in state.locals if step.kept < step.before]
    assert pruned
    for step in pruned:
        assert step.restored_error <= step.removed_error
        assert step.fitted_error < step.restored_error
        assert step.value_after < step.value_before
    shares = [step.share for step in state.locals if step.round == 0]
    assert shares == sorted(shares, reverse=True)


def test_a_floor_that_cannot_be_held_leaves_the_network_alone(mlp, trainer):
    class Hopeless(TorchTrainer):
        def fit(self, graph, masks=None, epochs=1, **_):
            ruined = graph.copy()
            ruined.set_constant("classifier.weight", np.zeros_like(graph.constant("classifier.weight")))
            return ruined

    settings = PruneSettings(epochs=1, samples=64, retries=2)
    state = Pruner(mlp, PricedWeights(dense1=1, dense2=1, classifier=1), Hopeless(load_data("digits")), settings).run()
    assert [step.accepted for step in state.rounds] == [False, False]
    assert state.accepted.graph is mlp


def test_a_state_is_the_same_after_a_file(mlp, trainer, tmp_path):
    pruner = Pruner(mlp, PricedWeights(dense1=1, dense2=1, classifier=1), trainer, FAST)
    state = pruner.run()
    save_state(tmp_path / "s.npz", "key", state)
    start = Pruner(mlp, pruner.cost, trainer, FAST)
    read = load_state(tmp_path / "s.npz", "key", start.start())
    assert (read.locals, read.rounds, read.strength, read.trade) == (
        state.locals,
        state.rounds,
        state.strength,
        state.trade,
    )
    assert read.accepted.masks.equals(state.accepted.masks)
    for name in ("dense1.weight", "classifier.bias"):
        np.testing.assert_array_equal(read.accepted.graph.constant(name), state.accepted.graph.constant(name))


DOOMED = """
import os, signal, sys
from pathlib import Path
from tests.hwsim.codesign.test_pruner import pruned

class Killer:
    def __init__(self, where, count):
        self.where, self.count = where, count
    def stage(self, what, total=None):
        self.count -= self.where in what
        if self.count == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    def at(self, done):
        pass

pruned(Path(sys.argv[1]), Killer(sys.argv[2], int(sys.argv[3])))
"""


class Ignored:
    def stage(self, what, total=None):
        pass

    def at(self, done):
        pass


def pruned(work: Path | None, reporter):
    settings = PruneSettings(epochs=2, samples=128, rounds=2)
    return prune("digits-mlp", "dense-8x8", settings=settings, work=work, reporter=reporter)


AMONG_LOCAL_STEPS, IN_FINE_TUNING = ("round 2: ", 2), ("epoch 2 of 2", 2)


@pytest.mark.parametrize(
    "moments",
    [
        pytest.param([AMONG_LOCAL_STEPS], id="among local steps"),
        pytest.param([IN_FINE_TUNING], id="in fine-tuning", marks=pytest.mark.slow),
        pytest.param([("round 1: ", 2), AMONG_LOCAL_STEPS, ("epoch 2 of 2", 1)], id="thrice", marks=pytest.mark.slow),
    ],
)
def test_kill_minus_nine_and_run_again(moments, tmp_path):
    for where, count in moments:
        child = [sys.executable, "-c", DOOMED, str(tmp_path), where, str(count)]
        died = subprocess.run(child, cwd=ROOT, check=False, capture_output=True)
        assert died.returncode == -signal.SIGKILL, died.stderr.decode()
        assert (tmp_path / "pruning.npz").exists()
    resumed, undisturbed = pruned(tmp_path, Ignored()), pruned(None, Ignored())
    assert resumed.report == undisturbed.report
    assert resumed.masks.equals(undisturbed.masks)
    files = [outcome.model.SerializeToString(deterministic=True) for outcome in (resumed, undisturbed)]
    assert files[0] == files[1]


def test_state_of_other_work_is_refused(tmp_path):
    settings = PruneSettings(epochs=1, samples=64, rounds=1)
    prune("digits-mlp", "dense-8x8", settings=settings, work=tmp_path)
    with pytest.raises(InputError, match=r"pruning.npz: is of other work \(network, data or settings differ\)"):
        prune("digits-mlp", "dense-16x16", settings=settings, work=tmp_path)


def test_an_untrained_network_is_refused():
    rng = np.random.default_rng(0)
    noise = split("mine", rng.random((200, 1, 8, 8)).astype(np.float32), rng.integers(0, 10, 200))
    with pytest.raises(InputError, match=r"^digits-mlp is right in \d+\.\d% of mine, hardly more than chance: train"):
        prune("digits-mlp", "dense-8x8", data=noise)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"objective": "speed"}, r"^objective 'speed': known: energy, latency, edp$"),
        ({"method": "random"}, r"^method 'random': known: energy-aware, magnitude, magnitude-uniform$"),
        ({"max_loss": 1.2}, r"^the accuracy that may be lost is 0 to 100 points, not 120$"),
        ({"epochs": 0}, r"^epochs must be at least 1, not 0$"),
    ],
)
def test_settings_that_cannot_be(wrong, message):
    with pytest.raises(InputError, match=message):
        PruneSettings(**wrong)
