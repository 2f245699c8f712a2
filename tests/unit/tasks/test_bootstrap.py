"""The bootstrap over clients: what a draw is, and intervals that know how few clients there are."""

from __future__ import annotations

import numpy as np

from scorer.tasks.bootstrap import Figure, draws, quantiles, ratio


def test_the_first_draw_counts_everyone_once_and_each_draws_as_many() -> None:
    weights = draws(7, count=50)
    assert weights.shape == (51, 7)
    assert (weights[0] == 1).all()
    assert (weights.sum(axis=1) == 7).all()
    assert (draws(7, count=50) == weights).all()


def test_intervals_are_wider_where_a_clients_rows_are_alike() -> None:
    """A hundred clients of fifty equal rows know no more than a hundred rows."""
    value = (np.arange(100) % 4 == 0).astype(float)
    alone = ratio(value, np.ones(100), np.arange(100), draws(100))
    repeated = ratio(np.repeat(value, 50), np.ones(5000), np.repeat(np.arange(100), 50), draws(100))
    assert repeated == alone
    independent = ratio(np.repeat(value, 50), np.ones(5000), np.arange(5000), draws(5000))
    assert repeated.high - repeated.low > 4 * (independent.high - independent.low)


def test_quantiles_by_hand() -> None:
    median, lower = quantiles(np.array([4.0, 1.0, 3.0, 2.0]), np.arange(4), draws(4), at=(0.5, 0.25))
    assert (median.value, lower.value) == (2, 1)
    (nothing,) = quantiles(np.empty(0), np.empty(0, int), draws(4), at=(0.5,))
    assert np.isnan(nothing.value)


def test_a_figure_without_an_interval_says_its_value_alone() -> None:
    assert ratio(np.ones(1), np.ones(1), np.zeros(1, int), draws(1)) == Figure(1, 1, 1)
    assert np.isnan(ratio(np.ones(1), np.zeros(1), np.zeros(1, int), draws(1)).value)
