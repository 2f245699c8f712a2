"""Series: where each begins, and sums that no neighbour can change."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from scorer.scoring.features.series import Rows, series_of
from scorer.types.arrays import Observations


def observations(*values: float) -> Observations:
    n = len(values)
    return Observations(
        keys=(),
        position=np.zeros(n, np.int64),
        observation_id=np.arange(n),
        time=np.arange(n),
        code=np.zeros(n, np.int64),
        codes=("HR",),
        value=np.array(values),
        value_is_null=np.zeros(n, bool),
        low=np.full(n, np.nan),
        high=np.array([1.0, *[np.nan] * (n - 1)]),
    )


ROWS = Rows(row=np.arange(5), key=np.array([0, 0, 3, 3, 3]), age=np.array([9, 1, 8, 8, 2]))


def test_series_begin_where_the_key_changes() -> None:
    series = series_of(observations(1, 2, 3, 4, 5), ROWS)
    assert (series.first.tolist(), series.count.tolist(), series.last.tolist()) == ([0, 2], [2, 3], [1, 4])
    assert series.of_row.tolist() == [0, 0, 1, 1, 1]
    assert series.sums(series.value).tolist() == [3.0, 12.0]
    assert series.from_mean(series.value).tolist() == [-0.5, 0.5, -1.0, 0.0, 1.0]
    assert series.has_range.tolist() == [True, False, False, False, False]


def test_a_window_keeps_what_is_younger() -> None:
    assert ROWS.within(timedelta(microseconds=8)).row.tolist() == [1, 4]
    assert ROWS.within(None) is ROWS
