"""What a process costs is what it and its children took, and nothing of ours."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hwsim.bench.measure import MeasuredError, hwsim_process, spend
from hwsim.bench.tools import Tool

BUSY = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"


def test_time_of_children_counts():
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}], check=True); print('done')"
    spent = spend([sys.executable, "-c", code])
    assert 0.3 <= spent.cpu_s < 3
    assert (spent.finished, spent.output) == (True, "done\n")


def test_memory_of_the_measuring_process_does_not_count():
    code = (
        "import sys; ours = bytearray(b'x') * (200 << 20)\n"
        "from hwsim.bench.measure import spend\n"
        "print(spend([sys.executable, '-S', '-c', 'pass']).peak_mib)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 60


def test_a_process_is_stopped_at_its_limit_and_that_is_said():
    spent = spend([sys.executable, "-c", "while True: pass"], limit_s=1)
    assert not spent.finished
    assert spent.cpu_s == pytest.approx(1, abs=0.3)


def test_one_that_somebody_else_killed_was_not_stopped_at_its_limit():
    with pytest.raises(MeasuredError, match=r"ended with -9"):
        spend([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], limit_s=10)


def test_a_failure_is_told_with_its_last_words():
    with pytest.raises(MeasuredError, match=r"ended with 1: no such luck$"):
        spend([sys.executable, "-c", "raise SystemExit('no such luck')"])


def test_hwsim_itself_is_measured():
    assert hwsim_process(["--version"]).output.strip()


def test_a_tool_that_was_measured_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HWSIM_CACHE", str(tmp_path / "cache"))
    tool = Tool(name="toy", version="1", requirements=(), script="import sys; print(open(sys.argv[1]).read())")
    monkeypatch.setattr(Tool, "_python", lambda self: self._folder.mkdir(parents=True) or Path(sys.executable))
    file = tmp_path / "input"
    file.write_text("one")
    first = tool.measure([str(file)], [file], folder=tmp_path, limit_s=10)
    assert tool.measure([str(file)], [file], folder=tmp_path, limit_s=10) == first
    (record,) = (tmp_path / "cache" / "tools").glob("toy-*/*.json")
    assert json.loads(record.read_text())["output"] == "one\n"
    file.write_text("two")
    with pytest.raises(FileExistsError):  # another input is another run: it asks for the interpreter again
        tool.measure([str(file)], [file], folder=tmp_path, limit_s=10)
