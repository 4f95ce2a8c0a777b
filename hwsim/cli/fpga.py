"""``hwsim fpga``: what the accelerator takes of an FPGA, and how fast it is there."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from hwsim.cli.command import Architecture, JsonFile, check_json, deliver, reporting

__all__ = ["fpga"]


class Part(StrEnum):
    """Parts of Lattice' ECP5 family, by thousands of LUTs."""

    SMALL = "25k"
    MEDIUM = "45k"
    LARGE = "85k"


def fpga(
    arch: Architecture = "dense-8x8",
    device: Annotated[Part, typer.Option("--device", help="Which ECP5.")] = Part.LARGE,
    json_file: JsonFile = None,
) -> None:
    """Map the accelerator to an ECP5; where it fits, place and route it for its frequency.

    Minutes for the counts, tens of minutes for the frequency; what was done before is found in the cache.
    """
    check_json(json_file)

    from hwsim.report.area import fpga_table, fpga_tree
    from hwsim.silicon.synthesis.fpga import PARTS, measure_fpga
    from hwsim.silicon.tools import find
    from hwsim.simulation.verilog import accelerator_verilog
    from rtl.config import load_arch

    config = load_arch(arch)
    find("yosys")
    with reporting() as reporter:
        reporter.stage(f"emitting the Verilog of {config.name}")
        verilog = accelerator_verilog(config)
        reporter.stage(f"mapping {config.name} to the ECP5: minutes")
        area = measure_fpga(verilog, "accelerator", PARTS[device])
    deliver(fpga_table(config.name, area), fpga_tree(config.name, area), json_file)
