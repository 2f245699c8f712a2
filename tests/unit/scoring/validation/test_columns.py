"""What is measured of a whole column is what pandas measures, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scorer.scoring.validation import columns
from scorer.scoring.validation.columns import Columns
from scorer.scoring.validation.frames import Frame

MakeFrame = Callable[..., Frame]
RANDOM = np.random.default_rng(1)
COLUMNS: dict[str, Any] = {
    "some are missing": np.where(RANDOM.random(1000) < 0.3, np.nan, RANDOM.normal(50, 20, 1000)),
    "whole numbers": RANDOM.integers(-5, 5, 1000),
    "one value": np.array([0.1]),
    "all are missing": np.array([np.nan, np.nan]),
    "infinite": np.array([np.inf, 1.0, np.nan]),
    "no row": np.empty(0),
}
MEASURES: dict[str, Callable[[pd.Series[Any]], Any]] = {
    "least": lambda series: series.min(),
    "greatest": lambda series: series.max(),
    "total": lambda series: series.sum(),
    "mean": lambda series: series.mean(),
    "median": lambda series: series.median(),
    "stdev": lambda series: series.std(),
    "distinct": lambda series: series.nunique(),
    "share_distinct": lambda series: series.nunique() / series.count() if series.count() else 0,
    "share_given": lambda series: series.count() / len(series) if len(series) else 0,
}


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("kind", COLUMNS)
def test_a_measure_is_that_of_pandas(measure: str, kind: str) -> None:
    frame = Frame({"a": COLUMNS[kind]}, rows=len(COLUMNS[kind]))
    with np.errstate(all="ignore"):
        found = getattr(columns, measure)(Columns(frame), "a")
        expected = MEASURES[measure](pd.Series(COLUMNS[kind]))
    assert np.array_equal(found, expected, equal_nan=True)


def test_what_is_given_is_what_is_not_missing(make_frame: MakeFrame) -> None:
    these = Columns(make_frame(a=[1.0, np.nan, np.inf], i=[1, 2, 3]))
    assert these.given("a").tolist() == [True, False, True]
    assert these.given("i").all()
    assert these.present("a").tolist() == [1.0, np.inf]
    assert these.filled("a", 0.0).tolist() == [1.0, 0.0, np.inf]
    assert these.filled("i", 0.0) is these["i"]
