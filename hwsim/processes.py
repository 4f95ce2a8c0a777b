"""Programs that hwsim starts: none outlives the command that it was started for, nor does what it started itself."""

from __future__ import annotations

import contextlib
import subprocess
from typing import IO, TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["finish"]


def finish(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str] | None = None, output: IO[str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``command`` to its end, with nothing to read, and return what it wrote and its status.

    What it writes goes to the file ``output``, where one is given. Whoever is interrupted meanwhile (Ctrl-C, SIGTERM)
    takes along all that is under it: make's compilers and Yosys' ABC would run on for minutes.

    Raises:
        OSError: it cannot be started.

    """
    where = subprocess.PIPE if output is None else output
    with subprocess.Popen(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=where, stderr=where, text=True, errors="replace"
    ) as process:
        try:
            out, err = process.communicate()
        except BaseException:
            _end(process.pid)
            # `with` waits, but not after Ctrl-C.
            process.wait()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out or "", err or "")


def _end(pid: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        first = psutil.Process(pid)
        # It starts nothing any more while those under it are looked for.
        first.suspend()
        for process in (*first.children(recursive=True), first):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
