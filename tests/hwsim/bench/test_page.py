"""The page of measurements: sections are replaced one by one, and the others stay as they were."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hwsim.bench.page import Section, assemble, parse, table
from hwsim.bench.sections import SECTIONS

ROOT = Path(__file__).resolve().parents[3]


def none() -> Iterator[str]:
    yield from ()


A, B, C = (Section(key=key, title=title, measure=none) for key, title in (("a", "An A"), ("b", "B"), ("c", "C")))


def test_a_page_is_its_sections_in_order_and_reads_back():
    texts = {"C": "| x |\n|---|\n| 1 |", "An A": "words\n\nmore"}
    page = assemble((A, B, C), texts, "preface")
    assert page == "# Validation\n\npreface\n\n## An A\n\nwords\n\nmore\n\n## C\n\n| x |\n|---|\n| 1 |\n"
    assert parse(page) == texts


def test_a_section_that_is_gone_leaves_the_page():
    assert "## B" not in assemble((A, C), {"An A": "1", "B": "2", "C": "3"}, "")


def test_a_bar_in_a_cell_does_not_end_it():
    assert list(table(("a", "b"), [("1|2", "3")])) == ["| a | b |", "|---|---|", "| 1\\|2 | 3 |"]


def test_sections_have_names_of_their_own():
    assert len({section.key for section in SECTIONS}) == len({section.title for section in SECTIONS}) == len(SECTIONS)


def test_the_handbook_s_page_is_of_these_sections():
    page = parse((ROOT / "docs" / "validation.md").read_text(encoding="utf-8"))
    titles = [section.title for section in SECTIONS]
    assert [title for title in titles if title in page] == list(page), "run `make bench`"
    assert all(page.values())
