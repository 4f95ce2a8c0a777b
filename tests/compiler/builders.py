"""ONNX models in a few lines, for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compiler.evaluate import evaluate
from compiler.frontend import import_model
from compiler.ir import Graph
from compiler.passes import Pass, Trace, run_passes

Shape = Sequence[int | str]


def op(op_type: str, inputs: str, outputs: str, *, domain: str = "", **attributes: object) -> onnx.NodeProto:
    """A node named after its first output; tensor names are separated by blanks, ``-`` is an omitted one."""
    names = [["" if n == "-" else n for n in text.split()] for text in (inputs, outputs)]
    node = helper.make_node(op_type, *names, name=names[1][0], domain=domain)
    node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
    return node


def info(name: str, shape: Shape | None, dtype: type = np.float32) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Shape | tuple[Shape, type]],
    outputs: str | Mapping[str, type],
    constants: Mapping[str, NDArray | float | int | list] | None = None,
    *,
    opset: int = 13,
) -> onnx.ModelProto:
    """A model of ``nodes``; inputs are ``name: shape`` or ``name: (shape, dtype)``, constants arrays or float lists."""
    types = dict.fromkeys(outputs.split(), np.float32) if isinstance(outputs, str) else outputs
    arrays = {
        name: value if isinstance(value, (np.ndarray, np.generic)) else np.asarray(value, np.float32)
        for name, value in (constants or {}).items()
    }
    graph = helper.make_graph(
        list(nodes),
        "test",
        [info(n, *s) if isinstance(s, tuple) and isinstance(s[1], type) else info(n, s) for n, s in inputs.items()],
        [info(name, None, dtype) for name, dtype in types.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in arrays.items()],
    )
    domains = sorted({node.domain for node in nodes} - {""})
    return helper.make_model(
        graph,
        ir_version=8,
        opset_imports=[helper.make_opsetid("", opset), *(helper.make_opsetid(d, 1) for d in domains)],
    )


def save(proto: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def imported(folder: Path, *args: object, **kwargs: object) -> Graph:
    """The ONNX-level graph of ``model(*args, **kwargs)``."""
    return import_model(save(model(*args, **kwargs), folder))  # type: ignore[arg-type]


def kinds(graph: Graph) -> list[str]:
    """The operator types in order."""
    return [getattr(op, "op_type", type(op).__name__) for op in graph.operators()]


def applied(graph: Graph, *passes: Pass, rtol: float = 1e-4) -> tuple[Graph, list[Trace]]:
    """The graph after ``passes``, which must preserve its outputs and change nothing when run again."""
    after = graph.copy()
    traces = run_passes(after, passes)
    inputs = {
        p.name: np.random.default_rng(7).standard_normal(p.shape).astype(p.dtype)
        if p.dtype.kind == "f"
        else np.random.default_rng(7).integers(-100, 100, p.shape).astype(p.dtype)
        for p in graph.input_ports
    }
    results = [[_value(g, evaluate(g, inputs), port.tensor) for port in g.output_ports] for g in (graph, after)]
    for want, got in zip(*results, strict=True):
        np.testing.assert_allclose(got, want, rtol=rtol, atol=1e-5)
    assert [trace.changed for trace in run_passes(after, passes)] == [False] * len(passes)
    return after, traces


def _value(graph: Graph, values: Mapping[str, NDArray], name: str) -> NDArray:
    constant = graph.constant(name)
    return values[name] if constant is None else constant


def rand(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
