"""How light a command is, by what it loads and by ratios: absolute times are in docs/validation.md."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hwsim.bench.measure import hwsim_process, spend

LIBRARIES = "import numpy, onnx, networkx, yaml, typer, rich.table\nfrom pydantic import BaseModel"
"""What an estimate loads that is not ours."""
HEAVY = {"numpy", "onnx", "networkx", "yaml", "compiler", "rtl"}
GATEWARE = {"amaranth", "cocotb", "sklearn", "torch"}


def loaded(*arguments: str) -> set[str]:
    """The packages that a command has loaded when it ends."""
    code = (
        "import sys\nfrom hwsim.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "print('loaded', *{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("arguments", [("--help",), ("estimate", "--help"), ("--version",)])
def test_help_loads_neither_arrays_nor_models(arguments: tuple[str, ...]):
    assert not loaded(*arguments) & (HEAVY | GATEWARE)


def test_an_estimate_loads_no_gateware():
    packages = loaded("estimate", "lenet-300-100", "--arch", "dense-8x8")
    assert not packages & GATEWARE
    assert {"numpy", "onnx"} <= packages


def test_an_estimate_of_resnet_costs_little_more_than_its_libraries():
    """1.3 CPU s where the libraries take 0.4; the smallest of several, since others use the machine too."""
    bare = min(spend([sys.executable, "-c", LIBRARIES]).cpu_s for _ in range(3))
    command = ["estimate", "resnet50", "--arch", "dense-32x32", "--fidelity", "analytic"]
    runs = [hwsim_process(command) for _ in range(2)]
    assert min(run.cpu_s for run in runs) < 4.5 * bare
    # Its weights alone are 102 MB, which no estimate has to look at.
    assert max(run.peak_mib for run in runs) < 238, "250 MB"
