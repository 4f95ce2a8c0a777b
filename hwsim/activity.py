"""Which activations of a network are not zero: what its sparse layers cost depends on that, and how rows are laid out.

What a program is compiled for is known from calibration; what a run of it takes, from the very input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compiler.interpreter import bind_inputs, execute
from compiler.ir.integer import Conv, IntegerOp
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

__all__ = [
    "CALIBRATION_SEEDS",
    "calibrated_activity",
    "density_of",
    "expected_activity",
    "program_works",
    "sample_inputs",
]

CALIBRATION_SEEDS = tuple((1 << 20) + k for k in range(3))
"""Of the samples that rows are laid out for. Far from the seeds of runs: not for the input that is then measured."""


def calibrated_activity(network: Network) -> Activity | None:
    """How often each element of each tensor that is read is not zero, over some inputs; None if nothing is known.

    The inputs are samples of the workload, or those that it was quantised with, unless they are made up.
    """
    workload, graph = network.workload, network.graph
    if len(graph.input_ports) != 1:
        return None
    if workload.sample is not None:
        inputs = [workload.sample(seed) for seed in CALIBRATION_SEEDS]
    elif workload.calibration is not None and not workload.synthetic:
        inputs = list(workload.calibration()[: len(CALIBRATION_SEEDS)])
    else:
        return None
    port = graph.input_ports[0]
    if any(array.size != graph.tensor(port.tensor).size for array in inputs):
        return None
    runs = [_read_values(graph, {port.name: np.reshape(array, port.shape)}) for array in inputs]
    found = {}
    for tensor in graph.tensors():
        if tensor.quant is not None and tensor.name in runs[0]:
            active = np.stack([run[tensor.name] != tensor.quant.zero_point for run in runs])
            by_element = any(_one_window(reader, tensor.shape) for reader in graph.consumers(tensor.name))
            found[tensor.name] = expected_activity(active) if by_element else active.mean(axis=0, dtype=np.float32)
    return found


def _one_window(reader: object, shape: tuple[int, ...]) -> bool:
    """Whether ``reader`` has weights for every element; other convolutions look at means over pixels."""
    return isinstance(reader, Conv) and reader.weights.shape[:3] == shape


def expected_activity(active: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How often each element is expected not to be zero, from where ``[samples, ...]`` it was not.

    The share of a few samples is mostly chance: rows that are laid out for it are laid out for noise. So it is drawn
    towards the mean of all elements, by as much as the elements differ no more than chance would have it: the mean of
    the beta-binomial posterior, its prior fitted by moments (empirical Bayes; Casella, The American Statistician 39,
    1985).
    """
    samples, share = len(active), active.mean(axis=0, dtype=np.float64)
    mean = float(share.mean())
    chance = mean * (1 - mean)
    true = max(0.0, float(share.var()) - chance / samples) * samples / max(samples - 1, 1)
    # Prior samples are chance / true - 1 in number. A single sample cannot tell chance from difference.
    trust = samples * true / (samples * true + max(chance - true, 0.0)) if true and samples > 1 else 0.0
    return np.asarray(mean + trust * (share - mean), np.float32)


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
