"""What a netlist's changes cost: checked outputs, changes counted once, energy by what takes it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hwsim.errors import SimulationError, ToolError
from hwsim.silicon.characterisation.specimen import Specimen
from hwsim.silicon.library.technology import prepare
from hwsim.silicon.netlist.sdf import plain
from hwsim.silicon.switching.activity import count_changes
from hwsim.silicon.switching.operands import layer_operands, tiles, with_zeros
from hwsim.silicon.switching.operators import ADD, MULTIPLY, TOP, add_stimulus, operator_verilog
from hwsim.silicon.switching.stimulus import Stimulus, column_stimulus, held
from hwsim.silicon.synthesis.cells import Recipe
from tests.hwsim.silicon.libraries import SG13G2, library_file, need

RECIPE = Recipe(period_ps=4000)


@pytest.fixture(scope="module")
def layers():
    return list(layer_operands())


@pytest.fixture
def technology(tmp_path: Path):
    need("yosys", "icarus")
    return prepare(library_file(SG13G2), tmp_path)


def test_changes_are_counted_from_the_first_values_on() -> None:
    vcd = (
        '$var wire 1 ! a $end\n$var wire 1 " b $end\n$var wire 8 # bus $end\n$enddefinitions $end\n'
        '$dumpvars\n1!\n0"\n$end\n#5\n0!\n#7\n1!\n1"\nb1 #\nx!\n'
    )
    assert count_changes(vcd.splitlines(keepends=True)) == {"a": 2, "b": 1}


def test_delays_of_conditions_and_corners_are_averaged_by_edge() -> None:
    text = """(DELAYFILE
 (TIMESCALE 1ps)
 (CELL (CELLTYPE "XOR")
  (INSTANCE u1)
    (COND B (IOPATH A Y (10::20) (30::40)))
    (IOPATH A Y (14::16) (34::36))
    (INTERCONNECT a u1/A (1::1))
"""
    made, means = plain(text)
    assert "(IOPATH A Y (15.000000) (35.000000))" in made
    assert "COND" not in made
    assert "INTERCONNECT" not in made
    assert means == {"XOR": 25}
    with pytest.raises(ToolError, match="opensta wrote no delays"):
        plain("(DELAYFILE (TIMESCALE 1ps))")


def test_operands_are_those_of_the_interpreter(layers) -> None:
    for layer in layers:
        assert layer.activations.shape[1] == layer.weights.shape[0]
        assert layer.activations.min() >= layer.zero_point
    assert {layer.layer for layer in layers} >= {"conv2", "conv3", "pointwise"}


def test_zeros_are_as_many_as_were_asked_for(layers) -> None:
    chosen = tiles(layers, 8, vectors=16, count=8)
    for share in (0.0, 0.5, 1.0):
        made = with_zeros(chosen, activations=share)
        assert np.mean([tile.activations == 0 for tile in made]) == pytest.approx(share, abs=0.05)
        assert all((a.weights == b.weights).all() for a, b in zip(made, chosen, strict=True))


def test_a_column_answers_with_dot_products_a_cycle_per_row_later(layers) -> None:
    chosen = tiles(layers, 2, vectors=4, count=3)
    stimulus = column_stimulus(chosen, taps=0, psum_bits=17)
    sums = [int(s) & 0x1FFFF for t in chosen for s in t.activations.astype(int) @ t.weights.astype(int)]
    answered = [value for value in stimulus.expected["psum_o"] if value != -1]
    assert answered == sums[: len(answered)]
    assert len(answered) >= len(sums) - 2
    assert held(stimulus, 5).measured == 5


def test_an_adder_is_measured_on_real_sums_and_its_delays_only_add(technology, layers, tmp_path: Path) -> None:
    specimen = Specimen(operator_verilog(ADD, 12, 12), TOP, technology, tmp_path / "add", RECIPE)
    measured = specimen.measure(add_stimulus(layers, 12))
    assert specimen.netlist.flip_flops() == 12
    assert measured.settled.logic > 0
    assert measured.settled.clock > 0
    if measured.total is not None:
        assert measured.glitches > -0.1 * measured.settled.total
        assert measured.total.clock == pytest.approx(measured.settled.clock)
        assert specimen.timing is not None
        assert 100 < specimen.timing.fmax_mhz < 5000


def test_a_net_that_does_not_move_costs_the_clock_alone(technology, tmp_path: Path) -> None:
    specimen = Specimen(operator_verilog(MULTIPLY, 4, 8), TOP, technology, tmp_path / "multiply", RECIPE)
    still = np.full(20, 3, dtype=object)
    measured = specimen.measure(Stimulus({"a": still, "b": still}, {"p": np.full(20, -1, dtype=object)}, start=4))
    assert measured.best.logic == 0
    assert measured.best.register == 0
    # Eight flip-flops, two edges a cycle: clock pins, their capacitance, and what is inside.
    flop = next(i.cell for i in specimen.netlist.instances if i.cell.state is not None)
    clock = flop.pins[flop.clock_pin or ""]
    charge = 8 * 2 * clock.capacitance_ff * 1.2**2 / 2 / 1000
    assert measured.best.clock > charge


def test_a_netlist_that_answers_wrongly_is_not_measured(technology, tmp_path: Path) -> None:
    specimen = Specimen(operator_verilog(ADD, 4, 4), TOP, technology, tmp_path / "wrong", RECIPE)
    values = np.arange(12, dtype=object)
    expected = np.full(12, -1, dtype=object)
    expected[6] = 3
    with pytest.raises(SimulationError, match=r"^cycle 6: p of the netlist is 1010, not 0011: see "):
        specimen.measure(Stimulus({"a": values, "b": np.full(12, 5, dtype=object)}, {"p": expected}, start=2))
