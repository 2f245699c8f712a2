"""Figures of the scores out of the folds, with 95 % intervals from a bootstrap over clients."""

from __future__ import annotations

import numpy as np

from scorer.evaluation.bootstrap import Figure, draws, ratio
from scorer.evaluation.landmarks import Landmarks, hours_from_event
from scorer.evaluation.metrics import LabelledScores, calibration, discrimination
from scorer.evaluation.utility import gain_and_best
from scorer.jobs.job import Job
from scorer.types.arrays import Booleans, Floats


def figures_of(landmarks: Landmarks, job: Job, *, score: Floats, alarm: Booleans) -> dict[str, dict[str, float | None]]:
    """Discrimination and calibration of `score` (n,), and what `alarm` (n,) is worth.

    With a [utility] of the job, `utility` and `alarm_share` are among them. `score` is NaN where the landmark is not scorable: it counts
    for the utility alone, as silence. Each figure is {"value", "low", "high"}, None where it cannot be computed.
    """
    clients, client = np.unique(landmarks.cohort.astype(str), return_inverse=True)
    client, weights = client.astype(np.int64), draws(len(clients))
    scored = np.isfinite(score)
    labelled = LabelledScores(score=score[scored], label=landmarks.label[scored], client=client[scored])
    found: dict[str, Figure] = {**discrimination(labelled, weights), **calibration(labelled, weights)}
    if job.measures.utility is not None:
        gain, best = gain_and_best(*hours_from_event(landmarks), job.measures.utility)
        found["utility"] = ratio(gain * alarm, best, client, weights)
        found["alarm_share"] = ratio(alarm, np.ones(len(alarm)), client, weights)
    return {name: _figure(each) for name, each in found.items()}


def band_figures(landmarks: Landmarks, job: Job, *, score: Floats) -> dict[str, dict[str, dict[str, float | None]]]:
    """By band, `sensitivity`, `ppv` and `alarm_share` of alarms above its lower edge; {} without bands.

    `score` (n,) is what the model would publish of clients that it has not seen; NaN has no alarm.
    """
    if job.bands is None:
        return {}
    clients, client = np.unique(landmarks.cohort.astype(str), return_inverse=True)
    client, weights = client.astype(np.int64), draws(len(clients))
    positive, every = landmarks.label == 1, np.ones(len(score))
    found = {}
    for name, limit in job.bands.limits:
        with np.errstate(invalid="ignore"):
            alarm = score > limit
        found[name] = {
            "sensitivity": _figure(ratio(alarm & positive, positive, client, weights)),
            "ppv": _figure(ratio(alarm & positive, alarm, client, weights)),
            "alarm_share": _figure(ratio(alarm, every, client, weights)),
        }
    return found


def objective_of(score: Floats, label: Floats) -> tuple[float, float]:
    """AUROC and average precision of finite scores (n,) by their labels (n,).

    >>> objective_of(np.array([0.1, 0.4, 0.35, 0.8]), np.array([0.0, 0.0, 1.0, 1.0]))
    (0.75, 0.8333333333333333)
    """
    labelled = LabelledScores(score=score, label=label, client=np.zeros(len(score), dtype=np.int64))
    found = discrimination(labelled, np.ones((1, 1)))
    return found["auroc"].value, found["average_precision"].value


def _figure(figure: Figure) -> dict[str, float | None]:
    return {key: _number(getattr(figure, key)) for key in ("value", "low", "high")}


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
