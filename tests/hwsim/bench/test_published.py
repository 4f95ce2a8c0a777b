"""What the validation page says beside published tables: the same layers, and a reason wherever figures differ."""

from __future__ import annotations

import pytest

from hwsim.bench.energies import energies
from hwsim.bench.eyeriss import ARCH, compare
from hwsim.bench.rivals import with_weights
from rtl.config import load_arch
from workloads.reference.accelerators import EYERISS_ALEXNET, EYERISS_CHIP, EYERISS_VGG16


def test_the_preset_is_of_eyeriss_size():
    config, chip = load_arch(ARCH), {fact.name: fact.value for fact in EYERISS_CHIP.rows()}
    assert chip["PEs"] == f"{config.macs_per_cycle} = {config.dense.rows} rows x {config.dense.cols} cols"
    assert f"({config.clock_mhz:g} at 1V)" in chip["core clock"]
    memory = config.memory
    kib = memory.ifm_kib + memory.ofm_kib + memory.weight_kib + memory.param_kib
    kib += 2 * memory.accumulators * config.dense.cols * 4 / 1024
    assert kib * 1.024 == pytest.approx(float(chip["on-chip SRAM"].removesuffix(" kB")), rel=0.15)


def test_layers_of_alexnet_are_those_of_the_chip():
    rows = compare("eyeriss-alexnet", EYERISS_ALEXNET, batch=4)
    assert [row.theirs.layer for row in rows] == ["CONV1", "CONV2", "CONV3", "CONV4", "CONV5"]
    for row in rows:
        # the paper prints two digits
        assert row.macs_g == pytest.approx(row.theirs.macs_g, abs=0.005)
        assert 0 < row.their_utilisation <= 1
        # the table's share of PEs with work bounds what the chip makes of its time
        assert row.their_utilisation <= row.theirs.active_pe_pct / 100 + 0.01
        assert 0 < row.ours.utilization <= 1.01


def test_the_chip_s_table_adds_up_to_its_total():
    *layers, total = EYERISS_VGG16.rows()
    joules = sum(row.power_mw * row.total_latency_ms for row in layers)
    assert joules / total.total_latency_ms == pytest.approx(total.power_mw, rel=0.01)


def test_every_energy_that_differs_has_a_reason():
    rows = list(energies())
    assert {row.technology for row in rows} == {"horowitz-45nm", "tpuv4i-7nm", "eyeriss-65nm-normalised"}
    for row in rows:
        assert bool(row.reason) == (abs(row.apart) >= 0.005), row
    # What a law leaves at its own points; further off are figures that no law goes through.
    further = {row.what for row in rows if abs(row.apart) > 0.07}
    assert further == {"int16 mult (not in Horowitz; estimates ~1.0)", "32b 32KB SRAM (EIE)"}


def test_other_tools_get_the_same_network_with_weights_and_shapes():
    model = with_weights("lenet-5")
    assert [value.name for value in model.graph.input] == ["input"]
    assert all(node.op_type != "ConstantOfShape" for node in model.graph.node)
    known = {value.name for value in (*model.graph.value_info, *model.graph.output)}
    assert {name for node in model.graph.node for name in node.output} <= known
