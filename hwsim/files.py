"""Files that users name: read with one-line errors, written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

__all__ = ["check_output", "load_array", "make_folder", "reason", "write_bytes", "write_json", "write_text"]


def check_output(path: Path) -> None:
    """See that ``path`` can be written, before the work whose result goes there.

    Raises:
        InputError: its folder does not exist or cannot be written, or it is a folder itself.

    """
    folder = path.parent
    if not folder.is_dir():
        raise InputError(f"{path}: there is no folder {folder}")
    if path.is_dir():
        raise InputError(f"{path}: is a folder, not a file to write")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{path}: the folder cannot be written")


def make_folder(path: Path) -> None:
    """See that there is a folder ``path``, and folders on the way to it.

    Raises:
        InputError: it cannot be made.

    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path}: the folder cannot be made: {reason(error)}") from error


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path``; whoever reads it meanwhile, or after a crash, sees the old file or the new one.

    Raises:
        InputError: it cannot be written.

    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``, as :func:`write_text`.

    Raises:
        InputError: it cannot be written.

    """
    with _written(path):
        check_output(path)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
        partial = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            # mkstemp makes files private; a result is as open as any other file.
            partial.chmod(0o666 & ~_umask())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def write_json(path: Path, tree: Any) -> None:
    """Write ``tree`` as JSON, as :func:`write_text`.

    Raises:
        InputError: it cannot be written.

    """
    write_text(path, json.dumps(tree, indent=2) + "\n")


def load_array(path: Path) -> np.ndarray:
    """The array in a ``.npy`` file.

    Raises:
        InputError: it cannot be read, or is not such a file.

    """
    import numpy as np

    try:
        array = np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {reason(error)}") from error
    except (ValueError, EOFError) as error:
        raise InputError(f"{path}: not a NumPy array file (.npy)") from error
    if not isinstance(array, np.ndarray):
        raise InputError(f"{path}: holds several arrays; give a .npy file with one")
    return array


def reason(error: OSError) -> str:
    """What the system says, in lower case to follow a colon."""
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]


@contextlib.contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {reason(error)}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
