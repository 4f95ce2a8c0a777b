"""A cell library is read in its own units, whatever they are; what is no library is refused in one line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from hwsim.errors import InputError
from hwsim.silicon.library.liberty import Library, load_library
from hwsim.silicon.library.lookup import Lookup
from hwsim.silicon.library.technology import prepare
from tests.hwsim.silicon.libraries import ASAP7, SG13G2, SKY130, library_file

TINY = """\
library (tiny) {
  nom_voltage : 2.0; nom_temperature : 25;
  time_unit : "1ns";
  leakage_power_unit : "1nW";
  capacitive_load_unit (1, pf);
  nom_voltage : 2.0;
  nom_temperature : 25;
  cell (INV) {
    area : 3.5;
    pg_pin (VDD) { pg_type : primary_power; }
    pg_pin (VSS) { pg_type : primary_ground; }
    cell_leakage_power : 7;
    pin (A) { direction : input; capacitance : 0.002; }
    pin (Y) {
      direction : output;
      function : "!A";
      internal_power () {
        related_pin : "A"; related_pg_pin : VDD;
        rise_power (t) { index_1 ("0.1, 0.3"); index_2 ("0.01, 0.02"); values ("1, 2", "3, 4"); }
        fall_power (t) { index_1 ("0.1, 0.3"); index_2 ("0.01, 0.02"); values ("3, 4", "5, 6"); }
      }
      internal_power () {
        related_pin : "A"; related_pg_pin : VSS;
        rise_power (t) { index_1 ("0.1, 0.3"); index_2 ("0.01, 0.02"); values ("9, 9", "9, 9"); }
      }
    }
  }
  cell (BUF) { area : 4; pin (A) { direction : input; capacitance : 0.003; } }
}
"""


def test_a_cell_is_read_in_femtofarads_femtojoules_and_square_micrometres() -> None:
    cell = Library(TINY, "tiny.lib").cell("INV")
    assert cell.area_um2 == 3.5
    assert cell.leakage_nw == pytest.approx(7)
    assert cell.pins["A"].capacitance_ff == pytest.approx(2)
    assert cell.pins["Y"].function == "!A"


def test_an_edge_costs_the_mean_of_both_between_the_points_of_a_table_and_what_ground_has_is_not_added() -> None:
    (arc,) = Library(TINY, "tiny.lib").cell("INV").pins["Y"].arcs
    # Halfway on both axes: rising 2.5 pJ, falling 4.5 pJ.
    assert arc.energy(slew_ps=200, load_ff=15) == pytest.approx(3500)
    assert arc.energy(slew_ps=1e6, load_ff=1e6) == pytest.approx(5000), "held beyond the last point"


def test_a_table_of_one_point_is_a_constant() -> None:
    assert Lookup((0.0,), (0.0,), ((4.0,),))(123, 456) == 4.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not a library", r"^x\.lib: not a Liberty library: it has no cells$"),
        (TINY.replace("nom_voltage", "voltage"), r"^x\.lib: no nom_voltage before its first cell$"),
        (TINY.replace("nom_voltage : 2.0", "nom_voltage : lots"), r"^x\.lib: nom_voltage is not a number: 'lots'$"),
        (TINY.replace('"1ns"', '"1nm"'), r"^x\.lib: time_unit is not in s: '1nm'$"),
        (TINY.replace("(1, pf)", "(1, pH)"), r"^x\.lib: no capacitive_load_unit before its first cell$"),
    ],
)
def test_what_is_no_library_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Library(text, "x.lib")


def test_a_cell_that_is_not_there_is_named() -> None:
    with pytest.raises(InputError, match=r"^tiny\.lib: no cell NAND2$"):
        Library(TINY, "tiny.lib").cell("NAND2")


@pytest.mark.parametrize(
    "text",
    [
        TINY.replace("area : 3.5;", ""),
        TINY.replace("area : 3.5;", "area : much;"),
        TINY.replace('values ("1, 2", "3, 4")', "valu es ((("),
        TINY.replace('"1, 2"', '"one, two"'),
        TINY[: TINY.index("fall_power")],
    ],
    ids=["no area", "no number", "syntax", "words in a table", "cut off"],
)
def test_a_cell_that_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(InputError, match=r"^x\.lib: cell INV cannot be read: "):
        Library(text, "x.lib").cell("INV")


def test_gzip_is_unpacked_and_a_damaged_file_is_said_to_be(tmp_path: Path) -> None:
    packed = tmp_path / "tiny.lib.gz"
    packed.write_bytes(gzip.compress(TINY.encode()))
    assert load_library(packed).cell_names == ["INV", "BUF"]
    packed.write_bytes(packed.read_bytes()[:40])
    with pytest.raises(InputError, match=r"cannot be read: the gzip data ends early$"):
        load_library(packed)
    whole = bytearray(gzip.compress(TINY.encode()))
    whole[30:40] = bytes(10)
    packed.write_bytes(whole)
    with pytest.raises(InputError, match=r"cannot be read: the gzip data is damaged$"):
        load_library(packed)


def test_a_pattern_of_cells_to_leave_alone_must_match_some(tmp_path: Path) -> None:
    file = tmp_path / "tiny.lib"
    file.write_text(TINY)
    assert prepare(file, tmp_path, ("B*",)).unused_cells == ("BUF",)
    with pytest.raises(InputError, match=r"^--dont-use NAND\*: tiny has no such cell$"):
        prepare(file, tmp_path, ("NAND*",))


GATE = """\
  cell (GATE) {
    area : 5; clock_gating_integrated_cell : "latch_posedge";
    clock_gating_integrated_cell : "latch_posedge";
  }
}
"""


def test_that_a_library_has_no_clock_gate_to_use_is_said(tmp_path: Path) -> None:
    said = []
    gated = TINY.rstrip().removesuffix("}") + GATE
    for text in (TINY, gated, gated.replace("area : 5;", "area : 5;\n    dont_use : true;")):
        file = tmp_path / "tiny.lib"
        file.write_text(text)
        said.append(prepare(file, tmp_path).without_clock_gates)
    assert said[1] is None
    assert said[0] == said[2]
    assert said[0] is not None
    assert said[0].startswith("no clock gates: tiny has no cell for them that may be used")


@pytest.mark.parametrize(("file", "some"), [(ASAP7, True), (SKY130, True), (SG13G2, False)])
def test_clock_gates_of_real_libraries(tmp_path: Path, file: str, some: bool) -> None:
    assert (prepare(library_file(file), tmp_path).without_clock_gates is None) is some


@pytest.mark.parametrize(
    ("file", "volts", "cells", "flop", "clock_ff"),
    [
        (ASAP7, 0.7, 202, "DFFHQNx1_ASAP7_75t_R", 0.474736),
        (SKY130, 1.8, 428, "sky130_fd_sc_hd__dfxtp_1", 1.794),
        (SG13G2, 1.2, 78, "sg13g2_dfrbp_1", 2.74351),
    ],
)
def test_real_libraries(file: str, volts: float, cells: int, flop: str, clock_ff: float) -> None:
    library = load_library(library_file(file))
    assert library.voltage_v == volts
    assert len(library.cell_names) == cells
    cell = library.cell(flop)
    assert cell.state is not None
    assert cell.clock_pin is not None
    assert cell.pins[cell.clock_pin].capacitance_ff == pytest.approx(clock_ff)
