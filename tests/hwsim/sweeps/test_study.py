"""Studies: who computes what, and what is kept of it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hwsim.errors import InputError
from hwsim.sweeps.evaluation.outcome import Outcome, PointTask
from hwsim.sweeps.storage import migrations
from hwsim.sweeps.storage.study import Study, stored_points
from tests.hwsim.sweeps.samples import specification

TASKS = [PointTask(f"{k:012x}", {"arch.dense.rows": k}) for k in range(6)]


def outcome(task: PointTask, **given) -> Outcome:
    fields = {"fidelity": "analytic", "state": "done", "metrics": {"cycles": 7.0}, "environment": '{"hwsim": "x"}'}
    return Outcome(id=task.id, **fields | given)


def finish(study: Study, tasks: list[PointTask], **given) -> None:
    study.finish([outcome(task, **given) for task in tasks], {task.id: task.assignment for task in tasks})


def opened(folder: Path, *, resume: bool = True, **given) -> Study:
    return Study(str(folder / "s.db"), specification(**given), resume=resume)


def test_a_finished_point_is_kept_whole(tmp_path: Path):
    study = opened(tmp_path)
    assert study.claim(TASKS, "analytic") == TASKS
    finish(study, TASKS[:1], layers=[{"name": "fc"}], timings={"total": 0.5}, worker="here:1")
    study.close()
    study = opened(tmp_path)
    (point,) = study.points("analytic")
    assert point.assignment == TASKS[0].assignment
    assert (point.metrics, point.timings, point.worker) == ({"cycles": 7.0}, {"total": 0.5}, "here:1")
    assert study.environments() == {point.environment: {"hwsim": "x"}}
    assert study.layers([point.id], "analytic") == {point.id: [{"name": "fc"}]}
    assert study.points("cycle") == []


def test_what_one_process_is_at_another_leaves_alone(tmp_path: Path):
    one, other = opened(tmp_path), opened(tmp_path)
    # Another process of this machine that is alive: pytest's parent.
    started = Path(f"/proc/{os.getppid()}/stat").read_text().rsplit(") ", 1)[1].split()[19]
    other.owner = one.owner.rsplit(":", 2)[0] + f":{os.getppid()}:{started}"
    assert one.claim(TASKS[:4], "analytic") == TASKS[:4]
    assert other.claim(TASKS, "analytic") == TASKS[4:]
    assert one.open_points([task.id for task in TASKS], "analytic") == {task.id: "running" for task in TASKS}
    one.release()
    assert other.claim(TASKS, "analytic") == [*TASKS[:4], *TASKS[4:]]


def test_claims_of_a_dead_process_are_free(tmp_path: Path):
    study = opened(tmp_path)
    script = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from tests.hwsim.sweeps.test_study import TASKS, opened\n"
        "study = opened(Path(sys.argv[1])); study.claim(TASKS, 'analytic')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path], check=False, cwd=Path(__file__).parents[3])
    assert done.returncode == -9
    assert set(study.open_points([task.id for task in TASKS], "analytic").values()) == {"free"}
    assert study.claim(TASKS, "analytic") == TASKS


def test_a_claim_from_elsewhere_is_void_when_its_lease_is_over(tmp_path: Path):
    study, far = opened(tmp_path), opened(tmp_path)
    far.owner = "far-away:1:1"
    assert far.claim(TASKS, "analytic") == TASKS
    assert study.claim(TASKS, "analytic") == []
    with sqlite3.connect(tmp_path / "s.db") as connection:
        connection.execute("update hwsim_points set lease = lease - 3600")
    assert study.claim(TASKS, "analytic") == TASKS


def test_what_is_finished_stays_as_it_is(tmp_path: Path):
    study = opened(tmp_path)
    study.claim(TASKS, "analytic")
    finish(study, TASKS, metrics={"cycles": 1.0})
    finish(study, TASKS, metrics={"cycles": 2.0})
    assert {point.metrics["cycles"] for point in study.points("analytic")} == {1.0}
    assert study.claim(TASKS, "analytic") == []


def test_many_writers_lose_nothing(tmp_path: Path):
    tasks = [PointTask(f"{k:012x}", {"seed": k}) for k in range(400)]
    opened(tmp_path).close()
    claimed: list[list[PointTask]] = []

    def work(number: int) -> None:
        study = opened(tmp_path)
        # Each with a lease of its own, as from machines of their own.
        study.owner = f"machine-{number}:1:1"
        for begin in range(0, len(tasks), 20):
            mine = study.claim(tasks[begin : begin + 20], "analytic")
            claimed.append(mine)
            finish(study, mine)
        study.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [task.id for mine in claimed for task in mine]
    assert sorted(ids) == [task.id for task in tasks]
    assert [point.id for point in opened(tmp_path).points("analytic")] == [task.id for task in tasks]


def test_a_study_is_not_overwritten(tmp_path: Path):
    opened(tmp_path, resume=False).close()
    with pytest.raises(InputError, match=r"has a study 'sample' already; --resume goes on with it"):
        opened(tmp_path, resume=False)


def test_another_sweep_of_the_same_name_is_refused(tmp_path: Path):
    opened(tmp_path).close()
    with pytest.raises(InputError, match=r"the study 'sample' is of another sweep \(space differs\)"):
        opened(tmp_path, space={"arch.dense.rows": [8]})
    opened(tmp_path, name="other", space={"arch.dense.rows": [8]}).close()


def change(folder: Path, column: str, value: object) -> None:
    with sqlite3.connect(folder / "s.db") as connection:
        connection.execute(f"update hwsim_studies set {column} = ?", (value,))


def test_a_study_of_a_newer_format_is_refused_in_one_line(tmp_path: Path):
    opened(tmp_path).close()
    change(tmp_path, "format", 99)
    with pytest.raises(InputError, match=r"a study of format 99, made by another version of hwsim; this one has"):
        opened(tmp_path)


def test_a_study_of_an_older_format_is_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    study = opened(tmp_path)
    study.claim(TASKS, "analytic")
    finish(study, TASKS, reason="old")
    study.close()
    change(tmp_path, "format", 0)
    with pytest.raises(InputError, match=r"a study of format 0"):
        opened(tmp_path)

    def step(connection):
        connection.exec_driver_sql("update hwsim_points set reason = 'new'")

    monkeypatch.setitem(migrations.MIGRATIONS, 0, step)
    assert {point.reason for point in opened(tmp_path).points("analytic")} == {"new"}
    assert {point.reason for point in opened(tmp_path).points("analytic")} == {"new"}


def test_a_study_of_another_version_is_refused(tmp_path: Path):
    opened(tmp_path).close()
    change(tmp_path, "hwsim_version", "0.0.1")
    with pytest.raises(InputError, match=r"was made by hwsim 0\.0\.1, whose figures"):
        opened(tmp_path)


def test_what_is_no_study_is_said(tmp_path: Path):
    (tmp_path / "s.db").write_text("this is no database, but a text that is long enough to be looked at " * 20)
    with pytest.raises(InputError, match=r"s\.db: not a study that can be used: file is not a database$"):
        opened(tmp_path)
    with pytest.raises(InputError, match="there is no folder"):
        Study(str(tmp_path / "no" / "s.db"), specification(), resume=False)
    with pytest.raises(InputError, match=r"^oracul://x: not a database that SQLAlchemy can open here"):
        Study("oracul://x", specification(), resume=False)


def test_points_are_found_by_the_beginning_of_their_id(tmp_path: Path):
    study = opened(tmp_path)
    study.claim(TASKS, "analytic")
    finish(study, TASKS)
    assert [p.id for p in stored_points(str(tmp_path / "s.db"), "sample", TASKS[3].id, "analytic")] == [TASKS[3].id]
    assert len(stored_points(str(tmp_path / "s.db"), "sample", "0000", "analytic")) == len(TASKS)
    assert stored_points(str(tmp_path / "none.db"), "sample", "", "analytic") == []
