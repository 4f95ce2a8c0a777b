"""Handwritten digits: the 1,797 images of 8 x 8 pixels that scikit-learn ships, split once and for all.

The source is the test part of the UCI "Optical Recognition of Handwritten Digits" set (E. Alpaydin, C. Kaynak, 1998):
counts of 0..16 in 8 x 8 cells, here divided by 16.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CLASSES", "SPLIT_SEED", "TEST_IMAGES", "Digits", "calibration", "load"]

CLASSES = 10
TEST_IMAGES = 360
SPLIT_SEED = 2024
"""Chosen before the first training run, and never varied."""

_CALIBRATION_IMAGES = 256


@dataclass(frozen=True, slots=True, eq=False)
class Digits:
    """Images are float32 ``[n, 1, 8, 8]`` in 0..1, labels int64 ``[n]`` in 0..9. No image is in both parts."""

    train_x: NDArray[np.float32]
    train_y: NDArray[np.int64]
    test_x: NDArray[np.float32]
    test_y: NDArray[np.int64]


def load() -> Digits:
    """The data set: 1,437 images to train on and 360 to test with, the same ones each time."""
    from sklearn.datasets import load_digits  # a second to import: only for those who need the pictures

    pixels, labels = load_digits(return_X_y=True)
    images = np.asarray(pixels / 16, np.float32).reshape(-1, 1, 8, 8)
    labels = np.asarray(labels, np.int64)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(images))
    test, train = order[:TEST_IMAGES], order[TEST_IMAGES:]
    return Digits(images[train], labels[train], images[test], labels[test])


def calibration() -> NDArray[np.float32]:
    """Images for post-training quantisation, float32 ``[256, 1, 8, 8]``: training images, never test images."""
    return load().train_x[:_CALIBRATION_IMAGES]
