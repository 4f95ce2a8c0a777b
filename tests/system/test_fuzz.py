"""Random instructions and accesses to registers neither hang the accelerator nor make it write where it must not.

To hang is to raise no interrupt within ``CYCLE_LIMIT`` and a little (the counters are cleared before a run), or to stay
busy when what was open on the bus has ended. The window is that of ``WINDOW_BASE`` and ``WINDOW_BYTES``. The fuzzing
itself runs in the simulator: ``tests/system/fuzz/bench.py``.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from hwsim.simulation.build import build
from hwsim.simulation.harness import harness
from hwsim.simulation.runner import run
from hwsim.simulation.verilog import accelerator_verilog
from rtl.config import ArchConfig
from tests.system.test_bus import SLOW, SMALL

LONG_CYCLES = 260_000
"""Of each of the four accelerators: over a million in all."""


def fuzz(config: ArchConfig, simulator: str, folder: Path, *, cycles: int, seed: int) -> dict[str, int]:
    """Fuzz so long; how often a run ended how."""
    arch = folder / "arch.yaml"
    arch.write_text(yaml.safe_dump(config.model_dump()))
    design = harness(
        accelerator_verilog(config), data_bytes=config.bus.data_bytes, memory="axiram", memory_bytes=1 << 17
    )
    environment = {"FUZZ_ARCH": str(arch), "FUZZ_CYCLES": str(cycles), "COCOTB_LOG_LEVEL": "WARNING"}
    run(build(design, simulator), "tests.system.fuzz.bench", folder, environment=environment, seed=seed)
    found = json.loads((folder / "fuzz.json").read_text())
    assert found["cycles"] >= cycles
    return found["outcomes"]


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog: apt-get install -y iverilog")
def test_a_small_accelerator_holds_out(tmp_path):
    outcomes = fuzz(SMALL, "icarus", tmp_path, cycles=12_000, seed=1)
    assert {"OPCODE", "SCRATCHPAD"} <= set(outcomes)


@pytest.mark.slow
@pytest.mark.parametrize("arch", SLOW)
def test_accelerators_hold_out_for_long(arch, tmp_path, record_property):
    outcomes = fuzz(SLOW[arch], "verilator", tmp_path, cycles=LONG_CYCLES, seed=2)
    record_property("summary: cycles fuzzed", LONG_CYCLES)
    record_property("summary: runs", sum(outcomes.values()))
    assert {"DONE", "OPCODE", "SCRATCHPAD", "DRAM", "BUS", "DEADLOCK", "PROGRAM", "LIMIT"} <= set(outcomes)
