"""The files that commands write beside their tables."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest

from hwsim.cli.main import main

MODEL = ("digits-mlp", "--arch", "dense-8x8")


def exit_status(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    return left.value.code  # type: ignore[return-value]


def test_estimate_writes_all_of_them_and_they_agree(tmp_path: Path):
    files = {name: tmp_path / f"out.{name}" for name in ("json", "csv", "html", "trace")}
    assert (
        exit_status("estimate", *MODEL, *(part for name, path in files.items() for part in (f"--{name}", str(path))))
        == 0
    )
    tree = json.loads(files["json"].read_text())
    rows = list(csv.DictReader(files["csv"].read_text().splitlines()))
    assert [(row["name"], int(row["cycles"])) for row in rows] == [(x["name"], x["cycles"]) for x in tree["layers"]]
    assert json.loads(files["trace"].read_text())["otherData"]["cycles"] == tree["totals"]["cycles"]
    assert f"{tree['totals']['cycles']:,}" in files["html"].read_text()


@pytest.mark.parametrize("command", ["estimate", "simulate"])
@pytest.mark.parametrize("option", ["--csv", "--html"])
def test_a_file_that_cannot_be_written_is_refused_before_the_work(
    command: str, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    # The model does not exist either: that the file is what is named shows that it was looked at first.
    assert exit_status(command, "no-such-model", option, str(tmp_path / "none" / "x")) == 2
    error = capsys.readouterr().err
    assert "there is no folder" in error
    assert error.count("\n") == 1


def test_two_reports_cannot_share_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    same = str(tmp_path / "x")
    assert exit_status("estimate", *MODEL, "--csv", same, "--html", same) == 2
    assert "--csv and --html would both write" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_loads_nothing_heavy():
    heavy = {"numpy", "onnx", "networkx", "pydantic", "amaranth", "cocotb", "sklearn", "yaml", "compiler", "rtl"}
    code = f"import sys, hwsim.cli.main; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("option", ["--csv", "--html", "--trace"])
def test_the_view_of_scale_sim_refuses_files_that_it_would_not_write(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = tmp_path / "out"
    assert exit_status("estimate", "no-such-model", "--scalesim", option, str(path)) == 2
    error = capsys.readouterr().err
    assert f"leave out {option}" in error
    assert error.count("\n") == 1
    assert not path.exists()
