"""``hwsim sweep`` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.hwsim.cli.command_line import hwsim

SWEEP = """
models: [digits-mlp]
arch: dense-8x8
space: {arch.dense.rows: [8, 16], arch.clock_mhz: [250.0, 500.0]}
objectives: [latency_us, area_mm2]
recheck: 1
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HWSIM_CACHE", str(tmp_path / "cache"))


def write(text: str = SWEEP) -> Path:
    Path("mine.yaml").write_text(text)
    return Path("mine.yaml")


def test_a_sweep_writes_its_study_and_files(capsys):
    files = ("--json", "out.json", "--csv", "out.csv", "--parquet", "out.parquet")
    done = hwsim(capsys, "sweep", write(), "--jobs", "0", *files)
    assert done.status == 0
    assert "4 points" in done.out
    assert "--point ID" in done.out
    tree = json.loads(Path("out.json").read_text())
    assert tree["points"] == 4
    assert len(Path("out.csv").read_text().splitlines()) == 5
    assert Path("out.parquet").read_bytes()[:4] == b"PAR1"
    id_ = tree["fronts"][0]["points"][0]["id"]
    again = hwsim(capsys, "sweep", "mine.yaml", "--point", id_)
    assert again.status == 0
    assert "as in the study" in again.out
    refused = hwsim(capsys, "sweep", "mine.yaml", "--jobs", "0")
    assert refused.status == 2
    assert refused.err.startswith("hwsim: mine.study.db: has a study 'mine' already; --resume")
    assert hwsim(capsys, "sweep", "mine.yaml", "--jobs", "0", "--resume").status == 0


def test_failures_are_told_and_exit_with_1(capsys):
    done = hwsim(capsys, "sweep", write(SWEEP.replace("[8, 16]", "[4, 8]")), "--jobs", "0")
    assert done.status == 1
    assert "2 failed" in done.out


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        (SWEEP + "x: 1\n", (), "mine.yaml: x is not a setting"),
        (
            SWEEP + "constraints: [arch.dense.rows > 99]\n",
            ("--jobs", "0"),
            "no point of the space satisfies arch.dense.rows > 99",
        ),
        (SWEEP, ("--point", "zzz"), "--point zzz: neither the study"),
        (SWEEP, ("--study", "none/s.db"), "none/s.db: there is no folder none"),
        (SWEEP, ("--csv", "none/x.csv"), "none/x.csv: there is no folder none"),
        (SWEEP, ("--scheduler", "tcp://127.0.0.1:1"), "--scheduler tcp://127.0.0.1:1: no Dask scheduler answers"),
        (SWEEP.replace("digits-mlp", "digits-mpl"), (), "unknown workload 'digits-mpl'"),
        (SWEEP.replace("dense-8x8", "dense-9x9"), (), "dense-9x9: no such architecture"),
    ],
)
def test_bad_input_is_one_line(capsys, monkeypatch, text: str, arguments: tuple[str, ...], message: str):
    monkeypatch.setattr("hwsim.sweeps.execution.cluster._CONNECT_S", 1)
    done = hwsim(capsys, "sweep", write(text), *arguments)
    assert done.status == 2
    assert done.err.count("\n") == 1
    assert message in done.err
