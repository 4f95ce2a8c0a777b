"""The generated pages of the handbook say what the sources say, and the worked example is what the model computes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hwsim.handbook.example import EXAMPLE, example, example_schedule
from hwsim.handbook.pages import PAGES, configuration, counters, instruction_set, registers
from rtl import csr, isa
from rtl.config import ArchConfig, settings
from rtl.counters import COUNTERS

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.mark.parametrize("path", PAGES)
def test_a_generated_page_is_not_committed_too(path):
    assert not (DOCS / path).exists()


@pytest.mark.parametrize("path", PAGES)
def test_every_row_of_a_table_has_the_cells_of_its_header(path):
    for table in re.findall(r"(?:^\|.*\n)+", PAGES[path](), re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table


def test_every_field_of_every_instruction_is_listed_with_its_bits():
    page = instruction_set()
    for opcode, kind in isa.FORMATS.items():
        section = page.split(f"## {opcode.name}\n")[1].split("\n## ")[0]
        for field in isa.layout_of(kind):
            assert f"| `{field.name}` | {field.offset + field.width - 1}:{field.offset} | {field.width} |" in section


def test_every_fault_has_a_meaning():
    section = instruction_set().split("## Fault\n")[1]
    for fault in isa.Fault:
        meaning = section.split(f"| {fault.name} | {int(fault)} | ")[1].split(" |")[0]
        assert meaning or fault is isa.Fault.NONE


def test_every_register_and_counter_is_listed():
    page = registers()
    for register in csr.REGISTERS.values():
        assert f"| `0x{register.address:03x}` | `{register.name}` |" in page
    for counter in COUNTERS:
        assert f"| `{counter.name}` | {counter.engine.name} |" in counters()


def test_every_setting_is_listed_with_its_default():
    page = configuration()
    for (name, part), info in zip(settings(ArchConfig).items(), ArchConfig.model_fields.values(), strict=True):
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0] if part else page
        for setting, field in (part.model_fields if part else {name: info}).items():
            row = rf"^\| `{setting}` \| [^\n]* \| `{re.escape(str(field.default))}` \|"
            assert re.search(row, section, re.MULTILINE)


def test_reading_the_sources_leaves_no_markup_behind():
    for page in PAGES.values():
        assert not re.search(r"``|:(?:class|func|data|mod|attr|meth):", page())


def test_the_worked_example_is_done_by_hand_in_the_text_as_the_model_does_it():
    text = (DOCS / "timing.md").read_text().split("## Worked example")[1]
    out = example_schedule()
    by_kind = dict(zip([type(i).__name__ for i in EXAMPLE[:-1]], range(len(EXAMPLE)), strict=False))
    for kind in ("Compute", "Post", "Store"):
        k = by_kind[kind]
        line = " ".join(text.split(f"**{kind}**")[1].split("- **")[0].split())
        assert f"ssued in {out.issue[k]}" in line
        assert str(out.retire[k]) in line
    assert f"CYCLES reads {out.cycles}" in text
    assert out.stalls[0, isa.Engine.COMPUTE, isa.Engine.LOAD] == 59
    assert "59 stall cycles" in text
    assert f"**{out.cycles}** cycles" in example()
