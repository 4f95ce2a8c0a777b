"""A Dask cluster: workers anywhere that reach the scheduler, have hwsim installed, and share the cache's folder."""

from __future__ import annotations

import concurrent.futures
import contextlib
import importlib.util
import threading
from typing import TYPE_CHECKING, Any

from threadpoolctl import threadpool_limits

from hwsim.errors import InputError, ToolError
from hwsim.sweeps.evaluation.evaluate import evaluate
from hwsim.sweeps.execution.executor import Finished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hwsim.sweeps.evaluation.outcome import Outcome, Task

__all__ = ["Cluster", "check_dask"]

_CONNECT_S = 20
_TASKS_PER_THREAD = 2
"""One that runs and one that waits, so that no worker waits for the driver."""


def check_dask() -> None:
    """See that Dask is installed.

    Raises:
        ToolError: it is not.

    """
    if importlib.util.find_spec("distributed") is None:
        raise ToolError("a cluster needs Dask, which is not installed: pip install 'hwsim[cluster]'")


def _evaluate(task: Task) -> list[Outcome]:
    """On a worker: one thread is one core's, whatever BLAS finds there, as in processes of this machine."""
    with threadpool_limits(1):
        return evaluate(task)


class Cluster:
    """Workers of the scheduler at ``address``, or ``jobs`` processes of a cluster made here (``address`` ``local``).

    A worker that dies has its tasks done by another. One that kills workers again and again is given up and reported
    as lost (Dask's ``distributed.scheduler.allowed-failures``).

    Raises:
        ToolError: Dask is not installed.
        InputError: there is no scheduler at that address.

    """

    def __init__(self, address: str, jobs: int) -> None:
        check_dask()
        from distributed import Client, LocalCluster

        self._local: Any = None
        if address == "local":
            self._local = LocalCluster(
                n_workers=jobs, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=":0"
            )
            address = self._local.scheduler_address
        self.address = address
        # Dask's methods are annotated as the coroutines that they are in its asynchronous client.
        try:
            self._client: Any = Client(address, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise InputError(
                f"--scheduler {address}: no Dask scheduler answers there ({' '.join(str(error).split())[:120]}); "
                "start one with `dask scheduler`, or use --scheduler local"
            ) from error
        self._futures: dict[str, tuple[Any, Task]] = {}
        self._done: list[str] = []
        self._news = threading.Condition()

    def room(self) -> int:
        """Two tasks for each thread of each worker that there is now."""
        self._check()
        with self._reaching():
            threads = sum(self._client.nthreads().values())
        return max(0, _TASKS_PER_THREAD * threads - len(self._futures))

    def submit(self, task: Task) -> None:
        """To the scheduler."""
        self._check()
        with self._reaching():
            future = self._client.submit(_evaluate, task, pure=False)
        self._futures[future.key] = future, task
        future.add_done_callback(self._notice)

    def _notice(self, future: Any) -> None:
        with self._news:
            self._done.append(future.key)
            self._news.notify()

    def wait(self, seconds: float) -> list[Finished]:
        """What is finished, and what was given up."""
        with self._news:
            if not self._done:
                self._news.wait(seconds)
            done, self._done = self._done, []
        self._check()
        return [self._finished(*self._futures.pop(key)) for key in done if key in self._futures]

    def _finished(self, future: Any, task: Task) -> Finished:
        from distributed import KilledWorker

        with self._reaching():
            try:
                return Finished(task, future.result(timeout=_CONNECT_S))
            except KilledWorker:
                return Finished(task, (), "it killed every worker that it ran on (out of memory?)")

    @contextlib.contextmanager
    def _reaching(self) -> Iterator[None]:
        """Say of a scheduler that does not answer that it is gone, whichever question it was."""
        try:
            yield
        # Dask's CommClosedError is an OSError.
        except (concurrent.futures.CancelledError, OSError, TimeoutError) as error:
            raise self._gone() from error

    def _check(self) -> None:
        if self._client.status not in ("running", "connecting") or self._client.scheduler is None:
            raise self._gone()
        # Dask would wait for the scheduler to come back; it would not know of our tasks.
        if self._futures and self._client.status == "connecting":
            raise self._gone()

    def _gone(self) -> ToolError:
        return ToolError(f"the Dask scheduler at {self.address} is gone; start it again, and go on with --resume")

    def close(self) -> None:
        """Give up what is under way, and end a cluster that was made here."""
        with contextlib.suppress(OSError, TimeoutError, RuntimeError, concurrent.futures.CancelledError):
            self._client.cancel([future for future, _ in self._futures.values()], force=True)
        self._client.close(timeout=2)
        if self._local is not None:
            self._local.close(timeout=10)
