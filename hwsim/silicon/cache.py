"""Synthesis that is not done twice: a folder of results for each set of inputs, in the cache of builds."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hwsim.errors import ToolError
from hwsim.simulation.build import cache_errors, cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["KEEP_RESULTS", "kept"]

KEEP_RESULTS = 256
"""Folders that the cache holds before the longest unused ones go; the presets in three libraries are 80."""
KEEP_SECONDS = 3600
"""A folder used this recently stays: another process may be reading it."""
PARTIAL_SECONDS = 24 * 3600
"""Whoever began this long ago is gone: the longest step takes hours at most."""


def kept(what: str, inputs: Sequence[str], make: Callable[[Path], None]) -> Path:
    """The folder that ``make`` filled from ``inputs``, which are all that its result depends on.

    That is the version of the program, the script that it runs, and what it reads; no paths. ``what`` names the
    procedure: one that comes to do something else around its program needs another name.

    A folder is made under another name and renamed when it is whole, so nothing is taken for a result that is none.
    Where a program fails, its logs stay for a day in a folder ``*.partial``; who is interrupted, or finds the disk
    full, leaves nothing, and what one that is killed leaves goes after a day.

    Raises:
        ToolError: the cache cannot be written, or ``make`` raises it.

    """
    key = hashlib.sha256("\0".join(inputs).encode()).hexdigest()[:24]
    cache = cache_folder() / "synthesis"
    folder = cache / f"{what}-{key}"
    if folder.is_dir():
        # A cache that can only be read serves too.
        with contextlib.suppress(OSError):
            os.utime(folder)
        return folder
    with cache_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
        _evict(cache)
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
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.suffix != ".log":
            path.unlink()


def _evict(cache: Path) -> None:
    """Remove what was begun and left, and the results that were unused the longest, where there are many."""
    ages = _ages(cache)
    partial = {folder for folder in ages if folder.suffix == ".partial"}
    left = [folder for folder in partial if ages[folder] > PARTIAL_SECONDS]
    results = sorted(ages.keys() - partial, key=ages.__getitem__)
    unused = [folder for folder in results[KEEP_RESULTS:] if ages[folder] > KEEP_SECONDS]
    for folder in left + unused:
        shutil.rmtree(folder, ignore_errors=True)


def _ages(cache: Path) -> dict[Path, float]:
    """Seconds since each folder was last used, or begun."""
    now, ages = time.time(), {}
    for folder in cache.iterdir():
        # Others rename theirs meanwhile.
        with contextlib.suppress(FileNotFoundError):
            ages[folder] = now - folder.stat().st_mtime
    return ages
