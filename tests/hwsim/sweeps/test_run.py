"""Whole sweeps of small networks."""

from __future__ import annotations

import io
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

import hwsim
from hwsim.errors import InputError
from hwsim.sweeps.api import reproduce
from hwsim.sweeps.execution.executor import Finished
from hwsim.sweeps.report.tables import points_table
from hwsim.sweeps.report.terminal import sweep_screen
from hwsim.sweeps.run import Runner
from hwsim.sweeps.storage.study import Study
from rtl.config import ArchConfig, load_arch
from tests.hwsim.sweeps.samples import OBJECTIVES, specification

TREE = {
    "name": "sample",
    "models": ["digits-mlp"],
    "arch": "dense-8x8",
    "space": {"arch.dense.rows": [8, 16], "arch.dense.cols": [8, 16], "arch.clock_mhz": [250.0, 500.0]},
    "objectives": OBJECTIVES,
    "recheck": 2,
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def sweep(cache: Path, tree: dict = TREE, **given):
    return hwsim.sweep(tree, jobs=0, cache=cache, **given)


def test_every_point_has_the_figures_of_an_estimate(cache: Path):
    result = sweep(cache)
    assert len(result.points) == 8
    for point in result.points:
        tree = load_arch("dense-8x8").model_dump()
        tree["clock_mhz"] = point.assignment["arch.clock_mhz"]
        tree["dense"] |= {"rows": point.assignment["arch.dense.rows"], "cols": point.assignment["arch.dense.cols"]}
        estimate = hwsim.estimate("digits-mlp", ArchConfig.model_validate(tree), fidelity="analytic")
        assert point.metrics["cycles"] == estimate.cycles
        assert point.metrics["latency_us"] == estimate.time_us
        assert point.metrics["energy_uj"] == estimate.energy_pj.total / 1e6
        assert point.metrics["area_mm2"] == estimate.area_mm2.total


def test_points_that_differ_in_clock_share_their_timing(tmp_path: Path):
    result = sweep(tmp_path / "own", TREE | {"recheck": 0})
    assert len(result.points) == 8
    assert len([p for p in (tmp_path / "own" / "timing").rglob("*") if p.is_file() and p.name[0] != "."]) == 4


def test_the_front_is_checked_again_by_the_cycle_model(cache: Path):
    result = sweep(cache)
    assert len(result.rechecked) == 2
    assert result.fronts[0].knee in result.rechecked
    for id_, point in result.rechecked.items():
        assert abs(point.metrics["cycles"] / result.by_id[id_].metrics["cycles"] - 1) < 0.1
        assert [layer["name"] for layer in result.layers[id_]]


def test_resume_computes_what_is_missing_and_nothing_else(cache: Path, tmp_path: Path):
    first = sweep(cache)
    assert first.evaluated == 10
    again = sweep(cache, resume=True)
    assert again.evaluated == 0
    assert again.points == first.points
    assert again.fronts == first.fronts
    with pytest.raises(InputError, match="--resume"):
        sweep(cache)


def test_points_that_cannot_be_are_recorded_with_their_reason(cache: Path):
    space = {"arch.dense.rows": [4, 8], "arch.memory.ifm_kib": [48, 64]}
    result = sweep(cache, TREE | {"space": space})
    reasons = {json.dumps(p.assignment): p.reason for p in result.failed()}
    assert len(result.points) == 4
    assert len(reasons) == 3
    assert (
        reasons['{"arch.dense.rows": 8, "arch.memory.ifm_kib": 48}'] == "memory.ifm_kib must be a power of two, not 48"
    )
    assert "needs that many rows" in reasons['{"arch.dense.rows": 4, "arch.memory.ifm_kib": 64}']
    assert [len(front.ids) for front in result.fronts] == [1]


def test_figures_that_the_technology_lacks_keep_a_point_off_the_front(cache: Path):
    space = {"arch.technology.table": ["horowitz-45nm", "eyeriss-65nm-normalised"]}
    result = sweep(cache, TREE | {"space": space})
    assert [p.state for p in result.points] == ["done", "done"]
    (id_,) = result.fronts[0].ids
    assert result.by_id[id_].assignment == {"arch.technology.table": "horowitz-45nm"}


def test_constraints_on_figures_bound_the_front(cache: Path):
    free = sweep(cache)
    limit = sorted(p.metrics["latency_us"] for p in free.points)[3]
    bound = sweep(cache, TREE | {"name": "bound", "constraints": [f"latency_us <= {limit}", "area_mm2 < 1.5"]})
    excluded = [p for p in bound.points if p.state == "excluded"]
    assert excluded
    assert all(p.metrics["area_mm2"] >= 1.5 and "cycles" not in p.metrics for p in excluded)
    assert excluded[0].reason == "area_mm2 < 1.5 does not hold"
    for id_ in bound.fronts[0].ids:
        assert bound.by_id[id_].metrics["latency_us"] <= limit


def test_accuracy_is_measured_once_for_a_network(cache: Path):
    result = sweep(cache, TREE | {"objectives": ["accuracy", "latency_us"], "recheck": 0})
    (accuracy,) = {p.metrics["accuracy"] for p in result.points}
    assert 0.9 < accuracy < 1
    assert len([p for p in (cache / "accuracy").rglob("*") if p.is_file() and p.name[0] != "."]) == 1


def test_a_model_without_a_test_set_has_no_accuracy(cache: Path):
    tree = TREE | {"models": ["gemm-32x32x32"], "objectives": ["accuracy"], "space": {"arch.dense.rows": [8]}}
    (point,) = sweep(cache, tree).points
    assert point.reason == "gemm-32x32x32: has no test set for its accuracy; data: FILE.npz can bring one"


def test_a_front_for_each_model_or_one_for_all(cache: Path):
    tree = TREE | {"models": ["digits-mlp", "gemm-32x32x32"], "recheck": 0}
    assert [front.group for front in sweep(cache, tree).fronts] == ["digits-mlp", "gemm-32x32x32"]
    together = sweep(cache, tree | {"fronts": "together", "name": "together"})
    assert [front.group for front in together.fronts] == [""]


def test_one_command_computes_a_point_again(cache: Path):
    result = sweep(cache)
    id_ = result.fronts[0].ids[0]
    again = reproduce(TREE, id_[:8], cache=cache)
    assert again.recorded is not None
    assert again.differences() == {}
    assert again.outcome.metrics == result.by_id[id_].metrics
    # The grid knows the point without the study.
    assert reproduce(TREE, id_, study="none.db", cache=cache).outcome.metrics == result.by_id[id_].metrics
    with pytest.raises(InputError, match=r"^--point ffff: neither the study"):
        reproduce(TREE, "ffff", cache=cache)


def test_a_difference_from_the_study_is_said(cache: Path):
    result = sweep(cache)
    id_ = result.points[0].id
    import sqlite3

    with sqlite3.connect("sample.study.db") as connection:
        connection.execute("update hwsim_points set metrics = json_set(metrics, '$.cycles', 1.0) where id = ?", (id_,))
    assert list(reproduce(TREE, id_, cache=cache).differences()) == ["cycles"]


def test_every_point_says_what_computed_it(cache: Path):
    result = sweep(cache)
    versions = result.environments[result.points[0].environment]
    assert versions["hwsim"] == hwsim.__version__
    assert {"source", "python", "numpy"} <= versions.keys()
    assert all(p.timings["total"] > 0 and p.worker.endswith(f":{os.getpid()}") for p in result.points)


@pytest.mark.parametrize("sampler", ["nsga2", "tpe", "random"])
def test_a_sampler_proposes_the_same_points_again(cache: Path, sampler: str):
    space = {
        "arch.dense.rows": [8, 16, 32],
        "arch.dense.cols": [8, 16, 32],
        "arch.clock_mhz": {"from": 100.0, "to": 900.0},
        "mapping": {"values": ["cycles", "energy"], "when": "arch.dense.rows > 8"},
        "arch.memory.ofm_kib": {"equals": "arch.memory.ifm_kib"},
    }
    search = {"sampler": sampler, "trials": 12, "population": 4, "seed": 3}
    tree = TREE | {"space": space, "search": search, "recheck": 0}
    tree["constraints"] = ["arch.dense.rows < 32", "latency_us < 3"]
    one = sweep(cache, tree, study="one.db")
    other = sweep(cache, tree, study="other.db")
    metrics = [[(p.id, p.assignment, p.metrics) for p in result.points] for result in (one, other)]
    assert metrics[0] == metrics[1]
    assert 4 <= len(one.points) <= 12
    assert all(p.assignment["arch.dense.rows"] < 32 for p in one.points)
    assert all(("mapping" in p.assignment) == (p.assignment["arch.dense.rows"] > 8) for p in one.points)
    different = sweep(cache, tree, study="third.db", seed=4)
    assert [p.id for p in different.points] != [p.id for p in one.points]


class DriverGoneError(RuntimeError):
    """The driver is gone."""


def test_a_search_that_was_interrupted_goes_on_as_if_it_was_not(cache: Path):
    space = {"arch.dense.rows": [8, 16, 32], "arch.dense.cols": [8, 16, 32], "arch.clock_mhz": [200.0, 300.0, 500.0]}
    search = {"sampler": "nsga2", "trials": 16, "population": 4, "seed": 1}
    tree = TREE | {"space": space, "search": search, "recheck": 0}
    undisturbed = sweep(cache, tree, study="whole.db")

    class Dying:
        def __init__(self) -> None:
            self.left = 7

        def at(self, progress):
            self.left -= 1
            if not self.left:
                raise DriverGoneError

    for _ in range(2):
        with pytest.raises(DriverGoneError):
            sweep(cache, tree, study="cut.db", resume=True, watcher=Dying())
    resumed = sweep(cache, tree, study="cut.db", resume=True)
    assert [p.id for p in resumed.points] == [p.id for p in undisturbed.points]
    assert resumed.fronts == undisturbed.fronts


def test_a_worker_that_is_killed_costs_the_point_that_killed_it(cache: Path, tmp_path: Path):
    """The executor loses a worker whenever the point of 16 rows and columns is with it."""
    from hwsim.sweeps.execution.executor import InProcess

    class Deadly(InProcess):
        def wait(self, seconds):
            if self._waiting and any(
                p.assignment["arch.dense.rows"] == p.assignment["arch.dense.cols"] == 16
                for p in self._waiting[0].points
            ):
                return [Finished(self._waiting.pop(0), (), "its process was killed (out of memory?)")]
            return super().wait(seconds)

    sweep_of = specification()
    study = Study(str(tmp_path / "s.db"), sweep_of, resume=False)
    result = Runner(sweep_of, study, Deadly(), cache=cache).run()
    assert [p.reason for p in result.failed()] == ["its process was killed (out of memory?)"]
    assert len(result.points) == 4
    study.close()


def test_processes_give_what_one_process_gives(cache: Path):
    alone = sweep(cache, study="alone.db")
    spread = hwsim.sweep(TREE, jobs=2, cache=cache, study="spread.db")
    assert [(p.id, p.state, p.metrics) for p in spread.points] == [(p.id, p.state, p.metrics) for p in alone.points]
    assert {p.worker for p in spread.points}.isdisjoint({p.worker for p in alone.points})


def test_a_process_that_is_killed_is_replaced(cache: Path):
    from hwsim.sweeps.evaluation.outcome import Task
    from hwsim.sweeps.execution.processes import Processes

    processes = Processes(1)
    try:
        task = Task(specification().to_json(), (), "analytic", cache)
        processes.submit(task)
        assert [list(finished.outcomes) for finished in processes.wait(60)] == [[]]
        worker = next(iter(processes._idle[0]._processes.values()))
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        processes.submit(task)
        (finished,) = processes.wait(60)
        assert finished.lost or finished.outcomes == []
        processes.submit(task)
        (finished,) = processes.wait(60)
        assert not finished.lost
    finally:
        processes.close()


def test_the_table_has_every_setting_and_figure(cache: Path):
    result = sweep(cache)
    table = points_table(result)
    assert table.num_rows == 8
    assert np.allclose(table["latency_us"].to_numpy(), [p.metrics["latency_us"] for p in result.points])
    assert table["set.arch.dense.rows"].to_pylist() == [p.assignment["arch.dense.rows"] for p in result.points]
    assert sum(table["front"].to_pylist()) == len(result.fronts[0].ids)
    assert json.loads(table.schema.metadata[b"hwsim.specification"])["file"]["name"] == "sample"


def test_the_screen_shows_front_knee_and_failures(cache: Path):
    from rich.console import Console

    space = {"arch.dense.rows": [4, 8, 16], "arch.dense.cols": [8, 16]}
    result = sweep(cache, TREE | {"space": space})
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(sweep_screen(result, "hwsim sweep x.yaml"))
    text = console.export_text()
    assert "6 points" in text
    assert "2 failed" in text
    assert "2 x dense.depthwise_taps=7 needs that many rows" in text
    assert f"{result.fronts[0].knee} *" in text
    assert "latency [µs]" in text
    assert "Hypervolume" in text
    assert "hwsim sweep x.yaml --point ID" in text
