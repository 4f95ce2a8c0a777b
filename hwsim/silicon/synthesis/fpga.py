"""An accelerator in a Lattice ECP5: what it takes of the part, and the frequency after place and route.

Yosys counts; hierarchy is kept until the cells are those of the ECP5, so a module that is there many times is
synthesised once. Where the counts fit the part, nextpnr places and routes. A chip has fewer pins than the accelerator
has ports: these go to a shift register and to a parity, whose flip-flops are not counted.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hwsim.errors import ToolError
from hwsim.silicon.cache import kept
from hwsim.silicon.netlist.hierarchy import instances
from hwsim.silicon.synthesis.cells import without_contents
from hwsim.silicon.synthesis.yosys import run_yosys, yosys_script
from hwsim.silicon.tools import absent, find, run

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["PARTS", "Device", "FpgaArea", "Placed", "measure_fpga"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A part of the family: what it has, as nextpnr counts it (Lattice FPGA-DS-02012, table 1.1)."""

    name: str
    luts: int
    multipliers: int
    """MULT18X18D."""
    block_rams: int
    """DP16KD, of 18 kbit."""
    package: str


PARTS: dict[str, Device] = {
    device.name: device
    for device in (
        Device(name="25k", luts=24_288, multipliers=28, block_rams=56, package="CABGA381"),
        Device(name="45k", luts=43_848, multipliers=72, block_rams=108, package="CABGA554"),
        Device(name="85k", luts=83_640, multipliers=156, block_rams=208, package="CABGA756"),
    )
}
"""By the name that nextpnr has for it."""

