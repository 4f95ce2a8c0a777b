"""Curves go through their points, or say by how much they miss them."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from hwsim.energy.curves import Curve
from hwsim.energy.table import load_table, table_names


def curve(law: str, *points: tuple[float, float], **rest: object) -> Curve:
    tree = [{"x": float(x), "y": float(y), "source": "of this test"} for x, y in points]
    return Curve.model_validate({"law": law, "points": tree, **rest})


@pytest.mark.parametrize(
    ("law", "points", "x", "y"),
    [
        pytest.param("power", [(1, 3), (4, 48)], 2, 12, id="power"),
        pytest.param("sqrt", [(1, 5), (16, 11)], 9, 9, id="sqrt"),
        pytest.param("linear", [(1, 5), (3, 9)], 2, 7, id="linear"),
        pytest.param("proportional", [(2, 5)], 6, 15, id="proportional"),
    ],
)
def test_two_points_are_met(law: str, points: list[tuple[float, float]], x: float, y: float) -> None:
    fitted = curve(law, *points)
    assert fitted(x) == pytest.approx(y)
    assert fitted.residual == pytest.approx(0, abs=1e-12)


def test_a_stated_exponent_needs_one_point() -> None:
    assert curve("power", (8, 2), exponent={"value": 2.0, "source": "of this test"})(16) == pytest.approx(8)


def test_the_residual_is_the_worst_points() -> None:
    assert curve("proportional", (1, 1), (1, 3)).residual == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("law", "points", "rest", "message"),
    [
        pytest.param("linear", [(1, 2)], {}, "a linear law needs 2 points", id="one point"),
        pytest.param("sqrt", [(1, 2), (1, 3)], {}, "a sqrt law needs 2 points", id="one capacity"),
        pytest.param("power", [(1, 2), (2, 0)], {}, "goes through no zero", id="zero"),
        pytest.param("linear", [(1, 2), (2, 3)], {"exponent": {"value": 2.0, "source": "of this test"}},
                     "a linear law has no exponent", id="exponent"),
    ],
)  # fmt: skip
def test_what_determines_no_curve_is_refused(law: str, points: list, rest: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        curve(law, *points, **rest)


@pytest.mark.parametrize("name", table_names())
def test_the_residuals_are_those_of_the_handbook(name: str) -> None:
    table = load_table(name)
    assert table.multiply.residual < 1e-9
    assert table.add.residual < 0.065
    assert table.sram.read.residual < 0.045
    if table.sram.area_um2 is not None:
        assert table.sram.area_um2.residual < 0.075


@pytest.mark.parametrize("name", table_names())
def test_wider_and_larger_costs_more(name: str) -> None:
    table = load_table(name)
    for narrow, wide in ((1, 2), (2, 4), (4, 8), (8, 16)):
        assert 0 < table.mac_pj(narrow, narrow, 32) < table.mac_pj(wide, wide, 32)
    for small, large in ((0.5, 2), (2, 64), (64, 4096)):
        assert 0 < table.sram.access_pj(small, 8) < table.sram.access_pj(large, 8)
        assert table.sram.access_pj(small, 8) < table.sram.access_pj(small, 64) <= 8 * table.sram.access_pj(small, 8)


@pytest.mark.parametrize(("bits", "pj"), [(4, 0.0521), (8, 0.2), (16, 0.783), (32, 3.1)])
def test_multiplication_at_45_nm_is_near_qkeras_quadratic(bits: int, pj: float) -> None:
    # google/qkeras@a383fea, config_public.py: fpm_mul = 0.002994791667 n^2 + 0.001041666667 n, fitted to Horowitz.
    quadratic = 0.002994791667 * bits**2 + 0.001041666667 * bits
    assert quadratic == pytest.approx(pj, rel=0.01)
    assert load_table("horowitz-45nm").multiply_pj(bits, bits) == pytest.approx(quadratic, rel=0.03)
