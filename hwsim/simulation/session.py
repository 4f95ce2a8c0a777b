"""What the process that starts a simulation and the bench inside the simulator tell each other."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = [
    "PROGRESS",
    "RESULTS",
    "SESSION",
    "Job",
    "JobResult",
    "Session",
    "dump_name",
    "read_results",
    "write_results",
]

SESSION = "session.json"
RESULTS = "results.json"
PROGRESS = "progress"
"""File in which the bench keeps how many cycles of the job have passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One program to run, from start to interrupt."""

    program_address: int
    """Byte address of the first instruction."""
    program_length: int
    """Instructions."""
    window_base: int
    window_bytes: int
    layers: int
    """Layers whose counters are read afterwards."""
    max_cycles: int
    """Give up after this many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Jobs that run one after the other in one simulator; the memory is kept from one to the next."""

    jobs: tuple[Job, ...]
    memory: str
    """``dram`` or ``axiram``."""
    memory_bytes: int = 0
    """For ``axiram``."""
    stall: float = 0.0
    """For ``axiram``: the share of cycles in which each channel is held back."""

    def save(self, folder: Path) -> None:
        """Write it where the bench finds it."""
        (folder / SESSION).write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, folder: Path) -> Session:
        """What :meth:`save` wrote."""
        tree = json.loads((folder / SESSION).read_text())
        return cls(**{**tree, "jobs": tuple(Job(**job) for job in tree["jobs"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """What the registers said after a job."""

    cycles: int
    done: bool
    fault_code: int
    fault_unit: int
    fault_layer: int | None
    counters: list[list[int]]
    """``[layers, counters]``, in the order of :data:`rtl.counters.COUNTERS`."""
    last_retire: list[list[int]]
    """``[layers, engines]``: cycle in which each engine retired its last instruction of the layer."""
    wall_s: float
    """Between start and interrupt."""


def write_results(folder: Path, results: list[JobResult]) -> None:
    """For the process that started the simulation."""
    (folder / RESULTS).write_text(json.dumps([asdict(result) for result in results]))


def read_results(folder: Path) -> list[JobResult]:
    """What :func:`write_results` wrote."""
    return [JobResult(**tree) for tree in json.loads((folder / RESULTS).read_text())]


def dump_name(job: int) -> str:
    """File of the memory's contents after a job."""
    return f"memory_{job}"
