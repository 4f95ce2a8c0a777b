"""What PyTorch computes for each operator of the graph, with its gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hwsim.training.operators.call import Call
from hwsim.training.operators.elementwise import ELEMENTWISE
from hwsim.training.operators.layers import LAYERS
from hwsim.training.operators.shapes import SHAPES

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

__all__ = ["OPERATORS", "Call"]

OPERATORS: dict[str, Callable[[Call], Tensor | tuple[Tensor, ...]]] = {**ELEMENTWISE, **LAYERS, **SHAPES}
"""By ONNX operator, and by those of ours that passes form (``FullyConnected``, ``Bipolar``)."""
