"""How well published scores predicted what is known by now, beside the model's own figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scorer.database.store.checkups import LiveFigure
from scorer.evaluation.bootstrap import Figure, draws
from scorer.evaluation.metrics import LabelledScores, calibration, discrimination
from scorer.jobs.monitoring import Limits
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
    score: Floats,
    label: Floats,
    *,
    metrics: Mapping[str, Mapping[str, float]],
    limits: Limits,
) -> Performance:
    """The live figures of scores (n,) and labels (n,); a label is NaN where it is not known yet.

    Intervals are from a bootstrap over entities; `metrics` are the model's own figures. AUROC alone decides whether performance is lost:
    average precision and calibration depend on how often an entity is scored, which differs from training.
    """
    known = np.isfinite(label) & np.isfinite(score)
    ids, entity = np.unique(np.array(entity_ids, dtype=str)[known], return_inverse=True)
    rows = LabelledScores(score=score[known], label=label[known], client=entity.astype(np.int64))
    positives = int(rows.label.sum())
    if not len(rows.label):
        return Performance(rows=0, entities=0, positives=0, figures=(), lost=None, detail="no outcome is known yet")
    weights = draws(len(ids))
    found = {**discrimination(rows, weights), **calibration(rows, weights)}
    figures = tuple(_beside(name, figure, metrics.get(name, {})) for name, figure in found.items())
    lost, detail = _is_lost(found["auroc"], metrics.get("auroc", {}), positives=positives, limits=limits)
    return Performance(
        rows=len(rows.label), entities=len(ids), positives=positives, figures=figures, lost=lost, detail=detail
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


def _is_lost(auroc: Figure, own: Mapping[str, float], *, positives: int, limits: Limits) -> tuple[bool | None, str]:
    """Whether the live AUROC is too low, None where that is unknown; and the reason in words."""
    if positives < limits.min_positives:
        return None, f"only {positives} scores were followed by the event, {limits.min_positives} needed"
    low = own.get("low")
    if low is None or not math.isfinite(auroc.value):
        return (
            None,
            "there is no figure of its own to compare with" if low is None else "the event followed every score",
        )
    detail = (
        f"AUROC {auroc.value:.3f} ({auroc.low:.3f} to {auroc.high:.3f}), its own {own['value']:.3f} from {low:.3f} on"
    )
    # By more than chance: the upper end of the interval, where there is one, is below as well.
    beyond_chance = not math.isfinite(auroc.high) or auroc.high < low
    return auroc.value < low - limits.performance_loss and beyond_chance, detail
