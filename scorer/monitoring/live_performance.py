"""How well published scores predicted what is known by now, beside the model's own figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scorer.database.store.checkups import LiveFigure
from scorer.jobs.monitoring import Limits
from scorer.tasks.bootstrap import Figure, draws
from scorer.tasks.task import Judged, TaskRules
from scorer.types.arrays import Floats


@dataclass(frozen=True, slots=True)
class Performance:
    """Live figures, and how many scores they are of.

    `lost` is whether the model predicts worse than it should, None where that is unknown; `detail` says why.
    """

    rows: int
    entities: int
    positives: int
    figures: tuple[LiveFigure, ...]
    lost: bool | None
    detail: str


def performance(
    entity_ids: Sequence[str],
    published: Floats,
    label: Floats,
    *,
    rules: TaskRules,
    metrics: Mapping[str, Mapping[str, float]],
    limits: Limits,
) -> Performance:
    """The live figures of what was `published`, (n,) or (n, k), by what came true (n,).

    A label is NaN where it is not known yet. Intervals are from a bootstrap over entities; `metrics` are the model's own figures. The task
    says by which of them performance is lost.
    """
    known = np.isfinite(label) & np.isfinite(rules.score_of(published))
    ids, entity = np.unique(np.array(entity_ids, dtype=str)[known], return_inverse=True)
    rows = Judged(published[known], label[known], entity.astype(np.int64))
    positives = rules.positives(rows.label)
    if not len(rows.label):
        return Performance(rows=0, entities=0, positives=0, figures=(), lost=None, detail="no outcome is known yet")
    found = rules.figures(rows, draws(len(ids)))
    figures = tuple(_beside(name, figure, metrics.get(name, {})) for name, figure in found.items())
    live = rules.live(found, metrics, rows, limits)
    return Performance(
        rows=len(rows.label),
        entities=len(ids),
        positives=positives,
        figures=figures,
        lost=live.lost,
        detail=live.detail,
    )


def _beside(name: str, figure: Figure, own: Mapping[str, float]) -> LiveFigure:
    """The live figure beside the model's own."""
    return LiveFigure(
        metric=name,
        value=_finite(figure.value),
        low=_finite(figure.low),
        high=_finite(figure.high),
        expected=own.get("value"),
        expected_low=own.get("low"),
    )


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
