"""Work that survives being killed: its state in one file, replaced whole after each epoch."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hwsim.errors import InputError
from hwsim.files import reason, write_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from compiler.ir import Graph

__all__ = ["Checkpoint", "Digest", "load_checkpoint", "save_checkpoint"]

_HEADER = "header"


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Arrays by name, and whatever else JSON can hold."""

    key: str
    """Digest of everything that the work depends on."""
    arrays: Mapping[str, NDArray]
    facts: Mapping[str, Any] = field(default_factory=dict)


class Digest:
    """SHA-256 of what decides a result."""

    def __init__(self, *words: object) -> None:
        self._hash = hashlib.sha256()
        self.words(*words)

    def words(self, *words: object) -> Digest:
        """Take in the representations of values."""
        for word in words:
            self._hash.update(repr(word).encode() + b"\0")
        return self

    def array(self, value: NDArray) -> Digest:
        """Take in an array: type, shape and values."""
        self.words(value.dtype.str, value.shape)
        self._hash.update(np.ascontiguousarray(value).tobytes())
        return self

    def arrays(self, values: Mapping[str, NDArray]) -> Digest:
        """Take in arrays with their names."""
        for name in sorted(values):
            self.words(name).array(values[name])
        return self

    def graph(self, graph: Graph) -> Digest:
        """Take in operators, attributes and constants."""
        from compiler.ir import Node

        for node in graph.select(Node):
            self.words(node.name, node.op_type, node.domain, node.inputs, node.outputs)
            for key in sorted(node.attributes):
                value = node.attributes[key]
                self.words(key)
                self.array(value) if isinstance(value, np.ndarray) else self.words(value)
            for name in node.inputs:
                constant = graph.constant(name) if name else None
                if constant is not None:
                    self.words(name).array(constant)
        return self

    def hex(self) -> str:
        """The digest so far."""
        return self._hash.hexdigest()


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write ``checkpoint`` to ``path``; whoever reads it, or is killed meanwhile, has the old one or the new one.

    Raises:
        InputError: it cannot be written; the disk is full, say.

    """
    names = list(checkpoint.arrays)
    header = json.dumps({"key": checkpoint.key, "names": names, "facts": checkpoint.facts})
    buffer = io.BytesIO()
    # Numbered, since a tensor may have any name.
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in [
            (_HEADER, np.array(header)),
            *((f"a{i}", checkpoint.arrays[n]) for i, n in enumerate(names)),
        ]:
            with archive.open(f"{name}.npy", "w") as entry:
                np.lib.format.write_array(entry, np.asarray(array), allow_pickle=False)
    write_bytes(path, buffer.getvalue())


def load_checkpoint(path: Path, key: str) -> Checkpoint | None:
    """What :func:`save_checkpoint` wrote there; None if there is nothing.

    Raises:
        InputError: it cannot be read, is no checkpoint, or is one of other work than ``key``'s.

    """
    if not path.exists():
        return None
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            header = json.loads(str(file[_HEADER]))
            arrays = {name: file[f"a{index}"] for index, name in enumerate(header["names"])}
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {reason(error)}") from error
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, json.JSONDecodeError) as error:
        raise InputError(f"{path}: is no checkpoint, or a damaged one; delete it to start anew") from error
    if header["key"] != key:
        raise InputError(f"{path}: is of other work (network, data or settings differ); delete it to start anew")
    return Checkpoint(key, arrays, header["facts"])
