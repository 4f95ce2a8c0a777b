"""Readers that want another order of elements than the writer left: who moves what, and that it arrives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import compiler
from compiler.evaluate import evaluate
from compiler.frontend import import_model
from compiler.ir import Graph, Host, MatMul, Permute
from tests.compiler.builders import model, op, rand, save

SHAPE = (1, 12, 5, 5)
CONSTANTS = {
    "w": rand(12, 12, 1, 1), "d": rand(12, 1, 3, 3), "half": rand(8, 6, 1, 1), "grouped": rand(12, 3, 1, 1),
    "five": np.array([1, 3, 4, 5, 5]), "four": np.array(SHAPE), "starts": np.array([3]), "ends": np.array([9]),
    "channels": np.array([1]), "sizes": np.array([6, 6]), "picks": np.array([7, 0, 3, 3, 11, 2]),
    "rows": np.array([2]), "rest": np.array([5]), "height": np.array([2]), "few": rand(4, 6, 1, 1),
}  # fmt: skip
SHUFFLE = [
    op("Reshape", "a five", "r"),
    op("Transpose", "r", "t", perm=[0, 2, 1, 3, 4]),
    op("Reshape", "t four", "s"),
]


def compiled(folder: Path, nodes: list[onnx.NodeProto], inputs: dict | None = None) -> tuple[Graph, float]:
    """The integer graph, and how far its result is from the float network's, in steps of the output's scale."""
    used = {name for node in nodes for name in node.input}
    constants = {name: value for name, value in CONSTANTS.items() if name in used}
    path = save(model(nodes, inputs or {"x": SHAPE}, "y", constants), folder)
    plain = import_model(path)
    rng = np.random.default_rng(0)
    samples = {p.name: rng.standard_normal((4, *p.shape)).astype(np.float32) for p in plain.input_ports}
    graph = compiler.load(path, calibration=samples)
    given = {name: value[0] for name, value in samples.items()}
    (got,) = compiler.read_outputs(graph, compiler.interpret(graph, given)).values()
    quant = graph.tensor(graph.outputs[0]).quant
    assert quant is not None
    return graph, float(np.abs(got - evaluate(plain, given)["y"]).max() / quant.scale)


def moves(graph: Graph) -> list[str]:
    """Who moves elements, in order."""
    return [
        "accelerator" if isinstance(operator, Permute) else "host"
        for operator in graph.operators()
        if isinstance(operator, Permute) or (isinstance(operator, Host) and operator.op_type == "Transpose")
    ]


@pytest.mark.parametrize(
    "nodes",
    [
        [op("Conv", "x w", "a"), *SHUFFLE, op("Conv", "s d", "y", group=12)],
        [op("Conv", "x w", "a"), *SHUFFLE, op("Conv", "s grouped", "y", group=4)],
        [op("Conv", "x w", "a"), op("Slice", "a starts ends channels", "s"), op("Conv", "s half", "y")],
        [op("Conv", "x w", "a"), op("Gather", "a picks", "s", axis=1), op("Conv", "s half", "y")],
    ],
    ids=["channel shuffle", "shuffle into groups", "a slice of channels", "picked channels"],
)
def test_the_accelerator_moves_channels(nodes: list, tmp_path: Path):
    graph, error = compiled(tmp_path, nodes)
    assert moves(graph) == ["accelerator"]
    assert not graph.select(Host)
    assert error < 6


def test_a_split_is_as_many_slices(tmp_path: Path):
    nodes = [
        op("Conv", "x w", "a"),
        op("Split", "a sizes", "l r", axis=1),
        op("Conv", "l half", "m"),
        op("Conv", "r half", "n"),
        op("Concat", "n m", "y", axis=1),
    ]
    graph, error = compiled(tmp_path, nodes)
    assert moves(graph) == ["accelerator"] * 2
    assert error < 6


@pytest.mark.parametrize(
    "nodes",
    [
        [op("Conv", "x w", "a"), op("Transpose", "a", "t", perm=[0, 1, 3, 2]), op("Conv", "t d", "y", group=12)],
        [op("Conv", "x w", "a"), op("Slice", "a rows rest height", "s"), op("Conv", "s w", "y")],
    ],
    ids=["transposed pixels", "a slice of rows"],
)
def test_the_host_moves_pixels(nodes: list, tmp_path: Path):
    graph, error = compiled(tmp_path, nodes)
    assert moves(graph) == ["host"]
    assert error < 6


def test_an_input_is_laid_down_as_it_is_wanted(tmp_path: Path):
    graph, _ = compiled(tmp_path, [op("Transpose", "x", "t", perm=[0, 1, 3, 2]), op("Conv", "t d", "y", group=12)])
    assert moves(graph) == []


def test_so_is_a_result_of_the_host(tmp_path: Path):
    nodes = [
        op("Conv", "x w", "a"),
        op("Sigmoid", "a", "s"),
        op("Transpose", "s", "t", perm=[0, 1, 3, 2]),
        op("Conv", "t d", "y", group=12),
    ]
    graph, error = compiled(tmp_path, nodes)
    assert [operator.op_type for operator in graph.select(Host)] == ["Sigmoid"]
    assert error < 6


def test_a_copy_serves_all_who_want_that_order(tmp_path: Path):
    nodes = [
        op("Conv", "x w", "a"),
        op("Slice", "a starts ends channels", "s"),
        op("Conv", "s half", "m"),
        op("Conv", "s few", "n"),
        op("Concat", "m n", "y", axis=1),
    ]
    graph, _ = compiled(tmp_path, nodes)
    assert moves(graph) == ["accelerator"]


@pytest.mark.parametrize("transposed", [False, True], ids=["a @ b", "a @ b.T"])
def test_a_product_of_activations_is_the_accelerators(transposed: bool, tmp_path: Path):
    nodes = [op("MatMul", "a t" if transposed else "a b", "y")]
    if transposed:
        nodes.insert(0, op("Transpose", "b", "t", perm=[0, 2, 1]))
    graph, error = compiled(tmp_path, nodes, {"a": (3, 7, 10), "b": (3, 9, 10) if transposed else (3, 10, 9)})
    (product,) = graph.operators()
    assert isinstance(product, MatMul)
    assert product.groups == 3
    assert error < 6


def test_operands_of_such_a_product_have_no_zero_point(tmp_path: Path):
    nodes = [op("Relu", "a", "r"), op("MatMul", "r b", "y")]
    graph, _ = compiled(tmp_path, nodes, {"a": (2, 4, 6), "b": (2, 6, 5)})
    (product,) = graph.select(MatMul)
    quants = [graph.tensor(name).quant for name in product.inputs]
    assert [q.zero_point for q in quants if q is not None] == [0, 0]


def test_a_product_whose_batches_differ_is_the_hosts(tmp_path: Path):
    graph, _ = compiled(tmp_path, [op("MatMul", "a b", "y")], {"a": (2, 4, 6), "b": (1, 6, 5)})
    assert [operator.op_type for operator in graph.select(Host)] == ["MatMul"]
