"""A program that is interrupted goes with all that it started."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from hwsim.processes import finish


def test_what_it_wrote_and_its_status_are_told(tmp_path: Path) -> None:
    done = finish(["sh", "-c", "echo out; echo err >&2; exit 3"], cwd=tmp_path)
    assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 3)


def test_it_has_nothing_to_read(tmp_path: Path) -> None:
    """A program that asks what to do at a terminal, as OpenSTA does after an error, would wait for ever."""
    assert finish(["cat"], cwd=tmp_path).stdout == ""


def test_it_writes_to_a_file_where_one_is_given(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log:
        finish(["sh", "-c", "echo out; echo err >&2"], cwd=tmp_path, output=log)
    assert (tmp_path / "log").read_text() == "out\nerr\n"


def test_bytes_that_are_no_text_are_no_error(tmp_path: Path) -> None:
    assert finish([sys.executable, "-c", "import os; os.write(1, bytes([0xFF]))"], cwd=tmp_path).stdout == "\ufffd"


def test_interrupted_it_takes_along_what_it_started(tmp_path: Path) -> None:
    def interrupt() -> None:
        deadline = time.monotonic() + 30
        while not (tmp_path / "pid").is_file() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    # A child that does not care whether its parent lives, as a compiler under make.
    inner = "sleep 60 & echo $! > started; mv started pid; wait"
    with pytest.raises(KeyboardInterrupt):
        finish(["sh", "-c", f"sh -c '{inner}'; true"], cwd=tmp_path)
    thread.join()
    grandchild = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while psutil.pid_exists(grandchild) and psutil.Process(grandchild).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "it lives on"
        time.sleep(0.05)
