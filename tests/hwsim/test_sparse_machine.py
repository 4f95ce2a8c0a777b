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
from hwsim.functional import Machine
from rtl.isa import Sparse, decode, encode
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


def test_every_sparse_instruction_leaves_a_record_of_what_is_not_zero():
    case, config = random_sparse_case(4, most_macs=12_000), random_sparse_arch(4, hybrid=False)
    program = compile_graph(case.graph, config)
    image = program.image.copy()
    for name, value in case.inputs.items():
        program.place(image, name, value)
    machine = Machine(config, image[: program.window_bytes])
    (segment,) = program.segments
    machine.run(segment.instructions)
    instructions = [i for i in segment.instructions if isinstance(i, Sparse)]
    assert [record.instruction for record in machine.records] == instructions
    for record in machine.records:
        i, (vectors, columns) = record.instruction, record.nonzero.shape
        assert (vectors, columns) == (i.out_w * i.out_h, i.run * i.kx * i.ky)
        assert record.matrix.starts.shape == record.matrix.ends.shape == (columns, config.sparse.pes)
        assert (record.matrix.ends >= record.matrix.starts).all()
        # Every entry is a weight or padding.
        entries = (record.matrix.ends - record.matrix.starts).sum(axis=1)
        weights = np.asarray((record.matrix.weights != 0).sum(axis=0)).ravel()
        np.testing.assert_array_equal(entries - record.matrix.padding, weights)
