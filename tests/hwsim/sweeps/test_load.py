"""Sweeps' files: what they may say, and one line for what they may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwsim.errors import InputError
from hwsim.sweeps.specification.load import load_specification
from hwsim.sweeps.specification.specification import specification_from_json
from rtl.config import ConfigError
from tests.hwsim.sweeps.samples import specification

GOOD = """
models: [digits-mlp]
space: {arch.dense.rows: [8, 16]}
objectives: [latency_us, area_mm2]
"""


def load(folder: Path, text: str):
    path = folder / "mine.yaml"
    path.write_text(text)
    return load_specification(path)


def test_a_sweep_is_called_as_its_file(tmp_path: Path):
    assert load(tmp_path, GOOD).file.name == "mine"


def test_it_stands_on_its_own(tmp_path: Path):
    sweep = load(tmp_path, GOOD)
    assert sweep.arches["dense-16x16"]["dense"]["rows"] == 16
    again = specification_from_json(sweep.to_json())
    assert again.to_json() == sweep.to_json()
    assert again.space.parameters == sweep.space.parameters


def test_architectures_and_models_are_looked_for_beside_the_file(tmp_path: Path):
    (tmp_path / "mine-arch.yaml").write_text("name: mine\ndense: {rows: 8, cols: 4}\ndepthwise_taps: 3\n")
    with pytest.raises(ConfigError, match="depthwise_taps is not a setting"):
        load(tmp_path, GOOD + "arch: mine-arch.yaml\n")
    with pytest.raises(InputError, match=r"models: net\.onnx: there is no such file"):
        load(tmp_path, GOOD.replace("digits-mlp", "net.onnx"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objectives": ["latency"]}, r"objectives: 'latency' is not a figure; did you mean latency_us\?"),
        ({"objectives": ["area_mm2", "area_mm2"]}, "objectives: one is listed twice"),
        ({"objectives": []}, "objectives: .*at least 1"),
        ({"models": []}, "models: .*at least 1"),
        ({"models": ["digits-mlp", "digits-mlp"]}, "models: one is listed twice"),
        (
            {"space": {"arch.dense.row": [8]}},
            r"the architecture has no row; did you mean rows\?",
        ),
        ({"space": {"arch.dense": [8]}}, r"space\.arch\.dense: a group of settings; name one of rows"),
        ({"space": {"arch.dense.rows.x": [8]}}, r"arch\.dense\.rows is a value and has no parts"),
        (
            {"space": {"arch.dense.rows": [8, 256]}},
            r"space\.arch\.dense\.rows: .*equal to 128 \(got 256\)",
        ),
        ({"space": {"arch.dense.rows": ["8"]}}, r"space\.arch\.dense\.rows: .*integer \(got '8'\)"),
        ({"space": {"arch.dense.dataflow": ["systolic"]}}, r"space\.arch\.dense\.dataflow: "),
        ({"space": {"mapping": ["speed"]}}, r"space\.mapping: 'speed' is not one of cycles, energy, edp"),
        ({"space": {"dense.rows": [8]}}, r"space\.dense\.rows: not a setting; did you mean arch\.dense\.rows"),
        ({"space": {"recipe.sparsity": [0.5]}}, r"space\.recipe\.sparsity: the sweep has no recipe"),
        ({"constraints": ["area < 2"]}, r"constraints: area < 2: area is not a setting or a figure; did you mean"),
        ({"constraints": ["open('x') < 2"]}, r"cannot stand here"),
        ({"serach": {}}, r"serach is not a setting; did you mean search\?"),
        ({"search": {"sampler": "nsga"}}, r"search\.sampler: "),
        ({"search": {"trials": 0}}, r"search\.trials: "),
        ({"seed": -1}, "seed: "),
        ({"name": "../x"}, "name: "),
    ],
)
def test_one_line_says_what_is_wrong(change: dict, message: str):
    with pytest.raises(InputError, match=message) as caught:
        specification(**change).to_json()
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("sample: ")


@pytest.mark.parametrize("text", ["", "- a\n", "a: [1\n", "x: *y\n", "\x00", "models: {a: b}\nspace: 3\n"])
def test_hostile_files_are_refused(tmp_path: Path, text: str):
    with pytest.raises(InputError, match=r"mine\.yaml: "):
        load(tmp_path, text)


def test_another_number_of_trials_is_checked_too():
    with pytest.raises(InputError, match="--trials: "):
        specification().with_search(trials=0)
    assert specification().with_search(trials=7, seed=3).file.search.trials == 7
