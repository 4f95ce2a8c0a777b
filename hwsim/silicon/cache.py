"""Synthesis that is not done twice: a folder of results for each set of inputs, in the cache of builds."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hwsim.errors import ToolError
from hwsim.simulation.build import cache_errors, cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["kept"]


def kept(what: str, inputs: Sequence[str], make: Callable[[Path], None]) -> Path:
    """The folder that ``make`` filled from ``inputs``, which are all that its result depends on.

    ``what`` names the procedure: one that comes to do something else needs another name.

    A folder is made under another name and renamed when it is whole, so nothing can be taken for a result that is none.
    Where a program fails, its logs stay in a folder ``*.partial``; whoever is interrupted, or finds the disk full,
    leaves nothing.

    Raises:
        ToolError: the cache cannot be written, or ``make`` raises it.

    """
    key = hashlib.sha256("\0".join(inputs).encode()).hexdigest()[:24]
    cache = cache_folder() / "synthesis"
    folder = cache / f"{what}-{key}"
    if folder.is_dir():
        return folder
    with cache_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(dir=cache, prefix=f"{folder.name}-", suffix=".partial"))
        try:
            make(partial)
        except ToolError:
            _keep_logs(partial)
            raise
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        try:
            partial.rename(folder)
        except OSError:
            # Another was first; its result is the same.
            if not folder.is_dir():
                raise
            shutil.rmtree(partial)
    return folder


def _keep_logs(partial: Path) -> None:
    for path in partial.iterdir():
        if path.suffix != ".log":
            path.unlink()
