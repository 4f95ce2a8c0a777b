"""The layers of EIE Table III: shapes and densities are the table's, and a model is what was generated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

import workloads
from workloads import eie

SMALL = ["eie/alex-8", "eie/nt-we", "eie/nt-lstm"]


def test_every_row_of_the_table_is_a_workload() -> None:
    assert set(eie.layers()) == {name for name in workloads.names() if name.startswith("eie/")}
    for name, row in eie.layers().items():
        assert f"{row.inputs} to {row.outputs}, {row.weight_pct:g} % of weights" in workloads.resolve(name).description


@pytest.mark.parametrize("name", [*SMALL, "eie/alex-7", "eie/nt-wd"])
def test_shapes_and_densities_are_those_of_the_table(name: str) -> None:
    layer = eie.generate(name)
    row = layer.benchmark
    assert layer.weights.shape == (row.outputs, row.inputs)
    assert layer.activations.shape == (row.inputs,)
    assert np.count_nonzero(layer.activations) == round(row.inputs * row.act_pct / 100)
    assert (layer.weights != 0).mean() == pytest.approx(row.weight_pct / 100, rel=0.005)
    assert set(np.unique(layer.weights)) == {0, *eie.SHARED_WEIGHTS}
    assert layer.activations.min() >= 0


def test_places_are_independent_of_one_another() -> None:
    """Neighbours in a row and in a column are both kept as often as chance has it."""
    kept = eie.generate("eie/alex-8").weights != 0
    density = kept.mean()
    for a, b in ((kept[:, 1:], kept[:, :-1]), (kept[1:], kept[:-1]), (kept[64:], kept[:-64])):
        assert (a & b).mean() == pytest.approx(density**2, rel=0.01)
    rows = kept.sum(axis=1)
    assert rows.var() == pytest.approx(4096 * density * (1 - density), rel=0.2)


def test_inputs_are_those_of_their_seed() -> None:
    first, other = (eie.active_inputs("eie/alex-8", seed) for seed in (0, 1))
    np.testing.assert_array_equal(first, eie.active_inputs("eie/alex-8", 0))
    assert 0.3 < (first != 0)[other != 0].mean() < 0.45


@pytest.mark.parametrize("name", SMALL)
def test_a_model_is_the_layer(name: str, tmp_path: Path) -> None:
    workload, layer = workloads.resolve(name), eie.generate(name)
    file = workload.file(tmp_path)
    model = onnx.load(file)
    (weights,) = [numpy_helper.to_array(t) for t in model.graph.initializer if t.name == "weights"]
    np.testing.assert_array_equal(weights.T, layer.weights)
    assert workload.sample is not None
    a = workload.sample(0)
    np.testing.assert_array_equal(a[0], layer.activations)
    (product,) = onnxruntime.InferenceSession(file).run(None, {"a": a})
    product = np.asarray(product)
    assert product.shape == (1, layer.benchmark.outputs)
    assert 30 < product.std() < 60
