"""Results as CSV."""

from __future__ import annotations

import csv
import io

from hwsim.report.csv import estimate_csv, simulation_csv
from tests.hwsim.report.samples import HOSTILE, estimate, simulation


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_row_per_layer_with_the_figures_of_the_json():
    given = estimate()
    read = rows(estimate_csv(given))
    assert [row["name"] for row in read] == ["conv1", "pool", "classifier"]
    for row, layer in zip(read, given.layers, strict=True):
        tree = layer.to_json()
        assert int(row["cycles"]) == tree["cycles"]
        assert float(row["energy_pj.total"]) == tree["energy_pj"]["total"] == 105.0
        assert int(row["counters.macs"]) == tree["counters"]["macs"]


def test_a_run_has_the_hardwares_figures_too():
    read = rows(simulation_csv(simulation(estimate(), wrong_bytes=3)))
    assert [row["mismatched_bytes"] for row in read] == ["3", "0", "0"]
    assert [row["rtl_cycles"] for row in read] == ["110", "50", "30"]


def test_no_cell_is_a_formula_and_names_survive():
    read = rows(estimate_csv(estimate(*HOSTILE[:6])))
    assert [row["name"].removeprefix("'") for row in read] == [name.removeprefix("'") for name in HOSTILE[:6]]
    assert not any(value.startswith(("=", "+", "-", "@")) for row in read for value in row.values())


def test_no_layers_is_a_header_alone():
    given = estimate()
    empty = type(given)(**{**{f: getattr(given, f) for f in given.__slots__}, "layers": (), "cycles": 0})
    assert estimate_csv(empty) == "name\n"
