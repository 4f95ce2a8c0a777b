"""AXI4 and AXI4-Lite on the assembled accelerator, as cocotbext-axi understands them.

Back-pressure on every channel, errors, boundaries, reset in the middle, a bus that dies. The tests themselves run in
the simulator: ``tests/system/bus/bench.py``.
"""

from __future__ import annotations

import contextlib
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from hwsim.errors import SimulationError
from hwsim.simulation.build import build
from hwsim.simulation.harness import harness
from hwsim.simulation.runner import run
from hwsim.simulation.verilog import accelerator_verilog
from rtl.config import ArchConfig
from tests.system.bus.rig import ARCH_VARIABLE, WORK_VARIABLE
from tests.system.random_archs import random_arch
from tests.system.test_sparse import sparse_arch

BENCH = Path(__file__).parent / "bus" / "bench.py"
TESTS = re.findall(r"^@cocotb.test\(\)\nasync def (\w+)", BENCH.read_text(), re.MULTILINE)
SMALL = random_arch(101, rows=2, cols=2, dataflow="weight_stationary")
SLOW = {
    "weight-stationary": random_arch(102, rows=4, cols=4, dataflow="weight_stationary"),
    "output-stationary": random_arch(103, rows=3, cols=5, dataflow="output_stationary"),
    "sparse": sparse_arch(31, pes=4, hybrid=False),
    "hybrid": sparse_arch(33, pes=8, hybrid=True),
}


def verdicts(config: ArchConfig, simulator: str, folder: Path, *, work: str, seed: int) -> dict[str, str]:
    """Run all tests; what each failed with, or nothing."""
    arch = folder / "arch.yaml"
    arch.write_text(yaml.safe_dump(config.model_dump()))
    design = harness(
        accelerator_verilog(config), data_bytes=config.bus.data_bytes, memory="axiram", memory_bytes=1 << 17
    )
    environment = {ARCH_VARIABLE: str(arch), WORK_VARIABLE: work, "COCOTB_LOG_LEVEL": "WARNING"}
    # A test that fails is for its own verdict to say; without results there is nothing to judge.
    with contextlib.suppress(SimulationError):
        run(build(design, simulator), "tests.system.bus.bench", folder, environment=environment, seed=seed)
    cases = ET.parse(folder / "results.xml").getroot().findall(".//testcase")
    return {case.get("name", ""): said(case) for case in cases}


def said(case: ET.Element) -> str:
    """Why a test did not pass; nothing if it did."""
    return "; ".join(
        part.get("error_msg") or part.get("message") or part.tag
        for part in case
        if part.tag in ("failure", "error", "skipped")
    )


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> dict[str, str]:
    if shutil.which("iverilog") is None:
        pytest.skip("needs Icarus Verilog: apt-get install -y iverilog")
    return verdicts(SMALL, "icarus", tmp_path_factory.mktemp("bus"), work="short", seed=1)


@pytest.mark.parametrize("name", TESTS)
def test_on_a_small_accelerator(name, small):
    assert small[name] == ""


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("arch", SLOW)
def test_on_more_accelerators(arch, seed, tmp_path):
    assert verdicts(SLOW[arch], "verilator", tmp_path, work="network", seed=seed) == dict.fromkeys(TESTS, "")
