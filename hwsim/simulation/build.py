"""Compiled simulators, kept by content: the same Verilog is compiled once.

A build is a folder of the cache whose name is the hash of everything that went into it. It is made in a folder of
another name and renamed when it is whole, under a lock that the system drops with its holder: builders of the same
design wait for one another, and one that is killed leaves nothing that could be taken for a build.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hwsim.errors import InputError, SimulationError, ToolError
from hwsim.processes import finish
from hwsim.simulation.simulators import (
    SimulatorName,
    find_compiler,
    find_make,
    find_simulator,
    find_zlib,
    verilator_environment,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Build", "Design", "Waves", "build", "cache_errors", "cache_folder", "runtime_folder", "waves_format"]

CACHE_VARIABLE = "HWSIM_CACHE"
KEEP_BUILDS = 48
"""Builds that the cache holds before the longest unused ones go."""
KEEP_SECONDS = 3600
"""A build used this recently stays: another process may be running it."""

Waves = Literal["fst", "vcd"]

MAIN = Path(__file__).with_name("main.cpp")
LZ4 = Path(__file__).with_name("lz4.h")

# No -O below decides what is computed, only how fast. Modules are shared rather than inlined: three times faster to
# compile for an array of cells, and no slower to run. Lint is a check of its own (tests/rtl), not of every build.
VERILATOR_FLAGS = (
    "-O3",
    "--x-assign",
    "fast",
    "--x-initial",
    "fast",
    "-fno-inline",
    "--no-timing",
    "-Wno-fatal",
    "-Wno-lint",
    "-Wno-TIMESCALEMOD",
)
# A file per module and instance costs the compiler more to start than to compile; a few files keep the cores busy.
OUTPUT_GROUPS = 2
# What runs every cycle, what runs once, and Verilator's own library.
# -O2 takes longer to compile, and dense-16x16 runs no faster for it.
COMPILER_FLAGS = ("OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What to compile."""

    top: str
    verilog: dict[str, str]
    """Text of the sources by file name: ``.v`` is Verilog-2005, ``.sv`` SystemVerilog."""
    parameters: dict[str, int] = field(default_factory=dict)
    """Of the top module."""
    defines: tuple[str, ...] = ()
    public: tuple[str, ...] = ()
    """Signals of the top module that cocotb may look at. Verilator optimises all others away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A simulator ready to run."""

    simulator: SimulatorName
    top: str
    folder: Path
    waves: Waves | None
    seconds: float
    """Spent compiling; 0 when it was in the cache."""


def cache_folder() -> Path:
    """Where builds are kept: ``$HWSIM_CACHE``, or ``hwsim`` in the user's cache folder."""
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "hwsim"


def waves_format(path: Path | None) -> Waves | None:
    """The format of a waveform file, by its suffix.

    Raises:
        InputError: neither .fst nor .vcd.

    """
    if path is None:
        return None
    if path.suffix == ".fst":
        return "fst"
    if path.suffix == ".vcd":
        return "vcd"
    raise InputError(f"{path}: waveforms are written as .fst or .vcd")


def build(design: Design, simulator: SimulatorName, *, waves: Waves | None = None) -> Build:
    """Compile ``design``, or find it compiled.

    Raises:
        ToolError: the simulator or the compiler is not installed, or the cache cannot be written.
        SimulationError: it does not compile.

    """
    start = time.perf_counter()
    recipe = _recipe(design, simulator, waves)
    cache = cache_folder()
    folder = cache / f"{design.top}-{hashlib.sha256(recipe.encode()).hexdigest()[:24]}"
    with cache_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
        if not folder.exists():
            with _locked(folder.with_suffix(".lock")):
                if not folder.exists():
                    _make(design, simulator, waves, folder)
                    _evict(cache)
                    return _built(design, simulator, waves, folder, time.perf_counter() - start)
        os.utime(folder)
    return _built(design, simulator, waves, folder, 0.0)


def _built(design: Design, simulator: SimulatorName, waves: Waves | None, folder: Path, seconds: float) -> Build:
    return Build(simulator=simulator, top=design.top, folder=folder, waves=waves, seconds=seconds)


def _recipe(design: Design, simulator: SimulatorName, waves: Waves | None) -> str:
    """Everything that decides what the build is."""
    tools = [find_simulator(simulator)]
    if simulator == "verilator":
        tools += [find_compiler(), find_make()]
        if waves == "fst":
            tools.append(find_zlib())
    parts = [
        *(f"{tool.name} {tool.path} {tool.version}" for tool in tools),
        *_command(design, simulator, waves, Path("folder")),
        *COMPILER_FLAGS,
        MAIN.read_text(),
        LZ4.read_text(),
        _control_file(design),
        *(part for source in design.verilog.items() for part in source),
    ]
    return "\0".join(map(str, parts))


