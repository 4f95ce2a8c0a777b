"""The published tables: complete, sourced, equal to what the workplace shares, and read as what they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from workloads.reference import TABLES, Table, TableError, accelerators, compression, eie
from workloads.reference.table import column, count, interval, optional

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "workloads" / "reference"
SHARED = ROOT.parent / "shared" / "reference"

BY_FILE = pytest.mark.parametrize("table", TABLES, ids=[table.file for table in TABLES])


@BY_FILE
def test_reads_every_row(table: Table[Any]) -> None:
    lines = (FOLDER / table.file).read_text(encoding="utf-8").splitlines()
    assert len(table.rows()) == len(lines) - 1
    assert table.title


@BY_FILE
def test_every_row_has_its_source(table: Table[Any]) -> None:
    if table is accelerators.SCALESIM_ORACLE:
        assert "scalesim 3.0.0" in table.title  # computed, by what the title says
        return
    assert all(row.source for row in table.rows())


@BY_FILE
def test_is_a_copy_of_the_shared_one(table: Table[Any]) -> None:
    if not SHARED.is_dir():
        pytest.skip(f"no {SHARED}: the copies cannot be compared")
    assert (FOLDER / table.file).read_bytes() == (SHARED / table.file).read_bytes()


def test_every_file_has_a_table() -> None:
    assert sorted(path.name for path in FOLDER.glob("*.csv")) == sorted(table.file for table in TABLES)


def test_figures_without_a_source_say_so() -> None:
    doubtful = {row.name for row in compression.ENERGY_AWARE_PRUNING.rows() if not row.confirmed}
    assert "AlexNet DeepComp" in doubtful
    assert "AlexNet energy reduction x" not in doubtful


class TestValues:
    """One figure of each table that others are computed from, as printed in the paper."""

    def test_eie(self) -> None:
        first = eie.BENCHMARKS.rows()[0]
        assert (first.layer, first.inputs, first.outputs, first.weight_pct, first.act_pct) == (
            "Alex-6",
            9216,
            4096,
            9,
            35.1,
        )
        assert tuple(row.layer for row in eie.BENCHMARKS.rows()) == eie.LAYERS
        actual = next(row for row in eie.WALL_CLOCK.rows() if row.platform.startswith("EIE") and row.matrix == "actual")
        assert actual.time_us["NT-LSTM"] == 7.5
        assert next(row.power_mw for row in eie.MODULES.rows() if row.item == "SpmatRead") == 4.955
        assert next(row.number for row in eie.SCALARS.rows() if row.name == "clock_MHz") == 800
        assert {r.operation: r.energy_pj for r in eie.OPERATION_ENERGY.rows()}["32b DRAM"] == 640
        assert {r.metric: r.values["EIE 64PE 45nm"] for r in eie.PLATFORMS.rows()}["area_mm2"] == "40.8"

    def test_eie_module_rows_add_up_to_the_total(self) -> None:
        rows = eie.MODULES.rows()
        (total,) = [row.power_mw for row in rows if row.kind == "total"]
        for kind in ("component", "module"):
            assert sum(row.power_mw or 0 for row in rows if row.kind == kind) == pytest.approx(total, abs=0.01)

    def test_compression(self) -> None:
        summary = {row.network: row.ratio_pqh for row in compression.DEEP_COMPRESSION.rows()}
        assert summary == {"LeNet-300-100": 40, "LeNet-5": 39, "AlexNet": 35, "VGG-16": 49}
        conv1 = next(
            r for r in compression.DEEP_COMPRESSION_LAYERS.rows() if (r.network, r.layer) == ("LeNet-5", "conv1")
        )
        assert (conv1.weights, conv1.weights_kept_pct, conv1.size_pct_pqh) == (500, 66, 67.45)

    def test_accelerators(self) -> None:
        total = accelerators.EYERISS_ALEXNET.rows()[-1]
        assert (total.layer, total.power_mw, total.dram_access_mb) == ("Total", 278, 15.4)
        gemm = accelerators.GEMMINI_GEMM.rows()[-1]
        assert (gemm.m, gemm.k, gemm.n, gemm.rtl_cycles) == (512, 512, 512, 543_240)
        energy = {row.operation: row for row in accelerators.OPERATION_ENERGY.rows()}
        assert energy["int8 mult"].pj_45nm == (0.2, 0.2)
        assert energy["DRAM HBM2 /64b"].pj_7nm == (250, 450)
        assert energy["DRAM HBM2 /64b"].pj_45nm is None
        assert accelerators.MLPERF_TINY_MODELS.rows()[0].macs == 12_501_632

    def test_scalesim_oracle_is_its_own_closed_form(self) -> None:
        """The equations of the one table give the cycles of the other, less the one that the tool does not report."""
        for row in accelerators.SCALESIM_ORACLE.rows():
            m, k, n, size = row.m_pixels, row.k_window, row.n_filters, row.array
            rows, cols, time = {"os": (m, n, k), "ws": (k, n, m), "is": (k, m, n)}[row.dataflow]
            fold = (1 if row.dataflow == "os" else 2) * size + size + time - 2
            assert row.cycles_closed_form == fold * -(-rows // size) * -(-cols // size) - 1

    def test_where_scalesim_was_run(self) -> None:
        run = [row for row in accelerators.SCALESIM_ORACLE.rows() if row.cycles_run is not None]
        assert len(run) == 109
        assert all(row.cycles_run == row.cycles_closed_form for row in run)


class TestReader:
    @pytest.mark.parametrize(
        ("cell", "value"), [("235K", 235_000), ("0.5K", 500), ("3.7B", 3_700_000_000), ("9216", 9216)]
    )
    def test_counts(self, cell: str, value: int) -> None:
        assert count(cell) == value

    def test_intervals_and_gaps(self) -> None:
        assert interval("250-450") == (250, 450)
        assert interval("1300") == (1300, 1300)
        assert optional(float)("") is None
        assert optional(float)("0") == 0

    def test_a_bad_cell_is_named(self) -> None:
        @dataclass(frozen=True, slots=True, kw_only=True)
        class Wrong:
            power: int = column("layer", int)

        with pytest.raises(TableError, match=r"^eyeriss_alexnet.csv, line 2, layer: ValueError"):
            Table(file="eyeriss_alexnet.csv", row=Wrong, title="").rows()

    def test_a_missing_column_is_named(self) -> None:
        @dataclass(frozen=True, slots=True, kw_only=True)
        class Wrong:
            power: int = column("powr", int)

        with pytest.raises(TableError, match=r"^eyeriss_alexnet.csv, line 2, powr: KeyError"):
            Table(file="eyeriss_alexnet.csv", row=Wrong, title="").rows()
