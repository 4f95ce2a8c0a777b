"""Static timing by OpenSTA: the longest path, and the delays of every cell for simulation.

Wires have neither resistance nor capacitance: nothing is placed. A frequency is what the cells alone would reach.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.errors import ToolError
from hwsim.silicon.netlist.assignments import single_assignments
from hwsim.silicon.netlist.sdf import plain
from hwsim.silicon.tools import run

if TYPE_CHECKING:
    from pathlib import Path

    from hwsim.silicon.library.technology import Technology
    from hwsim.silicon.netlist.netlist import Netlist

__all__ = ["LongestPath", "Timing", "analyse", "longest_path", "whole_design_script"]

_SCRIPT = """\
read_liberty {library}
read_verilog netlist.v
link_design {top}
create_clock -name clk -period {period} clk
set inputs [get_ports {{{inputs}}}]
set_input_transition {slew} $inputs
set_input_delay 0 -clock clk $inputs
puts "== from inputs"
report_checks -path_delay max -digits 6 -from $inputs
puts "== from registers"
report_checks -path_delay max -digits 6 -from [all_registers -clock_pins]
puts "== end"
{sdf}
exit
"""
_WHOLE_DESIGN = """\
read_liberty {library}
read_verilog netlist.v
link_design {top}
create_clock -name clk -period {period} clk
report_checks -path_delay max -digits 6 -from [all_registers -clock_pins]
exit
"""
_LONG_PS = 1e6
"""A period that no path exceeds."""
_ENDS = re.compile(r"^(?:Startpoint|Endpoint): (\S+)", re.MULTILINE)
_ARRIVAL = re.compile(r"(?<!-)\b([\d.]+)\s+data arrival time")
_SETUP = re.compile(r"([-\d.]+)\s+[-\d.]+\s+library setup time")


@dataclass(frozen=True, slots=True)
class Timing:
    """The longest path from register to register; inputs and what the clock starts included."""

    period_ps: float
    launch_ps: float
    """From the clock to a flip-flop's output, on an average; 0 if no delays were asked for."""

    @property
    def fmax_mhz(self) -> float:
        """Of the cells alone, without wires and clock skew."""
        return 1e6 / self.period_ps


def analyse(netlist: Netlist, technology: Technology, folder: Path, *, slew_ps: float, sdf: bool) -> Timing:
    """Time ``netlist``, whose Verilog is written to ``folder``, with ``delays.sdf`` beside it if asked for.

    Raises:
        ToolError: OpenSTA is missing, or finds no path.

    """
    (folder / "netlist.v").write_text(netlist.verilog(), encoding="utf-8")
    scale = _per_ps(technology)
    inputs = " ".join(port.name for port in netlist.ports if port.is_input and port.name != "clk")
    script = _SCRIPT.format(
        library=technology.path,
        top=netlist.name,
        period=_LONG_PS * scale,
        inputs=inputs,
        slew=slew_ps * scale,
        sdf="write_sdf -digits 6 opensta.sdf" if sdf else "",
    )
    (folder / "timing.tcl").write_text(script, encoding="utf-8")
    output = run("opensta", ["timing.tcl"], folder=folder, log="timing.log")
    launch = 0.0
    if sdf:
        # A clock tree brings all edges at once; without one, what is behind a gate would come late and miss its data.
        gates = {instance.name for instance in netlist.instances if instance.cell.gates_clock}
        delays, means = plain((folder / "opensta.sdf").read_text(encoding="ascii"), ideal=gates)
        (folder / "delays.sdf").write_text(delays, encoding="ascii")
        flops = [i.cell.name for i in netlist.instances if i.cell.state is not None]
        launch = sum(means[name] for name in flops) / len(flops) / scale if flops else 0.0
    _, from_inputs, from_registers = re.split(r"^== from \w+$", output, flags=re.MULTILINE)
    # What comes in comes from registers of the same kind.
    found = [path + launch * scale for path in _paths(from_inputs)] + _paths(from_registers)
    if not found:
        raise ToolError(f"opensta found no path in {netlist.name}: see {folder / 'timing.log'}")
    return Timing(max(found) / scale, launch)


@dataclass(frozen=True, slots=True, kw_only=True)
class LongestPath:
    """From one register to another."""

    period_ps: float
    start: str
    """Instance, as the hierarchy has it."""
    end: str

    @property
    def fmax_mhz(self) -> float:
        """Of the cells alone, without wires, clock skew and memories."""
        return 1e6 / self.period_ps


def longest_path(netlist: Path, top: str, technology: Technology, folder: Path) -> LongestPath:
    """The longest path from register to register of a hierarchical ``netlist``; its black boxes have no timing.

    Raises:
        ToolError: OpenSTA is missing, or finds no path.

    """
    (folder / "timing.tcl").write_text(whole_design_script(top, technology), encoding="utf-8")
    with netlist.open(encoding="utf-8") as lines, (folder / "netlist.v").open("w", encoding="utf-8") as file:
        file.writelines(single_assignments(lines))
    output = run("opensta", ["timing.tcl"], folder=folder, log="timing.log")
    (folder / "netlist.v").unlink()
    # It goes on after an error, and times what is left.
    if wrong := re.findall(r"^Error: .*", output, re.MULTILINE):
        raise ToolError(f"opensta: {' '.join(wrong)}")
    reports = output.split("Startpoint:")[1:]
    found = [(path, report) for report in reports for path in _paths(report)]
    if not found:
        raise ToolError(f"opensta found no path in {top}: see {folder / 'timing.log'}")
    period, report = max(found)
    start, end = _ENDS.findall("Startpoint:" + report)[:2]
    return LongestPath(period_ps=period / _per_ps(technology), start=start, end=end)


def whole_design_script(top: str, technology: Technology) -> str:
    """What :func:`longest_path` has OpenSTA do."""
    return _WHOLE_DESIGN.format(library=technology.path, top=top, period=_LONG_PS * _per_ps(technology))


def _per_ps(technology: Technology) -> float:
    """The library's units of time in a picosecond."""
    return 1 / (technology.library.second * 1e12)


def _paths(report: str) -> list[float]:
    """Arrival and setup of each path reported, in the library's unit."""
    arrivals, setups = _ARRIVAL.findall(report), _SETUP.findall(report)
    return [
        float(arrival) - float(setup) for arrival, setup in zip(arrivals, setups or ["0"] * len(arrivals), strict=False)
    ]
