"""Discrimination and calibration: against scikit-learn, and against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from scorer.tasks import metrics
from scorer.tasks.bootstrap import draws


def labelled(rows: int, *, clients: int, seed: int = 0) -> metrics.LabelledScores:
    random = np.random.default_rng(seed)
    score = random.beta(0.6, 6, rows).round(3)
    return metrics.LabelledScores(
        score=score,
        label=(random.random(rows) < score).astype(float),
        client=np.sort(random.integers(clients, size=rows)),
    )


def test_discrimination_is_that_of_scikit_learn_under_every_draw() -> None:
    rows = labelled(3000, clients=40)
    weights = draws(40, count=20)
    assert len(np.unique(rows.score)) < 1000  # many are equal
    for number in range(21):
        drawn = weights[[number]]
        row_weight = drawn[0][rows.client]
        found = metrics.discrimination(rows, drawn)
        assert found["auroc"].value == pytest.approx(roc_auc_score(rows.label, rows.score, sample_weight=row_weight))
        assert found["average_precision"].value == pytest.approx(
            average_precision_score(rows.label, rows.score, sample_weight=row_weight)
        )


def test_discrimination_by_hand() -> None:
    """Scores 4, 3, 2, 1 with labels 1, 0, 1, 0: three of four pairs are right; precision 1 at the first hit, 2/3 at the second."""
    rows = metrics.LabelledScores(
        score=np.array([0.4, 0.3, 0.2, 0.1]), label=np.array([1.0, 0, 1, 0]), client=np.arange(4)
    )
    found = metrics.discrimination(rows, np.ones((1, 4)))
    assert found["auroc"].value == 0.75
    assert found["average_precision"].value == pytest.approx((1 + 2 / 3) / 2)


@settings(max_examples=60, deadline=None)
@given(
    some.lists(
        some.tuples(some.integers(0, 6), some.booleans(), some.integers(0, 3), some.integers(0, 3)),
        min_size=1,
        max_size=30,
    )
)
def test_a_weight_counts_a_client_so_many_times(given_rows: list[tuple[int, bool, int, int]]) -> None:
    score = np.array([each[0] for each in given_rows]) / 10 + 0.1
    label = np.array([each[1] for each in given_rows], dtype=float)
    client = np.array([each[2] for each in given_rows])
    weight = np.array([[next((each[3] for each in given_rows if each[2] == number), 1) for number in range(4)]], float)
    times = weight[0][client].astype(int)
    repeated = metrics.LabelledScores(*(np.repeat(column, times) for column in (score, label, client)))
    weighed = metrics.LabelledScores(score, label, client)
    ones = np.ones((1, 4))
    for name in ("auroc", "average_precision"):
        one, other = (
            metrics.discrimination(rows, weights)[name].value for rows, weights in ((weighed, weight), (repeated, ones))
        )
        assert one == pytest.approx(other, nan_ok=True)
    one, other = (
        metrics.calibration(rows, weights)["brier"].value for rows, weights in ((weighed, weight), (repeated, ones))
    )
    assert one == pytest.approx(other, nan_ok=True)


def test_one_class_alone_says_nothing() -> None:
    rows = metrics.LabelledScores(score=np.array([0.2, 0.3]), label=np.zeros(2), client=np.arange(2))
    assert np.isnan(metrics.discrimination(rows, draws(2))["auroc"].value)
    assert np.isnan(metrics.calibration(rows, draws(2))["calibration_slope"].value)


def test_calibration_is_that_of_scikit_learn() -> None:
    rows = labelled(4000, clients=100, seed=5)
    too_bold = metrics.LabelledScores(score=rows.score**1.5, label=rows.label, client=rows.client)
    found = metrics.calibration(too_bold, draws(100))
    fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(metrics.finite_log_odds(too_bold.score)[:, None], rows.label)
    assert found["calibration_slope"].value == pytest.approx(fitted.coef_[0, 0], abs=1e-5)
    assert found["calibration_slope"].high < 1
    assert found["brier"].value == pytest.approx(brier_score_loss(rows.label, too_bold.score))
    assert found["calibration_intercept"].value > 0  # more happens than these scores predict


def test_calibrated_scores_have_a_slope_of_one_and_an_intercept_of_zero() -> None:
    found = metrics.calibration(labelled(20_000, clients=2000, seed=7), draws(2000))
    assert found["calibration_intercept"].low < 0 < found["calibration_intercept"].high
    assert found["calibration_slope"].low < 1 < found["calibration_slope"].high


def test_draws_of_the_calibration_are_near_to_refits() -> None:
    rows = labelled(4000, clients=200, seed=5)
    weights = draws(200, count=5)
    odds = metrics.finite_log_odds(rows.score)
    stepped = metrics._refit(np.column_stack([np.ones_like(odds), odds]), rows, weights, offset=np.zeros_like(odds))
    for number in range(1, 6):
        weight = weights[number][rows.client]
        fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(odds[:, None], rows.label, sample_weight=weight)
        assert stepped[number, 1] == pytest.approx(fitted.coef_[0, 0], abs=0.01)


def test_bins_hold_every_row_once() -> None:
    rows = labelled(5000, clients=100)
    bins = metrics.reliability(rows, draws(100))
    assert sum(each.rows for each in bins) == 5000
    assert [each.predicted for each in bins] == sorted(each.predicted for each in bins)
    overall = sum(each.rows * each.observed.value for each in bins) / 5000
    assert overall == pytest.approx(rows.label.mean())
