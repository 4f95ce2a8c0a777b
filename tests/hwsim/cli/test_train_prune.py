"""``hwsim train`` and ``hwsim prune``: files in, files out, and one line for what cannot be."""

from __future__ import annotations

import importlib.util
import json
import sys

import numpy as np
import pytest

import hwsim as api
from hwsim.cli.main import main
from tests.hwsim.cli.command_line import hwsim

TRAIN = ["train", "digits-mlp", "--fresh", "--epochs", "12", "--rate", "3e-3", "-o", "mlp.onnx", "--json", "t.json"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with pytest.raises(SystemExit) as done:
            main(TRAIN)
    assert done.value.code == 0
    return folder / "mlp.onnx"


def test_train_writes_a_network_that_other_tools_open(trained):
    import onnxruntime

    from workloads.registry import resolve

    report = json.loads((trained.parent / "t.json").read_text())
    assert report["test_before"] < 0.3
    assert report["test_after"] > 0.9
    assert sorted(p.name for p in trained.parent.iterdir()) == ["mlp.onnx", "t.json"], "no work is left behind"
    session = onnxruntime.InferenceSession(trained, providers=["CPUExecutionProvider"])
    test = resolve("digits-mlp").test_set()
    right = [
        session.run(None, {session.get_inputs()[0].name: x[None]})[0].argmax() == y
        for x, y in zip(test.inputs, test.labels, strict=True)
    ]
    assert np.mean(right) == pytest.approx(report["test_after"], abs=1e-9)


def test_prune_writes_a_quantised_network_that_costs_what_it_says(trained, capsys, tmp_path):
    out = tmp_path / "small.onnx"
    done = hwsim(
        capsys, "prune", trained, "-a", "dense-8x8", "-o", out, "--rounds", "2", "--epochs", "2",
        "--json", tmp_path / "p.json", "--html", tmp_path / "p.html",
    )  # fmt: skip
    assert done.status == 0
    assert "energy ÷" in done.out
    report = json.loads((tmp_path / "p.json").read_text())
    totals = report["totals"]
    assert totals["energy_pj_after"] < 0.8 * totals["energy_pj_before"]
    assert totals["accuracy_after"] >= totals["accuracy_before"] - 0.01
    found = api.estimate(str(out), "dense-8x8")
    assert found.totals()["energy_pj"] == pytest.approx(totals["energy_pj_after"], rel=1e-12)
    assert found.cycles == totals["cycles_after"]
    assert {la.name: la.energy_pj.total for la in found.layers if la.energy_pj} == pytest.approx(
        {la["name"]: la["energy_pj_after"] for la in report["layers"]}
    )
    page = (tmp_path / "p.html").read_text()
    assert page.count("Energy before") == 1
    assert "dense1" in page
    assert not list(tmp_path.glob("*.work"))


WRONG = [
    (["--objective", "speed"], "hwsim: objective 'speed': known: energy, latency, edp"),
    (["--method", "luck"], "hwsim: method 'luck': known: energy-aware, magnitude, magnitude-uniform"),
    (["--max-loss", "120"], "hwsim: the accuracy that may be lost is 0 to 100 points, not 120"),
    (["--data", "digit"], "hwsim: unknown data set 'digit': known: digits, or a file .npz with x and y"),
    (["--rate", "0"], "hwsim: rate must be above 0, not 0.0"),
    (["--arch", "dense-8x9"], "hwsim: "),
]


@pytest.mark.parametrize(("arguments", "line"), WRONG, ids=lambda v: v[0] if isinstance(v, list) else "")
def test_one_line_for_what_cannot_be(arguments, line, capsys, tmp_path):
    done = hwsim(capsys, "prune", "digits-mlp", "-o", tmp_path / "o.onnx", *arguments)
    assert done.status == 2
    assert done.err.startswith(line)
    assert done.err.count("\n") == 1
    assert not (tmp_path / "o.onnx").exists()


def test_without_pytorch_it_says_how_to_get_it(capsys, tmp_path, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "torch" else find(name, *more))
    monkeypatch.delitem(sys.modules, "hwsim.training.train", raising=False)
    done = hwsim(capsys, "train", "digits-mlp", "-o", tmp_path / "o.onnx")
    assert done.status == 2
    assert done.err == "hwsim: training needs PyTorch, which is not installed: pip install 'hwsim[train]'\n"
