"""Results of synthesis are made once for their inputs, and the cache of them does not grow for ever."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from hwsim.errors import ToolError
from hwsim.silicon import cache
from hwsim.silicon.cache import kept


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HWSIM_CACHE", str(tmp_path))
    return tmp_path / "synthesis"


def result(folder: Path) -> None:
    (folder / "result").write_text("made")


def refuse(_folder: Path) -> None:
    raise AssertionError("made again")


def aged(folder: Path, seconds: float) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    os.utime(folder, (time.time() - seconds,) * 2)
    return folder


def test_what_was_made_from_the_same_inputs_is_found_and_from_others_is_made() -> None:
    made = kept("cells", ("yosys 0.1", "synth"), result)
    assert kept("cells", ("yosys 0.1", "synth"), refuse) == made
    for what, inputs in (("cells", ("yosys 0.1", "synth -flatten")), ("gates", ("yosys 0.1", "synth"))):
        with pytest.raises(AssertionError, match="made again"):
            kept(what, inputs, refuse)


def test_a_program_that_fails_leaves_its_logs_for_a_day_and_no_result(folder: Path) -> None:
    def fail(partial: Path) -> None:
        (partial / "synthesis.log").write_text("ERROR")
        (partial / "moment-1").mkdir()
        (partial / "design.v").write_text("module")
        raise ToolError("yosys failed")

    with pytest.raises(ToolError, match="yosys failed"):
        kept("cells", ("a",), fail)
    (left,) = folder.iterdir()
    assert left.suffix == ".partial"
    assert [path.name for path in left.iterdir()] == ["synthesis.log"]
    aged(left, cache.PARTIAL_SECONDS - 60)
    kept("cells", ("b",), result)
    assert left.is_dir()
    aged(left, cache.PARTIAL_SECONDS + 60)
    kept("cells", ("c",), result)
    assert not left.exists()


def test_whoever_is_interrupted_leaves_nothing(folder: Path) -> None:
    def interrupted(partial: Path) -> None:
        (partial / "design.v").write_text("module")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept("cells", ("a",), interrupted)
    assert list(folder.iterdir()) == []


def test_a_full_disk_is_said_with_what_to_do_and_nothing_is_left_on_it(folder: Path) -> None:
    def full(partial: Path) -> None:
        (partial / "half.json").write_text("{")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(ToolError, match=r"No space left on device: free some space, or name another folder in HWSIM_C"):
        kept("cells", ("a",), full)
    assert list(folder.iterdir()) == []


def test_of_many_results_those_unused_the_longest_go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "KEEP_RESULTS", 2)
    hours = {name: aged(folder / f"cells-{name}", 3600 * n) for n, name in enumerate("abcd", start=2)}
    used = kept("cells", ("used",), result)
    assert {path.name for path in folder.iterdir()} == {"cells-a", "cells-b", used.name}
    aged(hours["a"], 0)
    aged(hours["c"], 60)
    kept("cells", ("more",), result)
    assert hours["c"].is_dir(), "used within the hour: somebody may be reading it"
    assert not hours["b"].exists()


def test_what_is_found_counts_as_used() -> None:
    made = aged(kept("cells", ("a",), result), 7200)
    kept("cells", ("a",), refuse)
    assert time.time() - made.stat().st_mtime < 60
