"""Processes of this machine, each with one task at a time: when one dies, it is known of which."""

from __future__ import annotations

import concurrent.futures
import contextlib
import multiprocessing
import os
import signal
import threading
from concurrent.futures.process import BrokenProcessPool, ProcessPoolExecutor
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from hwsim.sweeps.evaluation.evaluate import evaluate
from hwsim.sweeps.execution.executor import Finished

if TYPE_CHECKING:
    from concurrent.futures import Future

    from hwsim.sweeps.evaluation.outcome import Outcome, Task

__all__ = ["Processes"]


class Processes:
    """``jobs`` worker processes."""

    def __init__(self, jobs: int) -> None:
        self._idle: list[ProcessPoolExecutor] = [_worker() for _ in range(jobs)]
        self._busy: dict[Future[list[Outcome]], tuple[ProcessPoolExecutor, Task]] = {}

    def room(self) -> int:
        """A task for each idle worker."""
        return len(self._idle)

    def submit(self, task: Task) -> None:
        """To an idle worker."""
        worker = self._idle.pop()
        try:
            future = worker.submit(evaluate, task)
        except BrokenProcessPool:
            # It died while it was idle.
            worker = _worker()
            future = worker.submit(evaluate, task)
        self._busy[future] = worker, task

    def wait(self, seconds: float) -> list[Finished]:
        """What is finished; a worker that died is replaced."""
        done, _ = concurrent.futures.wait(self._busy, seconds, concurrent.futures.FIRST_COMPLETED)
        finished = []
        for future in done:
            worker, task = self._busy.pop(future)
            try:
                finished.append(Finished(task, future.result()))
                self._idle.append(worker)
            except BrokenProcessPool:
                worker.shutdown(wait=False)
                self._idle.append(_worker())
                finished.append(Finished(task, (), "its process was killed (out of memory?)"))
        return finished

    def close(self) -> None:
        """End the workers, whatever they are at: what they have not finished is lost, and only that."""
        for worker in (*self._idle, *(worker for worker, _ in self._busy.values())):
            # Not with a wait for tasks that may take minutes.
            processes = list((worker._processes or {}).items())  # noqa: SLF001
            worker.shutdown(wait=False, cancel_futures=True)
            for pid, process in processes:
                process.terminate()
                # And what it has started: a compiler may run for a minute. One that is just beginning leads no group.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGTERM)


def _worker() -> ProcessPoolExecutor:
    # Not forked: the parent may hold locks of threads and of the database.
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _begin)


def _begin() -> None:
    """One core is one worker's, Ctrl-C is the driver's to act upon, and no worker outlives its driver."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.setpgid(0, 0)
    threading.Thread(target=_end_with_driver, daemon=True).start()
    threadpool_limits(1)


def _end_with_driver() -> None:
    """End this worker and what it has started when its driver is gone: one that is killed can tell nobody."""
    driver = multiprocessing.parent_process()
    if driver is not None:
        driver.join()
        os.killpg(os.getpid(), signal.SIGTERM)
