"""Which activations of a network are not zero: what its sparse layers cost depends on that, and how rows are laid out.

What a program is compiled for is known from calibration; what a run of it takes, from the very input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.interpreter import bind_inputs, execute
from compiler.ir.integer import IntegerOp
from compiler.sparse.absorb import Activity
from hwsim.functional import Machine
from hwsim.sparse_machine import DecodedMatrices

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from compiler.ir.graph import Graph
    from compiler.program.program import Program, Segment
    from hwsim.network import Network
    from rtl.config import ArchConfig
    from rtl.sparse.work import SparseWork

__all__ = ["calibrated_activity", "density_of", "program_works", "sample_inputs"]

_SAMPLES = 3
_FIRST_SEED = 1 << 20
"""Far from the seeds of runs: rows are not laid out for the input that is then measured."""


def calibrated_activity(network: Network) -> Activity | None:
    """How often each element of each tensor that is read is not zero, over some inputs; None if nothing is known.

    The inputs are samples of the workload, or those that it was quantised with, unless they are made up.
    """
    workload, graph = network.workload, network.graph
    if len(graph.input_ports) != 1:
        return None
    if workload.sample is not None:
        inputs = [workload.sample(_FIRST_SEED + k) for k in range(_SAMPLES)]
    elif workload.calibration is not None and not workload.synthetic:
        inputs = list(workload.calibration()[:_SAMPLES])
    else:
        return None
    port = graph.input_ports[0]
    if any(array.size != graph.tensor(port.tensor).size for array in inputs):
        return None
    runs = [_read_values(graph, {port.name: np.reshape(array, port.shape)}) for array in inputs]
    found = {}
    for tensor in graph.tensors():
        if tensor.quant is not None and tensor.name in runs[0]:
            zero = tensor.quant.zero_point
            found[tensor.name] = np.mean([run[tensor.name] != zero for run in runs], axis=0, dtype=np.float32)
    return found


def _read_values(graph: Graph, inputs: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """Every tensor that an operator reads: of the last layers nobody asks how many zeros they leave."""
    values = bind_inputs(graph, inputs)
    for operator in graph.select(IntegerOp):
        if graph.consumers(operator.output):
            values[operator.output] = execute(graph, operator, values)
    return values


def sample_inputs(network: Network, seed: int) -> dict[str, NDArray] | None:
    """An input for a seed, by port, with as many zeros as the workload meets in use; None if nothing is known of it."""
    workload, ports = network.workload, network.graph.input_ports
    if workload.sample is None or len(ports) != 1:
        return None
    return {ports[0].name: np.reshape(workload.sample(seed), ports[0].shape)}


def program_works(
    program: Program, config: ArchConfig, values: Mapping[str, NDArray]
) -> list[Iterator[SparseWork]] | None:
    """What the SPARSE instructions of each segment have to do, where ``values`` has every tensor of the network.

    None if there are no such instructions: the timing of dense layers does not depend on data.
    """
    if not any(layer.engine == "sparse" for layer in program.layers):
        return None
    decoded = DecodedMatrices()
    return [_segment_works(program, segment, config, values, decoded) for segment in program.segments]


def _segment_works(
    program: Program, segment: Segment, config: ArchConfig, values: Mapping[str, NDArray], decoded: DecodedMatrices
) -> Iterator[SparseWork]:
    image = program.image.copy()
    for name in program.tensors:
        if name in values:
            program.place(image, name, values[name])
    yield from Machine(config, image[: program.window_bytes], decoded).works(segment.instructions)


def density_of(graph: Graph, activity: Activity) -> dict[str, float]:
    """The share of each tensor's elements that are not zero; all of them where nothing is known."""
    return {t.name: float(activity[t.name].mean()) if t.name in activity else 1.0 for t in graph.tensors()}
