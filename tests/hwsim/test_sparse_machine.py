"""Pruned networks on accelerators with a sparse engine, without RTL: what the compiler makes of them is what they mean.

So the encoder's memory images, the mapper's cuts, the code generator and the functional machine are held against the
interpreter, which knows nothing of compressed weights.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from compiler.errors import ModelError
from compiler.interpreter import execute as run_operator
from compiler.interpreter import interpret
from compiler.ir import IntegerOp
from compiler.mapping.compile import compile_graph
from compiler.program.program import HostStep
from compiler.sparse.image import read_pointers, read_spmat
from hwsim.functional import Machine
from hwsim.sparse_machine import SparseMachine
from rtl.config import ArchConfig, SparseConfig
from rtl.isa import Space, Sparse, decode, encode
from rtl.sparse.layout import SparseLayout
from rtl.sparse.work import sparse_work
from tests.system.random_sparse import random_sparse_arch, random_sparse_case

NETWORKS = 60


@pytest.mark.parametrize("part", range(4))
def test_compiled_programs_compute_what_the_interpreter_does(part, record_property):
    engines, refused, wrong = Counter(), 0, []
    for seed in range(part * NETWORKS, (part + 1) * NETWORKS):
        case, config = random_sparse_case(seed, most_macs=12_000), random_sparse_arch(seed)
        observe = {op.output for op in case.graph.operators()} if seed % 2 else set()
        try:
            program = compile_graph(case.graph, config, observe=observe)
        except ModelError:
            refused += 1
            continue
        engines.update(layer.engine for layer in program.layers)
        reference, values = interpret(case.graph, case.inputs), dict(case.inputs)
        operators = {op.name: op for op in case.graph.select(IntegerOp)}
        for step in program.steps:
            if isinstance(step, HostStep):
                op = operators[step.operator]
                values[op.output] = run_operator(case.graph, op, values)
                continue
            image = program.image.copy()
            for name in program.tensors.keys() & values.keys():
                program.place(image, name, values[name])
            machine = Machine(config, image[: program.window_bytes])
            machine.run(decode(encode(i)) for i in step.instructions)
            assert machine.sparse is not None
            assert not machine.sparse.sums.any(), "sums are left to the next layer"
            values |= {name: program.fetch(image, name) for name in program.tensors}
        wrong += [
            f"{name} of {case} on {config}"
            for name in program.tensors
            if not np.array_equal(values[name], reference[name])
        ]
    record_property("summary: (accelerator with a sparse engine, network) pairs without RTL", NETWORKS - refused)
    assert not wrong, "\n".join([f"{len(wrong)} tensors differ, of which", *wrong[:5]])
    assert engines["sparse"] > NETWORKS // 2, "too few layers run on the sparse engine to be a test of it"
    assert refused < NETWORKS // 4, "the accelerators are too small to be a test of anything"


def test_the_work_of_every_sparse_instruction_is_what_the_timing_model_finds_in_the_memories():
    """The machine decodes a matrix once and keeps it; :func:`rtl.sparse.work.sparse_work` reads pointers and codes."""
    seen = 0
    for seed in range(40):
        case, config = random_sparse_case(seed, most_macs=4_000), random_sparse_arch(seed, hybrid=False)
        try:
            program = compile_graph(case.graph, config)
        except ModelError:
            continue
        reference = interpret(case.graph, case.inputs)
        for segment in program.segments:
            image = program.image.copy()
            for name in program.tensors.keys() & reference.keys():
                program.place(image, name, reference[name])
            machine = Machine(config, image[: program.window_bytes])
            for i in segment.instructions:
                found = machine.step(i)
                if not isinstance(i, Sparse):
                    assert found is None
                    continue
                codes, _ = read_spmat(machine.spad[Space.SPMAT], config)
                pointers = read_pointers(machine.spad[Space.POINTER], config)
                expected = sparse_work(config, i, machine.spad[Space(i.source)].view(np.int8), pointers, codes)
                assert found is not None
                for field in ("chunks", "columns", "starts", "ends", "padding"):
                    np.testing.assert_array_equal(getattr(found, field), getattr(expected, field), err_msg=field)
                seen += 1
    assert seen > 100


def test_a_column_that_ends_before_it_begins_is_refused_where_it_is_multiplied():
    """As in the RTL, whose PEs look up the columns of activations other than zero and no others."""
    config = ArchConfig(dense=None, sparse=SparseConfig(pes=2, lanes=1, weights="int8", code_bits=8, row_bytes=2))
    machine = SparseMachine(config)
    stride = SparseLayout(config).pointer_stride
    pointers = machine.spad[Space.POINTER].reshape(-1, stride)[:4, :4].view("<u2")
    pointers[:] = [[0, 0], [3, 0], [2, 0], [2, 0]]
    multiply = Sparse(
        source=Space.IFM, act=0, out_w=1, out_h=1, x_stride=0, y_stride=0, run=3, kx=1, kx_stride=0, ky=1, ky_stride=0,
        zero_point=0, column=0, entry=0, acc=0, acc_stride=1,
    )  # fmt: skip
    work = machine.multiply(multiply, np.array([1, 0, 1], np.int8))
    assert work.columns.tolist() == [0, 2]
    assert (work.ends - work.starts)[work.columns].tolist() == [[3, 0], [0, 0]]
    with pytest.raises(IndexError, match=r"^SPARSE multiplies column 1, whose pointers end before they begin$"):
        machine.multiply(multiply, np.array([1, 1, 1], np.int8))
