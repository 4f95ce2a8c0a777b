"""Every combination, and no other."""

from __future__ import annotations

import itertools

import pytest

from hwsim.errors import InputError
from hwsim.sweeps.space.grid import grid, point_id
from tests.hwsim.sweeps.samples import specification


def points(**given):
    sweep = specification(**given)
    return grid(sweep.space, sweep.on_settings).assignments()


def test_a_grid_is_the_product_of_its_values():
    found = points(space={"arch.dense.rows": [8, 16], "arch.clock_mhz": [200.0, 500.0, 800.0]})
    expected = [
        {"arch.dense.rows": r, "arch.clock_mhz": c} for r, c in itertools.product([8, 16], [200.0, 500.0, 800.0])
    ]
    assert found == expected
    assert all(type(p["arch.dense.rows"]) is int for p in found)


def test_models_are_a_dimension():
    found = points(models=["digits-mlp", "digits-cnn"])
    assert [p["model"] for p in found] == ["digits-mlp"] * 4 + ["digits-cnn"] * 4


def test_a_condition_that_does_not_hold_leaves_the_base():
    found = points(
        space={
            "mapping": {"values": ["energy", "edp"], "when": "arch.dense.rows > 8"},
            "arch.dense.rows": [8, 16],
        }
    )
    assert found == [
        {"arch.dense.rows": 8},
        {"arch.dense.rows": 16, "mapping": "energy"},
        {"arch.dense.rows": 16, "mapping": "edp"},
    ]


def test_values_follow_from_others():
    found = points(
        space={"arch.memory.ofm_kib": {"equals": "2 * arch.memory.ifm_kib"}, "arch.memory.ifm_kib": [16, 32]}
    )
    assert [p["arch.memory.ofm_kib"] for p in found] == [32, 64]


def test_conditions_see_the_base_of_the_architecture_that_a_point_chooses():
    found = points(
        space={
            "arch": ["dense-8x8", "dense-32x32"],
            "arch.clock_mhz": {"values": [100.0, 200.0], "when": "arch.dense.rows == 32"},
        }
    )
    assert [p.get("arch.clock_mhz") for p in found] == [None, 100.0, 200.0]


def test_constraints_on_settings_take_points_out():
    found = points(
        space={"arch.dense.rows": [8, 16, 32], "arch.dense.cols": [8, 16, 32]},
        constraints=["arch.dense.rows * arch.dense.cols <= 256", "arch.memory.ifm_kib > 1"],
    )
    assert len(found) == 6
    assert max(p["arch.dense.rows"] * p["arch.dense.cols"] for p in found) == 256


def test_constraints_keep_a_huge_product_small_as_it_grows():
    many = {"from": 1, "to": 1000, "points": 1000}
    space = {f"arch.dram.{n}": many for n in ("latency_cycles",)} | {"seed": many}
    found = points(space=space, constraints=["arch.dram.latency_cycles == 7", "seed < 4"])
    assert len(found) == 3


def test_too_many_points_are_refused_by_name():
    many = {"from": 1, "to": 4000, "points": 4000}
    with pytest.raises(InputError, match=r"16,000,000 points when seed is in; a grid has at most 5,000,000"):
        points(space={"arch.dram.latency_cycles": many, "seed": many})


def test_a_range_without_steps_is_refused():
    with pytest.raises(InputError, match=r"^space\.arch\.clock_mhz: every number .* is no grid"):
        points(space={"arch.clock_mhz": {"from": 100.0, "to": 900.0}})


def test_circles_are_refused():
    with pytest.raises(InputError, match=r"depend on each other in a circle$"):
        points(
            space={
                "arch.dense.rows": {"values": [8], "when": "arch.dense.cols == 8"},
                "arch.dense.cols": {"values": [8], "when": "arch.dense.rows == 8"},
            }
        )


def test_ids_depend_on_settings_alone():
    assert point_id({"a": 1, "b": 2}) == point_id({"b": 2, "a": 1})
    assert point_id({"a": 1}) != point_id({"a": 2})
    assert point_id({"a": 1}) != point_id({"a": "1"})


def test_a_hundred_thousand_points_have_as_many_ids():
    wide = {"from": 1, "to": 4000, "points": 400}
    found = points(space={"arch.dram.latency_cycles": {"from": 1, "to": 250, "step": 1}, "seed": wide})
    assert len({point_id(p) for p in found}) == 100_000
