"""The pages of the handbook that the sources determine: instruction set, registers, counters, configuration, commands.

Each function returns one page of Markdown. ``make docs`` calls them while it builds; nothing of them is committed, so
that a page cannot say other than the hardware.
"""

from __future__ import annotations

import ast
import inspect
import re
import types
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from rtl import csr, isa
from rtl.config import ArchConfig, load_arch, preset_names
from rtl.control.timing import schedule
from rtl.counters import COUNTERS, Counter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from enum import IntEnum

    from rtl.control.timing import Schedule

__all__ = ["EXAMPLE", "PAGES", "commands", "configuration", "counters", "example", "instruction_set", "registers"]

_GENERATED = "*Generated from `{source}` when the handbook is built.*\n"


def instruction_set() -> str:
    """Every format, with the place, width and meaning of its fields."""
    parts = ["# Instruction set", _GENERATED.format(source="rtl.isa"), _paragraphs(isa.__doc__)]
    parts += ["## Opcodes", _table(("opcode", "value", "engine", "what it does"), _opcode_rows())]
    for opcode, kind in isa.FORMATS.items():
        notes = _field_notes(kind)
        rows = [
            (f"`{f.name}`", f"{f.offset + f.width - 1}:{f.offset}", f.width, "yes" if f.signed else "", notes.get(f.name, ""))
            for f in isa.layout_of(kind)
        ]
        last = isa.layout_of(kind)[-1]
        used = last.offset + last.width
        parts += [f"## {opcode.name}", _paragraphs(kind.__doc__)]
        parts += [_table(("field", "bits", "width", "signed", "meaning"), rows)]
        parts += [f"{used} of {isa.INSTRUCTION_BITS} bits; the rest is ignored."]
    for enum in (isa.Engine, isa.Space, isa.AccumulateOp, isa.Fault):
        notes = _field_notes(enum)
        parts += [f"## {enum.__name__}", _paragraphs(enum.__doc__)]
        parts += [_table(("name", "value", "meaning"), [(m.name, int(m), notes.get(m.name, "")) for m in enum])]
    return _page(parts)


def registers() -> str:
    """The register map."""
    parts = ["# Registers", _GENERATED.format(source="rtl.csr"), _paragraphs(csr.__doc__)]
    parts += ["## Access", _paragraphs(_note_after(csr, "Access"))]
    rows = [(f"`0x{r.address:03x}`", f"`{r.name}`", r.access, r.meaning) for r in csr.REGISTERS.values()]
    parts += ["## Map", _table(("address", "name", "access", "meaning"), rows)]
    for register in csr.REGISTERS.values():
        if register.fields:
            fields = [(f"{f.offset + f.width - 1}:{f.offset}", f"`{f.name}`", f.meaning) for f in register.fields]
            parts += [f"## {register.name}", _table(("bits", "field", "meaning"), fields)]
    return _page(parts)


def counters() -> str:
    """The events that are counted."""
    rows = [(f"`{c.name}`", c.engine.name, c.meaning) for c in COUNTERS]
    return _page(
        [
            "# Counters",
            _GENERATED.format(source="rtl.counters"),
            _paragraphs(inspect.getdoc(inspect.getmodule(Counter))),
            _table(("counter", "engine", "one count is"), rows),
        ]
    )


def configuration() -> str:
    """Every setting of an architecture file, its range and default, and the presets' values."""
    presets = {name: load_arch(name) for name in preset_names()}
    parts = ["# Architecture files", _GENERATED.format(source="rtl.config")]
    parts += [
        "An architecture is a YAML file; every setting may be left out, and one that is unknown, mistyped or impossible "
        "is refused with the reason. Numbers are checked strictly: `rows: \"16\"` is not a number. "
        "`hwsim archs` lists the presets.",
        "## Top level",
        _settings(ArchConfig, {}, skip_parts=True),
    ]
    for name, info in ArchConfig.model_fields.items():
        part = info.annotation
        if isinstance(part, type) and issubclass(part, BaseModel):
            values = {preset: getattr(config, name) for preset, config in presets.items()}
            parts += [f"## {name}", _paragraphs(part.__doc__), _settings(part, values)]
    parts += [
        "## Rules between settings",
        "- Scratchpad sizes, accumulators, bus and queue sizes are powers of two.\n"
        "- `dense.depthwise_taps` is at most `dense.rows`, and 0 for `output_stationary`.\n"
        "- `bus.data_bytes` is at most 32, an instruction's size; a burst is at most 4096 bytes.\n\n"
        "`name`, `clock_mhz`, `dram` and `technology` do not change the hardware: configurations that differ in nothing "
        "else share their Verilog and their compiled simulator.",
    ]
    return _page(parts)


