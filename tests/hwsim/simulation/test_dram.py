"""dram.v keeps to the rule in its header, cycle by cycle, in every simulator there is."""

import os
from pathlib import Path
from random import Random

import pytest
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

from hwsim.errors import ToolError
from hwsim.simulation.simulators import find_icarus, find_verilator, verilator_environment

SOURCE = Path(__file__).parents[3] / "hwsim" / "simulation" / "dram.v"
WORDS = 2048


@pytest.fixture(params=["icarus", pytest.param("verilator", marks=pytest.mark.slow)])
def simulator(request, monkeypatch):
    try:
        tool = find_icarus() if request.param == "icarus" else find_verilator()
    except ToolError as error:
        pytest.skip(str(error))
    if request.param == "verilator":
        for name, value in verilator_environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PATH", f"{os.environ['PATH']}{os.pathsep}{tool.path.parent}")
    return request.param


def run(simulator: str, folder: Path, width: int, latency: int, interval: int, *, expected_latency: int) -> None:
    words = [Random(number).randbytes(width)[::-1].hex() for number in range(WORDS)]
    (folder / "image.hex").write_text("\n".join(words))
    bench = {"WIDTH": width, "WORDS": WORDS, "LATENCY": expected_latency, "INTERVAL": interval, "SEED": 1}
    runner = get_runner(simulator)
    runner.build(
        sources=[SOURCE],
        hdl_toplevel="dram",
        build_dir=folder / "build",
        parameters={"DATA_BYTES": width, "WORDS": WORDS},
        build_args=["-Wno-fatal", "-Wno-lint"] if simulator == "verilator" else [],
        log_file=folder / "build.log",
    )
    results = runner.test(
        test_module="tests.hwsim.simulation.dram_bench",
        hdl_toplevel="dram",
        hdl_toplevel_lang="verilog",
        build_dir=folder / "build",
        test_dir=folder,
        plusargs=[
            *("+dram_load=image.hex", f"+dram_load_last={WORDS - 1}", "+dram_dump=dump.hex"),
            *(f"+dram_latency={latency}", f"+dram_interval={interval}"),
            *(f"+dram_dump_first={WORDS // 2}", f"+dram_dump_last={WORDS - 1}"),
        ],
        extra_env={f"DRAM_{name}": str(value) for name, value in bench.items()},
        log_file=folder / "test.log",
    )
    assert get_results(results) == (1, 0)


@pytest.mark.parametrize(
    ("width", "latency", "interval"),
    [
        pytest.param(8, 1, 1, id="as fast as it goes"),
        pytest.param(16, 40, 1, id="far away"),
        pytest.param(4, 7, 5, id="slow"),
    ],
)
def test_traffic(simulator, tmp_path, width, latency, interval):
    run(simulator, tmp_path, width, latency, interval, expected_latency=latency)


def test_the_check_can_fail(simulator, tmp_path):
    with pytest.raises(SystemExit):
        run(simulator, tmp_path, 8, 4, 1, expected_latency=5)
    assert "AssertionError: m_axi_fetch: rvalid in cycle" in (tmp_path / "test.log").read_text()
