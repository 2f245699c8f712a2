"""Platt calibration and the alarm threshold, on cases with a known answer."""

from __future__ import annotations

import numpy as np
import pytest

from scorer.tasks.calibration import best_threshold, platt
from scorer.tasks.links import logistic


def test_platt_finds_the_line_that_made_the_labels() -> None:
    random = np.random.default_rng(4)
    margin = random.normal(size=40_000)
    label = (random.random(len(margin)) < logistic(1.7 * margin - 2.0)).astype(float)
    slope, intercept = platt(margin, label)
    assert slope == pytest.approx(1.7, abs=0.08)
    assert intercept == pytest.approx(-2.0, abs=0.08)
    apart = platt(np.array([-1.0, 1.0]), np.array([0.0, 1.0]))
    assert np.isfinite(apart).all()


def test_the_threshold_is_where_alarms_are_worth_most() -> None:
    assert best_threshold(np.array([0.5, 0.5, 0.2]), np.array([2.0, -1.0, -1.0])) == pytest.approx(0.35)
    assert best_threshold(np.array([0.5, 0.2]), np.array([-1.0, -1.0])) == 0.5, "no score is above it"
