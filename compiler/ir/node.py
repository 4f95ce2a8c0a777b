"""An ONNX operator, before quantisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from compiler.errors import ModelError

__all__ = ["Attribute", "Node"]

Attribute = int | float | str | tuple[int, ...] | tuple[float, ...] | tuple[str, ...] | NDArray[np.generic]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """An operator of the ONNX level: ``op_type`` of ``domain``, its attributes, tensor names in and out.

    An omitted optional input is the empty name. Operators of ours, in the domain ``hwsim``, carry fused forms:
    ``FullyConnected`` (x ``[..., k]``, weights ``[k, n]`` or with ``transB`` ``[n, k]``, bias ``[n]``); ``Bipolar``
    (``scale`` where x >= 0, else ``-scale``); the steps of :mod:`compiler.passes.unroll_recurrent`. Any arithmetic
    operator may have a ``clip`` attribute ``(low, high)``, a fused ReLU, ReLU6 or Clip, or a ``bipolar`` one, the scale
    of a fused ``Bipolar``.

    Raises:
        ModelError: from the typed accessors, when an attribute has another type than its operator defines.

    """

    name: str
    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    domain: str = ""

    @property
    def output(self) -> str:
        """The first output."""
        return self.outputs[0]

    def input(self, index: int) -> str:
        """The name of an input, empty where it is omitted."""
        return self.inputs[index] if index < len(self.inputs) else ""

    def integer(self, key: str, default: int) -> int:
        """An integer attribute."""
        value = self.attributes.get(key, default)
        if not isinstance(value, int):
            raise self._mistyped(key, "an integer")
        return value

    def real(self, key: str, default: float) -> float:
        """A float attribute."""
        value = self.attributes.get(key, default)
        if not isinstance(value, (int, float)):
            raise self._mistyped(key, "a number")
        return float(value)

    def text(self, key: str, default: str) -> str:
        """A string attribute."""
        value = self.attributes.get(key, default)
        if not isinstance(value, str):
            raise self._mistyped(key, "a string")
        return value

    def integers(self, key: str, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """A list of integers."""
        value = self.attributes.get(key, default)
        if not isinstance(value, tuple) or not all(isinstance(v, int) for v in value):
            raise self._mistyped(key, "a list of integers")
        return tuple(int(v) for v in value)

    def clip(self) -> tuple[float, float]:
        """The bounds of the fused activation; infinite where there is none."""
        value = self.attributes.get("clip", (-np.inf, np.inf))
        if not isinstance(value, tuple) or len(value) != 2:
            raise self._mistyped("clip", "two numbers")
        return float(value[0]), float(value[1])

    def bipolar(self) -> float | None:
        """The scale of a fused ``Bipolar``; None where there is none."""
        return self.real("bipolar", 0.0) if "bipolar" in self.attributes else None

    def with_attributes(self, **changes: Attribute) -> Node:
        """The same operator with some attributes changed."""
        return replace(self, attributes={**self.attributes, **changes})

    def _mistyped(self, key: str, kind: str) -> ModelError:
        return ModelError(f"node {self.name!r} ({self.op_type}): attribute {key!r} is not {kind}")
