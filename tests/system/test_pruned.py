"""A network that was pruned, shared and quantised for an engine, in that engine's RTL: its bytes, and its energy."""

from __future__ import annotations

import logging

import numpy as np
import pytest

import hwsim
from hwsim.codesign.prune import SAMPLE_INPUTS, prune
from hwsim.codesign.settings import PruneSettings
from hwsim.energy.model import EnergyModel
from hwsim.training import Settings, load_data
from rtl.config import load_arch
from rtl.counters import COUNTERS

LOG = logging.getLogger(__name__)
SETTINGS, TUNING = PruneSettings(epochs=2, samples=256, rounds=3), Settings(rate=2e-3)


def _measured_pj(run, model: EnergyModel) -> float:
    """What the hardware's own counters and cycles cost."""
    counters = np.array([[layer.counters[counter.name] for counter in COUNTERS] for layer in run.layers])
    return float(model.price(counters, np.array([layer.rtl_cycles for layer in run.layers])).sum())


@pytest.mark.slow
@pytest.mark.parametrize("arch", ["eie-64", "hybrid-16x16-eie-16", "dense-16x16"])
@pytest.mark.parametrize("network", ["digits-mlp", "digits-cnn"])
def test_saves_in_rtl_what_pruning_predicted(network, arch, tmp_path):
    """Exactly on a dense array; within 5 % where zeros decide, for ranges and shared values are found anew."""
    data = load_data("digits")
    outcome = prune(network, arch, data=data, settings=SETTINGS, tuning=TUNING)
    path = tmp_path / "small.onnx"
    path.write_bytes(outcome.model.SerializeToString())
    model = EnergyModel(load_arch(arch))
    found = []
    for x in data.train.x[:SAMPLE_INPUTS]:
        run = hwsim.simulate(str(path), arch, inputs=x[None])
        assert run.mismatched_bytes == 0
        assert run.agrees
        found.append(_measured_pj(run, model))
        assert found[-1] == pytest.approx(run.estimate.totals()["energy_pj"], rel=1e-9)
    before, predicted = outcome.report.energy_pj
    LOG.info("%s on %s: %.0f pJ before, %.0f predicted, %.0f in RTL", network, arch, before, predicted, np.mean(found))
    assert predicted < 0.9 * before
    assert np.mean(found) == pytest.approx(predicted, rel=1e-9 if arch.startswith("dense") else 0.05)
    assert before - np.mean(found) == pytest.approx(before - predicted, rel=0.05)
