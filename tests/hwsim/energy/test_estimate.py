"""`hwsim estimate` reports energy: by layer, in total, and what follows from it."""

from __future__ import annotations

import dataclasses
import io
import json
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

import hwsim
from hwsim.bandwidth import LEVELS
from hwsim.cli.main import main
from hwsim.energy.prices import COMPONENTS
from hwsim.report.tables import estimate_table

if TYPE_CHECKING:
    from pathlib import Path

    from hwsim.results import Estimate


@pytest.fixture(scope="module")
def digits() -> Estimate:
    return hwsim.estimate("digits-cnn", "dense-8x8")


@pytest.fixture(scope="module")
def relative() -> Estimate:
    return hwsim.estimate("digits-cnn", "dense-8x8", technology="eyeriss-65nm-normalised")


def shown(estimate: Estimate) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(estimate_table(estimate))
    return out.getvalue()


def test_every_layer_has_its_energy_and_its_traffic(digits: Estimate) -> None:
    for layer in digits.to_json()["layers"]:
        energy = layer["energy_pj"]
        assert energy["total"] == pytest.approx(sum(energy[name] for name in COMPONENTS))
        assert energy["total"] > 0
        assert layer["bandwidth"]["levels"].keys() == LEVELS.keys()
        assert layer["bandwidth"]["bound"] == layer["bound"]
        assert 0 < layer["bandwidth"]["dram_efficiency"] <= 1


def test_totals_are_the_sums_and_what_follows_from_them(digits: Estimate) -> None:
    tree = digits.to_json()
    totals = tree["totals"]
    for name in (*COMPONENTS, "total"):
        assert totals["energy_by_component_pj"][name] == pytest.approx(
            sum(layer["energy_pj"][name] for layer in tree["layers"])
        )
    joules = totals["energy_pj"] * 1e-12
    seconds = totals["cycles"] / (tree["clock_mhz"] * 1e6)
    assert totals["average_power_mw"] == pytest.approx(joules / seconds * 1e3)
    assert totals["tops_per_watt"] == pytest.approx(2 * totals["macs"] / joules / 1e12)
    assert totals["energy_delay_pj_us"] == pytest.approx(joules * seconds * 1e18)


def test_relative_energies_are_neither_power_nor_efficiency(relative: Estimate) -> None:
    tree = relative.to_json()
    assert tree["technology"]["energy_unit"] == "MAC"
    assert tree["totals"]["energy_pj"] > tree["totals"]["macs"] / 4
    assert tree["totals"]["average_power_mw"] is None
    assert tree["totals"]["tops_per_watt"] is None


def test_a_layer_that_was_not_priced_leaves_no_total(digits: Estimate) -> None:
    first, *rest = digits.layers
    unpriced = dataclasses.replace(digits, layers=(dataclasses.replace(first, energy_pj=None), *rest))
    assert unpriced.totals()["energy_pj"] is None
    assert unpriced.totals()["energy_by_component_pj"] is None
    assert "energy" not in shown(unpriced)


def test_cycles_do_not_depend_on_the_technology(digits: Estimate, relative: Estimate) -> None:
    assert digits.cycles == relative.cycles
    assert [layer.counters for layer in digits.layers] == [layer.counters for layer in relative.layers]


def test_a_low_supply_takes_less_energy_and_more_time(digits: Estimate) -> None:
    low = hwsim.estimate("digits-cnn", "dense-8x8", voltage_v=0.7)
    assert low.cycles == digits.cycles
    assert low.time_us > digits.time_us
    assert low.energy_pj is not None
    assert digits.energy_pj is not None
    assert low.energy_pj.mac < digits.energy_pj.mac
    assert low.energy_pj.dram == digits.energy_pj.dram


def test_the_table_shows_energy_where_it_goes_and_of_what_it_is(digits: Estimate, relative: Estimate) -> None:
    text = shown(digits)
    assert "µJ" in text
    assert "TOPS/W" in text
    assert "technology: horowitz-45nm at 0.9 V, DRAM DDR4" in text
    assert "MMAC" in shown(relative)
    assert "TOPS/W" not in shown(relative)


def test_options_reach_the_model(tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    options = ["--dram", "hbm2", "--voltage", "0.8", "--json", str(file)]
    assert run(["estimate", "digits-cnn", "--arch", "dense-8x8", *options]) == 0
    assert json.loads(file.read_text())["technology"] == {
        "table": "horowitz-45nm", "dram": "hbm2", "voltage_v": 0.8, "energy_unit": "pJ",
    }  # fmt: skip


@pytest.mark.parametrize(
    "options", [("--technology", "40nm"), ("--dram", "sram"), ("--voltage", "0.1"), ("--voltage", "nan")]
)
def test_impossible_options_are_one_line_and_status_2(
    options: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["estimate", "digits-cnn", "--arch", "dense-8x8", *options]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("hwsim: ")
    assert captured.err.count("\n") == 1


def run(arguments: list[str]) -> int:
    try:
        main(arguments)
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0
