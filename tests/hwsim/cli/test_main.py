"""The command line: what it prints where, and its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hwsim.cli import main as cli
from hwsim.errors import InputError, SimulationError
from tests.hwsim.cli.command_line import hwsim

ROOT = Path(__file__).parents[3]
COMMANDS = ["estimate", "simulate", "sweep", "verilog", "synthesize", "fpga", "demo", "archs", "doctor"]


def test_help_lists_the_commands(capsys):
    done = hwsim(capsys, "--help")
    assert done.status == 0
    for command in COMMANDS:
        assert command in done.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_json_and_debug(capsys, command):
    done = hwsim(capsys, command, "--help")
    assert done.status == 0
    assert "--json" in done.out
    assert "--debug" in done.out


def test_no_command_is_bad_input_and_prints_help(capsys):
    done = hwsim(capsys)
    assert done.status == 2
    assert "estimate" in done.out


def test_version(capsys):
    assert hwsim(capsys, "--version").out == "0.1.0\n"


def test_help_needs_none_of_the_heavy_modules():
    heavy = {"numpy", "onnx", "amaranth", "pydantic", "cocotb", "networkx", "sklearn"}
    code = f"import sys, hwsim.cli.main; print(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_archs_lists_the_presets_as_table_and_as_json(capsys, tmp_path):
    assert "dense-16x16" in hwsim(capsys, "archs").out
    path = tmp_path / "archs.json"
    assert hwsim(capsys, "archs", "--json", path).status == 0
    assert {arch["name"] for arch in json.loads(path.read_text())["archs"]} >= {"dense-8x8", "dense-16x16"}
    printed = json.loads(hwsim(capsys, "archs", "--json", "-").out)
    assert printed == json.loads(path.read_text())


def test_doctor_writes_what_it_found(capsys, tmp_path):
    path = tmp_path / "doctor.json"
    done = hwsim(capsys, "doctor", "--json", path)
    tree = json.loads(path.read_text())
    assert done.status == (0 if tree["healthy"] else 1)
    assert {finding["name"] for finding in tree["findings"]} >= {"verilator", "icarus", "C++ compiler", "cache"}


def test_verilog_is_written_with_the_architecture_it_came_from(capsys, tmp_path):
    arch = tmp_path / "tiny.yaml"
    arch.write_text("name: tiny\ndense: {rows: 2, cols: 2, depthwise_taps: 0}\nbus: {data_bytes: 4}\n")
    folder, report = tmp_path / "deep" / "folder", tmp_path / "report.json"
    done = hwsim(capsys, "verilog", "--arch", arch, "-o", folder, "--json", report)
    assert done.status == 0, done.err
    files = {Path(file["path"]): file["bytes"] for file in json.loads(report.read_text())["files"]}
    assert files == {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    again = hwsim(capsys, "verilog", "--arch", folder / "accelerator.yaml", "-o", tmp_path / "again")
    assert again.status == 0, again.err
    for path in files:
        assert (tmp_path / "again" / path.relative_to(folder)).read_bytes() == path.read_bytes()
    once_more = hwsim(capsys, "verilog", "--arch", arch, "-o", folder)
    assert (once_more.status, once_more.err.count("\n")) == (2, 1)
    assert f"{folder}: is not empty; name a new folder, or remove it" in once_more.err


BAD = {
    "unknown command": (["estimat"], "No such command"),
    "unknown option": (["archs", "--nope"], "No such option"),
    "no model": (["estimate"], "Missing argument 'MODEL'"),
    "option without value": (["estimate", "digits-cnn", "--arch"], "requires an argument"),
    "model that is nothing": (["estimate", "resnett"], "resnett"),
    "model file that is not there": (["estimate", "no/such.onnx"], "no/such.onnx"),
    "model that is a folder": (["estimate", "/"], "/"),
    "unknown architecture": (["estimate", "digits-cnn", "--arch", "dense-9x9"], "dense-9x9: no such architecture"),
    "architecture that is not there": (["verilog", "--arch", "no.yaml"], "no.yaml: cannot be read"),
    "architecture that is a folder": (["verilog", "--arch", "/"], "/: not a file"),
    "json into no folder": (["archs", "--json", "no/such/a.json"], "there is no folder"),
    "json over a folder": (["archs", "--json", "/"], "is a folder"),
    "verilog under a file": (
        ["verilog", "-a", "dense-8x8", "-o", "pyproject.toml/v"],
        "pyproject.toml/v: cannot be made",
    ),
    "unknown simulator": (["simulate", "digits-cnn", "--simulator", "vcs"], "'vcs' is not a simulator"),
    "unknown memory": (["simulate", "digits-cnn", "--memory", "hbm"], "'hbm' is not a memory"),
    "waveform of no format": (["simulate", "digits-cnn", "--waves", "a.png"], "written as .fst or .vcd"),
    "waveform into no folder": (["simulate", "digits-cnn", "--waves", "no/a.fst"], "there is no folder"),
    "input that is not there": (["simulate", "digits-cnn", "--input", "no.npy"], "no.npy: cannot be read"),
    "input that is no array": (["simulate", "digits-cnn", "--input", "pyproject.toml"], "not a NumPy array file"),
    "seed that is no number": (["simulate", "digits-cnn", "--seed", "x"], "'--seed'"),
    "images that are no number": (["demo", "--images", "many"], "'--images'"),
    "no images": (["demo", "--images", "0"], "'--images'"),
    "calibration that is not there": (["estimate", "digits-cnn", "--calibration", "no.npy"], "no.npy: cannot be read"),
}


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_line_and_status_2(capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(ROOT)
    done = hwsim(capsys, *arguments)
    assert done.status == 2
    assert done.out == ""
    assert done.err.startswith("hwsim: ")
    assert done.err.count("\n") == 1
    assert message in done.err


def raising(monkeypatch, error: BaseException) -> None:
    def fail(folder):
        raise error

    monkeypatch.setattr("hwsim.files.check_output", fail)


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        pytest.param(InputError("two\nlines"), 2, "hwsim: two lines\n", id="lines are joined"),
        pytest.param(SimulationError("did not end"), 1, "hwsim: did not end\n", id="simulation"),
        pytest.param(
            OSError(28, "No space left on device", "/x"), 2, "hwsim: /x: No space left on device\n", id="disk"
        ),
        pytest.param(KeyboardInterrupt(), 130, "hwsim: interrupted\n", id="Ctrl-C"),
    ],
)
def test_errors_become_a_line_and_a_status(capsys, monkeypatch, error, status, message):
    raising(monkeypatch, error)
    done = hwsim(capsys, "archs", "--json", "x.json")
    assert (done.status, done.err.lstrip("\n")) == (status, message)


def test_debug_shows_the_traceback(monkeypatch):
    raising(monkeypatch, InputError("a mistake"))
    with pytest.raises(InputError):
        cli.main(["archs", "--json", "x.json", "--debug"])


def test_our_own_faults_are_tracebacks(monkeypatch):
    raising(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        cli.main(["archs", "--json", "x.json"])


def test_ctrl_c_is_one_line_and_status_130():
    code = (
        "import os, signal, threading\n"
        "from hwsim.cli.main import main\n"
        "threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "import hwsim.files, time\n"
        "hwsim.files.check_output = lambda path: time.sleep(30)\n"
        "main(['archs', '--json', 'x'])\n"
    )
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stderr.strip() == "hwsim: interrupted"
    assert time.monotonic() - began < 20
