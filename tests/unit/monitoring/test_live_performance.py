"""When the live figures of a model are worse than its own."""

from __future__ import annotations

from typing import Any

import numpy as np

from scorer.jobs.monitoring import Limits
from scorer.monitoring.live_performance import performance
from scorer.tasks.binary import Binary

METRICS = {"auroc": {"value": 0.82, "low": 0.8, "high": 0.84}}


def live(strength: float, *, entities: int = 400, known: float = 1.0) -> Any:
    random = np.random.default_rng(7)
    label = (random.random(entities) < 0.3).astype(float)
    score = 1 / (1 + np.exp(-(random.normal(size=entities) + strength * label)))
    label[random.random(entities) >= known] = np.nan
    ids = [f"e{place}" for place in range(entities)]
    return performance(ids, score, label, rules=Binary(), metrics=METRICS, limits=Limits())


def test_when_a_model_foretells_worse() -> None:
    assert live(1.5).lost is False
    lost = live(0.3)
    assert lost.lost is True
    assert lost.detail.startswith("AUROC 0.")
    assert {each.metric for each in lost.figures} >= {"auroc", "average_precision", "calibration_slope", "brier"}
    few = live(0.3, known=0.05)
    assert few.lost is None
    assert few.detail.endswith("20 needed")
    assert live(0.3, known=0.0).rows == 0


def test_a_little_worse_or_by_chance_is_not_worse() -> None:
    by_chance = live(0.85, entities=90)
    (auroc,) = (each for each in by_chance.figures if each.metric == "auroc")
    # Of so few entities the interval reaches into the model's own.
    assert auroc.value < 0.78
    assert auroc.high > 0.8
    assert by_chance.lost is False
