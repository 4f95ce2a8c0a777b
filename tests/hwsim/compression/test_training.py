"""Compression with PyTorch in the loop: schedules, formats, and a kill in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import hwsim
from compiler.compress.granularities import GRANULARITIES
from compiler.compress.layers import weight_layers
from compiler.compress.pipeline import compress_graph
from compiler.compress.prune import Pruning
from compiler.compress.recipe import parse_recipe
from compiler.compress.schedules import SCHEDULES
from compiler.compress.scores import SCORES
from hwsim.training import Settings, TorchTrainer, load_data
from tests.compiler.compress.networks import digits_cnn, digits_mlp

ROOT = Path(__file__).parents[3]


@cache
def trainer() -> TorchTrainer:
    return TorchTrainer(load_data("digits"), Settings(rate=2e-3))


@pytest.mark.parametrize(
    "schedule",
    [
        # slimming is of batch norms: it takes the larger network
        pytest.param(entry.name, marks=pytest.mark.slow if entry.name == "slimming" else ())
        for entry in SCHEDULES
    ],
)
def test_training_makes_up_for_what_was_pruned(schedule):
    what = Pruning(score=SCORES["magnitude"](), granularity=GRANULARITIES["element"](), sparsity=0.85)
    graph = digits_cnn() if schedule == "slimming" else digits_mlp()
    untrained = what.masks(graph, trainer()).apply(graph)
    *_, last = what.stages(SCHEDULES[schedule](), graph, trainer(), epochs=9)
    assert last.masks.sparsity() == pytest.approx(0.85, abs=0.01)
    assert all((last.graph.constant(n)[~m] == 0).all() for n, m in last.masks.kept.items())
    loss = trainer().evaluate(graph) - trainer().evaluate(last.graph)
    assert loss < 0.6 * (trainer().evaluate(graph) - trainer().evaluate(untrained))


@pytest.mark.parametrize("score", ["taylor", "obd"])
def test_gradients_find_weights_that_matter(score):
    graph = digits_mlp()
    kept = []
    for name in (score, "random"):
        made = SCORES[name](1) if name == "random" else SCORES[name]()
        what = Pruning(score=made, granularity=GRANULARITIES["element"](), sparsity=0.6, samples=64)
        kept.append(trainer().evaluate(what.masks(graph, trainer()).apply(graph)))
    assert kept[0] > kept[1] + 0.2


@pytest.mark.slow
def test_a_penalty_makes_groups_small():
    graph = digits_cnn()
    what = Pruning(score=SCORES["magnitude"](), granularity=GRANULARITIES["filter"](), sparsity=0.5)
    for name in ("group-lasso", "slimming"):
        weak, strong = (
            next(what.stages(SCHEDULES[name](strength=s), graph, trainer(), epochs=4)).graph for s in (1e-6, 3e-2)
        )
        key = "conv2_norm.scale" if name == "slimming" else "conv2.weight"
        assert np.abs(strong.constant(key)).sum() < 0.98 * np.abs(weak.constant(key)).sum()


@pytest.mark.parametrize("weights", ["ternary", "binary", "{name: uniform, bits: 2}", "{name: power-of-two, bits: 3}"])
def test_training_with_the_format_in_the_loop_beats_quantising_afterwards(weights):
    results = []
    for epochs in (0, 6):
        recipe = parse_recipe(f"{{samples: 64, steps: [quantise: {{weights: {weights}, epochs: {epochs}}}]}}", "test")
        results.append(compress_graph(digits_mlp(), recipe, trainer()).accuracy)
    assert results[1] > results[0]
    assert results[1] > 0.85


def test_trained_codebooks_keep_their_assignments():
    recipe = parse_recipe("{samples: 32, steps: [prune: {sparsity: 0.7}, share: {bits: 3, epochs: 2}]}", "test")
    result = compress_graph(digits_mlp(), recipe, trainer())
    for layer in weight_layers(result.state.graph):
        values = result.state.emulated.constant(layer.weights)
        group = result.state.formats[layer.weights].group
        assert (values[group < 0] == 0).all()
        assert all(np.unique(values[group == i]).size == 1 for i in range(group.max() + 1))


RECIPE = """
samples: 32
steps:
  - prune: {schedule: {name: gradual, steps: 3}, sparsity: 0.8, epochs: 6}
  - share: {bits: 4, epochs: 2}
"""
DOOMED = """
import os, signal, sys
from pathlib import Path
from tests.hwsim.compression.test_training import compressed

class Killer:
    stages = 0
    def stage(self, what, total=None):
        self.stages += what.startswith("prune")
    def at(self, done):
        if self.stages == 5 and done == 5:
            os.kill(os.getpid(), signal.SIGKILL)

compressed(Path(sys.argv[1]), Killer())
"""


def compressed(folder: Path, reporter=None, *, checkpoints: bool = True) -> bytes:
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE)
    extra = {"reporter": reporter} if reporter else {}
    kept = folder if checkpoints else None
    result = hwsim.compress("digits-mlp", recipe, output=folder / "o.onnx", checkpoints=kept, **extra)
    assert result.kept < 0.25 * result.weights
    return (folder / "o.onnx").read_bytes()


def test_a_compression_that_is_killed_and_run_again_ends_as_if_it_had_not_been(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", DOOMED, str(tmp_path)]
    died = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert not (tmp_path / "o.onnx").exists()
    assert list(tmp_path.glob("fit-*.npz"))
    again = compressed(tmp_path)
    other = tmp_path / "undisturbed"
    other.mkdir()
    assert again == compressed(other, checkpoints=False)
