"""Points at the vectorised model: evaluated together, each with the figures that it has by itself."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import hwsim
from hwsim.errors import InputError
from hwsim.sweeps.api import reproduce
from hwsim.sweeps.evaluation.evaluate import evaluate
from hwsim.sweeps.evaluation.figures import early_figures
from hwsim.sweeps.evaluation.outcome import Outcome, PointFidelity, PointTask, Task
from hwsim.sweeps.evaluation.settings import architecture
from hwsim.sweeps.execution.batches import Batches
from hwsim.sweeps.run import grid_points
from hwsim.sweeps.specification.specification import Specification
from tests.hwsim.sweeps.samples import specification

SPACE: dict[str, Any] = {
    "arch.dense.rows": [8, 16],
    "arch.memory.ifm_kib": [8, 16, 32],
    "arch.dram.beat_interval": [1, 4],
    "arch.technology.voltage_v": [0.9, 1.0],
}


def vectorised(**given: Any) -> Specification:
    return specification(**{"fidelity": "vectorised", "models": ["digits-cnn"], "space": SPACE} | given)


def outcomes(
    sweep: Specification, points: list[PointTask], cache: Path, fidelity: PointFidelity = "vectorised"
) -> list[Outcome]:
    return evaluate(Task(sweep.to_json(), tuple(points), fidelity, cache))


def test_a_point_has_the_same_figures_whoever_it_is_with(tmp_path: Path):
    sweep = vectorised()
    points = grid_points(sweep)
    together = outcomes(sweep, points, tmp_path)
    backwards = outcomes(sweep, points[::-1], tmp_path)[::-1]
    assert [o.state for o in together] == ["done"] * len(points)
    assert [o.metrics for o in together] == [o.metrics for o in backwards]
    for index in (0, 7, 23):
        (alone,) = outcomes(sweep, [points[index]], tmp_path)
        assert (alone.id, alone.metrics) == (points[index].id, together[index].metrics)


def test_its_figures_are_those_of_the_analytic_model_but_for_the_cycles(tmp_path: Path):
    sweep = vectorised()
    points = grid_points(sweep)
    chosen = [points[0], points[-1]]
    for point, fast, slow in zip(
        chosen, outcomes(sweep, chosen, tmp_path), outcomes(sweep, chosen, tmp_path, "analytic"), strict=True
    ):
        assert fast.metrics.keys() == slow.metrics.keys()
        early = early_figures(architecture(sweep, point.assignment))
        assert {name: fast.metrics[name] for name in early} == early
        assert fast.metrics["cycles"] == pytest.approx(slow.metrics["cycles"], rel=0.2)
        # Both follow from the cycles in the same way.
        clock = slow.metrics["cycles"] / slow.metrics["latency_us"]
        assert fast.metrics["cycles"] / fast.metrics["latency_us"] == pytest.approx(clock)
        operations = slow.metrics["utilization"] * slow.metrics["cycles"]
        assert fast.metrics["utilization"] * fast.metrics["cycles"] == pytest.approx(operations)
        work = slow.metrics["tops_per_watt"] * slow.metrics["energy_uj"]
        assert fast.metrics["tops_per_watt"] * fast.metrics["energy_uj"] == pytest.approx(work)


def test_points_that_cannot_be_or_break_an_early_constraint_say_so(tmp_path: Path):
    space = SPACE | {"arch.dense.depthwise_taps": [7, 9], "arch.dense.cols": [8, 64]}
    sweep = vectorised(space=space, constraints=["area_mm2 < 2", "arch.dense.cols * area_mm2 < 1000"])
    points = grid_points(sweep)
    found = dict(zip((p.id for p in points), outcomes(sweep, points, tmp_path), strict=True))
    for point in points:
        outcome = found[point.id]
        rows, taps = point.assignment["arch.dense.rows"], point.assignment["arch.dense.depthwise_taps"]
        if taps == 9 and rows == 8:
            assert outcome.state == "failed"
            assert "dense.depthwise_taps=9" in outcome.reason
            continue
        area = early_figures(architecture(sweep, point.assignment))["area_mm2"]
        assert outcome.state == ("done" if area < 2 else "excluded")
        if area >= 2:
            assert outcome.reason == "area_mm2 < 2 does not hold"
            assert outcome.metrics["area_mm2"] == area
            assert "cycles" not in outcome.metrics
    assert {outcome.state for outcome in found.values()} == {"done", "excluded", "failed"}


def test_a_technology_without_joules_has_no_energy(tmp_path: Path):
    space = {"arch.technology.table": ["horowitz-45nm", "eyeriss-65nm-normalised"]}
    sweep = vectorised(space=space, objectives=["latency_us"])
    joules, relative = outcomes(sweep, grid_points(sweep), tmp_path)
    assert joules.metrics["energy_uj"] > 0
    assert "energy_uj" not in relative.metrics
    assert relative.metrics["cycles"] == joules.metrics["cycles"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"arch": "eie-64", "space": {"seed": [0]}}, "eie-64 has a sparse one; set it to null, or fidelity: analytic"),
        ({"mapping": "energy"}, "maps for cycles only; leave mapping out, or fidelity: analytic"),
        ({"space": {"mapping": ["cycles", "edp"]}}, "maps for cycles only"),
        (
            {
                "recipe": {"steps": [{"prune": {"score": "magnitude", "sparsity": 0.5}}]},
                "space": {"recipe.prune.score": ["magnitude", "energy"]},
            },
            "no single architecture that a score by energy could ask",
        ),
    ],
)
def test_what_the_model_cannot_do_is_refused(given: dict[str, Any], message: str):
    with pytest.raises(InputError, match=message):
        vectorised(**given)


def test_a_sweep_at_it_is_resumed_rechecked_and_reproduced(tmp_path: Path):
    tree = {
        "name": "columns",
        "models": ["digits-mlp"],
        "arch": "dense-8x8",
        "fidelity": "vectorised",
        "space": SPACE,
        "objectives": ["latency_us", "energy_uj", "area_mm2"],
        "recheck": 2,
    }
    study, cache = tmp_path / "columns.db", tmp_path / "cache"
    result = hwsim.sweep(tree, study=study, jobs=0, cache=cache)
    assert len(result.points) == 24
    assert not result.failed()
    assert len(result.rechecked) == 2
    (front,) = result.fronts
    assert result.layers.keys() == set(result.rechecked)
    again = hwsim.sweep(tree, study=study, jobs=0, cache=cache, resume=True)
    assert again.evaluated == 0
    assert again.fronts == result.fronts
    # From nothing but the study.
    shutil.rmtree(cache)
    alone = reproduce(tree, front.ids[-1], study=study, cache=cache)
    assert alone.recorded is not None
    assert not alone.differences()


def test_tasks_are_of_whole_arrays():
    sweep = vectorised(space={"arch.memory.ifm_kib": list(range(8, 48)), "arch.dense.rows": [8, 16, 24, 32]})
    points = grid_points(sweep)
    batches = Batches(points, "vectorised")
    sizes, rows = [], []
    while batches:
        batch = batches.next()
        sizes.append(len(batch))
        rows.append({point.assignment["arch.dense.rows"] for point in batch})
    assert sum(sizes) == len(points)
    # Two tasks each: there are to be at least eight.
    assert sizes == [20] * 8
    assert all(len(of_one) == 1 for of_one in rows)
    small = Batches(points[:: 40 // 8], "vectorised")
    assert len(small.next()) == 4


def test_a_task_that_killed_its_worker_is_halved():
    points = grid_points(vectorised())
    batches = Batches(points * 8, "vectorised")
    lost = batches.next()
    batches.retry(lost)
    assert batches.next() == lost[: len(lost) // 2]
    assert batches.next() == lost[len(lost) // 2 :]