_SPEED = "6"
_FREQUENCY_MHZ = "50"
_SEED = "1"
_HARNESS = "harness"
_NETLIST = f"{_HARNESS}.json"
_SCRIPT = yosys_script(
    "read_verilog -defer design.v harness.v",
    f"hierarchy -top {_HARNESS}",
    f"synth_ecp5 -noflatten -top {_HARNESS}",
    "tee -q -o statistics.json stat -json",
    "flatten",
    "opt_clean",
    f"write_json {_NETLIST}",
)
_PORT = re.compile(r"^  (input|output) (?:\[(\d+):0\] )?(\w+) ?;", re.MULTILINE)
# LUTs of a cell: a carry cell is two, a distributed RAM of 16 x 4 four, and a pair more for its write port.
_LUTS = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6}


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """After place and route."""

    fmax_mhz: float
    luts: int
    """TRELLIS_COMB, the harness among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FpgaArea:
    """What the accelerator takes."""

    device: Device
    luts: int
    flip_flops: int
    multipliers: int
    block_rams: int
    placed: Placed | None
    """None where it does not fit, or without nextpnr."""

    def excess(self) -> list[str]:
        """What the part has too little of, one phrase each; empty where the design fits."""
        have = (("LUT", "luts"), ("MULT18X18D", "multipliers"), ("DP16KD", "block_rams"))
        return [
            f"{getattr(self, field):,} {what} of {getattr(self.device, field):,}"
            for what, field in have
            if getattr(self, field) > getattr(self.device, field)
        ]


def measure_fpga(verilog: str, top: str, device: Device) -> FpgaArea:
    """Map module ``top`` of ``verilog`` to the ECP5, and place and route it if it fits; or find it done.

    Raises:
        ToolError: Yosys is missing, or refuses the design; nextpnr fails; the cache cannot be written.

    """
    text = without_contents(verilog)
    body = text[text.index("module ") :]
    harness = _harness(text, top)
    inputs = (find("yosys").version, _SCRIPT, harness, body)
    mapped = kept("ecp5", inputs, lambda folder: _map(text, harness, folder))
    counts = _counts(mapped / "statistics.json", top)
    luts = sum(number * counts[cell] for cell, number in _LUTS.items())
    flip_flops, multipliers, rams = (counts[cell] for cell in ("TRELLIS_FF", "MULT18X18D", "DP16KD"))
    area = FpgaArea(
        device=device, luts=luts, flip_flops=flip_flops, multipliers=multipliers, block_rams=rams, placed=None
    )
    if area.excess() or absent("ecp5") is not None:
        return area
    arguments = _arguments(device)
    inputs = (mapped.name, find("ecp5").version, *arguments)
    routed = kept("placed", inputs, lambda folder: _place(mapped, arguments, folder))
    return FpgaArea(
        device=device,
        luts=luts,
        flip_flops=flip_flops,
        multipliers=multipliers,
        block_rams=rams,
        placed=_placed(json.loads((routed / "report.json").read_text(encoding="utf-8"))),
    )


def _map(verilog: str, harness: str, folder: Path) -> None:
    (folder / "design.v").write_text(verilog, encoding="utf-8")
    (folder / "harness.v").write_text(harness, encoding="utf-8")
    run_yosys(_SCRIPT, folder)


def _arguments(device: Device) -> list[str]:
    """Of nextpnr."""
    part = [f"--{device.name}", "--package", device.package, "--speed", _SPEED]
    wanted = ["--freq", _FREQUENCY_MHZ, "--timing-allow-fail", "--lpf-allow-unconstrained", "--seed", _SEED]
    return [*part, *wanted, "--json", _NETLIST, "--report", "report.json"]


def _place(mapped: Path, arguments: list[str], folder: Path) -> None:
    # Its WebAssembly sees the folder that it is started in.
    design = folder / _NETLIST
    design.hardlink_to(mapped / _NETLIST)
    run("ecp5", arguments, folder=folder, log="placing.log")
    design.unlink()


def _harness(verilog: str, top: str) -> str:
    """A module of four pins around ``top``: inputs from a shift register, outputs registered into a parity.

    Raises:
        ToolError: ``top`` is not in ``verilog``.

    """
    found = re.search(rf"^module {top} ?\(.*?^endmodule", verilog, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ToolError(f"no module {top} to put into the ECP5")
    ports = [(kind, int(high or 0) + 1, name) for kind, high, name in _PORT.findall(found[0])]
    ins = [(name, width) for kind, width, name in ports if kind == "input" and name not in ("clk", "rst")]
    outs = [(name, width) for kind, width, name in ports if kind == "output"]
    clocked = [f".{name}({name})" for _, _, name in ports if name in ("clk", "rst")]
    return (
        f"module {_HARNESS}(input clk, input rst, input d, output reg q);\n"
        f"  reg [{_width(ins) - 1}:0] i;\n  wire [{_width(outs) - 1}:0] o;\n  reg [{_width(outs) - 1}:0] r;\n"
        "  always @(posedge clk) begin i <= {i, d}; r <= o; q <= ^r; end\n"
        f"  {top} dut({', '.join([*clocked, *_slices('i', ins), *_slices('o', outs)])});\nendmodule\n"
    )


def _width(ports: Iterable[tuple[str, int]]) -> int:
    return sum(width for _, width in ports)


def _slices(vector: str, ports: Iterable[tuple[str, int]]) -> list[str]:
    connections, low = [], 0
    for name, width in ports:
        connections.append(f".{name}({vector}[{low + width - 1}:{low}])")
        low += width
    return connections


def _counts(path: Path, top: str) -> Counter[str]:
    """Cells of the ECP5 in ``top`` and all under it."""
    text = path.read_text(encoding="utf-8")
    modules = json.loads(text[text.index("{") :])["modules"]
    inside: Mapping[str, Mapping[str, int]] = {
        name.removeprefix("\\"): entry["num_cells_by_type"] for name, entry in modules.items()
    }
    found: Counter[str] = Counter()
    for name, times in instances(inside, top).items():
        found.update({cell: times * number for cell, number in inside[name].items() if cell not in inside})
    return found


def _placed(report: Mapping[str, Any]) -> Placed:
    clocks = [clock["achieved"] for clock in report["fmax"].values()]
    if not clocks:
        raise ToolError("nextpnr found no clock")
    return Placed(fmax_mhz=min(clocks), luts=report["utilization"]["TRELLIS_COMB"]["used"])
