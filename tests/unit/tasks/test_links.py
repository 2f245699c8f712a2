"""Links give the same bits whatever rows stand beside, and shares that add up to 1."""

from __future__ import annotations

import numpy as np
import pytest

from scorer.tasks.links import exponential, log_shares, logistic, softmax


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_a_row_has_the_same_bits_alone_and_among_others(classes: int) -> None:
    margin = np.random.default_rng(1).normal(scale=5, size=(1000, classes))
    whole = softmax(margin)
    np.testing.assert_allclose(whole.sum(axis=1), 1.0, rtol=1e-15)
    for start, end in ((0, 1), (7, 8), (100, 163), (990, 1000)):
        assert softmax(margin[start:end]).tobytes() == whole[start:end].tobytes()
        assert exponential(margin[start:end, 0]).tobytes() == exponential(margin[:, 0])[start:end].tobytes()


def test_extremes_stay_finite() -> None:
    assert softmax(np.array([[1e307, -1e307]])).tolist() == [[1.0, 0.0]]
    assert np.isfinite(log_shares(np.array([[0.0, 1.0]]))).all()
    assert softmax(np.empty((0, 3))).shape == (0, 3)


def test_two_classes_are_the_logistic() -> None:
    margin = np.linspace(-20, 20, 101)
    np.testing.assert_allclose(softmax(np.column_stack([0 * margin, margin]))[:, 1], logistic(margin), rtol=1e-12)
