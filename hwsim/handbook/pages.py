"""The pages that are generated."""

from __future__ import annotations

import dataclasses
import inspect
import types
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from hwsim.reference.hardware import counters, instruction_set, registers
from hwsim.reference.markdown import field_notes, inline, page, paragraphs, table
from rtl.config import ArchConfig, load_arch, preset_names, settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from compiler.compress.registry import Registry

__all__ = ["PAGES", "commands", "compression", "configuration", "counters", "instruction_set", "registers"]

_GENERATED = "*Generated from `{source}` when the handbook is built.*\n"


_ARCHITECTURES = """
An architecture is a YAML file; every setting may be left out, and one that is unknown, mistyped or impossible is
refused with the reason. Numbers are checked strictly: `rows: "16"` is not a number. `hwsim archs` lists the presets.
"""
_RULES = """
- Scratchpad sizes, accumulators, bus and queue sizes are powers of two.
- `dense.depthwise_taps` is at most `dense.rows`, and 0 for `output_stationary`.
- `bus.data_bytes` is at most 32, an instruction's size; a burst is at most 4096 bytes.

`name`, `clock_mhz`, `dram` and `technology` do not change the hardware: configurations that differ in nothing else
share their Verilog and their compiled simulator.
"""
_BOUNDS = (("gt", "> {}"), ("ge", "≥ {}"), ("lt", "< {}"), ("le", "≤ {}"), ("pattern", "like `{}`"))


def configuration() -> str:
    """Every setting of an architecture file, its range and default, and the presets' values."""
    presets = {name: load_arch(name) for name in preset_names()}
    parts = ["# Architecture files", _GENERATED.format(source="rtl.config")]
    parts += [
        _ARCHITECTURES,
        "## Top level",
        _settings(ArchConfig, {}, skip_parts=True),
    ]
    for name, part in settings(ArchConfig).items():
        if part is not None:
            values = {preset: config.model_dump()[name] for preset, config in presets.items()}
            parts += [f"## {name}", paragraphs(part.__doc__), _settings(part, values)]
    parts += [
        "## Rules between settings",
        _RULES,
    ]
    return page(parts)


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
        parts += [table(("option", "value", "default", "meaning"), rows)]
    return page(parts)


def compression() -> str:
    """Every registered method of compression with its settings and paper, and the steps of a recipe."""
    from compiler.compress import recipe

    parts = ["# Compression methods", _GENERATED.format(source="compiler.compress"), _METHODS]
    for title, registry in _registries().items():
        rows = [(f"`{e.name}`", inline(e.summary), _method_settings(e.method), e.paper) for e in registry]
        parts += [f"## {title}", table(("name", "what it does", "settings", "paper"), rows)]
    parts += ["## Recipes", paragraphs(recipe.__doc__), _settings(recipe.Recipe, {})]
    for name, step in recipe.KINDS.items():
        parts += [f"### {name}", paragraphs(step.__doc__), _settings(step, {})]
    return page(parts)


_METHODS = """
A pruning is a score × a granularity × a schedule. A score that judges filters goes with `filter`, `channel` and `layer`
only. Each name below is what a recipe writes; a method with settings is written as a mapping,
`{name: gradual, steps: 4}`.
"""


def _registries() -> dict[str, Registry[Any]]:
    from compiler.compress.calibrations import CALIBRATIONS
    from compiler.compress.granularities import GRANULARITIES
    from compiler.compress.low_rank import FACTORISATIONS
    from compiler.compress.quantisers import QUANTISERS
    from compiler.compress.schedules import SCHEDULES
    from compiler.compress.scores import SCORES

    return {
        "Scores": SCORES,
        "Granularities": GRANULARITIES,
        "Schedules": SCHEDULES,
        "Quantisers": QUANTISERS,
        "Calibrations": CALIBRATIONS,
        "Factorisations": FACTORISATIONS,
    }


def _method_settings(method: Any) -> str:
    return ", ".join(f"`{field.name}: {field.default}`" for field in dataclasses.fields(method))


PAGES = {
    "reference/instructions.md": instruction_set,
    "reference/registers.md": registers,
    "reference/counters.md": counters,
    "reference/configuration.md": configuration,
    "reference/commands.md": commands,
    "reference/compression.md": compression,
}
"""Generated pages by their path in the handbook."""


def _settings(part: type[BaseModel], presets: dict[str, Any], *, skip_parts: bool = False) -> str:
    notes = field_notes(part)
    parts = settings(part)
    rows = []
    for name, info in part.model_fields.items():
        kind = info.annotation
        if skip_parts and parts[info.alias or name] is not None:
            continue
        values = tuple(f"`{value[name]}`" if value else "" for value in presets.values())
        rows.append((f"`{name}`", _range(kind, info.metadata), f"`{info.default}`", *values, notes.get(name, "")))
    return table(("setting", "takes", "default", *presets, "meaning"), rows)


def _range(kind: Any, metadata: Iterable[Any]) -> str:
    choices = [arg for arg in get_args(kind) if arg is not types.NoneType]
    if choices:
        flat = [value for arg in choices for value in (get_args(arg) or (arg,))]
        names = [getattr(value, "__name__", f"`{value}`") for value in flat]
    else:
        names = [getattr(kind, "__name__", str(kind))]
    bounds = []
    for rule in metadata:
        for attribute, text in _BOUNDS:
            value = getattr(rule, attribute, None)
            if value is not None:
                bounds.append(text.format(value))
    return " or ".join(names) + (" " + ", ".join(bounds) if bounds else "")
