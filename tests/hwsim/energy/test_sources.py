"""Every figure of the energy tables says where it is from, and equals what is published there."""

from __future__ import annotations

import csv
import re
from importlib import resources
from pathlib import Path

import pytest
from pydantic import BaseModel, ValidationError

from hwsim.energy.curves import Figure, Point
from hwsim.energy.table import Dram, Table, drams, load_table, table_names

SHARED = Path(__file__).resolve().parents[4] / "shared" / "reference"
CSV = re.compile(r"(\w+\.csv), ([^;:]+)")
COLUMN = {"horowitz-45nm": "pJ_45nm_0.9V", "tpuv4i-7nm": "pJ_7nm"}

READ_ELSEWHERE = (
    "PTM ",
    "Aladdin",
    "as write_pj_per_bit",
    "CACTI",
    "area goes with",
    "ASAP7 RVT Liberty",
    "asap7 fakeram7",
    "our trial",
    "hwsim characterize: ",
    "scaled by 11.56 from op_energy.csv",
    "OpenRAM, sky130_sram",
    "as in horowitz",
    "in multiply",
    "in the other figures",
    "NVlabs/timeloop",
    "Accelergy-Project",
    "assumption: ",
)
"""How sources begin that are in no table of ours."""

DERIVED = ("EIE Table II", "fitted to eyeriss_chip.csv")
"""Worked out from published figures; each has a test of its own below."""


