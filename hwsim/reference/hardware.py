"""The instruction set, the registers and the counters, as Markdown."""

from __future__ import annotations

import inspect

from hwsim.reference.markdown import field_notes, inline, note_after, page, paragraphs, table
from rtl import csr, isa
from rtl.counters import COUNTERS, Counter

__all__ = ["counters", "instruction_set", "registers"]

_GENERATED = "*Generated from `{source}`.*\n"


def instruction_set() -> str:
    """Every format, with the place, width and meaning of its fields."""
    parts = ["# Instruction set", _GENERATED.format(source="rtl.isa"), paragraphs(isa.__doc__)]
    parts += ["## Opcodes", table(("opcode", "value", "engine", "what it does"), _opcode_rows())]
    for opcode, kind in isa.FORMATS.items():
        notes = field_notes(kind)
        rows = [
            (f"`{f.name}`", _bits(f.offset, f.width), f.width, "yes" if f.signed else "", notes.get(f.name, ""))
            for f in isa.layout_of(kind)
        ]
        last = isa.layout_of(kind)[-1]
        used = last.offset + last.width
        parts += [f"## {opcode.name}", paragraphs(kind.__doc__)]
        parts += [table(("field", "bits", "width", "signed", "meaning"), rows)]
        parts += [f"{used} of {isa.INSTRUCTION_BITS} bits; the rest is ignored."]
    for enum in (isa.Engine, isa.Space, isa.AccumulateOp, isa.Fault):
        notes = field_notes(enum)
        parts += [f"## {enum.__name__}", paragraphs(enum.__doc__)]
        parts += [table(("name", "value", "meaning"), [(m.name, int(m), notes.get(m.name, "")) for m in enum])]
    return page(parts)


def registers() -> str:
    """The register map."""
    parts = ["# Registers", _GENERATED.format(source="rtl.csr"), paragraphs(csr.__doc__)]
    parts += ["## Access", paragraphs(note_after(csr, "Access"))]
    rows = [(f"`0x{r.address:03x}`", f"`{r.name}`", r.access, r.meaning) for r in csr.REGISTERS.values()]
    parts += ["## Map", table(("address", "name", "access", "meaning"), rows)]
    for register in csr.REGISTERS.values():
        if register.fields:
            fields = [(_bits(f.offset, f.width), f"`{f.name}`", f.meaning) for f in register.fields]
            parts += [f"## {register.name}", table(("bits", "field", "meaning"), fields)]
    return page(parts)


def counters() -> str:
    """The events that are counted."""
    rows = [(f"`{c.name}`", c.engine.name, c.meaning) for c in COUNTERS]
    return page(
        [
            "# Counters",
            _GENERATED.format(source="rtl.counters"),
            paragraphs((inspect.getmodule(Counter) or Counter).__doc__),
            table(("counter", "engine", "one count is"), rows),
        ]
    )


def _bits(offset: int, width: int) -> str:
    return f"{offset + width - 1}:{offset}"


def _opcode_rows() -> list[tuple[object, ...]]:
    rows = []
    for opcode, kind in isa.FORMATS.items():
        first = inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].replace("\n", " ")
        engine = "dispatch" if kind.ENGINE is None else kind.ENGINE.name
        rows.append((f"[{opcode.name}](#{opcode.name.lower()})", int(opcode), engine, inline(first)))
    return rows
