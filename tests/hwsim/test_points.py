"""Estimates of many architectures at once: the energy model's prices of the events and cycles of each."""

from __future__ import annotations

import numpy as np
import pytest

from hwsim.energy.model import EnergyModel
from hwsim.points import Points, estimate_points
from rtl.config import load_arch

AXES = {"dense.cols": [8, 16], "memory.ofm_kib": [16, 64], "dram.beat_interval": [1, 4], "clock_mhz": [200.0, 500.0]}


def test_every_point_is_priced_as_it_would_be_alone():
    points = Points.grid(load_arch("dense-16x16"), AXES)
    found = estimate_points("digits-cnn", points)
    assert not found.refused
    for point in range(len(points)):
        model = EnergyModel(points.config(point))
        want = model.price(found.costs.layer_events(point), found.costs.layer_cycles(point)).sum(axis=0)
        np.testing.assert_allclose(found.energy_pj[point], want)
        area = model.area_mm2()
        assert area is not None
        assert found.area_mm2[point] == pytest.approx(area.total)
        assert found.latency_us[point] == pytest.approx(found.cycles[point] / model.clock_mhz)


def test_more_bandwidth_never_costs_cycles():
    found = estimate_points("digits-cnn", Points.grid(load_arch("dense-16x16"), AXES))
    fast, slow = (found.points.column("dram.beat_interval") == interval for interval in (1, 4))
    assert (found.cycles[fast] <= found.cycles[slow]).all()


def test_a_technology_that_cannot_be_is_a_reason():
    points = Points(load_arch("dense-8x8"), {"technology.voltage_v": np.array([1.0, 0.01])})
    found = estimate_points("digits-mlp", points)
    assert set(found.refused) == {1}
    assert found.cycles[0] > 0
    assert found.cycles[1] == 0
