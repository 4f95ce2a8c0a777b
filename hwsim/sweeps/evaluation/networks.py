"""Networks of points: loaded once a process, compressed and measured once for all."""

from __future__ import annotations

import functools
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from compiler.errors import ModelError
from compiler.interpreter import interpret, read_outputs
from hwsim.network import Network, load_network
from hwsim.sweeps.evaluation.cache import Cache, content_hash, source_hash
from hwsim.sweeps.evaluation.compression import compressed
from workloads.registry import LabelledSet, resolve

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
    figures: dict[str, float] = field(default_factory=dict)
    """What its compression says of it."""


def network_of(settings: Settings, cache: Cache) -> SweepNetwork:
    """The network of a point, compressed if there is a recipe.

    Raises:
        ModelError, WorkloadError, InputError, ToolError: there is none.

    """
    if settings.recipe is None:
        return _plain(settings.located)
    made, figures = compressed(settings, _model_bytes(settings.located), cache)
    return replace(_made(settings.located, made), figures=figures)


@functools.lru_cache(maxsize=_KEPT)
def _plain(located: str) -> SweepNetwork:
    return SweepNetwork(load_network(located), content_hash(_model_bytes(located), source_hash()))


@functools.lru_cache(maxsize=_KEPT)
def _made(located: str, model: bytes) -> SweepNetwork:
    original = resolve(located)
    with tempfile.TemporaryDirectory(prefix="hwsim-") as folder:
        path = Path(folder) / f"{original.name}.onnx"
        path.write_bytes(model)
        try:
            network = load_network(str(path))
        except ModelError as error:
            # The file is gone when the message is read.
            raise ModelError(str(error).replace(str(path), f"{original.name} as compressed")) from error
    # What is known of the network's data is known of it still.
    workload = replace(network.workload, test_set=original.test_set, calibration=original.calibration)
    return SweepNetwork(replace(network, workload=workload), content_hash(model, source_hash()))


@functools.lru_cache(maxsize=_KEPT)
def _model_bytes(located: str) -> bytes:
    with tempfile.TemporaryDirectory(prefix="hwsim-") as folder:
        return resolve(located).file(Path(folder)).read_bytes()


def accuracy_of(network: SweepNetwork, settings: Settings, cache: Cache) -> float | None:
    """The share of test inputs that the integer network tells right.

    They are those of its workload, or of the sweep's data where the workload has none; None without either.
    """
    test = _test_set(settings.located, settings.data, settings.seed)
    if test is None:
        return None
    key = content_hash(network.content, test.inputs.tobytes(), test.labels.tobytes())
    return float(cache.obtain("accuracy", key, lambda: _accuracy(network.network, test)))


@functools.lru_cache(maxsize=_KEPT)
def _test_set(located: str, data: str, seed: int) -> LabelledSet | None:
    workload = resolve(located)
    if workload.test_set is not None:
        return workload.test_set()
    if not data.endswith(".npz"):
        return None
    from hwsim.training.data import load_data

    part = load_data(data, seed).test
    return LabelledSet(part.x, part.y)


def _accuracy(network: Network, test: LabelledSet) -> bytes:
    graph = network.graph
    port, result = graph.input_ports[0], graph.output_ports[0]
    right = 0
    for x, label in zip(test.inputs, test.labels, strict=True):
        values = interpret(graph, {port.name: x[None]})
        right += int(np.argmax(read_outputs(graph, values)[result.name])) == int(label)
    return repr(right / len(test.labels)).encode()
