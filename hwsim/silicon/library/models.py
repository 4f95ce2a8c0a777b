"""Behaviour of library cells in Verilog, for gate-level simulation with the delays of an SDF file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hwsim.silicon.library.liberty import Cell, Pin

__all__ = ["cell_models"]


def cell_models(cells: Iterable[Cell]) -> str:
    """A Verilog module for each of ``cells``.

    Raises:
        InputError: a cell that is neither combinational, nor a rising-edge flip-flop, nor a clock gate.

    """
    unique = {cell.name: cell for cell in cells}
    return "`timescale 1ps/1fs\n" + "".join(_module(unique[name]) for name in sorted(unique))


def _module(cell: Cell) -> str:
    pins = cell.pins.values()
    outputs = [pin for pin in pins if pin.is_output]
    inputs = [pin.name for pin in pins if not pin.is_output]
    lines = [
        f"module {cell.name} ({', '.join(pin.name for pin in pins)});",
        *(f"  {'output' if pin.is_output else 'input'} {pin.name};" for pin in pins),
        *(_clock_gate(cell, outputs) if cell.gates_clock else _logic(cell, outputs)),
    ]
    # The SDF file writes each input's own delay over these.
    paths = [f"    ({a} => {y.name}) = 0;" for y in outputs for a in _causes(cell, y, inputs)]
    if paths:
        lines += ["  specify", *paths, "  endspecify"]
    return "\n".join([*lines, "endmodule", ""])


def _causes(cell: Cell, output: Pin, inputs: list[str]) -> list[str]:
    """Inputs that an output follows without waiting for another."""
    if cell.gates_clock or cell.state is not None:
        return [cell.clock_pin] if cell.clock_pin is not None else []
    return [name for name in inputs if re.search(rf"\b{name}\b", output.function or "")]


def _logic(cell: Cell, outputs: list[Pin]) -> list[str]:
    lines = []
    rename = {}
    if cell.state is not None:
        state, following, clock = cell.state
        if clock != cell.clock_pin:
            raise InputError(f"cell {cell.name}: clocked on {clock!r}, which is not a rising edge")
        lines += [f"  reg {state};", f"  always @(posedge {clock}) {state} <= {_expression(following)};"]
        # The state's complement, by Liberty's custom.
        rename = {f"{state}N": f"(~{state})", f"{state}_N": f"(~{state})"}
    for pin in outputs:
        if pin.function is None:
            raise InputError(f"cell {cell.name}: no function of pin {pin.name}")
        text = re.sub(r"\w+", lambda word: rename.get(word[0], word[0]), pin.function)
        lines.append(f"  assign {pin.name} = {_expression(text)};")
    return lines


def _clock_gate(cell: Cell, outputs: list[Pin]) -> list[str]:
    """Enabled by what the enables were while the clock was low."""
    enables = " | ".join(pin.name for pin in cell.pins.values() if pin.role in ("enable", "test"))
    clock = cell.clock_pin
    return [
        "  reg enabled;",
        f"  always @* if (!{clock}) enabled = {enables};",
        *(f"  assign {pin.name} = {clock} & enabled;" for pin in outputs),
    ]


def _expression(liberty: str) -> str:
    """Liberty writes or as ``+`` or ``|``, and as ``*``, ``&`` or a space, and not before or behind."""
    text = liberty.replace("+", "|").replace("*", "&")
    text = re.sub(r"(\w+|\))'", r"(~\1)", text) if "'" in text else text
    text = text.replace("!", "~")
    return re.sub(r"(?<=[\w)])\s+(?=[\w(~])", " & ", text)
