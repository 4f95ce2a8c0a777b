"""Work that points share, kept by content: computed once over points, runs and workers.

An entry is a file whose name is the hash of everything that decides its content. It is written under another name and
renamed when it is whole, under a lock that the system drops with its holder: whoever wants the same meanwhile waits,
and one that is killed leaves nothing that could be taken for an entry.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import tempfile
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsim.errors import InputError
from hwsim.files import reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Cache", "content_hash", "source_hash"]

_PACKAGES = ("rtl", "compiler", "hwsim", "workloads")
_SOURCES = frozenset({".py", ".yaml", ".csv", ".onnx"})


class Cache:
    """Entries of several kinds in one folder, which may be shared by machines.

    Raises:
        InputError: the folder cannot be used.

    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"the cache {folder} cannot be made: {reason(error)}; set HWSIM_CACHE") from error

    def path(self, kind: str, key: str) -> Path:
        """Where the entry is, or will be."""
        return self.folder / kind / key[:2] / key

    def obtain(self, kind: str, key: str, make: Callable[[], bytes]) -> bytes:
        """The entry; made by ``make`` where there is none yet, by one of all who ask at the same time.

        Raises:
            InputError: it cannot be written.
            Whatever ``make`` raises; then there is no entry.

        """
        path = self.path(kind, key)
        found = _read(path)
        if found is not None:
            return found
        with _errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_name(f".{key}.lock")):
            found = _read(path)
            if found is None:
                found = make()
                with _errors(path):
                    _write(path, found)
        return found


def content_hash(*parts: Any) -> str:
    """32 hex digits that name ``parts``, which are JSON, or bytes."""
    digest = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else json.dumps(part, sort_keys=True, separators=(",", ":")).encode()
        digest.update(str(len(data)).encode() + b":" + data)
    return digest.hexdigest()[:32]


@functools.cache
def source_hash() -> str:
    """16 hex digits that name this very version of the source: figures of another one are not reused."""
    digest = hashlib.sha256()
    for package in _PACKAGES:
        root = Path(str(resources.files(package)))
        for path in sorted(p for p in root.rglob("*") if p.suffix in _SOURCES):
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _write(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with _errors(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        # The file stays: were it removed, a waiter would hold the lock of a file that nobody else finds.
        os.close(handle)


@contextlib.contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"the cache of sweeps {path.parent} cannot be written: {reason(error)}") from error
