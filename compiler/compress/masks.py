"""Which constants of a float graph are kept, element by element."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.ir import Graph

__all__ = ["Masks"]


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """``kept[name]`` is a bool array of the shape of the graph's constant ``name``: True where the element is kept.

    The constants are weights, and for whole channels their biases and batch norm parameters too. A constant without a
    mask is kept whole. The arrays are not to be written to.
    """

    kept: Mapping[str, NDArray[np.bool_]]

    @classmethod
    def none(cls) -> Masks:
        """Nothing is pruned."""
        return cls({})

    def __len__(self) -> int:
        return len(self.kept)

    def __iter__(self) -> Iterator[str]:
        return iter(self.kept)

    def __contains__(self, name: object) -> bool:
        return name in self.kept

    def __getitem__(self, name: str) -> NDArray[np.bool_]:
        return self.kept[name]

    def __and__(self, other: Masks) -> Masks:
        """What both keep."""
        both = dict(self.kept)
        for name, mask in other.kept.items():
            both[name] = both[name] & mask if name in both else mask
        return Masks(both)

    def equals(self, other: Masks) -> bool:
        """Whether both have the same constants and keep the same elements."""
        return set(self.kept) == set(other.kept) and all(np.array_equal(m, other[n]) for n, m in self.kept.items())

    def only(self, names: list[str]) -> Masks:
        """The masks of these constants alone."""
        return Masks({name: self.kept[name] for name in names if name in self.kept})

    def sparsity(self, *names: str) -> float:
        """The share of elements that is pruned, 0..1, over the named constants or all that have a mask."""
        chosen = [self.kept[name] for name in (names or self.kept)]
        size = sum(mask.size for mask in chosen)
        return 1 - sum(int(mask.sum()) for mask in chosen) / size if size else 0.0

    def apply(self, graph: Graph) -> Graph:
        """A copy of ``graph`` whose pruned elements are zero.

        Raises:
            ModelError: if a mask has no constant, or one of another shape.

        """
        pruned = graph.copy()
        for name, mask in self.kept.items():
            value = _constant(graph, name)
            if value.shape != mask.shape:
                raise ModelError(f"mask {name!r} is {list(mask.shape)}, the constant {list(value.shape)}")
            pruned.set_constant(name, np.where(mask, value, np.zeros((), value.dtype)))
        return pruned

    def save(self, path: Path) -> None:
        """Write an ``.npz`` file, whole or not at all."""
        partial = path.with_name(f".{path.name}.partial")
        try:
            with partial.open("wb") as file:
                # positional: a tensor may be called "file", and a name may have slashes in it
                names = np.array(list(self.kept), dtype=np.str_)
                np.savez_compressed(file, names, *[np.packbits(m) for m in self.kept.values()], *self._shapes())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def _shapes(self) -> list[NDArray[np.int64]]:
        return [np.asarray(mask.shape, np.int64) for mask in self.kept.values()]

    @classmethod
    def load(cls, path: Path) -> Masks:
        """What :meth:`save` wrote.

        Raises:
            ModelError: if the file cannot be read, or is no such file.

        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = [file[f"arr_{i}"] for i in range(len(file.files))]
        except OSError as error:
            raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from error
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ModelError(f"{path}: is not a file of masks (.npz)") from error
        if not arrays or len(arrays) != 2 * len(arrays[0]) + 1:
            raise ModelError(f"{path}: is not a file of masks (.npz)")
        names, count = [str(name) for name in arrays[0]], len(arrays[0])
        packed, shapes = arrays[1 : 1 + count], arrays[1 + count :]
        return cls({n: _unpack(p, tuple(map(int, s))) for n, p, s in zip(names, packed, shapes, strict=True)})


def _unpack(packed: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    return np.unpackbits(packed, count=int(np.prod(shape, dtype=np.int64))).astype(bool).reshape(shape)


def _constant(graph: Graph, name: str) -> NDArray:
    value = graph.constant(name)
    if value is None:
        raise ModelError(f"there is no constant {name!r} to mask in {graph.name!r}")
    return value
