"""Drivers are told what the hardware does: header, SVD and JSON say what `rtl.csr` and `rtl.isa` say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from xml.etree import ElementTree as ET

import pytest

from hwsim.handover.folder import contents
from hwsim.handover.software import c_header, registers_json, svd
from rtl import csr, isa
from tests.hwsim.handover.hardware import small

LOAD = isa.Load(
    layer=2, wait=5, signal=10, space=isa.Space.WEIGHT, dram=0xDEADBEEF, spad=0x123456, rows=0xFFFF, row_bytes=0x8001,
    dram_stride=0xABCDEF0, spad_stride=1,
)  # fmt: skip
FILL = isa.Fill(layer=1, value=-3, spad=17, rows=4, row_bytes=9, spad_stride=32)


def c_program(*instructions: isa.Instruction) -> str:
    """Prints the bytes of instructions that it encodes with the header."""
    lines = ['#include "accelerator.h"', "#include <stdio.h>", "int main(void) {"]
    for instruction in instructions:
        name = instruction.OPCODE.name
        lines.append("{ hwsim_instruction i = {{0}};")
        lines.append(f"HWSIM_SET(&i, {name}, OPCODE, HWSIM_OPCODE_{name});")
        for field in isa.layout_of(type(instruction))[1:]:
            value = int(getattr(instruction, field.name))
            lines.append(f"HWSIM_SET(&i, {name}, {field.name.upper()}, {value}LL);")
        lines.append('for (int k = 7; k >= 0; k--) printf("%08x", i.word[k]);')
        lines.append('printf("\\n"); }')
    return "\n".join([*lines, "return 0; }"])


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_the_c_header_encodes_as_the_assembler_does(tmp_path):
    (tmp_path / "accelerator.h").write_text(c_header(small()))
    (tmp_path / "main.c").write_text(c_program(LOAD, FILL))
    strict = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    subprocess.run(["cc", *strict, "-o", "main", "main.c"], cwd=tmp_path, check=True)
    words = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True).stdout.split()
    assert words == [f"{isa.encode(i):064x}" for i in (LOAD, FILL)]


def test_the_c_header_has_every_register_field_opcode_and_fault():
    defined = dict(re.findall(r"^#define HWSIM_(\w+) (\w+)", c_header(small()), re.MULTILINE))
    for register in csr.REGISTERS.values():
        assert int(defined[f"REG_{register.name.upper()}"][:-1], 0) == register.address
        for field in register.fields:
            assert int(defined[f"{register.name}_{field.name}_MASK".upper()][:-1], 0) == field.mask
    assert {f.name: int(defined[f"FAULT_{f.name}"][:-1]) for f in isa.Fault} == {f.name: int(f) for f in isa.Fault}
    assert int(defined["VALUE_CONFIG_HASH_LO"][:-1], 0) == int(small().rtl_hash, 16) & 0xFFFF_FFFF


ORDER = {
    "device": "vendor vendorID name series version description licenseText cpu headerSystemFilename "
    "headerDefinitionsPrefix addressUnitBits width size access protection resetValue resetMask peripherals",
    "peripheral": "name version description alternatePeripheral groupName prependToName appendToName "
    "headerStructName disableCondition baseAddress size access protection resetValue resetMask addressBlock "
    "interrupt registers",
    "register": "name displayName description alternateGroup alternateRegister addressOffset size dataType access "
    "protection resetValue resetMask modifiedWriteValues writeConstraint readAction fields",
    "field": "name description bitOffset bitWidth lsb msb bitRange access",
    "addressBlock": "offset size usage protection",
    "interrupt": "name description value",
}
"""Children of an element in the order that CMSIS-SVD.xsd 1.3 demands."""
REQUIRED = {
    "device": "name version description addressUnitBits width peripherals",
    "peripheral": "name baseAddress",
    "register": "name addressOffset",
    "field": "name bitRange",
    "addressBlock": "offset size usage",
    "interrupt": "name value",
}


def svd_registers() -> dict[str, ET.Element]:
    found = ET.fromstring(svd(small())).iter("register")
    return {element.findtext("name", ""): element for element in found}


@pytest.mark.parametrize("tag", ORDER)
def test_the_svd_keeps_the_schema_s_order(tag):
    elements = list(ET.fromstring(svd(small())).iter(tag))
    assert elements
    for element in elements:
        children = [child.tag for child in element]
        assert children == sorted(children, key=ORDER[tag].split().index)
        assert len(set(children)) == len(children)
        assert set(REQUIRED[tag].split()) <= set(children)


def test_names_in_the_svd_are_identifiers_and_unique():
    names = [element.findtext("name", "") for element in ET.fromstring(svd(small())).iter("register")]
    assert len(set(names)) == len(names) == len(csr.REGISTERS)
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) for name in names)


def test_the_svd_says_of_every_register_what_the_map_says():
    for register in csr.REGISTERS.values():
        element = svd_registers()[register.name.upper()]
        assert int(element.findtext("addressOffset", ""), 0) == register.address
        assert element.findtext("description") == register.meaning
        fields = {f.findtext("name"): f.findtext("bitRange") for f in element.iter("field")}
        assert fields == {f.name.upper(): f"[{f.offset + f.width - 1}:{f.offset}]" for f in register.fields}


def test_the_svd_knows_what_constants_read_as():
    for name, word in csr.constants(small()).items():
        assert int(svd_registers()[name.upper()].findtext("resetValue", ""), 0) == word


def test_the_json_has_every_register_by_name():
    tree = json.loads(registers_json(small()))
    assert {name: entry["address"] for name, entry in tree.items()} == {
        register.name: register.address for register in csr.REGISTERS.values()
    }
    assert [field["name"] for field in tree["control"]["fields"]] == ["start", "clear"]


def test_all_forms_of_the_register_map_agree_on_what_is_read_after_reset():
    config = small()
    from_svd = {name.lower(): int(e.findtext("resetValue", ""), 0) for name, e in svd_registers().items()}
    from_json = {name: entry["reset"] for name, entry in json.loads(registers_json(config)).items()}
    assert from_json == from_svd
    page = contents(config)["doc/registers.md"].partition("## After reset")[2]
    from_page = {name: int(value, 0) for name, value in re.findall(r"^\| `(\w+)` \| `(0x\w+)` \|$", page, re.MULTILINE)}
    assert from_page == {name: value for name, value in from_json.items() if value}
    header = dict(re.findall(r"^#define HWSIM_VALUE_(\w+) +(0x\w+)u", c_header(config), re.MULTILINE))
    assert {name.lower(): int(value, 0) for name, value in header.items()} == csr.constants(config)
    assert from_json["config_hash_lo"] == int(config.rtl_hash, 16) & 0xFFFF_FFFF
