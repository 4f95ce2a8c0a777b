"""Small ONNX models with a symbolic batch, for both ONNX Runtime and us."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from compiler.frontend.build import import_model

if TYPE_CHECKING:
    from pathlib import Path

    from compiler.ir import Graph

__all__ = ["Case", "graph_of", "run_onnxruntime"]


@dataclass(frozen=True)
class Case:
    """One operator on ``x``, float32 ``[N, *shape]``, and what follows it: constants, None, or ``"x"`` again."""

    op: str
    shape: tuple[int, ...]
    constants: tuple[Any, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)
    outputs: int = 1
    opset: int = 17
    first: int = 0
    """Where among the inputs ``x`` stands."""
    id: str = ""

    def __str__(self) -> str:
        return self.id or self.op

    def model(self) -> onnx.ModelProto:
        names = [_operand(i, value) for i, value in enumerate(self.constants)]
        inputs = [*names[: self.first], "x", *names[self.first :]]
        outputs = [f"y{i}" for i in range(self.outputs)]
        node = helper.make_node(self.op, inputs, outputs, name="node", **self.attributes)
        constants = [
            numpy_helper.from_array(np.asarray(value), name)
            for name, value in zip(names, self.constants, strict=True)
            if isinstance(value, (np.ndarray, np.generic))
        ]
        graph = helper.make_graph(
            [node],
            "case",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *self.shape])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            constants,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=9)


def _operand(index: int, value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else f"c{index}"


def graph_of(model: onnx.ModelProto, folder: Path) -> Graph:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return import_model(path)


def run_onnxruntime(model: onnx.ModelProto, x: np.ndarray) -> list[np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: x})
