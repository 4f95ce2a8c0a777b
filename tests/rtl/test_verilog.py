"""The Verilog of an accelerator: named, deterministic, small, and clean to Icarus.

What Verilator says of it is in ``tests/system/test_verilog.py``.
"""

import os
import re
import shutil
import subprocess
import sys

import pytest

from rtl.config import ArchConfig, parse_arch
from rtl.verilog import TOP, to_verilog

SMALL = """
name: small
dense: {rows: 4, cols: 3, depthwise_taps: 3}
memory: {ifm_kib: 1, ofm_kib: 1, weight_kib: 1, param_kib: 1, accumulators: 16}
bus: {data_bytes: 4, burst_beats: 4, outstanding: 2}
control: {queue_depth: 2, fetch_depth: 8, max_layers: 3}
"""


def small() -> ArchConfig:
    return parse_arch(SMALL, "small")


@pytest.fixture(scope="module")
def verilog() -> str:
    return to_verilog(small())


def modules(text: str) -> list[str]:
    return [name.strip("\\ ") for name in re.findall(r"^module (\\\S+ |\w+)", text, re.MULTILINE)]


def test_the_header_says_what_it_is(verilog):
    config = small()
    assert verilog.splitlines()[0] == (
        f"// hwsim accelerator small, hardware {config.rtl_hash}. Generated: change the YAML, not this."
    )
    assert "//   dense: rows=4, cols=3, dataflow=weight_stationary, depthwise_taps=3" in verilog


def test_the_top_has_the_ports_of_a_board(verilog):
    header = re.search(rf"^module {TOP}\((.*?)\);", verilog, re.MULTILINE | re.DOTALL)
    assert header is not None
    ports = set(re.split(r"[\s,]+", header[1]))
    assert {
        "clk",
        "rst",
        "irq",
        "s_axil_awaddr",
        "m_axi_fetch_araddr",
        "m_axi_data_araddr",
        "m_axi_data_wdata",
    } <= ports
    assert all(re.fullmatch(r"clk|rst|irq|s_axil_\w+|m_axi_fetch_\w+|m_axi_data_\w+", port) for port in ports)


def test_columns_and_banks_are_written_once(verilog):
    names = modules(verilog)
    assert len(names) == len(set(names))
    assert names.count("column") == names.count("bank") == 1


def test_a_larger_array_takes_little_more_text(verilog):
    """Sixteen times the multipliers, not twice the text."""
    larger = SMALL.replace("rows: 4, cols: 3", "rows: 16, cols: 12")
    assert len(to_verilog(parse_arch(larger, "larger"))) < 2 * len(verilog)


def test_equal_hardware_gives_equal_text_below_the_header(verilog):
    other = parse_arch(SMALL.replace("name: small", "name: other\nclock_mhz: 3\ndram: {latency_cycles: 9}"), "other")
    strip = re.compile(r"\A(//.*\n)+")
    assert strip.sub("", to_verilog(other)) == strip.sub("", verilog)


def test_same_bytes_in_another_process(verilog):
    script = "from tests.rtl.test_verilog import *; import sys; sys.stdout.write(to_verilog(small()))"
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    run = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert run.stdout == verilog


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="needs Icarus Verilog: apt-get install iverilog")
def test_icarus_compiles_it_without_a_warning(verilog, tmp_path):
    (tmp_path / f"{TOP}.v").write_text(verilog)
    command = ["iverilog", "-g2005", "-Wall", "-Wno-timescale", "-t", "null", f"{TOP}.v"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout + run.stderr) == (0, "")
