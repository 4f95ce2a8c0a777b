"""What a process costs: user and system time of it and of all that it waited for, wall time, and its peak memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["MeasuredError", "Spent", "hwsim_process", "spend"]

_WATCHER = """
import json, os, resource, sys, time
report, limit, *command = sys.argv[1:]
start = time.perf_counter()
child = os.fork()
if not child:
    if int(limit) > 0:
        # SIGXCPU ends it at the first of these, and says why; at the second it would be a SIGKILL like any other.
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 10))
    os.execvp(command[0], command)
_, status, usage = os.wait4(child, 0)
spent = time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, os.waitstatus_to_exitcode(status)
with open(report, "w") as file:
    json.dump(spent, file)
"""
"""A process of few pages that starts the one to be measured: the kernel's peak of a child begins at its parent's size,
which after some benches is larger than what is measured."""

_SHOWN = 400
"""Characters of a failed process's last words that are worth repeating."""


class MeasuredError(RuntimeError):
    """The process that was to be measured failed. The message has its last words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a process and its children took."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    output: str
    """What it wrote to standard output."""
    finished: bool = True
    """False if it was stopped at its limit of CPU time, so that ``cpu_s`` is a lower bound."""


def spend(
    command: Sequence[str],
    *,
    folder: Path | None = None,
    environment: dict[str, str] | None = None,
    limit_s: int | None = None,
) -> Spent:
    """Run ``command`` in ``folder`` with ``environment`` on top of ours, for at most ``limit_s`` of CPU time.

    Raises:
        MeasuredError: it failed.

    """
    with tempfile.TemporaryDirectory(prefix="hwsim-bench-") as name:
        report = Path(name) / "report.json"
        limit = str(limit_s or 0)
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _WATCHER, str(report), limit, *command],
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            cwd=folder,
            env=os.environ | (environment or {}),
        )
        if done.returncode:
            raise MeasuredError(f"{command[0]} cannot be run: {_last(done.stderr)}")
        wall_s, cpu_s, peak_kib, status = json.loads(report.read_text())
    stopped = limit_s is not None and status == -signal.SIGXCPU
    if status and not stopped:
        raise MeasuredError(f"{command[0]} ended with {status}: {_last(done.stderr or done.stdout)}")
    return Spent(wall_s=wall_s, cpu_s=cpu_s, peak_mib=peak_kib / 1024, output=done.stdout, finished=not stopped)


def hwsim_process(arguments: Sequence[str], environment: dict[str, str] | None = None) -> Spent:
    """Run ``hwsim`` with these arguments.

    Raises:
        MeasuredError: it failed.

    """
    return spend([sys.executable, "-m", "hwsim.cli.main", *arguments], environment=environment)


def _last(words: str) -> str:
    return " ".join(words.split())[-_SHOWN:] or "it says nothing"