def reference(folder: str, name: str) -> list[dict[str, str]]:
    if folder == "shared":
        if not SHARED.is_dir():
            pytest.skip(f"no {SHARED}")
        text = (SHARED / name).read_text(encoding="utf-8")
    else:
        text = (resources.files("workloads.reference") / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def figures(part: object, where: str = "") -> list[tuple[str, float, str]]:
    """Path, value and source of everything in a table that has one."""
    if isinstance(part, Figure):
        return [(where, part.value, part.source)]
    if isinstance(part, Point):
        return [(f"{where}[{part.x:g}]", part.y, part.source)]
    if isinstance(part, Dram):
        return [(where, part.pj, part.source)]
    if isinstance(part, BaseModel):
        return [found for name in type(part).model_fields for found in figures(getattr(part, name), f"{where}.{name}")]
    if isinstance(part, list):
        return [found for item in part for found in figures(item, where)]
    return []


ALL = [(name, *figure) for name in table_names() for figure in figures(load_table(name))]
ALL += [("dram", kind, dram.pj, dram.source) for kind, dram in drams().items()]


@pytest.mark.parametrize(("table", "where", "value", "source"), ALL)
@pytest.mark.parametrize("folder", ["workloads", "shared"])
def test_a_figure_equals_the_cell_that_it_names(folder: str, table: str, where: str, value: float, source: str) -> None:
    named = CSV.match(source)
    if named is None or source.startswith(DERIVED):
        assert source.startswith(READ_ELSEWHERE + DERIVED), f"{table}{where}: {source!r} is in neither list"
        return
    file, row = named[1], named[2].strip()
    rows = reference(folder, file)
    if file == "op_energy.csv" and row.startswith("header"):
        assert f"pJ_45nm_{value}V" in rows[0]
    elif file == "op_energy.csv":
        cell = _row(rows, "operation", row.removesuffix(", the middle"))
        low, _, high = cell[COLUMN.get(table, "pJ_7nm")].partition("-")
        assert value == (float(low) + float(high or low)) / 2
    elif file == "energy_aware_pruning.csv":
        cell = float(_row(rows, "item", row)["value"])
        # A register's are by the bit, of 16-bit words.
        assert value == (cell / 16 if ".registers." in where else cell)
    else:
        assert (file, row) == ("eyeriss_chip.csv", "core clock")
        assert f"(200 at {value:g}V)" in _row(rows, "name", row)["value"]


def _row(rows: list[dict[str, str]], column: str, name: str) -> dict[str, str]:
    found = [row for row in rows if row[column].startswith(name)]
    assert found, f"no row {name!r}"
    return found[0]


@pytest.mark.parametrize("folder", ["workloads", "shared"])
def test_energies_of_45_nm_are_those_of_eie_too(folder: str) -> None:
    rows = {row["operation"]: float(row["energy_pJ"]) for row in reference(folder, "eie_table1_energy45nm.csv")}
    table = load_table("horowitz-45nm")
    assert table.add.points[-1].y == rows["32b int ADD"]
    assert table.multiply.points[-1].y == rows["32b int MULT"]
    # EIE's 640 pJ for 32 bits is 20 pJ a bit, Horowitz' 1300 pJ for 64 bits 20.3.
    assert drams()["ddr4"].pj_per_bit == pytest.approx(rows["32b DRAM"] / 32, rel=0.02)


def test_leakage_at_45_nm_is_bounded_by_all_that_eie_s_memories_take() -> None:
    (memory,) = [r for r in reference("workloads", "eie_table2_pe_power_area.csv") if r["item"] == "memory"]
    (capacity,) = [r for r in reference("workloads", "eie_scalars.csv") if r["name"] == "total_SRAM_KB_per_PE"]
    leakage = load_table("horowitz-45nm").sram.leakage_mw
    assert leakage is not None
    assert leakage(float(capacity["value"])) == pytest.approx(float(memory["power_mW"]))


def test_clock_at_45_nm_is_eie_s_clock_network_over_its_flip_flops() -> None:
    parts = {r["item"]: r for r in reference("workloads", "eie_table2_pe_power_area.csv")}
    (clock,) = [float(r["value"]) for r in reference("workloads", "eie_scalars.csv") if r["name"] == "clock_MHz"]
    table = load_table("horowitz-45nm")
    assert table.logic is not None
    bits = float(parts["register"]["area_um2"]) / table.logic.register_um2.value
    per_cycle_pj = float(parts["clock network"]["power_mW"]) / clock * 1000
    assert table.registers.clock_pj_per_bit.value == pytest.approx(per_cycle_pj / bits, rel=0.005)


def test_eyeriss_threshold_and_exponent_are_the_best_fit_to_its_clock_over_its_supply() -> None:
    (volts,) = [r["value"] for r in reference("workloads", "eyeriss_chip.csv") if r["name"] == "core V"]
    (clock,) = [r["value"] for r in reference("workloads", "eyeriss_chip.csv") if r["name"] == "core clock"]
    assert (volts, clock) == ("0.82-1.17 V", "100-250 MHz (200 at 1V)")
    from hwsim.energy.scaling import scaling

    table = load_table("eyeriss-65nm-normalised")
    for supply, mhz in ((0.82, 100), (1.17, 250)):
        assert 200 * scaling(table, supply).clock == pytest.approx(mhz, rel=0.052)

    def furthest(alpha: float, threshold: float) -> float:
        drive = {volts: (volts - threshold) ** alpha / volts for volts in (0.82, 1.0, 1.17)}
        return max(abs(200 * drive[volts] / drive[1.0] / mhz - 1) for volts, mhz in ((0.82, 100), (1.17, 250)))

    # Alpha-power law: from 1, velocity saturated, to 2, Shockley's.
    fits = [(furthest(tenths / 10, mv / 1000), tenths / 10, mv / 1000) for tenths in range(10, 21) for mv in range(800)]
    assert table.alpha is not None
    assert table.threshold_v is not None
    assert min(fits)[1:] == (table.alpha.value, table.threshold_v.value)


def test_a_figure_without_a_source_is_refused() -> None:
    tree = load_table("horowitz-45nm").model_dump()
    del tree["registers"]["clock_pj_per_bit"]["source"]
    with pytest.raises(ValidationError, match=r"registers\.clock_pj_per_bit\.source"):
        Table.model_validate(tree)
