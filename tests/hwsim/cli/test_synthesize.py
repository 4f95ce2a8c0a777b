"""``hwsim synthesize`` and ``hwsim fpga``: input that cannot be used is refused in one line, before any work."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from hwsim.report.area import area_csv, area_tree, fpga_tree
from hwsim.silicon import tools
from hwsim.silicon.library.memory import load_memories
from hwsim.silicon.netlist.hierarchy import Macro, Part
from hwsim.silicon.synthesis.area import Area
from hwsim.silicon.synthesis.fpga import PARTS, FpgaArea
from tests.hwsim.cli.command_line import hwsim
from tests.hwsim.silicon.libraries import need
from tests.hwsim.silicon.library.test_liberty import TINY


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: no such file or directory"),
        (b"library (x) { }", "not a Liberty library: it has no cells"),
        (gzip.compress(b"library (x) { }")[:12], "cannot be read: the gzip data ends early"),
        (gzip.compress(bytes(99))[:12] + bytes(20), "cannot be read: the gzip data is damaged"),
    ],
    ids=["absent", "empty", "cut off", "damaged"],
)
def test_a_library_that_is_none_is_one_line_and_exit_2(capsys, tmp_path: Path, content, message: str) -> None:
    file = tmp_path / "cells.lib.gz"
    if content is not None:
        file.write_bytes(content)
    done = hwsim(capsys, "synthesize", "--arch", "dense-8x8", "--liberty", file)
    assert done.status == 2
    assert done.out == ""
    assert done.err.count("\n") == 1
    assert message in done.err


def test_a_library_without_flip_flops_is_refused_before_the_verilog_is_written(
    capsys, tmp_path: Path, monkeypatch
) -> None:
    def written(_: object) -> str:
        raise AssertionError("Verilog was written")

    need("yosys")
    monkeypatch.setattr("hwsim.simulation.verilog.accelerator_verilog", written)
    (tmp_path / "tiny.lib").write_text(TINY)
    done = hwsim(capsys, "synthesize", "--arch", "dense-8x8", "--liberty", tmp_path / "tiny.lib")
    assert (done.status, done.out) == (2, "")
    assert done.err == "hwsim: tiny: no cell that may be used is a flip-flop (a group ff), which registers need\n"


def test_two_reports_in_one_file_are_refused(capsys, tmp_path: Path) -> None:
    for command in (("synthesize", "--liberty", "x.lib"), ("estimate", "digits-mlp")):
        done = hwsim(capsys, *command, "--csv", tmp_path / "x", "--json", tmp_path / "x")
        assert (done.status, done.out) == (2, "")
        assert f"--json and --csv would both write {tmp_path / 'x'}" in done.err


def test_without_yosys_both_say_what_to_install(capsys, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(tools.importlib.util, "find_spec", lambda module: None)
    tools.find.cache_clear()
    try:
        for arguments in (("synthesize", "--liberty", tmp_path / "x.lib"), ("fpga",)):
            done = hwsim(capsys, *arguments)
            assert (done.status, done.err) == (
                2,
                "hwsim: no yosys for synthesis: run `pip install 'hwsim[silicon]'`\n",
            )
    finally:
        tools.find.cache_clear()


def test_a_device_that_is_not_known_is_refused_with_those_that_are(capsys) -> None:
    done = hwsim(capsys, "fpga", "--device", "12k")
    assert done.status == 2
    assert "'25k', '45k', '85k'" in done.err


def test_reports_hold_every_module_and_what_does_not_fit(tmp_path: Path) -> None:
    sram = load_memories("sky130").sram
    parts = tuple(
        Part(module=m, instances=n, own_um2=um2, total_um2=30.0, flip_flop_um2=5.0, cells=3)
        for m, n, um2 in (("top", 1, 10.0), ("pe", 2, 10.0))
    )
    macro = Macro(module="pe", instances=2, words=1024, bits=8, read_ports=2)
    area = Area(
        top="top",
        library="x",
        parts=parts,
        macros=(macro,),
        path=None,
        logic_ps=12.5,
        gate_um2=None,
        notes=("no clock gates",),
        folder=tmp_path,
    )
    tree = json.loads(json.dumps(area_tree("a", area, sram, "sky130")))
    assert tree["cells_um2"] == 30.0
    assert tree["gate_equivalents"] is None
    assert tree["missing"][0] == "no clock gates"
    assert tree["sram_um2"] == pytest.approx(4 * 190712, rel=0.01), "a copy for each of two ports, in each of two PEs"
    assert [module["module"] for module in tree["modules"]] == ["top", "pe"]
    assert area_csv(area).splitlines() == [
        "module,instances,own_um2,total_um2,flip_flop_um2,cells",
        "top,1,10.0,30.0,5.0,3",
        "pe,2,10.0,30.0,5.0,3",
    ]
    full = FpgaArea(device=PARTS["25k"], luts=30_000, flip_flops=5, multipliers=28, block_rams=57, placed=None)
    assert fpga_tree("a", full)["excess"] == ["30,000 LUT of 24,288", "57 DP16KD of 56"]
