"""A flat netlist of library cells: instances, nets, what loads them, and Verilog that any program reads."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hwsim.silicon.netlist.macros import MACRO_CELL, Macro

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hwsim.silicon.library.liberty import Cell, Library

__all__ = ["Instance", "Netlist", "Port"]

_CONSTANTS = {"0": "1'b0", "1": "1'b1", "x": "1'b0", "z": "1'b0"}


@dataclass(frozen=True, slots=True)
class Port:
    """A port of the module."""

    name: str
    is_input: bool
    nets: tuple[str, ...]
    """Lowest bit first."""

    @classmethod
    def of_macro(cls, macro: Macro) -> list[Port]:
        """What the module gives the memory, and what it gets."""
        given = [cls(f"{macro.name}_{port}", is_input=False, nets=nets) for port, nets in macro.outputs.items()]
        return [*given, cls(f"{macro.name}_rd_data", is_input=True, nets=macro.read)]

    @property
    def escaped(self) -> str:
        """The name in Verilog, which has words of its own: ``table`` is one."""
        return f"\\{self.name} "


@dataclass(frozen=True, slots=True)
class Instance:
    """One cell: the net or constant on each pin."""

    name: str
    cell: Cell
    nets: dict[str, str]

    def outputs(self) -> Iterator[tuple[str, str]]:
        """Pins that drive, with their nets."""
        return ((pin, net) for pin, net in self.nets.items() if self.cell.pins[pin].is_output)

    def inputs(self) -> Iterator[tuple[str, str]]:
        """Pins that are driven, with their nets."""
        return ((pin, net) for pin, net in self.nets.items() if not self.cell.pins[pin].is_output)


class Netlist:
    """A module as Yosys' JSON has it, with nets called ``n…`` and instances ``u…``.

    Raises:
        InputError: a cell that the library does not have.

    """

    def __init__(self, name: str, module: dict[str, Any], library: Library) -> None:
        self.name = name
        self.library = library
        self.ports = [
            Port(port, entry["direction"] == "input", tuple(_net(bit) for bit in entry["bits"]))
            for port, entry in module["ports"].items()
        ]
        cells = list(module["cells"].values())
        self.instances = [
            Instance(f"u{k}", library.cell(entry["type"]), {p: _net(b[0]) for p, b in entry["connections"].items()})
            for k, entry in enumerate(cells)
            if entry["type"] != MACRO_CELL
        ]
        self.macros = [
            Macro.of_cell(entry, {pin: tuple(map(_net, bits)) for pin, bits in entry["connections"].items()})
            for entry in cells
            if entry["type"] == MACRO_CELL
        ]
        for macro in self.macros:
            self.ports += Port.of_macro(macro)
        self._names = module["netnames"]

    @cached_property
    def nets(self) -> list[str]:
        """All nets, constants apart."""
        found = {net for port in self.ports for net in port.nets}
        found |= {net for instance in self.instances for net in instance.nets.values()}
        return sorted(found - set(_CONSTANTS.values()), key=lambda net: int(net[1:]))

    @cached_property
    def load_ff(self) -> dict[str, float]:
        """Capacitance on each net: of the pins that it drives. Wires have none: nothing is placed."""
        loads: dict[str, float] = defaultdict(float)
        for instance in self.instances:
            for pin, net in instance.inputs():
                loads[net] += instance.cell.pins[pin].capacitance_ff
        return loads

    @cached_property
    def area_um2(self) -> float:
        """Of all cells."""
        return sum(instance.cell.area_um2 for instance in self.instances)

    @cached_property
    def leakage_nw(self) -> float:
        """Of all cells."""
        return sum(instance.cell.leakage_nw for instance in self.instances)

    def flip_flops(self) -> int:
        """How many."""
        return sum(instance.cell.state is not None for instance in self.instances)

    def verilog(self) -> str:
        """The netlist as Verilog, its cells instantiated by the library's names."""
        lines = [f"module {self.name} ({', '.join(port.escaped for port in self.ports)});"]
        for port in self.ports:
            direction = "input" if port.is_input else "output"
            lines.append(f"  {direction} [{len(port.nets) - 1}:0] {port.escaped};")
        lines += [f"  wire {net};" for net in self.nets]
        for port in self.ports:
            for bit, net in enumerate(port.nets):
                left, right = f"{port.escaped}[{bit}]", net
                lines.append(f"  assign {right} = {left};" if port.is_input else f"  assign {left} = {right};")
        for instance in self.instances:
            pins = ", ".join(f".{pin}({net})" for pin, net in instance.nets.items())
            lines.append(f"  {instance.cell.name} {instance.name} ({pins});")
        return "\n".join([*lines, "endmodule", ""])


def _net(bit: int | str) -> str:
    return _CONSTANTS[bit] if isinstance(bit, str) else f"n{bit}"
