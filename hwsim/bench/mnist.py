"""MNIST's test images, from the files of its authors (LeCun, Cortes and Burges, 1998)."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hwsim.errors import InputError
from hwsim.training.data import DataSet, split

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MNIST", "load_mnist"]

MNIST = Path("../shared/models/data")
IMAGES, LABELS = "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"


def load_mnist(folder: Path = MNIST, seed: int = 0) -> DataSet:
    """The 10,000 images ``[n, 1, 28, 28]`` in 0..1, split in 6,000 to train on, 2,000 to decide by and 2,000 to report.

    Raises:
        InputError: the files are not there.

    """
    images = _idx(folder / IMAGES, header=16).reshape(-1, 1, 28, 28)
    labels = _idx(folder / LABELS, header=8).astype(np.int64)
    return split("mnist", images.astype(np.float32) / np.float32(255), labels, seed)


def _idx(path: Path, header: int) -> NDArray[np.uint8]:
    if not path.is_file():
        raise InputError(f"{path}: no such file; MNIST's test images are needed")
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=header)