def _make(design: Design, simulator: SimulatorName, waves: Waves | None, folder: Path) -> None:
    partial = folder.with_suffix(".partial")
    # We hold the lock: whoever began this is gone.
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    for name, text in design.verilog.items():
        (partial / name).write_text(text)
    (partial / "public.vlt").write_text(_control_file(design))
    if waves == "fst":
        # Verilator writes FST with LZ4, whose header few machines have: ours, and a library with nothing in it.
        shutil.copy(LZ4, partial)
        (partial / "liblz4.a").write_bytes(b"!<arch>\n")
    log = folder.with_suffix(".log")
    environment = verilator_environment() if simulator == "verilator" else dict(os.environ)
    commands = [_command(design, simulator, waves, partial)]
    if simulator == "verilator":
        jobs = str(os.cpu_count() or 1)
        commands.append([str(find_make().path), "-s", "-j", jobs, "-f", "Vtop.mk", *COMPILER_FLAGS])
        _lend_runtime(waves, partial)
    with log.open("w") as output:
        for command in commands:
            done = finish(command, cwd=partial, env=environment, output=output)
            if done.returncode:
                raise SimulationError(f"{simulator} could not build {design.top}: {_first_error(log)}; see {log}")
    if simulator == "verilator":
        _keep_runtime(waves, partial)
    for pattern in ("*.o", "*.d", "*.gch", "Vtop*.cpp"):
        for path in partial.glob(pattern):
            path.unlink()
    partial.rename(folder)
    log.unlink()


def runtime_folder(waves: Waves | None) -> Path:
    """Where the objects of Verilator's own library are kept, which every model is linked with."""
    tools = f"{find_simulator('verilator')} {find_compiler()} {COMPILER_FLAGS} {waves}"
    return cache_folder() / f"runtime-{hashlib.sha256(tools.encode()).hexdigest()[:24]}"


def _lend_runtime(waves: Waves | None, partial: Path) -> None:
    """Give make the objects of Verilator's library, if an earlier build left them: they are half of a small build."""
    folder = runtime_folder(waves)
    for path in folder.glob("*.o") if folder.exists() else ():
        shutil.copy(path, partial)


def _keep_runtime(waves: Waves | None, partial: Path) -> None:
    folder = runtime_folder(waves)
    if folder.exists():
        return
    mine = Path(tempfile.mkdtemp(dir=folder.parent, suffix=".partial"))
    for path in partial.glob("verilated*.o"):
        shutil.copy(path, mine)
    # Another builder may have been first; its objects are the same.
    with contextlib.suppress(OSError):
        mine.rename(folder)
    shutil.rmtree(mine, ignore_errors=True)


def _command(design: Design, simulator: SimulatorName, waves: Waves | None, folder: Path) -> list[str]:
    tool = str(find_simulator(simulator).path)
    names = [str(folder / name) for name in design.verilog]
    defines = [f"-D{name}" for name in design.defines]
    if simulator == "icarus":
        parameters = [f"-P{design.top}.{name}={value}" for name, value in design.parameters.items()]
        # As SystemVerilog it would initialise variables before any process waits, and those of Yosys' combinational
        # processes that read nothing but state would never run.
        return [tool, "-g2005", "-s", design.top, "-o", str(folder / "sim.vvp"), *defines, *parameters, *names]
    # Late: finding cocotb's libraries imports cocotb.
    import cocotb_tools.config

    libs = str(cocotb_tools.config.libs_dir)
    link = f"-L. -Wl,-rpath,{libs} -L{libs} -lcocotbvpi_verilator"
    trace = {None: [], "fst": ["--trace-fst"], "vcd": ["--trace-vcd"]}[waves]
    return [
        *(tool, "-cc", "--exe", "--vpi", "-Mdir", str(folder), "--prefix", "Vtop", "--top-module", design.top),
        *("-o", design.top, "-LDFLAGS", link, "--output-groups", str(OUTPUT_GROUPS)),
        *VERILATOR_FLAGS,
        *trace,
        *defines,
        *(f"-G{name}={value}" for name, value in design.parameters.items()),
        *(str(folder / "public.vlt"), str(MAIN)),
        *names,
    ]


def _control_file(design: Design) -> str:
    lines = [f'public_flat_rw -module "{design.top}" -var "{name}"' for name in design.public]
    return "\n".join(["`verilator_config", *lines, ""])


def _first_error(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return next((line.strip() for line in lines if re.search(r"\berror\b", line, re.IGNORECASE)), "no error in the log")


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def cache_errors(cache: Path) -> Iterator[None]:
    """Say of a failure to use ``cache`` what it is and what helps.

    Raises:
        ToolError: instead of an OSError.

    """
    try:
        yield
    except OSError as error:
        remedy = "free some space" if error.errno == errno.ENOSPC else "make it writable"
        raise ToolError(
            f"the cache of compiled simulators {cache} cannot be used: {error.strerror}: {remedy}, or name another "
            f"folder in {CACHE_VARIABLE}"
        ) from error


def _evict(cache: Path) -> None:
    """Remove the builds that were unused the longest, where there are many."""
    builds = sorted((p for p in cache.glob("*-*") if p.is_dir() and not p.suffix), key=lambda p: p.stat().st_mtime)
    for folder in builds[:-KEEP_BUILDS]:
        if time.time() - folder.stat().st_mtime > KEEP_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)
            folder.with_suffix(".lock").unlink(missing_ok=True)
