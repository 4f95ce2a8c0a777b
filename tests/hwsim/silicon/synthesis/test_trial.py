"""A library that no accelerator can be made of is refused by a trial, in a second and not after minutes."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwsim.errors import InputError
from hwsim.silicon.library.technology import prepare
from hwsim.silicon.synthesis.trial import try_library
from tests.hwsim.silicon.libraries import need
from tests.hwsim.silicon.library.test_liberty import TINY

FLIP_FLOP = """\
  cell (DFF) {
    area : 9;
    ff (IQ, IQN) { clocked_on : "CK"; next_state : "D"; }
    pin (CK) { direction : input; capacitance : 0.001; clock : true; }
    pin (D) { direction : input; capacitance : 0.001; }
    pin (Q) {
      direction : output; function : "IQ";
      timing () {
        related_pin : "CK"; timing_type : rising_edge;
        cell_rise (t) { index_1 ("0.1, 0.3"); index_2 ("0.01, 0.02"); values ("1, 2", "3, 4"); }
        cell_fall (t) { index_1 ("0.1, 0.3"); index_2 ("0.01, 0.02"); values ("1, 2", "3, 4"); }
        rise_transition (t) { index_1 ("0.1, 0.3"); index_2 ("0.01, 0.02"); values ("1, 2", "3, 4"); }
        fall_transition (t) { index_1 ("0.1, 0.3"); index_2 ("0.01, 0.02"); values ("1, 2", "3, 4"); }
      }
    }
  }
}
"""
WITH_FLIP_FLOP = TINY.rstrip().removesuffix("}") + FLIP_FLOP


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HWSIM_CACHE", str(tmp_path / "cache"))


def refused(tmp_path: Path, text: str, *dont_use: str) -> str:
    file = tmp_path / "tiny.lib"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        try_library(prepare(file, tmp_path / "work", dont_use))
    return str(caught.value)


def test_without_a_flip_flop(tmp_path: Path) -> None:
    assert refused(tmp_path, TINY) == "tiny: no cell that may be used is a flip-flop (a group ff), which registers need"


def test_without_a_flip_flop_that_may_be_used(tmp_path: Path) -> None:
    assert "no cell that may be used is a flip-flop" in refused(tmp_path, WITH_FLIP_FLOP, "DFF")


def test_with_a_flip_flop_that_has_no_tables(tmp_path: Path) -> None:
    text = WITH_FLIP_FLOP.replace("_transition", "_else")
    assert refused(tmp_path, text) == "tiny: DFF has no tables of its output's transition (timing)"


def test_without_gates_it_is_said_what_is_missing(tmp_path: Path) -> None:
    need("yosys")
    # An inverter is there, and nothing with two inputs.
    assert refused(tmp_path, WITH_FLIP_FLOP).startswith("tiny: no registers and gates can be made of its cells: ")


def test_with_an_error_of_syntax_its_line_is_said(tmp_path: Path) -> None:
    need("yosys")
    text = WITH_FLIP_FLOP.replace('values ("1, 2", "3, 4"); }', "valu es ((( ; }", 1)
    assert "Syntax error in liberty file on line " in refused(tmp_path, text)


def test_of_a_file_that_ends_early_it_is_said(tmp_path: Path) -> None:
    need("yosys")
    assert refused(tmp_path, WITH_FLIP_FLOP + "  cell (NAND) { area : 1;\n").endswith(
        "(its braces are not closed: is the file whole?)"
    )
