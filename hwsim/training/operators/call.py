"""One operator at work: its node, its operands as PyTorch tensors, and what is known of it before it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from compiler.ir import Graph, Node

__all__ = ["Call"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Call:
    """An operator and its operands.

    The graph is of one sample, ``[1, ...]``; tensors here hold ``n`` samples along that first axis. What depends on no
    input of the graph keeps its own shape.
    """

    graph: Graph
    node: Node
    inputs: tuple[Tensor | None, ...]
    training: bool
    """Whether batch norms take the batch's statistics and dropouts drop."""

    def tensor(self, index: int) -> Tensor:
        """An operand that the operator cannot do without.

        Raises:
            ModelError: it is missing.

        """
        value = self.optional(index)
        if value is None:
            raise self.error(f"input {index} is missing")
        return value

    def optional(self, index: int) -> Tensor | None:
        """An operand, or None where it is omitted."""
        return self.inputs[index] if index < len(self.inputs) else None

    def static(self, index: int) -> NDArray | None:
        """An operand that says how to compute (a shape, axes, bounds); None where it is omitted.

        Raises:
            ModelError: it is computed by the network.

        """
        name = self.node.input(index)
        if not name:
            return None
        value = self.graph.constant(name)
        if value is None:
            raise self.error(f"its input {name!r} must be constant to be trained through")
        return value

    def integers(self, key: str, index: int | None = None) -> tuple[int, ...] | None:
        """A list of integers, an attribute in older opsets, an operand in newer ones; None where it is neither."""
        if key in self.node.attributes:
            value = self.node.attributes[key]
            return (value,) if isinstance(value, int) else self.node.integers(key)
        given = None if index is None else self.static(index)
        return None if given is None else tuple(int(v) for v in np.atleast_1d(given))

    def shape(self, index: int) -> tuple[int, ...]:
        """The shape of an operand in the graph, of one sample."""
        return self.graph.tensor(self.node.input(index)).shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of the first output in the graph, of one sample."""
        return self.graph.tensor(self.node.output).shape

    def output_shapes(self) -> Sequence[tuple[int, ...]]:
        """The shapes of all outputs."""
        return [self.graph.tensor(name).shape for name in self.node.outputs if name]

    def batch(self, index: int) -> int:
        """How many samples an operand holds."""
        return self.tensor(index).numel() // max(int(np.prod(self.shape(index), dtype=np.int64)), 1)

    def axis(self, axis: int, index: int = 0) -> int:
        """``axis`` of an operand, counted from the front, and not the one along which samples lie.

        Raises:
            ModelError: it is the samples' axis.

        """
        rank = self.tensor(index).ndim
        if axis % rank == 0 and self.batch(index) > 1:
            raise self.error("works across the batch axis, along which training has many samples")
        return axis % rank

    def reshaped(self, shape: tuple[int, ...]) -> Tensor:
        """The first operand in the ``shape`` that the graph gives it, for as many samples as it holds.

        Raises:
            ModelError: the samples would no longer lie along the first axis.

        """
        n = self.batch(0)
        if n > 1 and (not shape or shape[0] != 1 or self.shape(0)[:1] != (1,)):
            raise self.error(f"moves the batch axis, along which training has many samples (to {list(shape)})")
        return self.tensor(0).reshape((n * shape[0], *shape[1:]) if shape else ())

    def error(self, what: str) -> ModelError:
        """``what`` is wrong with this operator, in one line."""
        return ModelError(f"node {self.node.name!r} ({self.node.op_type}): {what}")
