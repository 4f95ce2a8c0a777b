"""What the sparse engine cannot hold is refused with the number that is exceeded; what can be cut to fit is cut."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from compiler.errors import ModelError
from compiler.interpreter import interpret
from compiler.ir import Conv, Graph
from compiler.ir.integer import WIDEST
from compiler.mapping.compile import compile_graph
from hwsim.functional import Machine
from rtl.config import ArchConfig, MemoryConfig, SparseConfig
from tests.compiler.mapping.test_compile import RULE, network

RNG = np.random.default_rng(7)


def accelerator(memory: MemoryConfig | None = None, **sparse: object) -> ArchConfig:
    """An engine of 4 PEs alone."""
    engine = SparseConfig.model_validate({"pes": 4, "lanes": 4, **sparse})
    return ArchConfig(name="small", dense=None, sparse=engine, memory=memory or MemoryConfig())


def layer(weights: NDArray[np.integer], channels: int | None = None, groups: int = 1) -> Graph:
    """A layer of ``weights`` ``[inputs, outputs]`` on one pixel."""
    inputs, outputs = weights.shape
    kernel = weights.astype(np.int16)[None, None]
    op = Conv("fc", ("x",), "y", kernel, np.zeros(outputs, np.int32), 0, RULE, groups=groups)
    return network((1, 1, inputs if channels is None else channels), op)


def matrix(inputs: int, outputs: int, values: int = 15) -> NDArray[np.integer]:
    """Weights other than zero, of so many different values, all of which occur."""
    return (np.arange(inputs * outputs) % values + 1).reshape(inputs, outputs)


@pytest.mark.parametrize(
    ("graph", "config", "message"),
    [
        pytest.param(
            layer(matrix(8, 8, values=16)),
            accelerator(),
            "16 different weights beside zero, and 15 fit sparse.code_bits=4 (share the weights, or raise code_bits)",
            id="codebook too small",
        ),
        pytest.param(
            layer(matrix(8, 8) - 140),
            accelerator(weights="int8", code_bits=8),
            "weights of -139..0 (a zero point taken off) are beyond int8",
            id="weight out of range",
        ),
        pytest.param(
            layer(matrix(1, 8) * WIDEST + 1),
            accelerator(),
            "its weights have two planes of 8 bits, which no engine runs yet",
            id="weights of 16 bits",
        ),
        pytest.param(
            layer(np.broadcast_to(np.int16(1), (1, 1 << 15)), channels=1 << 15, groups=1 << 15),
            accelerator(),
            "its matrix of 32768 x 32768 exceeds 268435456 elements",
            id="matrix too large",
        ),
    ],
)
def test_weights_that_no_code_stands_for_are_refused(graph: Graph, config: ArchConfig, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        compile_graph(graph, config)
    assert str(caught.value) == f"nothing of this network runs on small; fc: {message}"


@pytest.mark.parametrize(
    ("inputs", "outputs", "memory"),
    [
        pytest.param(2000, 8, MemoryConfig(ifm_kib=1, ofm_kib=2), id="input"),
        pytest.param(8, 3000, MemoryConfig(ifm_kib=1, ofm_kib=2), id="output"),
    ],
)
def test_a_vector_that_no_scratchpad_holds_is_refused(inputs: int, outputs: int, memory: MemoryConfig) -> None:
    with pytest.raises(ModelError) as caught:
        compile_graph(layer(matrix(inputs, outputs)), accelerator(memory))
    assert str(caught.value) == (
        f"fc: one output pixel needs {inputs} bytes of input and {outputs} of output, more than small holds, with "
        "1024 and 2048 (raise memory.ifm_kib or memory.ofm_kib)"
    )


@pytest.mark.parametrize("spmat_kib", [1, 2])
def test_a_column_longer_than_the_memory_of_its_pe_is_cut_by_rows(spmat_kib: int) -> None:
    # 6000 rows over 4 PEs are 1500 entries a column in each, where 1 KiB holds 1024, and 512 while others load.
    config = accelerator(MemoryConfig(param_kib=64), spmat_kib=spmat_kib, accumulators=2048, row_bytes=8)
    graph = layer(matrix(6, 6000))
    program = compile_graph(graph, config)
    x = RNG.integers(-128, 128, (1, 1, 6)).astype(np.int8)
    image = program.image.copy()
    program.place(image, "x", x)
    Machine(config, image[: program.window_bytes]).run(program.segments[0].instructions)
    assert np.array_equal(program.fetch(image, "y"), interpret(graph, {"x": x})["y"])
