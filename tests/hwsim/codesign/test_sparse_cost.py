"""The guide on a zero-skipping engine: each zero counts, and what is predicted is what the written file costs."""

from __future__ import annotations

import numpy as np
import pytest

import hwsim
from compiler.compress.finish import activation_ranges
from compiler.compress.masks import Masks
from compiler.compress.source import float_graph
from hwsim.codesign.prune import SAMPLE_INPUTS, prune
from hwsim.codesign.settings import PruneSettings
from hwsim.codesign.sparse_cost import SparseCost
from hwsim.training import Settings, TorchTrainer, load_data
from rtl.config import ArchConfig
from workloads.registry import resolve

INT8 = {"pes": 8, "weights": "int8", "code_bits": 8, "spmat_kib": 16}
CODEBOOK = {"pes": 8, "weights": "codebook", "code_bits": 4, "spmat_kib": 16}

ENGINES = pytest.mark.parametrize(
    "sparse", [pytest.param(INT8, id="int8"), pytest.param(CODEBOOK, id="codebook", marks=pytest.mark.slow)]
)


def _arch(sparse) -> ArchConfig:
    return ArchConfig.model_validate({"name": "engine", "dense": None, "sparse": sparse})


@pytest.fixture(scope="module")
def mlp(tmp_path_factory):
    return float_graph(resolve("digits-mlp").file(tmp_path_factory.mktemp("model")))


@ENGINES
def test_fewer_weights_cost_less_in_their_own_layer(mlp, sparse):
    trainer = TorchTrainer(load_data("digits"))
    cost = SparseCost(_arch(sparse), activation_ranges(mlp, trainer, 64), trainer.data.train.x[:1])
    rng = np.random.default_rng(0)
    half = rng.random(mlp.constant("dense1.weight").shape) < 0.5
    tenth = half & (rng.random(half.shape) < 0.2)
    whole, less, least = (
        cost.cost(mlp, masks).layers["dense1"]
        for masks in (Masks.none(), Masks({"dense1.weight": half}), Masks({"dense1.weight": tenth}))
    )
    assert whole.energy_pj > less.energy_pj > least.energy_pj
    assert whole.cycles > less.cycles > least.cycles


@ENGINES
def test_the_written_file_costs_what_was_predicted(sparse, tmp_path):
    """Within 5 %: ranges and shared values are found anew for the file, so a few activations differ."""
    settings = PruneSettings(epochs=1, samples=128, rounds=1)
    outcome = prune("digits-mlp", _arch(sparse), settings=settings, tuning=Settings(rate=2e-3))
    before, after = outcome.report.energy_pj
    assert after < 0.9 * before
    path = tmp_path / "small.onnx"
    path.write_bytes(outcome.model.SerializeToString())
    data = load_data("digits")
    runs = [hwsim.estimate(str(path), _arch(sparse), inputs=x[None]) for x in data.train.x[:SAMPLE_INPUTS]]
    assert {layer.engine for run in runs for layer in run.layers} == {"sparse"}
    found = np.mean([run.totals()["energy_pj"] for run in runs])
    assert found == pytest.approx(after, rel=0.05)
    assert np.mean([run.cycles for run in runs]) == pytest.approx(outcome.report.cycles[1], rel=0.05)
