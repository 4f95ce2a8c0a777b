from __future__ import annotations

import numpy as np
import pytest

from compiler.interpreter import interpret
from compiler.ir import Add, Conv, Graph, Layout, Port, QuantParams, Requantize, Tensor
from compiler.numerics import residual
from compiler.passes.fuse_residual import FuseResidual
from tests.compiler.builders import kinds

INT8 = np.dtype(np.int8)
SHAPE = (3, 4, 2)


def graph(operators: list[tuple[str, str, str]], outputs: str = "y") -> Graph:
    """Operators ``(kind, inputs, output)`` on tensors of one shape, each with its own scale."""
    rng = np.random.default_rng(0)
    built = Graph()
    names = ["x", *(output for _, _, output in operators)]
    for place, name in enumerate(names):
        built.add_tensor(Tensor(name, SHAPE, INT8, QuantParams(0.1 + 0.03 * place, place - 2)))
    layout = Layout(np.arange(24, dtype=np.int32).reshape(1, *SHAPE))
    built.input_ports = (Port("x", "x", INT8, layout),)
    built.output_ports = tuple(Port(name, name, INT8, layout) for name in outputs.split())
    for kind, inputs, output in operators:
        left, *right = inputs.split()
        if kind == "add":
            quants = [built.tensor(n).quant for n in (left, right[0], output)]
            built.add(Add(output, (left, right[0]), output, residual(right[0], *quants, low=-100)))  # type: ignore[arg-type]
        else:
            weights = rng.integers(-9, 9, (1, 1, 2, 2)).astype(np.int16)
            rule = Requantize(np.float32([0.05]), 1)
            built.add(Conv(output, (left,), output, weights, np.zeros(2, np.int32), -2, rule))
    built.verify()
    return built


@pytest.mark.parametrize(
    ("operators", "after"),
    [
        ([("conv", "x", "a"), ("add", "a x", "y")], ["Conv"]),
        ([("conv", "x", "a"), ("add", "x a", "y")], ["Conv"]),
        ([("conv", "x", "a"), ("conv", "x", "b"), ("add", "a b", "y")], ["Conv", "Conv"]),
        (
            [("conv", "x", "a"), ("conv", "a", "b"), ("add", "a b", "c"), ("conv", "c", "d"), ("add", "c d", "y")],
            ["Conv"] * 3,
        ),
        ([("conv", "x", "a"), ("add", "a x", "b"), ("add", "b x", "y")], ["Conv", "Add"]),
        ([("conv", "x", "a"), ("add", "a a", "y")], ["Conv", "Add"]),
        ([("add", "x x", "y")], ["Add"]),
    ],
    ids=["first operand", "second operand", "two convolutions", "chain", "only one each", "own double", "no layer"],
)  # fmt: skip
def test_an_addition_joins_the_convolution_before_it(operators: list, after: list[str]):
    before = graph(operators)
    fused = before.copy()
    assert FuseResidual()(fused) == (len(fused) < len(before))
    fused.verify()
    assert kinds(fused) == after
    x = np.random.default_rng(1).integers(-128, 128, SHAPE).astype(np.int8)
    want, got = (interpret(g, {"x": x})["y"] for g in (before, fused))
    np.testing.assert_array_equal(got, want)
    assert not FuseResidual()(fused)


def test_of_two_convolutions_the_later_takes_it():
    fused = graph([("conv", "x", "a"), ("conv", "x", "b"), ("add", "a b", "y")])
    FuseResidual()(fused)
    first, second = fused.operators()
    assert (first.name, second.name, second.inputs) == ("a", "b", ("x", "a"))


def test_a_result_that_is_read_elsewhere_stays():
    assert not FuseResidual()(graph([("conv", "x", "a"), ("add", "a x", "y")], outputs="y a"))
