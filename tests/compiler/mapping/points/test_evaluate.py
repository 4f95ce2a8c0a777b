"""Many points at once: the mapper's own choices and events, and cycles that are never far from the analytic model's."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from compiler.errors import ModelError
from compiler.ir import Graph
from compiler.mapping import planner
from compiler.mapping.analytic.cycles import plan_cycles
from compiler.mapping.analytic.events import plan_events
from compiler.mapping.plan import Plan
from compiler.mapping.points.evaluate import point_costs
from compiler.mapping.points.points import Points
from hwsim.network import load_network
from rtl.config import ArchConfig, ConfigError, MemoryConfig, SparseConfig, load_arch
from tests.system.random_layers import random_case

BASE = ArchConfig(name="base", memory=MemoryConfig(param_kib=16))


def some_points(count: int, seed: int, memories: tuple[int, ...]) -> Points:
    """Architectures of every kind, memories of ``memories`` KiB."""
    rng = Random(seed)
    choices = {
        "dense.rows": (8, 16, 32, 64), "dense.cols": (8, 16, 32, 64),
        "dense.dataflow": ("weight_stationary", "output_stationary"),
        "memory.ifm_kib": memories, "memory.ofm_kib": memories, "memory.weight_kib": memories,
        "memory.param_kib": (4, 16), "memory.accumulators": (64, 512, 2048),
        "bus.data_bytes": (8, 16, 32), "bus.outstanding": (1, 8),
        "dram.beat_interval": (1, 2, 4), "dram.latency_cycles": (10, 40, 200),
    }  # fmt: skip
    settings = {name: np.array([rng.choice(values) for _ in range(count)]) for name, values in choices.items()}
    settings["dense.depthwise_taps"] = np.where(settings["dense.dataflow"] == "output_stationary", 0, 7)
    return Points(BASE, settings)


def first_choice(graph: Graph, config: ArchConfig, monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """What the scalar mapper plans before it looks a second time."""
    monkeypatch.setattr(planner, "refine", lambda plans, *_: tuple(plans))
    return [plan for plan in planner.plan_graph(graph, config) if isinstance(plan, Plan)]


def hold_against_mapper(graph: Graph, points: Points, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Asserts that plans have the same events, layer by layer, and refusals are the same; totals of both by cycles."""
    costs = point_costs(graph, points)
    totals = []
    for point in range(len(points)):
        try:
            plans = first_choice(graph, points.config(point), monkeypatch)
        except ModelError:
            assert point in costs.refused
            continue
        assert point not in costs.refused
        np.testing.assert_array_equal(costs.layer_events(point), plan_events(plans, points.config(point)))
        totals.append((int(costs.layer_cycles(point).sum()), int(plan_cycles(plans, points.config(point)).sum())))
    return totals


@pytest.mark.parametrize(("model", "median", "worst"), [("resnet50", 0.03, 0.08), ("mobilenet-v1", 0.03, 0.1)])
def test_choices_and_events_are_the_mappers_and_cycles_are_close(model, median, worst, monkeypatch):
    totals = hold_against_mapper(load_network(model, "nominal").graph, some_points(10, 1, (32, 64, 256)), monkeypatch)
    apart = np.array([abs(ours / theirs - 1) for ours, theirs in totals])
    assert len(apart) >= 6
    assert np.median(apart) < median
    assert apart.max() < worst


@pytest.mark.slow
@pytest.mark.parametrize("model", ["resnet50", "mobilenet-v1", "mobilenet-v2", "squeezenet", "inception-v1"])
def test_cycles_are_close_at_many_points(model, monkeypatch):
    totals = hold_against_mapper(load_network(model, "nominal").graph, some_points(40, 2, (32, 64, 256)), monkeypatch)
    apart = np.array([abs(ours / theirs - 1) for ours, theirs in totals])
    assert np.median(apart) < 0.02
    assert np.quantile(apart, 0.9) < 0.04


def test_networks_of_every_operator_are_mapped_alike_or_refused_alike(monkeypatch):
    found = 0
    for seed in range(30):
        graph = random_case(seed, most_macs=6000).graph
        found += len(hold_against_mapper(graph, some_points(4, seed, (1, 2, 8)), monkeypatch))
    assert 60 < found < 120, "some are refused, and not all"


def test_a_grid_is_every_combination_the_last_axis_fastest():
    points = Points.grid(load_arch("dense-8x8"), {"dense.cols": [8, 16], "memory.ifm_kib": [32, 64, 128]})
    assert len(points) == 6
    assert points.column("memory.ifm_kib").tolist() == [32, 64, 128, 32, 64, 128]
    assert points.column("bus.data_bytes").tolist() == [8] * 6
    assert points.config(4).dense.cols == 16


def test_points_that_cannot_be_are_refused_and_the_others_are_not():
    points = Points(BASE, {"memory.ifm_kib": np.array([64, 48, 64]), "dense.rows": np.array([16, 16, 4])})
    costs = point_costs(load_network("digits-cnn").graph, points)
    assert set(costs.refused) == {1, 2}
    assert "power of two, not 48" in costs.refused[1]
    assert "depthwise_taps=7" in costs.refused[2]
    assert costs.network_cycles()[0] > 0
    assert not costs.network_cycles()[1:].any()
    assert not costs.network_events()[1:].any()


def test_points_of_any_settings_together_cost_what_each_costs_alone():
    points = Points.grid(BASE, {"control.queue_depth": [2, 16], "clock_mhz": [100.0, 500.0], "bus.outstanding": [1, 8]})
    graph = load_network("mobilenet-v1", "nominal").graph
    together = point_costs(graph, points)
    assert len(together.row_cycles) == 4, "clocks share"
    assert len(set(together.network_cycles().tolist())) == 4, "all else matters"
    for point in (0, 3, 6):
        alone = point_costs(graph, Points(points.config(point), {"clock_mhz": np.array([300.0])}))
        np.testing.assert_array_equal(together.layer_cycles(point), alone.layer_cycles(0))
        np.testing.assert_array_equal(together.layer_events(point), alone.layer_events(0))


def test_a_setting_that_is_none_is_refused():
    with pytest.raises(ConfigError, match=r"dense\.lanes is not a setting"):
        Points(BASE, {"dense.lanes": np.array([1])})
    with pytest.raises(ConfigError, match="of one length"):
        Points(BASE, {"dense.rows": np.array([8]), "dense.cols": np.array([8, 16])})


def test_the_sparse_engine_is_for_single_points():
    base = ArchConfig(sparse=SparseConfig())
    with pytest.raises(ModelError, match="dense engine alone"):
        point_costs(load_network("digits-mlp").graph, Points(base, {"clock_mhz": np.array([500.0])}))
