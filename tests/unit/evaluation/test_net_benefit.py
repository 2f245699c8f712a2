"""Net benefit, by its definition: right alarms less false ones at the threshold's odds, counted row by row."""

from __future__ import annotations

import numpy as np
import pytest

from scorer.evaluation.net_benefit import net_benefit
from scorer.tasks.metrics import LabelledScores, curves


def by_definition(score: np.ndarray, label: np.ndarray, threshold: float) -> float:
    alarm = score >= threshold
    right, false = (alarm & (label == 1)).sum(), (alarm & (label == 0)).sum()
    return float((right - false * threshold / (1 - threshold)) / len(score))


def test_it_is_what_is_counted_row_by_row() -> None:
    random = np.random.default_rng(5)
    label = (random.random(150) < 0.3).astype(float)
    score = np.round(1 / (1 + np.exp(1.5 - 2 * label - random.normal(size=150))), 3)
    points = curves(LabelledScores(score, label, np.arange(150)))
    at = points.threshold[::-1]
    found = net_benefit(points, float(label.mean()), at)
    assert len(at) > 50
    assert found.model == pytest.approx([by_definition(score, label, each) for each in at])
    assert found.always == pytest.approx([by_definition(np.ones(150), label, each) for each in at])


def test_below_every_score_the_model_alarms_always_and_above_every_one_never() -> None:
    points = curves(LabelledScores(np.array([0.2, 0.4, 0.6]), np.array([0.0, 0.0, 1.0]), np.arange(3)))
    found = net_benefit(points, 1 / 3, np.array([0.0, 0.1, 0.61, 0.9]))
    assert found.model[:2] == pytest.approx(found.always[:2])
    assert found.always[0] == pytest.approx(1 / 3), "the prevalence"
    assert found.model[2:].tolist() == [0.0, 0.0]
