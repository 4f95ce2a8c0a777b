"""Trained networks, whole, on the accelerator: equal to the byte, to the cycle and in every counter.

The models lie beside the repository; where they are absent these tests are skipped.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from compiler.interpreter import interpret
from compiler.ir import Graph, Host
from compiler.mapping.compile import compile_graph
from hwsim.api import simulate
from hwsim.functional import Machine
from hwsim.network import load_network
from rtl.config import load_arch
from tests.compiler.shared import golden_path, model_path, needs_models

ARCH = "dense-16x16"
NETWORKS = ("resnet-8", "ds-cnn", "autoencoder", "mobilenet")


def golden_input(name: str) -> NDArray:
    with np.load(golden_path(name)) as data:
        return data["x"][:1]


@cache
def graph(name: str) -> Graph:
    return load_network(str(model_path(name))).graph


@needs_models
@pytest.mark.parametrize("name", NETWORKS)
def test_compiled_networks_compute_what_the_interpreter_does(name):
    """Without RTL: what the instructions mean, and every layer in turn."""
    network, config = graph(name), load_arch(ARCH)
    operators = [op for op in network.operators() if not isinstance(op, Host)]
    program = compile_graph(network, config, observe={op.output for op in operators})
    (port,) = network.input_ports
    reference = interpret(network, {port.name: golden_input(name)})
    image = program.image.copy()
    program.place(image, port.tensor, reference[port.tensor])
    (segment,) = program.segments
    Machine(config, image[: program.window_bytes]).run(segment.instructions)
    wrong = [op.name for op in operators if not np.array_equal(program.fetch(image, op.output), reference[op.output])]
    assert wrong == []


@needs_models
@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_in_rtl(name, record_property):
    run = simulate(str(model_path(name)), ARCH, inputs=golden_input(name))
    record_property(f"summary: RTL cycles of {name}", run.rtl_cycles)
    assert run.mismatched_bytes == 0
    assert run.compared_bytes >= sum(layer.compared_bytes for layer in run.layers) > 0
    assert run.rtl_cycles == run.model_cycles
    assert run.observed_agrees
    for layer in run.layers:
        assert layer.compared_bytes > 0, layer.estimate.name
        assert layer.mismatched_bytes == 0, layer.estimate.name
        assert layer.rtl_cycles == layer.model_cycles, layer.estimate.name
        assert layer.counter_differences == {}, layer.estimate.name
    assert run.agrees


@needs_models
@pytest.mark.parametrize(
    ("name", "operators"), [("resnet-8", ["Softmax"]), ("ds-cnn", ["Softmax"]), ("autoencoder", [])]
)
def test_operators_that_the_accelerator_lacks_are_listed(name, operators):
    from hwsim.api import estimate

    assert [step.op for step in estimate(str(model_path(name)), ARCH).host_steps] == operators
