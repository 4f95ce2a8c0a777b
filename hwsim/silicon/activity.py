"""Switching activity: how often every net of a netlist changes, simulated in Icarus with and without delays.

Without delays a net changes at most once a cycle, to its final value. With the delays of an SDF file it also
changes on the way there; those changes are glitches.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.errors import SimulationError
from hwsim.silicon.models import cell_models
from hwsim.silicon.tools import run

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hwsim.silicon.netlist import Netlist
    from hwsim.silicon.stimulus import Stimulus

__all__ = ["Activity", "simulate"]

_BENCH = """\
`timescale 1ps/1fs
module bench;
  reg clk = 0;
  reg [{input_bits}:0] inputs [0:{last}];
  reg [{input_bits}:0] now = 0;
{wires}
  {top} dut (.clk(clk){ports});
{memories}
  integer cycle = 0;
  // As from registers of the same clock.
  always @(posedge clk) begin
    now <= #{launch} inputs[cycle];
    cycle = cycle + 1;
  end
  initial begin
    $readmemh("inputs.hex", inputs);
{annotate}
    repeat ({last} + 1) begin
      if (cycle == {start}) begin
        $dumpfile("{vcd}");
        $dumpvars(1, dut);
      end
      if (cycle == {stop}) $dumpoff;
      clk = 1;
      #{half} clk = 0;
      #({half} - 1) $display("=%h", {{{outputs}}});
      #1;
    end
    $finish;
  end
endmodule
"""


@dataclass(frozen=True, slots=True)
class Activity:
    """Changes of every net over the measured cycles."""

    changes: Counter[str]
    cycles: int

    def per_cycle(self, net: str) -> float:
        """Mean changes of a net in a cycle."""
        return self.changes[net] / self.cycles


def simulate(
    netlist: Netlist, stimulus: Stimulus, folder: Path, *, period_ps: float, launch_ps: float, delays: bool
) -> Activity:
    """Run ``stimulus`` through ``netlist``, with the delays in ``folder / delays.sdf`` or without any.

    Raises:
        ToolError: Icarus is missing, or refuses the netlist.
        SimulationError: the netlist's outputs are not what is expected of them.

    """
    stem = "timed" if delays else "untimed"
    (folder / "netlist.v").write_text(netlist.verilog(), encoding="utf-8")
    models = cell_models(instance.cell for instance in netlist.instances)
    (folder / "cells.v").write_text(models, encoding="utf-8")
    inputs = [port for port in netlist.ports if port.is_input and port.name in stimulus.inputs]
    (folder / "inputs.hex").write_text(
        "".join(_words(stimulus, [p.name for p in inputs], [len(p.nets) for p in inputs]))
    )
    (folder / "bench.v").write_text(
        _bench(netlist, stimulus, period_ps, launch_ps, stem, delays=delays), encoding="utf-8"
    )
    flags = ["-gspecify"] if delays else ["-gno-specify"]
    run(
        "icarus",
        ["-g2012", *flags, "-o", f"{stem}.vvp", "bench.v", "netlist.v", "cells.v"],
        folder=folder,
        log=f"{stem}.build.log",
    )
    done = subprocess.run(["vvp", "-n", f"{stem}.vvp"], cwd=folder, capture_output=True, text=True, check=False)
    (folder / f"{stem}.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode or "SDF ERROR" in done.stdout + done.stderr:
        raise SimulationError(f"the netlist's simulation failed: see {folder / f'{stem}.log'}")
    _check(netlist, stimulus, done.stdout.splitlines(), folder / f"{stem}.log")
    with (folder / f"{stem}.vcd").open(encoding="ascii") as file:
        changes = count_changes(file)
    (folder / f"{stem}.vcd").unlink()
    return Activity(changes, stimulus.measured)


def count_changes(vcd: Iterable[str]) -> Counter[str]:
    """Changes of every scalar of a VCD file, values at its start apart."""
    names: dict[str, list[str]] = {}
    lines = iter(vcd)
    for line in lines:
        if line.startswith("$var"):
            _, _, width, code, name, *_ = line.split()
            if width == "1":
                names.setdefault(code, []).append(name)
        elif line.startswith("$dumpvars"):
            break
    for line in lines:
        if line.startswith("$end"):
            break
    codes = Counter(line[1:-1] for line in lines if line[0] in "01")
    return Counter({name: codes[code] for code, found in names.items() for name in found})


def _words(stimulus: Stimulus, names: list[str], widths: list[int]) -> Iterable[str]:
    """A line of hexadecimal digits per cycle, the first port in the lowest bits."""
    digits = (sum(widths) + 3) // 4
    for cycle in range(stimulus.cycles):
        word, place = 0, 0
        for name, width in zip(names, widths, strict=True):
            word |= int(stimulus.inputs[name][cycle]) << place
            place += width
        yield f"{word:0{digits}x}\n"


def _bench(netlist: Netlist, stimulus: Stimulus, period_ps: float, launch_ps: float, stem: str, *, delays: bool) -> str:
    wires, ports, place = [], [], 0
    reads = {f"{macro.name}_rd_data": f"{macro.name}_read" for macro in netlist.macros}
    for port in netlist.ports:
        if port.name == "clk":
            continue
        if port.name in reads:
            ports.append(f", .{port.escaped}({reads[port.name]})")
        elif port.is_input:
            ports.append(f", .{port.escaped}(now[{place + len(port.nets) - 1}:{place}])")
            place += len(port.nets)
        else:
            wires.append(f"  wire [{len(port.nets) - 1}:0] {port.name};")
            ports.append(f", .{port.escaped}({port.name})")
    half = round(period_ps / 2)
    launch = f"{launch_ps:.3f}" if delays else "0"
    return _BENCH.format(
        input_bits=place - 1,
        last=stimulus.cycles - 1,
        start=stimulus.start,
        wires="\n".join(wires),
        top=netlist.name,
        ports="".join(ports),
        annotate='    $sdf_annotate("delays.sdf", dut);' if delays else "",
        vcd=f"{stem}.vcd",
        launch=launch,
        memories="".join(macro.behaviour(launch) for macro in netlist.macros),
        stop=stimulus.start + stimulus.measured,
        half=half,
        outputs=", ".join(stimulus.expected),
    )


def _check(netlist: Netlist, stimulus: Stimulus, log: list[str], where: Path) -> None:
    widths = {port.name: len(port.nets) for port in netlist.ports}
    rows = [line[1:] for line in log if line.startswith("=")]
    if len(rows) != stimulus.cycles:
        raise SimulationError(
            f"the netlist's simulation ended after {len(rows)} of {stimulus.cycles} cycles: see {where}"
        )
    for cycle, row in enumerate(rows):
        bits = "".join(f"{int(digit, 16):04b}" if digit in "0123456789abcdef" else "xxxx" for digit in row)
        bits = bits[-sum(widths[name] for name in stimulus.expected) :]
        for name, expected in stimulus.expected.items():
            got, bits = bits[: widths[name]], bits[widths[name] :]
            right = f"{expected[cycle]:0{widths[name]}b}"
            if expected[cycle] != -1 and got != right:
                raise SimulationError(f"cycle {cycle}: {name} of the netlist is {got}, not {right}: see {where}")
