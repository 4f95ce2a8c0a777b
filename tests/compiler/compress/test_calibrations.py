"""Calibration against scipy's optimum, its entropy, and numpy's percentiles."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from compiler.compress.calibrations import KullbackLeibler, Maximum, MeanSquaredError, Percentile
from compiler.compress.calibrations.kl import divergence
from compiler.errors import ModelError

RNG = np.random.default_rng(0)
SAMPLES = {
    "normal": RNG.standard_normal(4000),
    "laplace": RNG.laplace(size=4000),
    "outliers": np.concatenate([RNG.standard_normal(4000), [40.0, -35.0]]),
    "positive": np.abs(RNG.standard_normal(4000)),
}


def rounded_error(values, threshold, bits):
    step = 2 * threshold / (2**bits - 1)
    high = np.rint(threshold / step)
    return np.square(values - np.clip(np.rint(values / step), -high, high) * step).sum()


@pytest.mark.parametrize("bits", [2, 3, 4, 6, 8])
@pytest.mark.parametrize("name", ["normal", "laplace"])
def test_mse_finds_the_range_that_scipy_finds(name, bits):
    values = SAMPLES[name]
    values = np.concatenate([values, -values])
    found = MeanSquaredError(steps=400).limits(values, bits)
    peak = np.abs(values).max()
    best = optimize.brute(lambda t: rounded_error(values, t[0], bits), [(0.01 * peak, peak)], Ns=400)
    least = rounded_error(values, float(best[0]), bits)
    assert rounded_error(values, found.high, bits) <= 1.02 * least
    assert found.low == pytest.approx(-found.high)


@pytest.mark.parametrize("levels", [8, 128])
@pytest.mark.parametrize("used", [128, 300, 2048])
def test_divergence_is_scipys_entropy_of_the_two_histograms(used, levels):
    counts, _ = np.histogram(np.abs(SAMPLES["laplace"]), 2048)
    kept = counts[:used].astype(float)
    p = kept.copy()
    p[-1] += counts[used:].sum()
    q = np.zeros(used)
    for part in np.array_split(np.arange(used), levels) if used % levels == 0 else _steps(used, levels):
        filled = kept[part] > 0
        if filled.any():
            q[part[filled]] = kept[part].sum() / filled.sum()
    assert divergence(counts, used, levels) == pytest.approx(stats.entropy(p, q), rel=1e-9)


def _steps(used, levels):
    number = np.arange(used) * levels // used
    return [np.flatnonzero(number == i) for i in range(levels)]


def test_kl_cuts_outliers_off_and_keeps_what_has_none():
    cut = KullbackLeibler().limits(SAMPLES["outliers"], 8)
    assert cut.high < 15
    assert -cut.low < 15
    assert Maximum().limits(SAMPLES["outliers"], 8).high == 40
    uniform = RNG.uniform(-1, 1, 20000)
    assert KullbackLeibler().limits(uniform, 8).high > 0.95


def test_kl_is_the_least_divergence_of_all_thresholds():
    values, bins, levels = np.abs(SAMPLES["outliers"]), 256, 8
    counts, _ = np.histogram(values, bins, (0, values.max()))
    counts[0] = counts[1]
    limits = KullbackLeibler(bins).limits(values, 4)
    used = round(limits.high / values.max() * bins)
    all_of_them = [divergence(counts, u, levels) for u in range(levels, bins + 1)]
    assert divergence(counts, used, levels) == min(all_of_them)


def test_percentile_is_numpys():
    limits = Percentile(covered=99.0).limits(SAMPLES["normal"], 8)
    np.testing.assert_allclose([limits.low, limits.high], np.percentile(SAMPLES["normal"], [0.5, 99.5]))
    with pytest.raises(ModelError, match="covered is above 0 and at most 100, not 0"):
        Percentile(covered=0)


@pytest.mark.parametrize("method", [KullbackLeibler(), Maximum(), MeanSquaredError(), Percentile()])
@pytest.mark.parametrize(
    "values", [np.zeros(10), np.array([1.0]), SAMPLES["positive"], -SAMPLES["positive"], np.zeros(0)]
)
def test_zero_lies_in_every_range(method, values):
    limits = method.limits(values, 8)
    assert limits.low <= 0 <= limits.high
    assert np.isfinite([limits.low, limits.high]).all()
