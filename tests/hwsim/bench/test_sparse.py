"""What the page says of the sparse engine: charts that show their figures, tables that have every layer."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from hwsim.bench.lines import Series, line_chart
from hwsim.bench.sparse import area
from hwsim.bench.sparse.layers import configuration, on_engine, pruned
from workloads import eie

PAGE = Path(__file__).parents[3] / "docs" / "validation.md"
SVG = "{http://www.w3.org/2000/svg}"


def test_a_chart_has_a_point_for_every_value_and_no_label_over_another() -> None:
    series = [Series("a", (10, 20, 50)), Series("b", (0, 30, 50)), Series("c", (0, 0, 49))]
    root = ET.fromstring(line_chart("title", "across", (1, 2, 4), series, range(0, 51, 10), " %"))
    lines = [line.attrib["points"].split() for line in root.iter(f"{SVG}polyline")]
    assert [len(points) for points in lines] == [3, 3, 3]
    ends = [float(points[-1].split(",")[1]) for points in lines]
    assert ends[0] == ends[1] < ends[2]
    labels = sorted(float(t.attrib["y"]) for t in root.iter(f"{SVG}text") if t.text in ("a", "b", "c"))
    assert labels[1] - labels[0] >= 13
    assert labels[2] - labels[1] >= 13


def test_a_value_beyond_the_axis_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^title: 51 is outside of the axis from 0 to 50$"):
        line_chart("title", "across", (1, 2), [Series("a", (10, 51))], range(0, 51, 10), "")


def test_area_is_within_a_fifth_of_eie() -> None:
    (row,) = [line for line in area.lines() if line.startswith("| PE |")]
    assert abs(float(row.split("|")[-2].strip().removesuffix("%"))) < 20


@pytest.mark.skipif(not PAGE.exists(), reason="the page is not written yet: make bench")
def test_the_page_has_the_cycles_that_are_measured() -> None:
    name = "eie/nt-lstm"
    cycles = on_engine(pruned(name), configuration()).cycles
    (row,) = re.findall(r"^\| NT-LSTM \| 86.7% .*$", PAGE.read_text(), re.MULTILINE)
    assert f"| {cycles:,} |" in row


def test_every_layer_is_in_table_iv() -> None:
    text = PAGE.read_text()
    section = text[text.index("## EIE Table IV") :]
    for row in eie.layers().values():
        assert f"\n| {row.layer} |" in section
