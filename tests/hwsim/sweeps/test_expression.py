"""Conditions: what they mean, and that they are nothing more than conditions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsim.errors import InputError
from hwsim.sweeps.constraints.expression import parse_expression


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("area_mm2 < 2", True),
        ("arch.dense.rows * arch.dense.cols <= 128", False),
        ("arch.dense.rows == arch.dense.cols or mapping == 'edp'", True),
        ("not (area_mm2 < 1) and power_mw < 300", False),
        ("mapping in ['energy', 'edp']", True),
        ("arch.dense.rows in (4, 8)", False),
        ("8 < arch.dense.rows <= 16", True),
        ("-area_mm2 + 3 > 1 and arch.dense.rows // 3 == 5 and arch.dense.rows % 3 == 1", True),
        ("unknown_figure < 5", False),
        ("unknown_figure > 5", False),
    ],
)
def test_conditions_mean_what_they_say(text: str, expected: bool):
    values = {
        "area_mm2": 1.5,
        "power_mw": 400.0,
        "arch.dense.rows": 16,
        "arch.dense.cols": 16,
        "mapping": "edp",
        "unknown_figure": float("nan"),
    }
    assert parse_expression(text).holds(values) is expected


def test_names_are_those_of_settings_and_figures():
    assert parse_expression("arch.dense.rows * 2 < area_mm2").names == {"arch.dense.rows", "area_mm2"}


@given(st.lists(st.tuples(st.integers(-9, 9), st.floats(-9, 9)), min_size=1, max_size=20))
def test_columns_give_what_each_point_gives(points: list[tuple[int, float]]):
    expression = parse_expression("a * 2 < b + 1 or not a >= 0 and a != 3")
    a, b = np.array([p[0] for p in points]), np.array([p[1] for p in points])
    whole = expression.mask({"a": a, "b": b}, len(points))
    assert whole.tolist() == [expression.holds({"a": x, "b": y}) for x, y in points]


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "a.__class__()",
        "a[0] < 1",
        "2 ** 99999999 > 1",
        "[x for x in (1, 2)]",
        "lambda: 1",
        "(a := 3) > 1",
        "f'{a}' == 'x'",
        "a if b else c",
        "a <",
        "",
        "a in b",
        "1 << 40 > 2",
        "None",
        "b'x' == a",
    ],
)
def test_nothing_but_a_condition_is_accepted(text: str):
    with pytest.raises(InputError, match=r"^['\"]"):
        parse_expression(text)


@pytest.mark.parametrize("text", ["(" * 150 + "a" + ")" * 150 + "(", "-" * 100 + "a", "a" * 500, "not " * 60 + "a"])
def test_size_and_depth_are_bounded(text: str):
    with pytest.raises(InputError):
        parse_expression(text)


def test_operands_that_do_not_go_together_are_named():
    with pytest.raises(InputError, match=r"^'a \+ b < 1': "):
        parse_expression("a + b < 1").holds({"a": 1, "b": "x"})
