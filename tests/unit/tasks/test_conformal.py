"""Conformal limits by client: exact cases by hand, and coverage of new clients on synthetic data with known truth."""

from __future__ import annotations

import numpy as np
import pytest

from scorer.tasks.conformal import ClassScores, ClientScores, fewest_clients, held, more_probable, numbers


def test_each_client_counts_once_however_many_rows() -> None:
    # Three clients; one with a hundred rows of 0, two with one each: a third of a new client's weight each, and one at infinity.
    scores = np.r_[np.zeros(100), 5.0, 9.0]
    client = np.r_[np.zeros(100, np.int64), 1, 2]
    found = ClientScores.fit(scores, client)
    assert found.limit(0.75) == 0.0
    assert found.limit(0.5) == 5.0
    assert found.limit(0.25) == 9.0
    assert found.limit(0.24) == float("inf")
    again = ClientScores.of(found.content())
    assert [again.limit(alpha) for alpha in (0.3, 0.6)] == [found.limit(alpha) for alpha in (0.3, 0.6)]


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.2, 1 / 3])
def test_how_many_clients_are_needed(alpha: float) -> None:
    clients = fewest_clients(alpha)
    for many, finite in ((clients, True), (clients - 1, False)):
        assert np.isfinite(ClientScores.fit(np.arange(float(many)), np.arange(many)).limit(alpha)) is np.bool_(finite)


@pytest.mark.parametrize("alpha", [0.1, 0.3])
def test_rows_of_new_clients_are_covered_as_often_as_promised(alpha: float) -> None:
    """Clients differ from each other, so that by rows alone the promise would not hold; it holds over calibrations."""
    random = np.random.default_rng(5)
    covered = []
    for _ in range(600):
        rows = random.integers(1, 30, 60)
        spread = random.exponential(size=61)
        client = np.repeat(np.arange(60), rows)
        limit = ClientScores.fit(np.abs(random.normal(size=len(client))) * spread[client], client).limit(alpha)
        covered.append(abs(random.normal()) * spread[60] <= limit)
    noise = 3 * np.sqrt(alpha * (1 - alpha) / len(covered))
    assert 1 - alpha - noise <= np.mean(covered) <= 1 - alpha + 1 / 61 + noise


def test_what_is_kept_makes_limits_larger_never_smaller() -> None:
    random = np.random.default_rng(6)
    scores, client = random.normal(size=50_000), np.arange(50_000) // 5
    found = ClientScores.fit(scores, client)
    assert len(found.scores) < 1000
    for alpha in (0.01, 0.1, 0.37):
        exact = np.sort(scores)[int(np.ceil((1 - alpha) * 10_001 * 5 - 1e-9)) - 1]
        assert exact <= found.limit(alpha) <= exact + 0.12


def test_adaptive_sets_hold_the_most_probable_classes_in_order() -> None:
    shares = np.array([[0.2, 0.5, 0.3], [0.9, 0.05, 0.05]])
    np.testing.assert_allclose(more_probable(shares), [[0.8, 0.0, 0.5], [0.0, 0.9, 0.95]])
    assert held(shares, 0.6).tolist() == [[False, True, True], [True, False, False]]
    assert held(shares, 0.0).sum(axis=1).tolist() == [1, 1], "one class at least"
    assert held(shares, float("inf")).all()
    assert held(np.empty((0, 3)), 0.5).shape == (0, 3)


def test_p_values_by_hand() -> None:
    found = ClassScores.fit(np.array([0.1, 0.2, 0.3]))
    assert found.p_values(np.array([0.05, 0.2, 0.9, np.nan]))[:3].tolist() == [0.25, 0.75, 1.0]
    with pytest.raises(ValueError, match="another number"):
        numbers([1, 2], 3)
