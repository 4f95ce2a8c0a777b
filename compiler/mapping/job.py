"""What one integer operator asks of the array, in one form for all of them.

Convolutions, fully connected layers, pools, additions and copies are all the same loop: over tiles of output channels
(*filter tiles*) and tiles of output pixels, accumulate some *windows* of the input times some weights, then
requantise. Pools and additions pass their input through with a unit matrix as weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rtl.isa import PARAM_BYTES, AccumulateOp, PostConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from compiler.ir.graph import Graph

__all__ = ["FilterTile", "Job", "Window", "hwc_shape"]


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A part of the reduction, against ``weights``: ``[ky * kx * run, filters]`` int8, or one tile that is reused.

    It is ``run`` bytes from (``tap_y``, ``tap_x``, ``channel``) on, ``kx`` times along x and ``ky`` times along y.
    Taps are in input pixels; ``step_x`` and ``step_y`` are the distances between them (the dilation).
    """

    tap_y: int
    tap_x: int
    channel: int
    run: int
    kx: int
    step_x: int
    ky: int
    step_y: int
    rows: int
    """Rows of ``weights``."""
    filters: int
    make: Callable[[], NDArray[np.int8]]
    """Makes ``weights``: nobody pays for them who only wants to know what they cost."""
    weights_at: tuple[int, int] = (0, 0)
    """Row and column of them in :attr:`Job.weights_from`, if the job has that; there is nothing to be made then."""

    @property
    def size(self) -> int:
        """Bytes of ``weights``."""
        return self.rows * self.filters

    @property
    def weights(self) -> NDArray[np.int8]:
        """The weights themselves, made anew."""
        return self.make()


@dataclass(frozen=True, slots=True, eq=False)
class FilterTile:
    """Up to ``cols`` output channels: their windows and their parameters."""

    channel: int
    """First output channel."""
    filters: int
    windows: tuple[Window, ...]
    make_params: Callable[[], NDArray[np.uint8]]

    @property
    def params(self) -> NDArray[np.uint8]:
        """The parameters themselves, made anew."""
        return self.make_params()

    @property
    def param_bytes(self) -> int:
        """Bytes of ``params``."""
        return PARAM_BYTES * self.filters

    @property
    def weight_bytes(self) -> int:
        """Bytes of the weights of all windows."""
        return sum(window.size for window in self.windows)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Job:
    """One operator (or one input of a concatenation) for the array.

    Shapes are ``(height, width, channels)``; ``kernel`` is the extent of the window in input pixels, dilation included.
    """

    name: str
    op: str
    source: str
    """Input tensor."""
    target: str
    """Output tensor."""
    in_shape: tuple[int, int, int]
    out_shape: tuple[int, int, int]
    kernel: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int] = (0, 0)
    """Top and left; the bottom and right follow from the shapes."""
    fill: int = 0
    """Value of padding."""
    tiles: tuple[FilterTile, ...]
    constants: PostConfig
    macs: int = 0
    """Multiply-accumulates of the operator itself, whatever the array spends on it."""
    skip: str | None = None
    """Tensor added by the output stage."""
    accumulate: AccumulateOp = AccumulateOp.SET
    depthwise: bool = False
    reuse_weights: bool = False
    hold: bool = False
    """All pixels of the input accumulate into one output pixel."""
    natural_run: int = 0
    """Bytes of a window's row where they are contiguous: decides the row pitch. 0: any pitch will do."""
    channel_offset: int = 0
    """First channel written, of a target that several jobs write."""
    weights_from: str | None = None
    """Tensor ``[1, rows, columns]`` that holds the weights, of a product of two activations."""


def hwc_shape(graph: Graph, tensor: str) -> tuple[int, int, int]:
    """``(height, width, channels)`` of a tensor."""
    height, width, channels = graph.tensor(tensor).shape
    return height, width, channels
