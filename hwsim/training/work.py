"""The folder of work in progress."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from hwsim.files import make_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["work_folder"]

_OURS = ("fit-*.npz", "pruning.npz", ".*.partial")


@contextlib.contextmanager
def work_folder(path: Path) -> Iterator[Path]:
    """A folder for checkpoints, made where it is missing; what we put there goes once the work is done.

    It stays as it is when the work ends by an error or a signal, for the next run to find.

    Raises:
        InputError: it cannot be made.

    """
    make_folder(path)
    yield path
    for pattern in _OURS:
        for file in path.glob(pattern):
            file.unlink(missing_ok=True)
    if not any(path.iterdir()):
        path.rmdir()
