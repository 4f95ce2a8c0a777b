"""Networks of points: loaded once a process, compressed once for all."""

from __future__ import annotations

import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from compiler.interpreter import interpret, read_outputs
from hwsim.network import Network, load_network
from hwsim.sweeps.evaluation.cache import Cache, content_hash, source_hash
from workloads.registry import resolve

if TYPE_CHECKING:
    from hwsim.sweeps.evaluation.settings import Settings

__all__ = ["SweepNetwork", "accuracy_of", "network_of"]

_KEPT = 8
"""Networks that a process keeps in memory."""


@dataclass(frozen=True, slots=True, eq=False)
class SweepNetwork:
    """A network, and the name of its content."""

    network: Network
    content: str


def network_of(settings: Settings) -> SweepNetwork:
    """The network of a point.

    Raises:
        ModelError, WorkloadError, InputError: there is none.

    """
    return _plain(settings.located)


@functools.lru_cache(maxsize=_KEPT)
def _plain(located: str) -> SweepNetwork:
    return SweepNetwork(load_network(located), content_hash(_model_bytes(located), source_hash()))


def _model_bytes(located: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="hwsim-") as folder:
        return resolve(located).file(Path(folder)).read_bytes()


def accuracy_of(network: SweepNetwork, cache: Cache) -> float | None:
    """The share of its workload's test set that the integer network tells right; None without a test set."""
    test_set = network.network.workload.test_set
    if test_set is None:
        return None
    made = cache.obtain("accuracy", content_hash(network.content), lambda: _accuracy(network.network, test_set()))
    return float(made)


def _accuracy(network: Network, test: Any) -> bytes:
    graph = network.graph
    port, result = graph.input_ports[0], graph.output_ports[0]
    right = 0
    for x, label in zip(test.inputs, test.labels, strict=True):
        values = interpret(graph, {port.name: x[None]})
        right += int(np.argmax(read_outputs(graph, values)[result.name])) == int(label)
    return repr(right / len(test.labels)).encode()
