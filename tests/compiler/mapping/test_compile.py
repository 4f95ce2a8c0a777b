"""Compiling: what cannot be mapped is refused in one line that names the operator; the rest means what it meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from compiler.errors import ModelError
from compiler.interpreter import interpret
from compiler.ir import Conv, Graph, IntegerOp, Layout, Pool, PoolKind, Port, QuantParams, Requantize, Tensor
from compiler.ir.shapes import integer_shape
from compiler.mapping.compile import compile_graph
from compiler.program.program import HostStep, Segment
from hwsim.functional import Machine
from rtl.config import ArchConfig, ControlConfig, DenseConfig, MemoryConfig
from tests.compiler.mapping.hosted import hosted_network
from tests.system.random_layers import random_case

Shape = tuple[int, int, int]
TWO = QuantParams(0.5, 0)
RULE = Requantize(np.float32([0.001]), 3)
BIG = ArchConfig(
    name="big",
    dense=DenseConfig(rows=8, cols=8),
    memory=MemoryConfig(ifm_kib=4096, ofm_kib=4096, weight_kib=4096, param_kib=256, accumulators=8192),
)
SMALL = ArchConfig(name="small", memory=MemoryConfig(ifm_kib=1, ofm_kib=1, weight_kib=1, param_kib=1, accumulators=16))
WIDE = ArchConfig(
    name="wide",
    dense=DenseConfig(rows=64, cols=64),
    memory=MemoryConfig(ifm_kib=4, ofm_kib=4, weight_kib=1, param_kib=1, accumulators=16),
)
ARCHS = {config.name: config for config in (BIG, ArchConfig(name="default"), SMALL, WIDE)}


def conv(kernel: tuple[int, int], channels: int, filters: int, **more: object) -> Conv:
    groups = int(str(more.get("groups", 1)))
    weights = np.random.default_rng(0).integers(-100, 100, (*kernel, channels // groups, filters)).astype(np.int16)
    return Conv("layer", ("x",), "y", weights, np.zeros(filters, np.int32), 5, RULE, **more)  # type: ignore[arg-type]


def pool(kind: PoolKind, kernel: tuple[int, int] = (1, 1)) -> Pool:
    return Pool("layer", ("x",), "y", kind, kernel, 3, RULE)


def network(shape: Shape, op: IntegerOp) -> Graph:
    graph = Graph("one")
    graph.add_tensor(Tensor("x", shape, np.dtype(np.int8), TWO))
    out = integer_shape(op, graph.tensor)
    assert out is not None
    graph.add_tensor(Tensor("y", out, np.dtype(np.int8), TWO))
    graph.add(op)
    graph.input_ports, graph.output_ports = (
        (Port(name, name, np.dtype(np.int8), Layout.natural((1, c, h, w))),)
        for name, (h, w, c) in (("x", shape), ("y", out))
    )
    return graph


@dataclass(frozen=True, slots=True)
class Extreme:
    """A layer of unusual size, and the architectures that have room for it."""

    shape: Shape
    make: Callable[[], IntegerOp]
    taken_by: str


EXTREMES = {
    "global pool of a long row": Extreme((1, 5000, 2), lambda: pool(PoolKind.GLOBAL), "big default"),
    "global pool of a long column": Extreme((5000, 1, 2), lambda: pool(PoolKind.GLOBAL), "big default small wide"),
    "global pool of many channels": Extreme((2, 2, 70_000), lambda: pool(PoolKind.GLOBAL), ""),
    "more channels than a stride can name": Extreme((1, 3, 70_000), lambda: conv((1, 1), 70_000, 2), ""),
    "a step longer than a stride": Extreme((3, 9, 30_000), lambda: conv((1, 1), 30_000, 2, strides=(1, 4)), ""),
    "long row": Extreme((1, 5000, 3), lambda: conv((1, 3), 3, 4), "big default small wide"),
    "long column": Extreme((5000, 1, 3), lambda: conv((3, 1), 3, 4), "big default small wide"),
    "widest kernel": Extreme((1, 300, 2), lambda: conv((1, 255), 2, 3), "big default small wide"),
    "wider than the widest": Extreme((1, 300, 2), lambda: conv((1, 256), 2, 3), ""),
    "tall depthwise": Extreme((260, 8, 16), lambda: conv((255, 7), 16, 16, groups=16), "big default"),
    "depthwise of long steps": Extreme(
        (50, 50, 4), lambda: conv((3, 3), 4, 4, groups=4, strides=(20, 20)), "big default small wide"
    ),
    "more weights than there is room for": Extreme((4, 4, 64), lambda: conv((1, 1), 64, 64), "big default small"),
    "more filters than a stride can name": Extreme((1, 2, 2), lambda: conv((1, 1), 2, 70_000), ""),
    "largest window": Extreme((210, 210, 1), lambda: pool(PoolKind.MAX, (200, 200)), "big"),
    "larger than the largest window": Extreme((310, 310, 1), lambda: pool(PoolKind.AVERAGE, (300, 300)), ""),
}


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("name", EXTREMES)
def test_extreme_sizes_are_mapped_or_refused_by_name(name, arch):
    extreme = EXTREMES[name]
    graph = network(extreme.shape, extreme.make())
    if arch not in extreme.taken_by.split():
        with pytest.raises(ModelError, match=r"^layer: [^\n]+$"):
            compile_graph(graph, ARCHS[arch])
        return
    program = compile_graph(graph, ARCHS[arch])
    x = np.random.default_rng(1).integers(-128, 128, extreme.shape).astype(np.int8)
    image = program.image.copy()
    program.place(image, "x", x)
    Machine(ARCHS[arch], image[: program.window_bytes]).run(program.segments[0].instructions)
    assert np.array_equal(program.fetch(image, "y"), interpret(graph, {"x": x})["y"])


def test_more_layers_than_are_counted_are_refused():
    case = next(c for c in map(random_case, range(100)) if len(c.graph) > 1)
    with pytest.raises(ModelError, match=r"more than 1 layers \(raise control.max_layers\)$"):
        compile_graph(case.graph, ArchConfig(control=ControlConfig(max_layers=1)))


def test_equal_graphs_compile_to_equal_programs():
    first, second = (compile_graph(random_case(5).graph, SMALL) for _ in range(2))
    assert np.array_equal(first.image, second.image)


@pytest.mark.parametrize("kept", [False, True], ids=["", "the tensor leaves, too"])
def test_a_host_operator_amid_the_network(kept):
    """What it makes is handed back; what was on the chip before it is not relied on behind it."""
    graph = hosted_network(keep=kept)
    program = compile_graph(graph, SMALL)
    assert [type(step) for step in program.steps] == [Segment, HostStep, Segment]
    (port,) = graph.input_ports
    values = interpret(graph, {port.name: np.random.default_rng(3).standard_normal(port.shape).astype(np.float32)})
    image = program.image.copy()
    program.place(image, port.tensor, values[port.tensor])
    for step in program.steps:
        if isinstance(step, HostStep):
            made = next(op.output for op in graph.operators() if op.name == step.operator)
            program.place(image, made, values[made])
        else:
            # A new machine: scratchpads keep nothing from one program to the next.
            Machine(SMALL, image[: program.window_bytes]).run(step.instructions)
    for name in program.tensors:
        assert np.array_equal(program.fetch(image, name), values[name]), name
