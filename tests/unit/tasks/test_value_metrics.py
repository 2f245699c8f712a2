"""Figures of values against scikit-learn's, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from scorer.tasks.bootstrap import draws
from scorer.tasks.task import Judged
from scorer.tasks.value_metrics import coverage_bins, value_figures


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(3, 200), shift=st.sampled_from([0.0, 1e6, -3.0]))
def test_they_are_those_of_the_library(seed: int, n: int, shift: float) -> None:
    random = np.random.default_rng(seed)
    label = random.normal(size=n) + shift
    value = label + random.normal(size=n)
    judged = Judged(np.column_stack([value, value - 1, value + 1]), label, random.integers(0, 5, n))
    found = value_figures(judged, np.ones((1, 5)))
    assert found["mae"].value == pytest.approx(metrics.mean_absolute_error(label, value))
    assert found["rmse"].value == pytest.approx(metrics.root_mean_squared_error(label, value))
    assert found["r2"].value == pytest.approx(metrics.r2_score(label, value), abs=1e-6)
    assert found["coverage"].value == pytest.approx((np.abs(label - value) <= 1).mean(), abs=1e-3)
    assert found["width"].value == pytest.approx(2.0)


def test_the_percentage_error_by_hand() -> None:
    label, value = np.array([10.0, 20.0, 0.0, 50.0]), np.array([11.0, 19.0, 5.0, 100.0])
    judged = Judged(np.column_stack([value, value, value]), label, np.arange(4))
    # 10 %, 5 %, not counted, 100 %
    assert value_figures(judged, np.ones((1, 4)))["median_percentage_error"].value == pytest.approx(10.0)


def test_what_cannot_be_computed_is_nan() -> None:
    constant = Judged(np.column_stack([np.ones(3)] * 3), np.ones(3), np.arange(3))
    assert np.isnan(value_figures(constant, draws(3))["r2"].value)
    unknown = Judged(np.column_stack([np.ones(3), np.full(3, np.nan), np.full(3, np.nan)]), np.ones(3), np.arange(3))
    assert "coverage" not in value_figures(unknown, draws(3))
    nothing = Judged(np.empty((0, 3)), np.empty(0), np.empty(0, np.int64))
    assert all(np.isnan(each.value) for each in value_figures(nothing, draws(3)).values())


def test_coverage_by_tenths_of_the_value() -> None:
    value = np.arange(20.0)
    label = np.where(value < 10, value, value + 5)  # the intervals of the upper half miss
    bins = coverage_bins(Judged(np.column_stack([value, value - 1, value + 1]), label, np.arange(20)), np.ones((1, 20)))
    assert sum(each.rows for each in bins) == len(value)
    assert [each.observed.value for each in bins] == [1.0] * 5 + [0.0] * 5
