"""Tables for people: names are text, never markup."""

from __future__ import annotations

import dataclasses
import io

import pytest
from rich.console import Console, RenderableType

from hwsim.report.tables import estimate_table, simulation_table
from tests.hwsim.report.samples import estimate, simulation


def shown(table: RenderableType, width: int = 140) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_brackets_in_a_name_are_not_rich_markup():
    given = estimate("[bold red]x[/]", "[/]")
    for table in (estimate_table(given), simulation_table(simulation(given))):
        assert "[bold red]x" in shown(table)


def test_nor_are_those_in_the_names_of_models_and_host_operators():
    given = dataclasses.replace(estimate(), model="[/net]", host_operators=("[red]soft[/]",))
    for table in (estimate_table(given), simulation_table(simulation(given))):
        assert "[/net]" in shown(table)
        assert "[red]soft[/]" in shown(table)


@pytest.mark.parametrize("width", [80, 100])
def test_names_of_any_length_leave_room_for_the_figures(width: int):
    text = shown(estimate_table(estimate("a/" * 60 + "conv", "pool")), width)
    assert max(map(len, text.splitlines())) <= width
    for whole in ("110", "90.9%", "105.0 pJ", "compute"):
        assert whole in text


def test_the_energy_s_consequences_are_told():
    given = estimate()
    totals = given.totals()
    text = " ".join(shown(estimate_table(given)).split())
    assert f"EDP {totals['energy_pj'] * totals['time_us'] / 1e12:.4g} µJ s" in text
    assert f"{totals['energy_pj'] / totals['time_us'] / 1e3:,.1f} mW" in text
