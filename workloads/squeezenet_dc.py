"""The weights of the compressed SqueezeNet (Iandola et al. 2016, by Deep Compression): real codes and codebooks.

``squeezenet_deep_compression_codes.npz`` holds for each layer ``NAME.codes`` ``[filters, channels, height, width]``
uint8, ``NAME.codebook`` ``[256]`` float32, whose first value is zero, and ``NAME.bias`` ``[filters]`` float32. It is
not part of the project.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from workloads.registry import WorkloadError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["SharedLayer", "read"]


@dataclass(frozen=True, slots=True, eq=False)
class SharedLayer:
    """A convolution as it was stored."""

    name: str
    codes: NDArray[np.uint8]
    """``[filters, channels, height, width]``; 0 is the weight zero."""
    codebook: NDArray[np.float32]
    """The weight of each code."""
    bias: NDArray[np.float32]

    @property
    def weights(self) -> NDArray[np.float32]:
        """What the codes stand for, in their shape."""
        return self.codebook[self.codes]


def read(file: Path) -> tuple[SharedLayer, ...]:
    """All layers, in the order of the network.

    Raises:
        WorkloadError: the file is not there, or has a layer that lacks a part or has a code without a weight.

    """
    try:
        arrays = np.load(file)
    except (OSError, ValueError) as error:
        raise WorkloadError(f"{file}: cannot be read as compressed weights ({error})") from None
    names = [key.removesuffix(".codes") for key in arrays.files if key.endswith(".codes")]
    return tuple(_layer(file, arrays, name) for name in names)


def _layer(file: Path, arrays: np.lib.npyio.NpzFile, name: str) -> SharedLayer:
    for part in ("codebook", "bias"):
        if f"{name}.{part}" not in arrays.files:
            raise WorkloadError(f"{file}: layer {name!r} has no {part}")
    layer = SharedLayer(name, *(arrays[f"{name}.{part}"] for part in ("codes", "codebook", "bias")))
    if layer.codes.max(initial=0) >= len(layer.codebook):
        raise WorkloadError(
            f"{file}: layer {name!r} has code {layer.codes.max()} and a codebook of {len(layer.codebook)} weights"
        )
    if layer.codebook[0] != 0:
        raise WorkloadError(f"{file}: layer {name!r} has {layer.codebook[0]:g} for code 0, which is the weight zero")
    return layer
