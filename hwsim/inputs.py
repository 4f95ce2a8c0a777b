"""What a network is given: the user's arrays, a sample of the workload, or random values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hwsim.activity import sample_inputs
from hwsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from compiler.ir.graph import Graph
    from hwsim.network import Network

__all__ = ["given_inputs", "random_inputs"]


def given_inputs(network: Network, inputs: NDArray | Mapping[str, NDArray] | None, seed: int) -> dict[str, NDArray]:
    """The user's arrays by port, or those of ``seed``: a sample of the workload, or random ones."""
    if inputs is not None:
        return _admit(network.graph, inputs)
    sample = sample_inputs(network, seed)
    return random_inputs(network.graph, seed) if sample is None else sample


def random_inputs(graph: Graph, seed: int) -> dict[str, NDArray]:
    """Random values for every input of a graph, by port, in the model's own layout; every int8 that it can become."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for port in graph.input_ports:
        tensor = graph.tensor(port.tensor)
        if tensor.quant is None:
            arrays[port.name] = rng.standard_normal(port.shape).astype(port.dtype)
        else:
            arrays[port.name] = port.release(rng.integers(-128, 128, tensor.shape).astype(np.int8), tensor)
    return arrays


def _admit(graph: Graph, inputs: NDArray | Mapping[str, NDArray]) -> dict[str, NDArray]:
    """The user's arrays, by port.

    Raises:
        InputError: names or shapes that are not the model's.

    """
    ports = {port.name: port for port in graph.input_ports}
    if isinstance(inputs, np.ndarray):
        if len(ports) != 1:
            raise InputError(f"the model has {len(ports)} inputs ({', '.join(ports)}); give them by name")
        inputs = {next(iter(ports)): inputs}
    if set(inputs) != set(ports):
        raise InputError(f"the model's inputs are {', '.join(ports)}, not {', '.join(inputs)}")
    admitted = {}
    for name, array in inputs.items():
        size = graph.tensor(ports[name].tensor).size
        if array.size != size:
            raise InputError(f"input {name!r} takes {list(ports[name].shape)}, not {list(array.shape)}")
        if array.dtype.kind not in "iuf":
            raise InputError(f"input {name!r} takes numbers, not {array.dtype}")
        admitted[name] = array
    return admitted
