"""The strength of rounds stays between what was too little and what was too much."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hwsim.codesign.search import Search


@given(st.lists(st.sampled_from(["worked", "failed", "idle"]), max_size=30))
def test_stays_between_its_bounds(events):
    search = Search(strength=0.1, growth=1.5, most=1e3)
    for event in events:
        before = search
        search = getattr(search, event)()
        assert search.strength > 0
        if search.exhausted:
            return
        if search.high is not None:
            assert search.strength < search.high or before.strength >= before.high
        if event == "failed":
            assert search.strength < before.strength or search.low is not None
        if event == "idle":
            assert search.strength > before.strength


def test_closes_in_on_the_edge():
    search, edge = Search(strength=0.1, growth=1.5, most=1e3), 0.37
    for _ in range(12):
        search = search.failed() if search.strength > edge else search.idle()
    assert search.exhausted
    assert search.low is not None
    assert search.high is not None
    assert search.low <= edge <= search.high < 1.06 * search.low


def test_ends_where_nothing_is_left_to_prune():
    search = Search(strength=0.1, growth=1.5, most=1e3)
    while not search.exhausted:
        search = search.idle()
    assert search.strength > 1e3
