from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from compiler.errors import ModelError
from compiler.ir import Conv, Graph, IRError, Layout, Node, Port, QuantParams, Requantize, Tensor
from compiler.numerics import residual

FLOAT, INT8 = np.dtype(np.float32), np.dtype(np.int8)


def relu(x: str, y: str) -> Node:
    return Node(y, "Relu", (x,), (y,))


def diamond() -> Graph:
    """``x -> a -> b, c -> y``."""
    graph = Graph()
    layout = Layout.natural((1, 4))
    for name in "xabcy":
        graph.add_tensor(Tensor(name, (1, 4), FLOAT))
    graph.add(Node("y", "Add", ("b", "c"), ("y",)))
    for x, y in (("a", "b"), ("a", "c"), ("x", "a")):
        graph.add(relu(x, y))
    graph.input_ports = (Port("x", "x", FLOAT, layout),)
    graph.output_ports = (Port("y", "y", FLOAT, layout),)
    graph.verify()
    return graph


def names(graph: Graph) -> list[str]:
    return [op.name for op in graph.operators()]


def test_order_is_topological_then_that_of_insertion():
    assert names(diamond()) == ["a", "b", "c", "y"]


def test_who_writes_and_reads_a_tensor():
    graph = diamond()
    assert graph.producer("x") is None
    assert graph.producer("b") is graph.operator("b")
    assert [op.name for op in graph.consumers("a")] == ["b", "c"]
    assert graph.sole_consumer("a") is None
    assert graph.sole_consumer("b") is graph.operator("y")
    assert graph.sole_consumer("y") is None
    assert (graph.inputs, graph.outputs, len(graph), "a" in graph) == (("x",), ("y",), 4, True)


def test_a_replaced_operator_keeps_its_place():
    graph = diamond()
    graph.replace("b", Node("b", "Neg", ("a",), ("b",)))
    assert names(graph) == ["a", "b", "c", "y"]
    graph.verify()


def test_redirecting_a_tensor_moves_its_readers_and_the_outputs():
    graph = diamond()
    graph.redirect("b", "c")
    assert graph.operator("y").inputs == ("c", "c")
    graph.redirect("y", "a")
    assert graph.outputs == ("a",)
    assert graph.output_ports[0].name == "y"


def test_a_copy_is_independent():
    graph = diamond()
    twin = graph.copy()
    twin.remove("y")
    twin.add_constant("k", np.ones(3))
    assert "y" in graph
    assert not graph.has_tensor("k")


def test_fresh_names_are_free():
    graph = diamond()
    assert graph.fresh("z") == "z"
    assert graph.fresh("a") == "a_1"
    assert graph.add_constant("a", np.ones(1)) == "a_1"
    assert graph.fresh("a") == "a_2"


def test_a_loop_sees_each_operator_as_it_is():
    graph = diamond()
    seen = []
    for node in graph.walk(Node, "Relu"):
        seen.append((node.name, node.inputs))
        if node.name == "a":
            graph.remove("c")
            graph.replace("b", relu("x", "b"))
    assert seen == [("a", ("x",)), ("b", ("x",))]


@pytest.mark.parametrize(
    ("breaks", "message"),
    [
        (lambda g: g.remove("a"), r"^b: input 'a' has no source$"),
        (lambda g: g.remove("y"), r"^output 'y' has no source$"),
        (lambda g: g.add(Node("z", "Relu", ("a",), ("z",))), r"^z: output 'z' has no type$"),
        (lambda g: g.add(relu("x", "a")), r"^there are two operators 'a'$"),
        (lambda g: g.add(Node("z", "Relu", ("x",), ("a",))), r"^z: tensor 'a' is written twice$"),
        (lambda g: g.replace("a", relu("y", "a")), r"^the graph has a cycle: "),
        (lambda g: g.tensor("nothing"), r"^there is no tensor 'nothing'$"),
    ],
)
def test_what_is_not_well_formed_is_named(breaks, message: str):
    graph = diamond()

    def act() -> None:
        breaks(graph)
        graph.verify()

    with pytest.raises(IRError, match=message):
        act()


QUANT = QuantParams(0.5, 3)


def convolution() -> tuple[Graph, Conv]:
    graph = Graph()
    for name, shape in (("x", (4, 5, 2)), ("r", (2, 3, 6)), ("y", (2, 3, 6))):
        graph.add_tensor(Tensor(name, shape, INT8, QUANT))
    layout = Layout(np.arange(40, dtype=np.int32))
    graph.input_ports = (Port("x", "x", INT8, layout), Port("r", "r", INT8, layout))
    graph.output_ports = (Port("y", "y", INT8, layout),)
    weights = np.ones((3, 3, 2, 6), np.int16)
    rule = residual("r", QUANT, QUANT, QUANT)
    conv = Conv("c", ("x", "r"), "y", weights, np.zeros(6, np.int32), 3, Requantize(np.float32([1]), 3), residual=rule)
    return graph, conv


def test_an_integer_operator_fits_its_tensors():
    graph, conv = convolution()
    graph.add(conv)
    graph.verify()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strides": (2, 2)}, r"^c: output 'y' is \[2, 3, 6\], not \[1, 2, 6\]$"),
        ({"weights": np.ones((3, 3, 3, 6), np.int16)}, r"^c: weights \[3, 3, 3, 6\] do not fit 2 channels$"),
        ({"groups": 2}, r"^c: weights \[3, 3, 2, 6\] do not fit 2 channels$"),
        ({"bias": np.zeros(5, np.int32)}, r"^c: bias and scale must have one entry for each of the 6 filters$"),
        ({"requantize": Requantize(np.ones(5, np.float32), 0)}, r"^c: bias and scale must have one entry"),
        ({"inputs": ("x",)}, r"^c: the residual 'r' is not its second input$"),
        (
            {"inputs": ("x", "x"), "residual": residual("x", QUANT, QUANT, QUANT)},
            r"^c: the residual is \[4, 5, 2\], not",
        ),
    ],
)
def test_an_integer_operator_that_does_not_fit_is_named(change: dict, message: str):
    graph, conv = convolution()
    graph.add(replace(conv, **change))
    with pytest.raises(IRError, match=message):
        graph.verify()


def test_attributes_have_types():
    node = Node("n", "Conv", (), ("y",), {"group": 2, "pads": (1, 2), "alpha": 0.5, "mode": "same", "bad": "text"})
    assert (node.integer("group", 1), node.integer("absent", 7)) == (2, 7)
    assert node.integers("pads") == (1, 2)
    assert node.real("alpha", 1.0) == 0.5
    assert node.text("mode", "") == "same"
    for read in (lambda: node.integer("bad", 0), lambda: node.integers("bad"), lambda: node.real("bad", 0.0)):
        with pytest.raises(ModelError, match=r"^node 'n' \(Conv\): attribute 'bad' is not "):
            read()


@pytest.mark.parametrize("value", [-100.0, -0.75, -0.25, 0.0, 0.25, 0.74, 0.76, 100.0])
def test_quantisation_is_onnx(value: float):
    q = QUANT.quantize(np.float32([value]))
    assert q[0] == np.clip(np.rint(value / 0.5) + 3, -128, 127)
    assert abs(QUANT.dequantize(q)[0] - np.clip(value, -65.5, 62)) <= 0.25
