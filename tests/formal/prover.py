"""Runs SymbiYosys on a specification, and says which property failed and where its waveform is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from amaranth.back import rtlil
from amaranth.hdl import Fragment

from tests.formal import bitwuzla_pipe
from tests.formal.spec import Spec

__all__ = ["Verdict", "run"]

LIMIT_S = 900
"""Wall time after which a run is given up. A proof takes seconds; the machine may be busy."""

Mode = Literal["bmc", "prove", "cover"]

_TASK = """\
[options]
mode {mode}
depth {depth}
timeout {limit_s}
{more}
[engines]
smtbmc bitwuzla
[script]
read_rtlil design.il
prep -top top
[files]
design.il
"""
# A property's message becomes its place in the source: SymbiYosys reports places.
_PROPERTY = re.compile(r'^  cell \$check (\$\d+)\n    parameter \\FORMAT "([^"]*)"', re.MULTILINE)
_FAILED = re.compile(r"summary: +failed assertion \S+ at (\S+)")
_UNREACHED = re.compile(r"Unreached cover statement at (\S+)\.")
_TRACE = re.compile(r"summary: counterexample trace(?: \[(\w+)\])?: (\S+)")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of a run.

    ``status`` is PASS; FAIL, with the properties that ``failed`` and the waveform of a run from reset that breaks them;
    UNKNOWN: no such run within the depth, but the properties do not follow from themselves either; or TIMEOUT.
    """

    status: str
    failed: tuple[str, ...]
    trace: Path | None
    log: str

    def __str__(self) -> str:
        return f"{self.status}: {', '.join(self.failed) or self.log}; waveform {self.trace}"


def run(spec: Spec, folder: Path, *, mode: Mode, depth: int, skip: int = 0, limit_s: int = LIMIT_S) -> Verdict:
    """Prove ``spec`` by k-induction (``prove``), search ``depth`` cycles (``bmc``), or reach what it is to reach.

    A ``bmc`` leaves out the first ``skip`` cycles: it finds fewer failures, and does not spend hours on proving that a
    sum of products is right before the first of them can be wrong.

    Everything is kept in ``folder``: the design, the log, and the waveforms (VCD) of counterexamples.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = rtlil.convert(Fragment.get(spec, None), ports=spec.inputs, emit_src=False)
    text = _PROPERTY.sub(r'  attribute \\src "\2"\n\g<0>', text)
    (folder / "design.il").write_text(text)
    more = f"skip {skip}" if skip else ""
    (folder / "task.sby").write_text(_TASK.format(mode=mode, depth=depth, limit_s=limit_s, more=more))
    done = subprocess.run(
        [*_python("sby"), *_tools(folder), "-f", "task.sby"],
        cwd=folder,
        env=os.environ | {"PATH": f"{folder / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.defpath}"},
        capture_output=True,
        text=True,
        check=False,
    )
    log = done.stdout
    status = re.search(r"DONE \((\w+), rc=", log)
    if status is None or status[1] == "ERROR":
        raise RuntimeError(f"SymbiYosys stopped in {folder}:\n{log[-3000:]}{done.stderr[-3000:]}")
    traces = {kind: folder / path for kind, path in _TRACE.findall(log) if kind != "induction"}
    return Verdict(
        status=status[1],
        failed=tuple(dict.fromkeys(_FAILED.findall(log) + _UNREACHED.findall(log))),
        trace=next(iter(traces.values()), None),
        log=str(folder / "task" / "logfile.txt"),
    )


def _python(tool: str) -> list[str]:
    return [str(Path(sys.executable).with_name(f"yowasp-{tool}"))]


def _tools(folder: Path) -> list[str]:
    """Options that name the other tools; and a program called ``bitwuzla`` in ``folder/bin``."""
    shim = folder / "bin" / "bitwuzla"
    shim.parent.mkdir(exist_ok=True)
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{bitwuzla_pipe.__file__}" "$@"\n')
    shim.chmod(0o755)
    names = {"yosys": "yosys", "smtbmc": "yosys-smtbmc", "witness": "yosys-witness"}
    return [part for option, tool in names.items() for part in (f"--{option}", *_python(tool))]
