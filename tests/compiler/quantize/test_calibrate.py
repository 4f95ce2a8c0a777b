from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compiler.errors import ModelError
from compiler.quantize import Range, observe
from tests.compiler.builders import imported, op


def test_ranges_cover_every_sample_and_zero(tmp_path: Path):
    graph = imported(tmp_path, [op("Relu", "x", "r"), op("Neg", "r", "y")], {"x": (1, 2)}, "y")
    samples = [{"x": np.float32([[1, -5]])}, {"x": np.float32([[2, 3]])}]
    assert observe(graph, samples) == {"x": Range(-5, 3), "r": Range(0, 3), "y": Range(-3, 0)}


def test_a_percentile_leaves_outliers_out(tmp_path: Path):
    graph = imported(tmp_path, [op("Neg", "x", "y")], {"x": (1, 10000)}, "y")
    x = np.random.default_rng(0).standard_normal((1, 10000)).astype(np.float32)
    x[0, 0] = 40.0
    full, trimmed = (observe(graph, [{"x": x}], percentile=p)["x"] for p in (100.0, 99.0))
    assert full.high == 40
    assert 2.4 < trimmed.high < 2.8
    assert -2.8 < trimmed.low < -2.4


def test_a_tensor_that_overflows_is_named(tmp_path: Path):
    graph = imported(tmp_path, [op("Reciprocal", "x", "y")], {"x": (1, 1)}, "y")
    with np.errstate(divide="ignore"), pytest.raises(ModelError, match=r"^tensor 'y' is not finite on the calibration"):
        observe(graph, [{"x": np.zeros((1, 1))}])
