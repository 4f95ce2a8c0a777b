"""What ``MODEL`` stands for: a file or a workload, read, quantised and ready to be mapped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from compiler.frontend.load import load
from workloads.registry import Workload, resolve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from compiler.ir.graph import Graph

__all__ = ["Network", "load_network"]


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A quantised network and where it came from."""

    name: str
    graph: Graph
    workload: Workload


def load_network(model: str, calibration: NDArray | Literal["random", "nominal"] | None = None) -> Network:
    """The network called ``model``.

    A float model is quantised with ``calibration``, or with the data that its workload brings; one with synthetic
    weights without any (``"nominal"``), as its graph's ``notes`` say.

    Raises:
        ModelError: the file is malformed, or float without calibration.
        WorkloadError: no such workload.

    """
    workload = resolve(model)
    if calibration is None and workload.calibration is not None:
        calibration = "nominal" if workload.synthetic else workload.calibration()
    return Network(workload.name, load(workload.source(), calibration=calibration), workload)
