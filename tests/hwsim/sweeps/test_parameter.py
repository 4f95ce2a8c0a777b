"""The ways to write a parameter."""

from __future__ import annotations

import pytest

from hwsim.errors import InputError
from hwsim.sweeps.space.parameter import Follows, Interval, Values, parse_parameter


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([8, 16, 64], (8, 16, 64)),
        ({"values": ["a", "b"]}, ("a", "b")),
        ({"from": 1, "to": 9, "step": 4}, (1, 5, 9)),
        ({"from": 1, "to": 10, "step": 4}, (1, 5, 9)),
        ({"from": 0, "to": 0.3, "step": 0.1}, (0.0, 0.1, 0.2, 0.3)),
        ({"from": 8, "to": 64, "factor": 2}, (8, 16, 32, 64)),
        ({"from": 0.5, "to": 1.0, "points": 3}, (0.5, 0.75, 1.0)),
        ({"from": 1, "to": 1000, "points": 4, "scale": "log"}, (1, 10, 100, 1000)),
        ({"from": 3, "to": 3000, "factor": 10}, (3, 30, 300, 3000)),
    ],
)
def test_lists_and_ranges(given: object, expected: tuple):
    parsed = parse_parameter("x", given)
    assert isinstance(parsed, Values)
    assert parsed.values == pytest.approx(expected)
    assert [type(v) for v in parsed.values] == [type(v) for v in expected]


def test_a_range_without_steps_is_for_samplers():
    parsed = parse_parameter("x", {"from": 1, "to": 100, "scale": "log"})
    assert parsed == Interval("x", 1, 100, log=True, integer=True)


def test_a_value_can_follow_from_others():
    parsed = parse_parameter("x", {"equals": "2 * y", "when": "y > 1"})
    assert isinstance(parsed, Follows)
    assert parsed.of({"y": 4}) == 8
    assert parsed.when is not None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (16, r"^space\.x: a list, .* not 16"),
        ([], r"^space\.x\.values: .*at least 1"),
        ([8, 8], r"^space\.x: 8 is listed twice$"),
        ({"from": 4, "to": 2, "step": 1}, r"^space\.x: from 4 to 2 is no range$"),
        ({"from": 0, "to": 2, "factor": 2}, r"^space\.x: a logarithmic range begins above 0"),
        ({"from": 1, "to": 2, "step": 1, "points": 3}, r"^space\.x: step and points exclude each other$"),
        ({"from": 0, "to": 1, "step": 1e-9}, r"^space\.x: 1,000,000,001 values; at most 100,000$"),
        ({"from": 1, "to": 8, "stride": 2}, r"^space\.x\.stride: extra inputs"),
        ({"from": "1", "to": 8}, r"^space\.x\.from"),
        ({"values": [1], "when": "a <"}, r"^'a <': not a condition"),
        ([[1, 2]], r"^space\.x\.values"),
        ([float("nan")], r"^space\.x: nan is no value$"),
    ],
)
def test_what_is_no_parameter_is_said(given: object, message: str):
    with pytest.raises(InputError, match=message):
        parse_parameter("x", given)
