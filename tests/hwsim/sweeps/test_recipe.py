"""Recipes as dimensions: addressed by step, followed once for all points that ask for the same."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

import hwsim
from hwsim.errors import InputError
from hwsim.sweeps.evaluation.evaluate import evaluate
from hwsim.sweeps.evaluation.outcome import PointTask, Task
from hwsim.sweeps.space.recipe import recipe_settings, recipe_with
from tests.hwsim.sweeps.samples import specification

RECIPE = {
    "samples": 32,
    "steps": [
        {"prune": {"sparsity": 0.5, "granularity": "filter"}},
        "finetune",
        {"prune": {"sparsity": 0.2}},
        {"quantise": {"weights": {"name": "uniform", "bits": 8}}},
        {"store": None},
    ],
}
PLAIN = {"samples": 32, "steps": [RECIPE["steps"][0], *RECIPE["steps"][3:]]}
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch: hwsim[train]")


def test_settings_are_called_by_their_step():
    settings = recipe_settings(RECIPE)
    assert settings["recipe.samples"] == 32
    assert settings["recipe.prune.sparsity"] == 0.5
    assert settings["recipe.prune_2.sparsity"] == 0.2
    assert settings["recipe.quantise.weights.bits"] == 8
    assert settings["recipe.prune.score"] is None  # could be set, and is not


def test_points_change_the_step_that_they_name():
    changed = recipe_with(RECIPE, {"recipe.prune_2.sparsity": 0.9, "recipe.finetune.epochs": 3, "recipe.samples": 8})
    assert changed["samples"] == 8
    assert [next(iter(step)) for step in changed["steps"]] == ["prune", "finetune", "prune", "quantise", "store"]
    assert changed["steps"][1] == {"finetune": {"epochs": 3}}
    assert changed["steps"][2] == {"prune": {"sparsity": 0.9}}
    assert RECIPE["steps"][2] == {"prune": {"sparsity": 0.2}}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("recipe.shrink.sparsity", r"the recipe has no shrink; known: prune, finetune, prune_2, quantise, store, name"),
        ("recipe.prune.sparsty", r"not a setting of the step prune; known: score, granularity"),
        ("recipe.prune", r"not a setting of the step prune"),
    ],
)
def test_names_that_no_recipe_has_are_refused(name: str, message: str):
    with pytest.raises(InputError, match=message):
        specification(recipe=RECIPE, space={name: [0.5]})


def test_points_that_share_a_network_compress_and_measure_it_once(tmp_path: Path):
    tree = {
        "name": "shared",
        "models": ["digits-mlp"],
        "arch": "dense-8x8",
        "recipe": PLAIN,
        "space": {"recipe.prune.sparsity": [0.0, 0.5], "arch.dense.rows": [8, 16], "arch.dense.cols": [8, 16]},
        "objectives": ["accuracy", "latency_us", "stored_bytes"],
        "recheck": 0,
    }
    result = hwsim.sweep(tree, jobs=0, study=tmp_path / "s.db", cache=tmp_path / "cache")
    assert [p.state for p in result.points] == ["done"] * 8
    for kind in ("network", "accuracy"):
        entries = [p for p in (tmp_path / "cache" / kind).rglob("*") if p.is_file() and p.name[0] != "."]
        assert len(entries) == 2
    whole, half = ([p for p in result.points if p.assignment["recipe.prune.sparsity"] == s] for s in (0.0, 0.5))
    assert len({p.metrics["accuracy"] for p in whole}) == len({p.metrics["accuracy"] for p in half}) == 1
    # Filters that are cut out make the network smaller and faster; untrained, it is wrong more often.
    for a, b in zip(sorted(whole, key=_place), sorted(half, key=_place), strict=True):
        assert b.metrics["latency_us"] < a.metrics["latency_us"]
        assert b.metrics["stored_bytes"] < a.metrics["stored_bytes"]
        assert b.metrics["accuracy"] < a.metrics["accuracy"]


def _place(point) -> tuple:
    return point.assignment["arch.dense.rows"], point.assignment["arch.dense.cols"]


def test_a_recipe_that_cannot_be_is_a_failed_point(tmp_path: Path):
    space = {"recipe.prune.sparsity": [0.5, 1.2]}
    sweep = specification(recipe=PLAIN, space=space, objectives=["latency_us"])
    points = tuple(PointTask(str(s), {"recipe.prune.sparsity": s}) for s in (0.5, 1.2))
    good, bad = evaluate(Task(sweep.to_json(), points, "analytic", tmp_path))
    assert good.state == "done"
    assert bad.state == "failed"
    assert bad.reason.startswith("recipe: ")
    assert "1.2" in bad.reason


@needs_torch
def test_training_that_diverges_is_a_failed_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from hwsim.training.fitting import Fitting

    def diverging(*_arguments, **_settings):
        raise InputError("training: the loss is nan in step 3 of epoch 1; lower the rate")

    monkeypatch.setattr(Fitting, "run", diverging)
    recipe = {"samples": 32, "steps": [{"prune": {"sparsity": 0.5}}, "finetune"]}
    sweep = specification(recipe=recipe, space={"recipe.finetune.epochs": [1]}, objectives=["latency_us"])
    task = Task(sweep.to_json(), (PointTask("x", {"recipe.finetune.epochs": 1}),), "analytic", tmp_path)
    (outcome,) = evaluate(task)
    assert (outcome.state, outcome.reason) == (
        "failed",
        "training: the loss is nan in step 3 of epoch 1; lower the rate",
    )


def test_scores_by_energy_ask_the_architecture_whichever_engine_it_has(tmp_path: Path):
    steps = [{"prune": {"score": "energy", "scope": "global", "sparsity": 0.5}}, {"share": {"bits": 4}}]
    figures = []
    for arch in ("dense-8x8", "eie-64"):
        sweep = specification(arch=arch, recipe={"samples": 32, "steps": steps}, space={"seed": [0]})
        task = Task(sweep.to_json(), (PointTask("x", {"seed": 0}),), "analytic", tmp_path)
        (outcome,) = evaluate(task)
        assert (outcome.state, outcome.reason) == ("done", "")
        figures.append(outcome.metrics)
    # Half of all weights are kept, whoever was asked; the networks are two.
    assert figures[0]["weights_kept"] == pytest.approx(figures[1]["weights_kept"], rel=0.02)
    assert len([p for p in (tmp_path / "network").rglob("*") if p.is_file() and p.name[0] != "."]) == 2
