"""What the driver asks of whoever evaluates points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from hwsim.sweeps.evaluation.evaluate import evaluate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hwsim.sweeps.evaluation.outcome import Outcome, Task

__all__ = ["Executor", "Finished", "InProcess"]


@dataclass(frozen=True, slots=True)
class Finished:
    """A task that is over."""

    task: Task
    outcomes: Sequence[Outcome]
    """Of its points, in their order; none if the worker was lost."""
    lost: str = ""
    """What became of the worker, if it did not live to answer."""


class Executor(Protocol):
    """Evaluates tasks, several at a time, and hands them back as they are finished."""

    def room(self) -> int:
        """How many more tasks would keep all workers busy."""
        ...

    def submit(self, task: Task) -> None:
        """Begin ``task`` as soon as a worker is free."""
        ...

    def wait(self, seconds: float) -> list[Finished]:
        """What has been finished since; waits for one, but no longer than ``seconds``.

        Raises:
            ToolError: nothing will be, since whoever distributes the work is gone.

        """
        ...

    def close(self) -> None:
        """Stop, whatever is under way."""
        ...


class InProcess:
    """Evaluates in the process that asks: for single points, since what ends the worker ends everything."""

    def __init__(self) -> None:
        self._waiting: list[Task] = []

    def room(self) -> int:
        """One at a time."""
        return 0 if self._waiting else 1

    def submit(self, task: Task) -> None:
        """It is evaluated when it is waited for."""
        self._waiting.append(task)

    def wait(self, seconds: float) -> list[Finished]:
        """The one that was submitted, however long it takes."""
        del seconds
        return [Finished(self._waiting[0], evaluate(self._waiting.pop(0)))] if self._waiting else []

    def close(self) -> None:
        """Nothing is under way."""
        self._waiting.clear()