def commands() -> str:
    """What ``--help`` says of every command."""
    import typer.main

    from hwsim.cli.main import app

    group: Any = typer.main.get_command(app)
    parts = ["# Commands", _GENERATED.format(source="hwsim.cli")]
    for name, command in group.commands.items():
        rows = []
        for parameter in command.params:
            names = ", ".join(f"`{opt}`" for opt in parameter.opts)
            names = names if parameter.param_type_name == "option" else f"`{parameter.metavar or parameter.name}`"
            default = "" if parameter.default in (None, False, ...) or parameter.required else f"`{parameter.default}`"
            help_text = (getattr(parameter, "help", None) or "").replace("\\[", "[")
            rows.append((names, f"`{parameter.metavar}`" if parameter.metavar else "", default, help_text))
        parts += [f"## hwsim {name}", inspect.cleandoc(command.help or "")]
        parts += [_table(("option", "value", "default", "meaning"), rows)]
    return _page(parts)


_ARCH = "dense-8x8"
EXAMPLE: tuple[isa.Instruction, ...] = (
    isa.PostConfig(zero_point=0, low=-128, high=127),
    isa.Load(space=isa.Space.IFM, dram=0, spad=0, rows=1, row_bytes=128, dram_stride=0, spad_stride=0),
    isa.Load(
        space=isa.Space.WEIGHT, dram=256, spad=0, rows=1, row_bytes=64, dram_stride=0, spad_stride=0,
        signal=1 << isa.Engine.COMPUTE,
    ),
    isa.Compute(
        source=isa.Space.IFM, act=0, out_w=4, out_h=4, x_stride=8, y_stride=32, run=8, kx=1, kx_stride=0, ky=1,
        ky_stride=0, weight=0, filters=8, acc=0, op=isa.AccumulateOp.SET, flatten=0, depthwise=0, reuse_weights=0, hold=0,
        wait=1 << isa.Engine.LOAD, signal=1 << isa.Engine.POST,
    ),
    isa.Load(
        space=isa.Space.PARAM, dram=512, spad=0, rows=1, row_bytes=64, dram_stride=0, spad_stride=0,
        signal=1 << isa.Engine.POST,
    ),
    isa.Post(
        acc=0, out_w=4, out_h=4, ofm=0, x_stride=8, y_stride=32, filters=8, load_params=1, params=0, residual=0,
        skip_source=isa.Space.IFM, skip=0, skip_x_stride=0, skip_y_stride=0,
        wait=1 << isa.Engine.LOAD | 1 << isa.Engine.COMPUTE, signal=1 << isa.Engine.STORE,
    ),
    isa.Store(spad=0, rows=1, row_bytes=128, spad_stride=0, dram=1024, dram_stride=0, wait=1 << isa.Engine.POST),
    isa.End(),
)  # fmt: skip
"""A 1x1 convolution of 4x4 pixels from 8 channels to 8: the example of the page on timing."""


def example_schedule() -> Schedule:
    """The cycles of :data:`EXAMPLE` on ``dense-8x8``."""
    from rtl.dense.timing import PostTiming, compute_timing
    from rtl.dma.timing import LoadTiming, StoreTiming
    from rtl.dma.timing_fetch import FetchTiming

    config = load_arch(_ARCH)
    return schedule(
        EXAMPLE,
        fetch=FetchTiming(config, len(EXAMPLE)),
        engines={
            isa.Engine.LOAD: LoadTiming(config),
            isa.Engine.COMPUTE: compute_timing(config),
            isa.Engine.POST: PostTiming(config),
            isa.Engine.STORE: StoreTiming(config),
        },
        queue_depth=config.control.queue_depth,
    )


def example() -> str:
    """The worked example as a table: a part of a page, not one."""
    out = example_schedule()
    rows = []
    for k, instruction in enumerate(EXAMPLE[:-1]):
        tokens = [f"waits for {e.name}" for e in isa.Engine if instruction.wait >> e & 1]
        tokens += [f"signals {e.name}" for e in isa.Engine if instruction.signal >> e & 1]
        kind = type(instruction).__name__
        rows.append((k, f"{kind} {_space(instruction)}".strip(), "; ".join(tokens), out.dispatch[k], out.issue[k], out.retire[k]))
    table = _table(("k", "instruction", "tokens", "dispatch", "issue", "retire"), rows)
    return f"{table}\nThe program takes **{out.cycles}** cycles.\n"


