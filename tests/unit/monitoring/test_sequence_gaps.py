"""Keys of a sequence, committed in any order, are each met once."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from scorer.monitoring.sequence_gaps import SequenceGaps


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.data())
def test_every_key_is_met_once_in_whatever_order_they_are_committed(delays: list[int], data: st.DataObject) -> None:
    """A key n is given out at look n // 4 and committed some looks later; some end later still, and some never come."""
    commits = {key: key // 4 + delay for key, delay in enumerate(delays, start=1)}
    lost = data.draw(st.sets(st.sampled_from(sorted(commits)), max_size=5))
    ends = {key: seen + data.draw(st.integers(0, 3)) for key, seen in commits.items()}
    gaps, met = SequenceGaps(newest=0), []
    for look in range(max(ends.values()) + 1):
        there = {key for key, seen in commits.items() if seen <= look and key not in lost}
        rows = {key for key in there if key > gaps.newest or key in gaps.open}
        ended = {key for key in rows if ends[key] <= look}
        met += ended
        gaps = gaps.after(ended, lasting=rows - ended, now=float(look))
    assert sorted(met) == sorted(commits.keys() - lost)


def test_what_never_comes_is_forgotten_and_what_lasts_is_not() -> None:
    gaps = SequenceGaps(newest=0).after([3], lasting=[1], now=0.0)
    assert sorted(gaps.open) == [1, 2]
    for now in itertools.accumulate([600.0] * 7):
        gaps = gaps.after([], lasting=[1], now=now)
    assert sorted(gaps.open) == [1]


def test_a_leap_of_the_sequence_is_not_waited_for() -> None:
    assert len(SequenceGaps(newest=0).after([10_000_000], now=0.0).open) < 10_001
