"""The demo: what it shows, what makes it fail, and the whole of it in RTL."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from hwsim.cli.main import main
from hwsim.demo import Accuracy, DemoLayer, DemoResult, Sample, run_demo
from hwsim.errors import InputError
from hwsim.report.demo import demo_screen
from tests.hwsim.report.samples import estimate

LAYER = DemoLayer(
    name="conv1",
    op="conv",
    macs=6400,
    rtl_cycles=110,
    model_cycles=110,
    utilization=0.9,
    counters_differing=0,
    compared_bytes=300,
    mismatched_bytes=0,
)
SAMPLE = Sample(index=7, pixels=((0.0, 1.0), (1.0, 0.0)), label=4, rtl=4)
GOOD = DemoResult(
    estimate=estimate(),
    layers=(LAYER,),
    rtl_cycles=190,
    model_cycles=190,
    runs=6,
    runs_agreeing=6,
    simulated_cycles=1200,
    float_accuracy=Accuracy(right=99, images=100),
    int8_accuracy=Accuracy(right=98, images=100),
    int8_sample=Accuracy(right=3, images=3),
    rtl_accuracy=Accuracy(right=3, images=3),
    answers_differing=0,
    samples=(SAMPLE,) * 3,
    verilog=Path("/somewhere/accelerator.v"),
    verilog_lines=1000,
    verilog_bytes=20480,
    simulator="verilator",
    seed=0,
    build_s=0.0,
    wall_s=0.5,
)


def shown(result: DemoResult, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(demo_screen(result))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_screen_has_the_figures_and_fits():
    screen = shown(GOOD)
    for figure in (
        "99.0%",
        "98.0%",
        "3 of 3 right",
        "conv1",
        "110",
        "20 KiB",
        "/somewhere/accelerator.v",
        "reads 4",
        "✓",
    ):
        assert figure in screen
    assert max(map(len, screen.splitlines())) <= 100


def test_an_image_is_drawn_two_rows_of_pixels_in_a_line():
    assert "▄▀" in shown(GOOD)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"runs_agreeing": 5}, id="a run took other cycles"),
        pytest.param({"answers_differing": 1}, id="an answer differs"),
        pytest.param({"layers": (dataclasses.replace(LAYER, mismatched_bytes=1),)}, id="a byte differs"),
        pytest.param({"layers": (dataclasses.replace(LAYER, counters_differing=1),)}, id="an event differs"),
        pytest.param({"layers": (dataclasses.replace(LAYER, rtl_cycles=111),)}, id="a layer's cycles differ"),
    ],
)
def test_any_difference_is_a_failure(change: dict):
    bad = dataclasses.replace(GOOD, **change)
    assert GOOD.agrees
    assert not bad.agrees
    assert "✗" in shown(bad)
    assert bad.to_json()["agrees"] is False


def test_its_json_can_be_written():
    tree = json.loads(json.dumps(GOOD.to_json()))
    assert tree["rtl_accuracy"] == {"right": 3, "images": 3}
    assert tree["layers"][0]["name"] == "conv1"


@pytest.mark.parametrize(("agrees", "status"), [(True, 0), (False, 1)])
def test_the_command_returns_1_on_a_difference(agrees: bool, status: int, monkeypatch: pytest.MonkeyPatch):
    result = GOOD if agrees else dataclasses.replace(GOOD, runs_agreeing=0)
    monkeypatch.setattr("hwsim.demo.run_demo", lambda *_, **__: result)
    with pytest.raises(SystemExit) as left:
        main(["demo"])
    assert left.value.code == status


def test_more_images_than_there_are():
    with pytest.raises(InputError, match=r"^--images must be 1 to 360, not 361$"):
        run_demo("dense-8x8", images=361)


@pytest.mark.slow
def test_a_trained_network_in_rtl_is_predicted_to_the_byte_the_cycle_and_the_event(tmp_path: Path):
    with pytest.raises(SystemExit) as left:
        main(["demo", "--images", "3", "--json", str(tmp_path / "demo.json")])
    tree = json.loads((tmp_path / "demo.json").read_text())
    assert left.value.code == 0
    assert tree["agrees"] is True
    assert tree["rtl_cycles"] == tree["model_cycles"] > 0
    assert tree["compared_bytes"] > 1000
    assert tree["float_accuracy"]["right"] / 360 > 0.97
    assert tree["rtl_accuracy"] == tree["int8_sample"]
