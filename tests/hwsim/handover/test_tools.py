"""Constraints name every port once, and FuseSoC takes the core."""

from __future__ import annotations

import re
import subprocess
import sys

from amaranth.lib.wiring import In

from hwsim.handover.tools import sdc, top_ports
from rtl.accelerator import Accelerator
from rtl.cell import flat_ports
from tests.hwsim.handover.hardware import small, small_contents


def test_the_ports_are_those_of_the_gateware():
    ports = top_ports(small_contents()["rtl/accelerator.v"])
    gateware = {
        name: "input" if flow == In else "output" for name, (flow, _) in flat_ports(Accelerator(small())).items()
    }
    assert ports == gateware | {"clk": "input", "rst": "input"}


def test_the_constraints_have_the_clock_of_the_configuration_and_every_port():
    top = small_contents()["rtl/accelerator.v"]
    text = sdc(small(), top)
    assert "\nset_units -time ns\n" in text
    assert "create_clock -name clk -period 4.0000 [get_ports clk]" in text
    assert "set_input_delay 1.2000 -clock clk [get_ports $inputs]" in text
    lists = dict(re.findall(r"^set (\w+)s \[list \\\n(.*?)^\]", text, re.MULTILINE | re.DOTALL))
    listed = {way: re.findall(r"\w+", names) for way, names in lists.items()}
    ports = {name: way for name, way in top_ports(top).items() if name != "clk"}
    assert {name: way for way, names in listed.items() for name in names} == ports
    assert sum(map(len, listed.values())) == len(ports)


def test_fusesoc_reads_the_core_and_finds_all_its_files(tmp_path):
    for name, text in small_contents().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    fusesoc = [sys.executable, "-m", "fusesoc.main", "--cores-root", str(tmp_path)]
    run = [*fusesoc, "run", "--target", "lint", "--setup", "hwsim:accelerator:small"]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    taken = {path.name for path in (tmp_path / "build").rglob("*.v")}
    assert taken == {name.removeprefix("rtl/") for name in small_contents() if name.endswith(".v")}
