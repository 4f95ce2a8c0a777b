"""The hardware/software interface for drivers: a C header, a CMSIS-SVD description, and the registers as JSON.

All from :mod:`rtl.csr`, :mod:`rtl.isa` and :mod:`rtl.counters`: no number is written here.
"""

from __future__ import annotations

import inspect
import json
from dataclasses import asdict
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from rtl import csr, isa
from rtl.config import PARAM_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from enum import IntEnum

    from rtl.config import ArchConfig

__all__ = ["c_header", "registers_json", "svd"]

_GUARD = "HWSIM_ACCELERATOR_H"
_HELPERS = """
/* An instruction: bit 0 is the lowest bit of word[0]. In memory each word is little-endian, word[0] first. */
typedef struct {
    uint32_t word[HWSIM_INSTRUCTION_BYTES / 4];
} hwsim_instruction;

/* Set `width` bits from bit `lsb` on to `value` (two's complement if it is negative). */
static inline void hwsim_set(hwsim_instruction *instruction, unsigned lsb, unsigned width, int64_t value)
{
    for (unsigned i = 0; i < width; i++) {
        unsigned bit = lsb + i;
        uint32_t mask = (uint32_t)1 << (bit % 32);
        if ((uint64_t)value >> i & 1)
            instruction->word[bit / 32] |= mask;
        else
            instruction->word[bit / 32] &= ~mask;
    }
}

/* HWSIM_SET(&i, LOAD, ROWS, 7) sets the field `rows` of a LOAD. */
#define HWSIM_SET(instruction, opcode, field, value) \\
    hwsim_set((instruction), HWSIM_##opcode##_##field##_LSB, HWSIM_##opcode##_##field##_WIDTH, (value))
"""


def c_header(config: ArchConfig) -> str:
    """Addresses and fields of registers, opcodes and fields of instructions, faults: C99."""
    lines = [f"/* hwsim accelerator {config.name}, hardware {config.rtl_hash}. Generated. */"]
    lines += [f"#ifndef {_GUARD}", f"#define {_GUARD}", "", "#include <stdint.h>"]
    lines += ["", "/* Constant registers */", *_constants(config)]
    lines += ["", "/* Registers: byte addresses, and fields in them */", *_registers()]
    lines += ["", "/* Instructions: opcodes, and fields in them */", *_instructions()]
    for enum in (isa.Engine, isa.Space, isa.AccumulateOp, isa.Fault):
        lines += ["", f"/* {_first_line(enum)} */", *_enum(enum)]
    return "\n".join(lines) + "\n" + _HELPERS + f"\n#endif /* {_GUARD} */\n"


def _constants(config: ArchConfig) -> Iterator[str]:
    for name, word in csr.constants(config).items():
        yield _define(f"VALUE_{name}", f"0x{word:08x}u")
    yield _define("PARAM_BYTES", f"{PARAM_BYTES}u")
    yield _define("DATA_BYTES", f"{config.bus.data_bytes}u")
    yield _define("REGISTER_SPACE_BYTES", f"0x{1 << csr.ADDRESS_BITS:x}u")


def _registers() -> Iterator[str]:
    for register in csr.REGISTERS.values():
        yield _define(f"REG_{register.name}", f"0x{register.address:03x}u", f"{register.access}: {register.meaning}")
        for field in register.fields:
            yield _define(f"{register.name}_{field.name}_LSB", f"{field.offset}u", field.meaning)
            yield _define(f"{register.name}_{field.name}_MASK", f"0x{field.mask:08x}u")


def _instructions() -> Iterator[str]:
    yield _define("INSTRUCTION_BYTES", f"{isa.INSTRUCTION_BYTES}u")
    for opcode, kind in isa.FORMATS.items():
        yield ""
        yield _define(f"OPCODE_{opcode.name}", f"{int(opcode)}u", _first_line(kind))
        for field in isa.layout_of(kind):
            yield _define(f"{opcode.name}_{field.name}_LSB", f"{field.offset}u")
            yield _define(f"{opcode.name}_{field.name}_WIDTH", f"{field.width}u", "signed" if field.signed else "")


def _enum(enum: type[IntEnum]) -> Iterator[str]:
    for member in enum:
        yield _define(f"{enum.__name__}_{member.name}", f"{int(member)}u")


def _define(name: str, value: str, comment: str = "") -> str:
    line = f"#define HWSIM_{name.upper()} {value}"
    return f"{line:<48} /* {comment} */" if comment else line


def _first_line(documented: type) -> str:
    return inspect.cleandoc(documented.__doc__ or "").splitlines()[0].replace("`", "")


def registers_json(config: ArchConfig) -> str:
    """Every register by name: address, access, what it reads as after reset, fields."""
    constants = csr.constants(config)
    tree = {register.name: asdict(register) for register in csr.REGISTERS.values()}
    for name, register in tree.items():
        del register["name"]
        register["reset"] = constants.get(name, register["reset"])
    return json.dumps(tree, indent=1) + "\n"


_SVD_ACCESS = {
    "constant": "read-only",
    "status": "read-only",
    "config": "read-write",
    "command": "write-only",
    "layer": "read-only",
}


def svd(config: ArchConfig) -> str:
    """The register map in CMSIS-SVD 1.3, as debuggers and generators of drivers read it. Its base address is 0."""
    device = ET.Element("device", schemaVersion="1.3")
    _texts(
        device,
        name="HWSIM_ACCELERATOR",
        version=str(csr.VERSION),
        description=f"hwsim accelerator {config.name}, hardware {config.rtl_hash}",
        addressUnitBits="8",
        width="32",
        size="32",
        resetValue="0x00000000",
        resetMask="0xFFFFFFFF",
    )
    peripheral = ET.SubElement(ET.SubElement(device, "peripherals"), "peripheral")
    _texts(peripheral, name="ACCELERATOR", description="AXI4-Lite registers", baseAddress="0x00000000")
    block = ET.SubElement(peripheral, "addressBlock")
    _texts(block, offset="0x0", size=f"0x{1 << csr.ADDRESS_BITS:x}", usage="registers")
    interrupt = ET.SubElement(peripheral, "interrupt")
    _texts(interrupt, name="IRQ", description="the run is done, or a fault has stopped it", value="0")
    constants = csr.constants(config)
    parent = ET.SubElement(peripheral, "registers")
    for register in csr.REGISTERS.values():
        _register(parent, register, constants.get(register.name, register.reset))
    ET.indent(device)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(device, encoding="unicode") + "\n"


def _register(parent: ET.Element, register: csr.Register, reset: int) -> None:
    element = ET.SubElement(parent, "register")
    _texts(
        element,
        name=register.name.upper(),
        description=register.meaning,
        addressOffset=f"0x{register.address:03x}",
        access=_SVD_ACCESS[register.access],
        resetValue=f"0x{reset:08x}",
    )
    if not register.fields:
        return
    fields = ET.SubElement(element, "fields")
    for field in register.fields:
        part = ET.SubElement(fields, "field")
        bits = f"[{field.offset + field.width - 1}:{field.offset}]"
        _texts(part, name=field.name.upper(), description=field.meaning, bitRange=bits)


def _texts(parent: ET.Element, **texts: str) -> None:
    for name, text in texts.items():
        ET.SubElement(parent, name).text = text
