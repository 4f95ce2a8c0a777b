"""What tools want to be told of the Verilog: constraints for synthesis and timing, and a FuseSoC core."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import yaml

from rtl.csr import VERSION
from rtl.verilog import TOP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rtl.config import ArchConfig

__all__ = ["fusesoc_core", "sdc", "top_ports"]

_IO_SHARE = 0.3
"""Of the clock's period, for what lies outside, on either side."""
_UNCERTAINTY_SHARE = 0.05
_CLOCK = "clk"


def top_ports(top: str) -> dict[str, str]:
    """``input`` or ``output`` of every port, by name, from the text of the top module."""
    return {name: way for way, name in re.findall(r"^  (input|output) (?:\[\d+:0\] )?(\w+);$", top, re.MULTILINE)}


def sdc(config: ArchConfig, top: str) -> str:
    """Synopsys design constraints: one clock, and a share of its period for each side of the ports.

    ``top`` is the text of the top module. All ports belong to the one clock, reset included, which is synchronous.
    """
    period = 1000 / config.clock_mhz
    ports = top_ports(top)
    lists = {
        way: "\n".join(f"    {name} \\" for name, its in ports.items() if its == way and name != _CLOCK)
        for way in ("input", "output")
    }
    lines = [
        f"# hwsim accelerator {config.name}, hardware {config.rtl_hash}: {config.clock_mhz:g} MHz.",
        "# A library in other units is told here: scale the figures below.",
        "set_units -time ns",
        f"create_clock -name {_CLOCK} -period {period:.4f} [get_ports {_CLOCK}]",
        f"set_clock_uncertainty {period * _UNCERTAINTY_SHARE:.4f} [get_clocks {_CLOCK}]",
    ]
    for way, listed in lists.items():
        lines += [f"set {way}s [list \\", listed, "]"]
        lines += [f"set_{way}_delay {period * _IO_SHARE:.4f} -clock {_CLOCK} [get_ports ${way}s]"]
    return "\n".join(lines) + "\n"


def fusesoc_core(config: ArchConfig, sources: Sequence[str]) -> str:
    """A FuseSoC core (CAPI2): what another core depends on, with a target for lint and one that brings constraints."""
    filesets = {
        "rtl": {"files": list(sources), "file_type": "verilogSource-2005"},
        "waivers": {"files": ["rtl/lint.vlt"], "file_type": "vlt"},
        "constraints": {"files": [f"constraints/{TOP}.sdc"], "file_type": "SDC"},
    }
    core = {
        "name": f"hwsim:{TOP}:{re.sub(r'[^A-Za-z0-9_-]', '-', config.name)}:0.1.{VERSION}",
        "description": f"hwsim accelerator {config.name}, hardware {config.rtl_hash}",
        "filesets": filesets,
        "targets": {
            "default": {"filesets": ["rtl"], "toplevel": TOP},
            "lint": {
                "filesets": ["rtl", "waivers"],
                "toplevel": TOP,
                "flow": "lint",
                "flow_options": {"tool": "verilator", "verilator_options": ["-Wall"]},
            },
            "synth": {"filesets": ["rtl", "constraints"], "toplevel": TOP},
        },
    }
    return "CAPI=2:\n" + yaml.safe_dump(core, sort_keys=False)
