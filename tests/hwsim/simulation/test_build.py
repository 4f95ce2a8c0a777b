"""The cache of compiled simulators: compiled once, whole or absent, whoever asks and whatever happens."""

from __future__ import annotations

import errno
import threading
import time
from pathlib import Path

import pytest

import hwsim.simulation.build as cache
from hwsim.errors import InputError, SimulationError, ToolError
from hwsim.simulation.build import Design, build, waves_format

TINY = Design(top="tiny", verilog={"tiny.v": "module tiny(input clk, output q); assign q = clk; endmodule\n"})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("HWSIM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def compiled(monkeypatch) -> list[Path]:
    """Folders that were compiled, by a compiler that takes no time."""
    made: list[Path] = []

    def make(design, simulator, waves, folder):
        time.sleep(0.05)
        folder.mkdir()
        made.append(folder)

    monkeypatch.setattr(cache, "_make", make)
    return made


def test_second_build_compiles_nothing(compiled):
    first, second = build(TINY, "verilator"), build(TINY, "verilator")
    assert first.seconds > 0
    assert second.seconds == 0
    assert first.folder == second.folder
    assert len(compiled) == 1


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(Design(top="tiny", verilog={"tiny.v": TINY.verilog["tiny.v"] + "\n"}), id="text"),
        pytest.param(Design(top="tiny", verilog={"tiny.sv": TINY.verilog["tiny.v"]}), id="language"),
        pytest.param(Design(top="tiny", verilog=TINY.verilog, parameters={"N": 1}), id="parameter"),
        pytest.param(Design(top="tiny", verilog=TINY.verilog, defines=("N",)), id="define"),
        pytest.param(Design(top="tiny", verilog=TINY.verilog, public=("q",)), id="public signal"),
    ],
)
def test_what_differs_is_built_apart(compiled, other):
    assert build(TINY, "verilator").folder != build(other, "verilator").folder


def test_waveforms_are_built_apart(compiled):
    assert build(TINY, "verilator").folder != build(TINY, "verilator", waves="fst").folder


def test_builders_of_one_design_wait_for_one_another(compiled):
    threads = [threading.Thread(target=build, args=(TINY, "verilator")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(compiled) == 1


def test_what_a_killed_builder_left_is_not_taken_for_a_build(folder, monkeypatch):
    def killed(design, simulator, waves, folder):
        folder.with_suffix(".partial").mkdir()
        (folder.with_suffix(".partial") / "tiny").write_text("half a simulator")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cache, "_make", killed)
        with pytest.raises(KeyboardInterrupt):
            build(TINY, "verilator")
    (left,) = folder.glob("*.partial")

    seen = []
    monkeypatch.setattr(
        cache, "finish", lambda command, **kwargs: seen.append(sorted(p.name for p in left.iterdir())) or _Failed()
    )
    with pytest.raises(SimulationError):
        build(TINY, "verilator")
    assert seen == [["public.vlt", "tiny.v"]]


class _Failed:
    returncode = 1
    stdout = "Verilator 0"


def test_verilog_that_does_not_compile_names_the_error_and_the_log(folder):
    broken = Design(top="tiny", verilog={"tiny.v": "module tiny(input clk); wire = ;\n"})
    with pytest.raises(
        SimulationError, match=r"^verilator could not build tiny: .*syntax error.*; see (.*\.log)$"
    ) as caught:
        build(broken, "verilator")
    log = Path(str(caught.value).rsplit("; see ", 1)[1])
    assert "syntax error" in log.read_text()


def test_a_full_disk_is_one_line(monkeypatch):
    def full(design, simulator, waves, folder):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(cache, "_make", full)
    with pytest.raises(
        ToolError, match=r"^the cache of compiled simulators .* No space left on device: free some space"
    ):
        build(TINY, "verilator")


def test_a_cache_that_cannot_be_made_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HWSIM_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(ToolError, match=r"or name another folder in HWSIM_CACHE$"):
        build(TINY, "verilator")


def test_the_longest_unused_builds_go(compiled, monkeypatch, folder):
    monkeypatch.setattr(cache, "KEEP_BUILDS", 2)
    monkeypatch.setattr(cache, "KEEP_SECONDS", -1)
    for number in range(4):
        build(Design(top="tiny", verilog=TINY.verilog, parameters={"N": number}), "verilator")
    left = [path for path in folder.iterdir() if path.is_dir()]
    assert sorted(left) == sorted(compiled[2:])


def test_waveforms_have_two_formats():
    assert waves_format(None) is None
    assert waves_format(Path("a.fst")) == "fst"
    assert waves_format(Path("a.vcd")) == "vcd"
    with pytest.raises(InputError, match=r"^a.png: waveforms are written as .fst or .vcd$"):
        waves_format(Path("a.png"))
