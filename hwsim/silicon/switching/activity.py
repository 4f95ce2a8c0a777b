"""Switching activity: how often every net of a netlist changes, simulated in Icarus with and without delays.

Without delays a net changes at most once a cycle, to its final value. With the delays of an SDF file it also
changes on the way there; those changes are glitches.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.errors import SimulationError
from hwsim.processes import finish
from hwsim.silicon.library.models import cell_models
from hwsim.silicon.tools import run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from hwsim.silicon.netlist.netlist import Netlist
    from hwsim.silicon.switching.stimulus import Stimulus

__all__ = ["Activity", "simulate", "simulate_windows"]

_TICKS_PER_PS = 1000
"""Of a VCD file: the bench's precision is 1 fs."""

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
{zeros}
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
    made = _dump(netlist, stimulus, folder, period_ps=period_ps, launch_ps=launch_ps, delays=delays)
    with made.open(encoding="ascii") as file:
        changes = count_changes(file)
    made.unlink()
    return Activity(changes, stimulus.measured)


def simulate_windows(
    netlist: Netlist,
    stimulus: Stimulus,
    windows: Sequence[range],
    folder: Path,
    *,
    period_ps: float,
    launch_ps: float,
    delays: bool,
) -> list[Activity]:
    """As :func:`simulate`, of several stretches of the measured cycles: delays of a large netlist take minutes to read.

    ``windows`` are cycles of ``stimulus``, between its start and its stop.
    """
    made = _dump(netlist, stimulus, folder, period_ps=period_ps, launch_ps=launch_ps, delays=delays)
    half = round(period_ps / 2)
    first = half if stimulus.zeroed else 0
    times = [
        range((first + 2 * half * w.start) * _TICKS_PER_PS, (first + 2 * half * w.stop) * _TICKS_PER_PS)
        for w in windows
    ]
    with made.open(encoding="ascii") as file:
        found = count_changes_within(file, times)
    made.unlink()
    return [Activity(changes, len(window)) for changes, window in zip(found, windows, strict=True)]


def _dump(
    netlist: Netlist, stimulus: Stimulus, folder: Path, *, period_ps: float, launch_ps: float, delays: bool
) -> Path:
    """Simulate, check the outputs, and return the VCD file of the measured cycles."""
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
    done = finish(["vvp", "-n", f"{stem}.vvp"], cwd=folder)
    (folder / f"{stem}.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode or "SDF ERROR" in done.stdout + done.stderr:
        raise SimulationError(f"the netlist's simulation failed: see {folder / f'{stem}.log'}")
    _check(netlist, stimulus, done.stdout.splitlines(), folder / f"{stem}.log")
    return folder / f"{stem}.vcd"


def count_changes(vcd: Iterable[str]) -> Counter[str]:
    """Changes of every scalar of a VCD file, values at its start apart."""
    lines = iter(vcd)
    names = _scalars(lines)
    codes = Counter(line[1:-1] for line in lines if line[0] in "01")
    return _by_name(codes, names)


def count_changes_within(vcd: Iterable[str], times: Sequence[range]) -> list[Counter[str]]:
    """As :func:`count_changes`, for each of ``times``, in ticks of the file; they may overlap."""
    lines = iter(vcd)
    names = _scalars(lines)
    found: list[Counter[str]] = [Counter() for _ in times]
    for time, codes in _steps(lines):
        for span, counted in zip(times, found, strict=True):
            if time in span:
                counted.update(codes)
    return [_by_name(codes, names) for codes in found]


def _scalars(lines: Iterator[str]) -> dict[str, list[str]]:
    """Names of the scalars by their codes; ``lines`` are read up to the first change."""
    names: dict[str, list[str]] = {}
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
    return names


def _steps(lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
    """Each time at which something changes, behind the values at the start, and the codes of what does."""
    time: int | None = None
    codes: list[str] = []
    for line in lines:
        if line[0] == "#":
            if time is not None:
                yield time, codes
            time, codes = int(line[1:]), []
        elif line[0] in "01":
            codes.append(line[1:-1])
    if time is not None:
        yield time, codes


def _by_name(codes: Counter[str], names: dict[str, list[str]]) -> Counter[str]:
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
        zeros=_zeros(netlist, round(period_ps / 2)) if stimulus.zeroed else "",
        annotate='    $sdf_annotate("delays.sdf", dut);' if delays else "",
        vcd=f"{stem}.vcd",
        launch=launch,
        memories="".join(macro.behaviour(launch) for macro in netlist.macros),
        stop=stimulus.start + stimulus.measured,
        half=half,
        outputs=", ".join(stimulus.expected),
    )


def _zeros(netlist: Netlist, settling: int) -> str:
    """Statements that write 0 to every flip-flop, and give what follows the time to settle."""
    flops = [(instance.name, instance.cell.state) for instance in netlist.instances]
    return "".join(f"    dut.{name}.{state[0]} = 0;\n" for name, state in flops if state) + f"    #{settling};"


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
