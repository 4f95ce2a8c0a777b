"""The shipped tables: they price a network, say where they are from, and come out again when they are measured anew."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from hwsim.energy.model import EnergyModel
from hwsim.energy.options import with_technology
from hwsim.energy.table import load_table, table_names
from hwsim.silicon.characterisation.specimen import Specimen
from hwsim.silicon.library.technology import prepare
from hwsim.silicon.switching.operands import layer_operands
from hwsim.silicon.switching.operators import ADD, TOP, add_stimulus, operator_verilog
from hwsim.silicon.synthesis.cells import Recipe
from rtl.config import load_arch
from tests.hwsim.silicon.libraries import SKY130, library_file, need

SHIPPED = ("asap7", "sky130hd")
MEASURED_WITH = "0.70"


@pytest.mark.parametrize("name", SHIPPED)
def test_parts_of_a_mac_add_up_and_no_state_costs_more(name: str) -> None:
    array = load_table(f"characterized:{name}").array
    assert array is not None
    parts = array.clock_pj, array.register_pj, array.arithmetic_pj, array.glitch_pj
    assert sum(part.value for part in parts) == pytest.approx(array.dense_pj.value, rel=2e-3)
    assert array.idle_pj.value < array.zero_activation_pj.value < array.dense_pj.value
    assert array.zero_weight_pj.value < array.dense_pj.value
    curve = [point.y for point in array.by_density.points]
    assert curve[:-1] == sorted(curve[:-1]), "more activations, more energy"
    # A few zeros among others turn more over than they save: a multiplier goes to nothing and back.
    assert 0.95 * curve[-2] < curve[-1]


@pytest.mark.parametrize("name", SHIPPED)
def test_figures_are_of_the_recipe_of_least_energy_that_meets_its_period(name: str) -> None:
    array = load_table(f"characterized:{name}").array
    assert array is not None
    best, *others = array.recipes
    assert best.pj == pytest.approx(array.dense_pj.value, rel=1e-3)
    assert best.multiplier == "booth"
    assert best.clock_gating
    assert {(other.multiplier, other.clock_gating) for other in others} == {("array", True), ("booth", False)}
    assert all(best.pj < other.pj for other in others)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_table_prices_a_sparse_pe_by_its_own_events(name: str) -> None:
    table = load_table(f"characterized:{name}")
    pe = table.sparse
    assert pe is not None
    assert pe.held_out_error.value < 0.1
    model = EnergyModel(with_technology(load_arch("eie-64"), table=f"characterized:{name}"))
    entry = model.event_pj("sparse_macs")
    assert entry["mac"] == pytest.approx(pe.entry.logic_pj)
    assert entry["register"] == pytest.approx(pe.entry.register_pj)
    push = model.event_pj("sparse_pushes")
    assert push["register"] == pytest.approx(pe.push.logic_pj + pe.push.register_pj)
    # A price of nothing is left out.
    broadcast = model.event_pj("sparse_broadcasts").get("register", 0.0)
    assert broadcast == pytest.approx(64 * (pe.take.logic_pj + pe.take.register_pj))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_characterised_table_prices_like_any_other(name: str) -> None:
    assert f"characterized:{name}" in table_names()
    model = EnergyModel(with_technology(load_arch("dense-8x8"), table=f"characterized:{name}"))
    assert model.technology.table == f"characterized:{name}"
    assert (model.event_weights() >= 0).all()
    assert model.cycle_weight() > 0
    assert model.area_mm2() is not None


def test_an_adder_measured_anew_is_the_adder_of_the_table(tmp_path: Path) -> None:
    need("yosys", "icarus", "opensta")
    file = library_file(SKY130)
    if importlib.metadata.version("pyosys") != MEASURED_WITH:
        pytest.skip(f"the tables are of pyosys {MEASURED_WITH}")
    technology = prepare(file, tmp_path)
    recipe = Recipe(period_ps=10000)
    specimen = Specimen(operator_verilog(ADD, 8, 8), TOP, technology, tmp_path / "add", recipe)
    measured = specimen.measure(add_stimulus(list(layer_operands()), 8))
    shipped = load_table("characterized:sky130hd").add.points[0]
    assert shipped.x == 8
    assert measured.best.logic == pytest.approx(shipped.y, rel=1e-3)
