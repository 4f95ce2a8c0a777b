"""Other people's tools: each in a virtual environment of its own in the user's cache, its measurements kept there too.

They want other versions of our libraries than we do, and some take half an hour, so nothing is installed or measured
twice: a measurement is found again by what was installed, what was run and what it was run on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
import venv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hwsim.bench.measure import MeasuredError, Spent, spend
from hwsim.simulation.build import cache_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Tool"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A program from PyPI."""

    name: str
    version: str
    requirements: tuple[str, ...]
    """What pip installs, this version of the tool among it."""
    script: str
    """Python that calls it, with the arguments in ``sys.argv``."""

    def measure(self, arguments: Sequence[str], inputs: Sequence[Path], *, folder: Path, limit_s: int) -> Spent:
        """Run the tool on ``inputs`` (the files that ``arguments`` name) in ``folder``, or find what it took before.

        Raises:
            MeasuredError: it cannot be installed, or failed.

        """
        record = self._folder / f"{self._key(inputs, limit_s)}.json"
        if record.exists():
            return Spent(**json.loads(record.read_text()))
        python = self._python()
        spent = spend([str(python), "-c", self.script, *arguments], folder=folder, limit_s=limit_s)
        record.write_text(json.dumps(dataclasses.asdict(spent)))
        return spent

    @property
    def _folder(self) -> Path:
        tag = hashlib.sha256("\n".join((*self.requirements, sys.version)).encode()).hexdigest()[:16]
        return cache_folder() / "tools" / f"{self.name}-{tag}"

    def _key(self, inputs: Sequence[Path], limit_s: int) -> str:
        digest = hashlib.sha256(f"{self.script}\n{limit_s}\n".encode())
        for path in inputs:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()[:16]

    def _python(self) -> Path:
        """The interpreter of the tool's environment, made if it is not there."""
        folder = self._folder / "venv"
        python, ready = folder / "bin" / "python", folder / ".ready"
        if not ready.exists():
            venv.create(folder, with_pip=True, clear=True)
            command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            done = subprocess.run([*command, *self.requirements], check=False, capture_output=True, text=True)
            if done.returncode:
                last = done.stderr.strip().splitlines()[-1:] or ["no message"]
                raise MeasuredError(f"{self.name} {self.version} cannot be installed: {last[0]}")
            ready.touch()
        return python
