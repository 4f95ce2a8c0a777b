"""Formats of weights: what their levels are, and that codes are the nearest of them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import KMeans

from compiler.compress.quantisers import QUANTISERS, Codebook, MaskedForward
from compiler.compress.quantisers.dual_plane import DualPlane
from compiler.compress.settings import build
from compiler.errors import ModelError
from compiler.passes.low_planes import planes
from tests.compiler.builders import rand

SPECS = [
    *(
        {"name": "uniform", "bits": b, "scheme": s, "per": p}
        for b in (2, 4, 8)
        for s in ("symmetric", "asymmetric")
        for p in ("channel", "tensor")
    ),
    *({"name": "uniform", "bits": 5, "calibration": c} for c in ("max", "percentile", "mse", "kl")),
    *({"name": "power-of-two", "bits": b, "per": p} for b in (2, 3, 4) for p in ("channel", "tensor")),
    *({"name": "binary", "per": p} for p in ("channel", "tensor")),
    *({"name": "ternary", "per": p} for p in ("channel", "tensor")),
    *({"name": "dorefa", "bits": b} for b in (2, 4, 7)),
    *({"name": "codebook", "bits": b} for b in (1, 3, 5)),
    {"name": "dual-plane"},
]
SHAPES = {"conv": ((6, 3, 3, 3), 0), "dense": ((20, 8), 1), "one": ((1, 1), 0)}


def ids(spec) -> str:
    return "-".join(str(v) for v in spec.values())


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spec", SPECS, ids=ids)
def test_what_is_quantised_is_on_the_grid_and_stays_there(spec, shape):
    size, axis = SHAPES[shape]
    w = rand(*size, seed=3)
    quantiser = build(QUANTISERS, spec).fit(w, axis)
    codes = quantiser.encode(w)
    real = quantiser.quantise(w)
    assert real.shape == codes.values.shape == w.shape
    assert real.dtype == np.float32
    np.testing.assert_array_equal(real, codes.real)
    assert np.unique(codes.values).size <= 2**codes.format.bits
    assert (codes.scale > 0).all()
    if spec["name"] != "dorefa":  # which squashes what it is given, its own results too
        np.testing.assert_allclose(quantiser.quantise(real), real, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("spec", [s for s in SPECS if QUANTISERS[s["name"]].has_zero], ids=ids)
def test_zero_stays_zero(spec):
    w = rand(6, 3, 3, 3, seed=3)
    w[np.random.default_rng(0).random(w.shape) < 0.6] = 0
    assert (build(QUANTISERS, spec).fit(w, 0).quantise(w)[w == 0] == 0).all()


@pytest.mark.parametrize("spec", [s for s in SPECS if QUANTISERS[s["name"]].has_zero], ids=ids)
def test_a_tensor_of_zeros_is_no_trouble(spec):
    w = np.zeros((4, 2, 3, 3), np.float32)
    assert (build(QUANTISERS, spec).fit(w, 0).quantise(w) == 0).all()


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_powers_of_two_are_the_nearest(bits):
    w = rand(400, seed=1)[:, None]
    codes = build(QUANTISERS, {"name": "power-of-two", "bits": bits}).fit(w, 0).encode(w)
    sizes = float(codes.scale[0]) * np.exp2(np.arange(2 ** (bits - 1) - 1))
    levels = np.concatenate([-sizes, [0], sizes])
    nearest = levels[np.abs(w - levels).argmin(axis=1)]
    np.testing.assert_array_equal(codes.real[:, 0], nearest.astype(np.float32))


def test_binary_weights_are_the_best_signs_times_the_best_scale():
    w = rand(5, 40)
    real = build(QUANTISERS, "binary").fit(w, 0).quantise(w)
    np.testing.assert_allclose(real, np.sign(w) * np.abs(w).mean(axis=1, keepdims=True), rtol=1e-6)
    for scale in (0.9, 1.1):
        assert np.square(w - real).sum() < np.square(w - scale * real).sum()


def test_ternary_weights_follow_the_paper():
    w = rand(1, 1000)
    real = build(QUANTISERS, "ternary").fit(w, 0).quantise(w)
    large = np.abs(w) > 0.7 * np.abs(w).mean()
    np.testing.assert_allclose(real, np.where(large, np.sign(w) * np.abs(w[large]).mean(), 0), rtol=1e-6)


def test_dorefa_follows_the_paper_up_to_its_scale():
    w, k = rand(300)[:, None].astype(np.float64), 3
    real = build(QUANTISERS, {"name": "dorefa", "bits": k}).fit(w, 0).quantise(w)
    unit = np.tanh(w) / (2 * np.abs(np.tanh(w)).max()) + 0.5
    paper = 2 * np.rint(unit * (2**k - 1)) / (2**k - 1) - 1
    np.testing.assert_allclose(real, paper * (w * paper).sum() / np.square(paper).sum(), rtol=1e-5)


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_a_codebook_is_what_scikit_learn_finds(bits):
    w = rand(30, 20, seed=5)
    w[np.abs(w) < 0.5] = 0
    quantiser = Codebook(bits=bits).fit(w, 0)
    kept = w[w != 0].astype(np.float64)
    start = np.linspace(kept.min(), kept.max(), 2**bits - 1)[:, None]
    want = KMeans(2**bits - 1, init=start, n_init=1).fit(kept[:, None])
    np.testing.assert_allclose(np.sort(quantiser.centroids(w)), np.sort(want.cluster_centers_[:, 0]), rtol=1e-5)
    inertia = np.square(kept - quantiser.centroids(w)[quantiser.group[w != 0]]).sum()
    assert inertia == pytest.approx(want.inertia_, rel=1e-5)
    assert (quantiser.quantise(w)[w == 0] == 0).all()


def test_a_centroid_moves_with_the_mean_of_its_weights():
    w = rand(30, 20, seed=5)
    quantiser = Codebook(bits=3).fit(w, 0)
    before = quantiser.centroids(w)
    step = rand(30, 20, seed=6)
    moved = quantiser.centroids(w + step)
    means = [step[quantiser.group == i].mean() for i in range(len(before))]
    np.testing.assert_allclose(moved - before, means, atol=1e-5)


def test_a_codebook_of_more_values_than_there_are_is_exact():
    w = np.array([[0.5, -1.0, 0.0, 0.5]], np.float32)
    np.testing.assert_allclose(Codebook(bits=4).fit(w, 0).quantise(w), w, rtol=0.01)


@pytest.mark.parametrize("wide", [0.0, 0.01, 0.1])
def test_few_weights_of_two_planes_are_wide(wide):
    w = (rand(100, 50) ** 3).astype(np.float32)
    codes = DualPlane(wide=wide).fit(w, 0).encode(w)
    low, high = planes(codes.values)
    np.testing.assert_array_equal(low.astype(np.int32) + 256 * high.astype(np.int32), codes.values)
    assert np.count_nonzero(high) <= wide * w.size
    assert low.dtype == high.dtype == np.int8
    assert np.abs(codes.real - w).max() <= 0.5001 * codes.scale[0]


def test_planes_cover_every_value_of_their_range():
    values = np.arange(-127 - 256 * 127, 128 + 256 * 127)
    low, high = planes(values)
    np.testing.assert_array_equal(low + 256 * high.astype(np.int64), values)
    assert (high[(values >= -128) & (values <= 127)] == 0).all()


def test_a_mask_in_the_forward_pass_leaves_the_weights_alone():
    w = rand(4, 4)
    mask = np.eye(4, dtype=bool)
    np.testing.assert_array_equal(MaskedForward(mask).quantise(w), np.where(mask, w, 0))
    inner = build(QUANTISERS, "uniform").fit(w, 0)
    np.testing.assert_array_equal(MaskedForward(mask, inner).quantise(w), inner.quantise(np.where(mask, w, 0)))
    with pytest.raises(ValueError, match="no codes"):
        MaskedForward(mask).encode(w)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("unifrom", "there is no quantiser 'unifrom'; did you mean uniform?"),
        ({"name": "uniform", "bits": 9}, "quantiser 'uniform': bits are 2 to 8, not 9"),
        ({"name": "uniform", "bit": 4}, "quantiser 'uniform': 'bit' is not a setting; did you mean bits?"),
        ({"name": "uniform", "bits": "4"}, r"quantiser 'uniform': bits: input should be a valid integer \(got '4'\)"),
        ({"name": "uniform", "scheme": "odd"}, "scheme: input should be 'symmetric' or 'asymmetric'"),
        ({"name": "uniform", "calibration": "best"}, "there is no calibration 'best'; known: kl, max, mse, percentile"),
        ({"name": "dual-plane", "wide": 0.7}, "wide is a share of 0 to 0.5, not 0.7"),
        ({"bits": 4}, "quantiser: is a name, or a mapping with a name and settings"),
    ],
)
def test_an_impossible_format_is_refused(spec, message):
    with pytest.raises(ModelError, match=message.replace("?", r"\?")):
        build(QUANTISERS, spec)
