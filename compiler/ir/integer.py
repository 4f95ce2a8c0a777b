"""Integer operators: what is left of a network once it is quantised and fused, and what the accelerator runs.

Activations are int8 with one scale and zero point per tensor, shaped ``[height, width, channels]`` (batch 1,
channels last; a vector is ``[1, 1, n]``, the rows of a matrix product lie along ``width``). uint8 activations of a
source model have been shifted by 128. Every operator here has one output.

The meaning of each operator is :mod:`compiler.interpreter`; the arithmetic is :mod:`compiler.numerics`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from compiler.ir.formats import Format
    from compiler.ir.layout import Layout
    from compiler.ir.node import Node

__all__ = [
    "WIDEST",
    "WIDEST_TWO_PLANES",
    "Add",
    "Concat",
    "Conv",
    "Host",
    "HostArgument",
    "IntegerOp",
    "MatMul",
    "Permute",
    "Pool",
    "PoolKind",
    "Requantize",
    "Residual",
]

from enum import Enum

WIDEST = 255
"""A weight of 8 bits less a zero point."""
WIDEST_TWO_PLANES = 127 + 256 * 127
"""``W_L + 256 W_H``, both signed bytes."""


@dataclass(frozen=True, slots=True, eq=False)
class Requantize:
    """``clip(round(round24(acc * scale)) + zero_point, low, high)``, per output channel.

    ``scale`` is float32 ``[channels]`` (or ``[1]``), as ONNX Runtime computes ``x_scale * w_scale / y_scale``;
    the hardware holds it as a 24-bit mantissa and a right shift. ``low``/``high`` carry a fused ReLU, ReLU6 or clip.
    """

    scale: NDArray[np.float32]
    zero_point: int
    low: int = -128
    high: int = 127


@dataclass(frozen=True, slots=True, eq=False)
class Residual:
    """A fused addition: ``y = clip((q * main + r * skip + offset) >> shift, low, high)``.

    ``q`` is the requantised int8 result of the operator itself, ``r`` the int8 operand ``tensor`` of the output's
    shape. ``offset`` holds zero points and the rounding half: ``(zero_point << shift) - zq * main - zr * skip +
    (1 << (shift - 1))``. ``main`` and ``skip`` are signed 20-bit, ``offset`` signed 32-bit, ``0 < shift < 32``.
    """

    tensor: str
    main: int
    skip: int
    offset: int
    shift: int
    low: int = -128
    high: int = 127


@dataclass(frozen=True, slots=True, eq=False)
class IntegerOp:
    """What all integer operators have: a name, tensor names in, one tensor name out."""

    name: str
    inputs: tuple[str, ...]
    output: str


@dataclass(frozen=True, slots=True, eq=False)
class Conv(IntegerOp):
    """2-D convolution, depthwise or grouped convolution, or a fully connected layer.

    A fully connected layer after a flatten is a convolution whose kernel is the whole input. ``inputs`` is the
    activation, then the residual tensor if there is one. The accumulator is ``bias + sum((x - input_zero_point) *
    weights)`` in int32; padding contributes ``x == input_zero_point``.
    """

    weights: NDArray[np.int16]
    """``[kernel_h, kernel_w, channels / groups, filters]``, zero point already subtracted: up to
    :data:`WIDEST` either way, or :data:`WIDEST_TWO_PLANES` of two planes of bytes, which no engine runs."""
    bias: NDArray[np.int32]
    """``[filters]``; not including the input's zero point."""
    input_zero_point: int
    requantize: Requantize
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    """top, left, bottom, right."""
    dilations: tuple[int, int] = (1, 1)
    groups: int = 1
    residual: Residual | None = None
    format: Format | None = None
    """Of the weights, where the model tells."""


class PoolKind(Enum):
    """``MAX`` ignores padding; ``AVERAGE`` divides by the whole window; ``GLOBAL`` averages each channel."""

    MAX = "max"
    AVERAGE = "average"
    GLOBAL = "global"


@dataclass(frozen=True, slots=True, eq=False)
class Pool(IntegerOp):
    """Pooling. Average pools sum ``x - input_zero_point`` in int32 and requantise; max pools requantise the maximum."""

    kind: PoolKind
    kernel: tuple[int, int]
    input_zero_point: int
    requantize: Requantize
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Add(IntegerOp):
    """Element-wise sum not fused into its producer: ``q`` is the first input, ``residual.tensor`` the second."""

    residual: Residual


@dataclass(frozen=True, slots=True, eq=False)
class Concat(IntegerOp):
    """Concatenation along channels of tensors of one scale and zero point."""


@dataclass(frozen=True, slots=True, eq=False)
class Permute(IntegerOp):
    """Channels picked and put in another order: ``y[..., c] = x[..., channels[c]]``. A slice, a shuffle."""

    channels: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class MatMul(IntegerOp):
    """The product of two activations, once for each of ``groups`` that lie side by side in the channels.

    The inputs are ``x`` ``[1, m, groups * k]`` and ``w`` ``[1, k, groups * n]``, the result ``[1, m, groups * n]``;
    both have the zero point 0.
    """

    requantize: Requantize
    groups: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class HostArgument:
    """One argument of a host operator: a constant, or a tensor and (where it is quantised) its ONNX layout.

    All three are None for an optional argument that is omitted.
    """

    tensor: str | None = None
    layout: Layout | None = None
    constant: NDArray[np.generic] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Host(IntegerOp):
    """An ONNX operator that the accelerator lacks, run by the host on dequantised float tensors, and reported as such.

    ``output`` is float32 in its ONNX shape, or quantised to int8 with its tensor's scale and laid out by ``layout``.
    """

    op_type: str
    reason: str
    node: Node
    arguments: tuple[HostArgument, ...]
    layout: Layout | None = None
    result: int = 0
    """Which of the ONNX operator's outputs this is."""
