"""What ONNX' shape inference lets pass: operands whose shapes contradict each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from compiler.errors import ModelError
from compiler.frontend.limits import element_count
from compiler.ir import Graph, Node

__all__ = ["check_operands"]

Shapes = list[tuple[int, ...]]

BATCH = "its batch is {}, and one image at a time is compiled; export with a batch of 1, or a symbolic one"


def check_operands(graph: Graph) -> None:
    """Check the operators that the compiler rewrites, so that passes and lowering can rely on their shapes.

    Raises:
        ModelError: naming the first node whose operands do not fit each other.

    """
    for node in graph.select(Node):
        check = _CHECKS.get(node.op_type)
        if check is None or node.domain != "":
            continue
        shapes = [graph.tensor(name).shape if name else () for name in node.inputs]
        problem = check(node, shapes, graph.tensor(node.output).shape)
        if problem:
            raise ModelError(f"node {node.name!r} ({node.op_type}): {problem}")


def _conv(node: Node, shapes: Shapes, out: tuple[int, ...]) -> str | None:
    x, weights, *bias = shapes
    if x[0] != 1:
        return BATCH.format(x[0])
    groups = node.integer("group", 1)
    if len(weights) != len(x) or len(x) < 3 or groups < 1 or weights[1] * groups != x[1] or weights[0] % groups:
        return f"weights {list(weights)} in {groups} groups do not fit the input {list(x)}"
    if out[1] != weights[0]:
        return f"{weights[0]} filters do not make {list(out)}"
    if bias and node.input(2) and element_count(bias[0]) != weights[0]:
        return f"its bias {list(bias[0])} does not fit {weights[0]} filters"
    return _window(node, weights[2:])


def _pool(node: Node, shapes: Shapes, _: tuple[int, ...]) -> str | None:
    kernel, pads = node.integers("kernel_shape"), node.integers("pads")
    if shapes[0][0] != 1:
        return BATCH.format(shapes[0][0])
    if len(kernel) != len(shapes[0]) - 2:
        return f"its kernel {list(kernel)} does not fit the input {list(shapes[0])}"
    if any(pad >= size for pad, size in zip(pads, kernel * 2, strict=False)):
        return f"its pads {list(pads)} are not smaller than its kernel {list(kernel)}"
    return _window(node, kernel)


def _window(node: Node, kernel: tuple[int, ...]) -> str | None:
    given = node.integers("kernel_shape", kernel)
    if tuple(given) != tuple(kernel):
        return f"its kernel is {list(kernel)}, not {list(given)}"
    for key, count, least in (("strides", 1, 1), ("dilations", 1, 1), ("pads", 2, 0)):
        values = node.integers(key)
        if values and (len(values) != count * len(kernel) or min(values) < least):
            return f"{key} {list(values)} do not fit a {len(kernel)}-D kernel"
    return "its kernel is empty" if min(kernel, default=1) < 1 else None


def _gemm(node: Node, shapes: Shapes, out: tuple[int, ...]) -> str | None:
    a, b = (shapes[i][::-1] if node.integer(f"trans{'AB'[i]}", 0) else shapes[i] for i in (0, 1))
    if len(a) != 2 or len(b) != 2 or a[1] != b[0] or out != (a[0], b[1]):
        return f"operands {list(a)} and {list(b)} do not make {list(out)}"
    return _broadcast([shapes[2], out], out) if node.input(2) else None


def _matmul(_: Node, shapes: Shapes, out: tuple[int, ...]) -> str | None:
    a, b = shapes[:2]
    if not a or not b or a[-1] != b[max(len(b) - 2, 0)]:
        return f"operands {list(a)} and {list(b)} do not make {list(out)}"
    return None


def _batch_norm(_: Node, shapes: Shapes, __: tuple[int, ...]) -> str | None:
    channels = shapes[0][1] if len(shapes[0]) > 1 else 1
    wrong = [list(s) for s in shapes[1:5] if s != (channels,)]
    return f"its parameters {wrong[0]} do not fit {channels} channels" if wrong else None


def _elementwise(_: Node, shapes: Shapes, out: tuple[int, ...]) -> str | None:
    return _broadcast(shapes, out)


def _broadcast(shapes: Shapes, out: tuple[int, ...]) -> str | None:
    try:
        fits = np.broadcast_shapes(*shapes) == out
    except ValueError:
        fits = False
    return None if fits else f"operands {', '.join(str(list(s)) for s in shapes)} do not make {list(out)}"


def _view(_: Node, shapes: Shapes, out: tuple[int, ...]) -> str | None:
    before, after = element_count(shapes[0]), element_count(out)
    return None if before == after else f"the number of elements changes, {list(shapes[0])} to {list(out)}"


_CHECKS: dict[str, Callable[[Node, Shapes, tuple[int, ...]], str | None]] = {
    "Conv": _conv,
    "MaxPool": _pool,
    "AveragePool": _pool,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "BatchNormalization": _batch_norm,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _elementwise),
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity"), _view),
}
