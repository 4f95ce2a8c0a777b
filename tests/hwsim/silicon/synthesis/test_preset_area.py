"""Whole presets, synthesised: minutes each, unless the cache has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwsim.energy.hardware import memories
from hwsim.silicon.library.technology import prepare
from hwsim.silicon.synthesis.area import measure_area
from hwsim.silicon.synthesis.cells import Recipe
from hwsim.simulation.verilog import accelerator_verilog
from rtl.config import load_arch
from rtl.verilog import TOP
from tests.hwsim.silicon.libraries import SKY130, library_file, need


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "repeated", "times"), [("dense-8x8", "column", 8), ("eie-64", "processing_element", 64)]
)
def test_a_preset_is_the_sum_of_its_modules_and_its_memories_are_those_of_the_energy_model(
    preset: str, repeated: str, times: int, tmp_path: Path
) -> None:
    need("yosys", "opensta")
    technology = prepare(library_file(SKY130), tmp_path)
    config = load_arch(preset)
    area = measure_area(accelerator_verilog(config), TOP, technology, Recipe(period_ps=8000.0))
    parts = {part.module: part for part in area.parts}
    assert parts[TOP].total_um2 == area.um2 == pytest.approx(sum(p.instances * p.own_um2 for p in area.parts))
    assert parts[repeated].instances == times
    assert area.path is not None
    assert 50 < area.path.fmax_mhz < 500
    counters = [macro for macro in area.macros if macro.module.startswith(f"{TOP}.counters.")]
    priced = sum(macro.instances * macro.kib for macro in area.macros if macro not in counters)
    # Codebooks are of few words: some are flip-flops.
    small = sum(memory.kib for memory in memories(config).values() if memory.bank_kib * 8192 / memory.word_bits < 64)
    assert priced == pytest.approx(sum(memory.kib for memory in memories(config).values()) - small)
    # What tells layers apart is not priced: each counter of each layer in 48 bits.
    assert sum(macro.instances * macro.kib for macro in counters) > 0
