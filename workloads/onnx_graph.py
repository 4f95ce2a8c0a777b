"""Writing ONNX graphs in a few words: a node at a time, in order, each with the name of what it makes.

:class:`OnnxGraph` is the pen of the trainer's export, of the builders and of the matrix products. It infers nothing
and checks everything at the end: :meth:`OnnxGraph.model` runs the ONNX checker and full shape inference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.model_container import ModelContainer, make_large_tensor_proto

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["IR_VERSION", "OPSET", "Attribute", "OnnxGraph", "Shape", "embedded"]

IR_VERSION = 10
OPSET = 17
"""The first opset with ``LayerNormalization``; old enough for every runtime in use."""
_LARGEST_SHAPE = 1024
"""Elements of a constant whose values inference may want to know; that of weights needs their type alone."""

_TYPES = {"float32": TensorProto.FLOAT, "int8": TensorProto.INT8, "uint8": TensorProto.UINT8}

Shape = tuple[int | str, ...]
Attribute = int | float | str | tuple[int, ...] | list[int] | TensorProto


class OnnxGraph:
    """A graph under construction. Tensors are their names; every method that makes one returns its name.

    Nodes are appended in the order of the calls, so a graph written front to back is topologically sorted.
    """

    def __init__(self, name: str, *, description: str = "") -> None:
        self.name = name
        self.description = description
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, NDArray[np.generic]] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def input(self, name: str, shape: Shape, dtype: str = "float32") -> str:
        """A graph input. A string in ``shape`` is a symbolic dimension."""
        self._inputs.append(helper.make_tensor_value_info(name, _TYPES[dtype], list(shape)))
        return name

    def output(self, tensor: str, shape: Shape, dtype: str = "float32") -> None:
        """Declares ``tensor`` to be an output of the graph."""
        self._outputs.append(helper.make_tensor_value_info(tensor, _TYPES[dtype], list(shape)))

    def constant(self, name: str, value: NDArray[np.generic]) -> str:
        """An initialiser. One name may be given twice only for equal tensors."""
        value = np.ascontiguousarray(value)
        known = self._constants.setdefault(name, value)
        if known is not value and not (known.dtype == value.dtype and np.array_equal(known, value)):
            raise ValueError(f"{self.name}: constant {name!r} is defined twice with different values")
        return name

    def scalar(self, name: str, value: float, dtype: str = "float32") -> str:
        """A zero-dimensional initialiser."""
        return self.constant(name, np.array(value, dtype))

    def node(self, op: str, inputs: Sequence[str], name: str, **attributes: Attribute) -> str:
        """A node with one output, named as the node is."""
        return self.nodes(op, inputs, (name,), name, **attributes)[0]

    def nodes(
        self, op: str, inputs: Sequence[str], outputs: Sequence[str], name: str, **attributes: Attribute
    ) -> tuple[str, ...]:
        """A node with several outputs; an empty name is an output that is not wanted."""
        node = helper.make_node(op, list(inputs), list(outputs), name=name)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in sorted(attributes.items()))
        self._nodes.append(node)
        return tuple(outputs)

    def model(self) -> onnx.ModelProto:
        """The finished model, with the shape of every tensor inferred.

        Raises:
            onnx.checker.ValidationError, onnx.shape_inference.InferenceError: the graph is not a valid model.

        """
        return embedded(self.container())

    def container(self) -> ModelContainer:
        """As :meth:`model`, its large constants beside it as the arrays that they are: up to 10^8 weights, not copied.

        Raises:
            onnx.checker.ValidationError, onnx.shape_inference.InferenceError: the graph is not a valid model.

        """
        large = {name: value for name, value in self._constants.items() if value.size > _LARGEST_SHAPE}
        small = {name: _tensor(name, value) for name, value in self._constants.items() if name not in large}
        # The checks need the types of large constants alone: to them, they are inputs.
        typed = [helper.make_tensor_value_info(name, _type(value), value.shape) for name, value in large.items()]
        graph = helper.make_graph(
            self._nodes, self.name, [*self._inputs, *typed], self._outputs, list(small.values()), self.description
        )
        model = helper.make_model(
            graph,
            producer_name="hwsim.workloads",
            opset_imports=[helper.make_operatorsetid("", OPSET)],
            ir_version=IR_VERSION,
        )
        onnx.checker.check_model(model)
        model = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        del model.graph.input[len(self._inputs) :]
        del model.graph.initializer[:]
        model.graph.initializer.extend(
            small[name] if name in small else make_large_tensor_proto(f"#{name}", name, _type(value), value.shape)
            for name, value in self._constants.items()
        )
        container = ModelContainer()
        container.model_proto = model
        container.set_large_initializers({f"#{name}": value for name, value in large.items()})
        return container


def embedded(container: ModelContainer) -> onnx.ModelProto:
    """The model of a container that :class:`OnnxGraph` made, which takes its large constants in."""
    model = container.model_proto
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            tensor.CopyFrom(_tensor(tensor.name, container[f"#{tensor.name}"]))
    return model


def _tensor(name: str, value: NDArray[np.generic]) -> TensorProto:
    return numpy_helper.from_array(value, name)


def _type(value: NDArray[np.generic]) -> int:
    return helper.np_dtype_to_tensor_dtype(value.dtype)
