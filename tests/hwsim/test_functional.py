"""The functional machine against the interpreter: what the compiler makes of a network means what the network means.

No RTL and no timing: that leaves room for a great many networks on accelerators of every kind.
"""

from __future__ import annotations

import numpy as np
import pytest

from compiler.errors import ModelError
from compiler.interpreter import interpret
from compiler.mapping.compile import compile_graph
from hwsim.functional import Machine
from tests.system.random_archs import random_arch
from tests.system.random_layers import random_case

NETWORKS = 150
"""In each of the tests below that take a part of the seeds."""


@pytest.mark.parametrize("part", range(8))
def test_compiled_programs_compute_what_the_interpreter_does(part, record_property):
    refused, wrong = 0, []
    for seed in range(part * NETWORKS, (part + 1) * NETWORKS):
        case, config = random_case(seed, most_macs=12_000), random_arch(seed)
        # Observed tensors stay where they are and are stored too: half of the networks show their inside.
        observe = {op.output for op in case.graph.operators()} if seed % 2 else set()
        try:
            program = compile_graph(case.graph, config, observe=observe)
        except ModelError:
            refused += 1
            continue
        image = program.image.copy()
        for name, value in case.inputs.items():
            program.place(image, name, value)
        machine = Machine(config, image[: program.window_bytes])
        for segment in program.segments:
            machine.run(segment.instructions)
        reference = interpret(case.graph, case.inputs)
        wrong += [
            f"{name} of {case} on {config}"
            for name in program.tensors
            if not np.array_equal(program.fetch(image, name), reference[name])
        ]
    record_property("summary: (accelerator, network) pairs without RTL", NETWORKS - refused)
    assert not wrong, "\n".join([f"{len(wrong)} tensors differ, of which", *wrong[:5]])
    assert refused < NETWORKS // 10, "the accelerators are too small to be a test of anything"
