"""Figures of several classes against scikit-learn's, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from scorer.tasks.bootstrap import draws
from scorer.tasks.class_metrics import class_figures
from scorer.tasks.task import Judged

CLASSES = ("a", "b", "c", "d")


def rows(seed: int, n: int, *, decimals: int) -> Judged:
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.ones(4), size=n)
    shares = np.round(shares, decimals) + 1e-3  # with ties
    shares /= shares.sum(axis=1, keepdims=True)
    label = np.append(np.arange(4.0), random.integers(0, 4, n - 4))
    return Judged(shares, label, random.integers(0, 5, n))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(8, 200), decimals=st.integers(1, 6))
def test_they_are_those_of_the_library(seed: int, n: int, decimals: int) -> None:
    judged = rows(seed, n, decimals=decimals)
    found = class_figures(judged, np.ones((1, 5)), classes=CLASSES)
    shares, label = judged.published, judged.label.astype(int)
    guess = shares.argmax(axis=1)
    assert found["log_loss"].value == pytest.approx(metrics.log_loss(label, shares, labels=range(4)))
    assert found["auroc"].value == pytest.approx(metrics.roc_auc_score(label, shares, multi_class="ovr"), abs=1e-9)
    assert found["f1"].value == pytest.approx(metrics.f1_score(label, guess, average="macro"))
    assert found["accuracy"].value == pytest.approx(metrics.accuracy_score(label, guess))
    for code, name in enumerate(CLASSES):
        one = label == code
        assert found[f"auroc of {name}"].value == pytest.approx(metrics.roc_auc_score(one, shares[:, code]), abs=1e-9)
        assert found[f"brier of {name}"].value == pytest.approx(metrics.brier_score_loss(one, shares[:, code]))
        assert found[f"prevalence of {name}"].value == pytest.approx(one.mean())


def test_the_best_two_by_hand() -> None:
    shares = np.array([[0.5, 0.3, 0.1, 0.1], [0.5, 0.3, 0.1, 0.1], [0.1, 0.2, 0.3, 0.4]])
    judged = Judged(shares, np.array([1.0, 2.0, 2.0]), np.arange(3))
    assert class_figures(judged, np.ones((1, 3)), classes=CLASSES)["top_2"].value == pytest.approx(2 / 3)
    two = Judged(np.array([[0.6, 0.4], [0.2, 0.8]]), np.array([0.0, 1.0]), np.arange(2))
    assert "top_2" not in class_figures(two, np.ones((1, 2)), classes=("a", "b"))


def test_intervals_hold_the_value_and_nothing_fails_without_rows() -> None:
    judged = rows(1, 200, decimals=3)
    found = class_figures(judged, draws(5), classes=CLASSES)
    assert found["log_loss"].low <= found["log_loss"].value <= found["log_loss"].high
    nothing = Judged(np.empty((0, 4)), np.empty(0), np.empty(0, np.int64))
    assert all(np.isnan(each.value) for each in class_figures(nothing, draws(5), classes=CLASSES).values())