PAGES = {
    "reference/instructions.md": instruction_set,
    "reference/registers.md": registers,
    "reference/counters.md": counters,
    "reference/configuration.md": configuration,
    "reference/commands.md": commands,
}
"""Generated pages by their path in the handbook."""


def _space(instruction: isa.Instruction) -> str:
    return isa.Space(instruction.space).name if isinstance(instruction, isa.Load) else ""


def _opcode_rows() -> list[tuple[object, ...]]:
    rows = []
    for opcode, kind in isa.FORMATS.items():
        first = inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].replace("\n", " ")
        engine = "dispatch" if kind.ENGINE is None else kind.ENGINE.name
        rows.append((f"[{opcode.name}](#{opcode.name.lower()})", int(opcode), engine, _inline(first)))
    return rows


def _settings(part: type[BaseModel], presets: dict[str, Any], *, skip_parts: bool = False) -> str:
    notes = _field_notes(part)
    rows = []
    for name, info in part.model_fields.items():
        kind = info.annotation
        if skip_parts and isinstance(kind, type) and issubclass(kind, BaseModel):
            continue
        values = tuple(f"`{getattr(value, name)}`" for value in presets.values())
        rows.append((f"`{name}`", _range(kind, info.metadata), f"`{info.default}`", *values, notes.get(name, "")))
    return _table(("setting", "takes", "default", *presets, "meaning"), rows)


def _range(kind: Any, metadata: Iterable[Any]) -> str:
    choices = [arg for arg in get_args(kind) if arg is not types.NoneType]
    if choices:
        flat = [value for arg in choices for value in (get_args(arg) or (arg,))]
        names = [getattr(value, "__name__", f"`{value}`") for value in flat]
    else:
        names = [getattr(kind, "__name__", str(kind))]
    bounds = []
    for rule in metadata:
        for attribute, text in (("gt", "> {}"), ("ge", "≥ {}"), ("lt", "< {}"), ("le", "≤ {}"), ("pattern", "like `{}`")):
            value = getattr(rule, attribute, None)
            if value is not None:
                bounds.append(text.format(value))
    return " or ".join(names) + (" " + ", ".join(bounds) if bounds else "")


def _field_notes(kind: type[IntEnum] | type[BaseModel] | type[isa.Instruction]) -> dict[str, str]:
    """The docstrings behind the fields of a class and of its bases, by field."""
    notes: dict[str, str] = {}
    for owner in reversed(kind.__mro__):
        if owner.__module__.startswith("rtl."):
            (definition,) = ast.parse(inspect.getsource(owner)).body
            assert isinstance(definition, ast.ClassDef)
            notes |= _notes(definition.body)
    return notes


def _note_after(module: types.ModuleType, name: str) -> str:
    return _notes(ast.parse(inspect.getsource(module)).body, keep_paragraphs=True)[name]


def _notes(body: Sequence[ast.stmt], *, keep_paragraphs: bool = False) -> dict[str, str]:
    notes = {}
    for declared, behind in zip(body, body[1:], strict=False):
        target = declared.target if isinstance(declared, ast.AnnAssign) else None
        if isinstance(declared, ast.Assign):
            target = declared.targets[0]
        if not isinstance(target, ast.Name) or not isinstance(behind, ast.Expr):
            continue
        if isinstance(behind.value, ast.Constant) and isinstance(behind.value.value, str):
            text = inspect.cleandoc(behind.value.value)
            notes[target.id] = text if keep_paragraphs else _inline(text)
    return notes


def _paragraphs(text: str | None) -> str:
    """A docstring as Markdown."""
    return _code(inspect.cleandoc(text or ""))


def _inline(text: str) -> str:
    return _code(" ".join(text.split()))


def _code(text: str) -> str:
    """reStructuredText's ``code`` and roles as Markdown's."""
    text = re.sub(r":\w+:`~?([^`]*)`", r"`\1`", text)
    return re.sub(r"``([^`]*)``", r"`\1`", text)


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    def line(cells: Iterable[object]) -> str:
        return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"

    return "\n".join([line(header), line("---" for _ in header), *(line(row) for row in rows)]) + "\n"


def _page(parts: Iterable[str]) -> str:
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"
