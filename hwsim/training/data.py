"""Labelled data, split once: to train on, to decide by, and to report."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hwsim.errors import InputError
from hwsim.files import reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.ir import Graph

__all__ = ["DataSet", "Part", "digits", "fit_to", "load_data", "split"]

VALIDATION_SHARE, TEST_SHARE = 0.2, 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Inputs float32 ``[n, ...]`` and the class of each, int64 ``[n]``."""

    x: NDArray[np.float32]
    y: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.y)

    def first(self, count: int) -> Part:
        """The first ``count`` samples, or all if there are fewer."""
        return Part(self.x[:count], self.y[:count])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DataSet:
    """Three parts that share no sample."""

    name: str
    train: Part
    validation: Part
    """Decides when to stop and what to prune; no gradient is taken of it."""
    test: Part
    """Decides nothing: what is reported in the end."""

    @property
    def classes(self) -> int:
        """How many there are."""
        return int(max(part.y.max() for part in (self.train, self.validation, self.test))) + 1


def split(name: str, x: NDArray[np.float32], y: NDArray[np.int64], seed: int = 0) -> DataSet:
    """60 % to train on, 20 % to decide by, 20 % to report; shuffled by ``seed``."""
    order = np.random.default_rng(seed).permutation(len(y))
    tested, decided = round(TEST_SHARE * len(y)), round(VALIDATION_SHARE * len(y))
    test, validation, train = np.split(order, [tested, tested + decided])
    return DataSet(name=name, train=_part(x, y, train), validation=_part(x, y, validation), test=_part(x, y, test))


def _part(x: NDArray[np.float32], y: NDArray[np.int64], chosen: NDArray[np.intp]) -> Part:
    return Part(x[chosen], y[chosen])


def digits(seed: int = 0) -> DataSet:
    """scikit-learn's 1,797 handwritten digits, ``[n, 1, 8, 8]`` in 0..1; the workload's own test images are the test.

    Of the 1,437 others, a fifth decides.
    """
    from workloads.digits.data import load

    images = load()
    order = np.random.default_rng(seed).permutation(len(images.train_y))
    cut = round(VALIDATION_SHARE * len(order))
    validation, train = order[:cut], order[cut:]
    return DataSet(
        name="digits",
        train=_part(images.train_x, images.train_y, train),
        validation=_part(images.train_x, images.train_y, validation),
        test=Part(images.test_x, images.test_y),
    )


def load_data(given: str, seed: int = 0) -> DataSet:
    """The data set that ``--data`` names: ``digits``, or an ``.npz`` file.

    The file holds ``x`` ``[n, ...]`` (uint8 is divided by 255) and ``y``, classes ``[n]``; with ``x_test`` and
    ``y_test`` besides, those are the test, and a fifth of the others decides.

    Raises:
        InputError: no such data, or arrays that are none or do not belong together.

    """
    if given == "digits":
        return digits(seed)
    path = Path(given)
    if path.suffix != ".npz":
        raise InputError(f"unknown data set {given!r}: known: digits, or a file .npz with x and y")
    arrays = _read(path)
    if "x" not in arrays or "y" not in arrays:
        raise InputError(f"{path}: holds {', '.join(arrays) or 'nothing'}; x [n, ...] and y [n] are needed")
    x, y = _checked(path, arrays["x"], arrays["y"])
    if "x_test" not in arrays and "y_test" not in arrays:
        return split(path.stem, x, y, seed)
    if "x_test" not in arrays or "y_test" not in arrays:
        raise InputError(f"{path}: x_test and y_test go together; one of them is missing")
    test = _checked(path, arrays["x_test"], arrays["y_test"])
    order = np.random.default_rng(seed).permutation(len(y))
    cut = round(VALIDATION_SHARE * len(y))
    return DataSet(
        name=path.stem, train=_part(x, y, order[cut:]), validation=_part(x, y, order[:cut]), test=Part(*test)
    )


def _read(path: Path) -> dict[str, NDArray]:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {reason(error)}") from error
    except (ValueError, EOFError, zipfile.BadZipFile, AttributeError) as error:
        raise InputError(f"{path}: not a file of NumPy arrays (.npz)") from error


def _checked(path: Path, x: NDArray, y: NDArray) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    if y.ndim != 1 or x.ndim < 2 or len(x) != len(y):
        raise InputError(f"{path}: x is {list(x.shape)} and y {list(y.shape)}; x [n, ...] and y [n] are needed")
    if len(y) < 10:
        raise InputError(f"{path}: {len(y)} samples are too few to split; 10 are needed")
    if x.dtype.kind not in "iuf" or y.dtype.kind not in "iu" or y.min() < 0:
        raise InputError(f"{path}: x must be numbers and y classes 0, 1 ..., not {x.dtype} and {y.dtype}")
    images = x.astype(np.float32) / np.float32(255 if x.dtype == np.uint8 else 1)
    if not np.isfinite(images).all():
        raise InputError(f"{path}: x has NaN or infinite values")
    return images, y.astype(np.int64)


def fit_to(graph: Graph, data: DataSet) -> DataSet:
    """``data`` in the shape that ``graph`` takes.

    Raises:
        InputError: the network has several inputs, or takes another number of values, or has fewer outputs than the
            data classes.

    """
    if len(graph.input_ports) != 1 or len(graph.output_ports) != 1:
        raise InputError(f"{graph.name}: training takes a network of one input and one output")
    shape = graph.input_ports[0].shape
    given, wanted = data.train.x.shape[1:], shape[1:]
    # Axes of one and flat images are the same values in the same order; other shapes may be another order.
    same = _packed(given) == _packed(wanted)
    flat = 1 in (len(_packed(given)), len(_packed(wanted))) and np.prod(given) == np.prod(wanted)
    if not same and not flat:
        raise InputError(f"{graph.name} takes {list(wanted)} a sample, and {data.name} has {list(given)}")
    outputs = graph.tensor(graph.outputs[0]).size
    if data.classes > outputs:
        raise InputError(f"{graph.name} tells {outputs} classes apart, and {data.name} has {data.classes}")
    parts = (data.train, data.validation, data.test)
    train, validation, test = (Part(part.x.reshape(len(part), *shape[1:]), part.y) for part in parts)
    return DataSet(name=data.name, train=train, validation=validation, test=test)


def _packed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)
