"""Figures of what would be published out of the folds, beside those of the naive forecast."""

from __future__ import annotations

from typing import Any

import numpy as np

from scorer.evaluation.beside_naive import beside_naive, history_of
from scorer.evaluation.landmarks import Landmarks, hours_from_event
from scorer.evaluation.utility import gain_and_best
from scorer.jobs.job import Job
from scorer.registry.bands import limits_of
from scorer.tasks.bootstrap import Figure, draws, ratio
from scorer.tasks.task import Judged, TaskRules, none_unless_finite
from scorer.types.arrays import Booleans, Floats


def figures_of(
    landmarks: Landmarks, job: Job, *, published: Floats, alarm: Booleans, rules: TaskRules
) -> dict[str, dict[str, float | None]]:
    """The task's figures of what is `published`, (n,) or (n, k), and what `alarm` (n,) is worth.

    With a [utility] of the job, `utility` and `alarm_share` are among them. `published` is NaN where the landmark is not scorable: it
    counts for the utility alone, as silence. Each figure is {"value", "low", "high"}, None where it cannot be computed.
    """
    clients, client = np.unique(landmarks.cohort.astype(str), return_inverse=True)
    client, weights = client.astype(np.int64), draws(len(clients))
    rows = Judged(published, landmarks.label, client)
    found: dict[str, Figure] = dict(rules.figures(rows.only(np.isfinite(rules.score_of(published))), weights))
    if job.measures.utility is not None:
        gain, best = gain_and_best(*hours_from_event(landmarks), job.measures.utility)
        found["utility"] = ratio(gain * alarm, best, client, weights)
        found["alarm_share"] = ratio(alarm, np.ones(len(alarm)), client, weights)
    return {name: plain(each) for name, each in found.items()}


def band_figures(
    landmarks: Landmarks, job: Job, *, published: Floats, rules: TaskRules
) -> dict[str, dict[str, dict[str, float | None]]]:
    """By band, `sensitivity`, `ppv` and `alarm_share` of alarms above its lower edge; {} without bands.

    `published`, (n,) or (n, k), is what the model would publish of clients that it has not seen; NaN has no alarm.
    """
    if job.bands is None:
        return {}
    clients, client = np.unique(landmarks.cohort.astype(str), return_inverse=True)
    client, weights = client.astype(np.int64), draws(len(clients))
    banded, every = rules.banded(rules.score_of(published), published, job.bands), np.ones(len(published))
    found = {}
    for name, _ in job.bands.limits:
        with np.errstate(invalid="ignore"):
            limit = limits_of(job.bands.limit(name), landmarks.features.facility)
            alarm = banded > limit
        positive = rules.is_event(landmarks.label, limit, job.bands)
        found[name] = {
            "sensitivity": plain(ratio(alarm & positive, positive, client, weights)),
            "ppv": plain(ratio(alarm & positive, alarm, client, weights)),
            "alarm_share": plain(ratio(alarm, every, client, weights)),
        }
    return found


def naive_figures(
    landmarks: Landmarks, everyone: dict[str, Any], *, judged: Booleans, published: Floats, rules: TaskRules
) -> dict[str, Any]:
    """The naive forecast beside what is `published`, (n,) or (n, k), of the rows `judged` (n,), for JSON.

    `landmarks` have known outcomes, all of which the forecast may use; `everyone` is what is known of everyone.
    """
    clients, client = np.unique(landmarks.cohort.astype(str), return_inverse=True)
    naive = rules.naive(history_of(landmarks), everyone)
    kept = np.isfinite(rules.score_of(published)) & judged
    rows = Judged(published, landmarks.label, client.astype(np.int64)).only(kept)
    beside = beside_naive(rows, naive[kept], draws(len(clients)), rules=rules)
    return {"everyone": everyone, **beside.content()}


def plain(figure: Figure) -> dict[str, float | None]:
    """A figure for JSON, None where it cannot be computed."""
    return {key: none_unless_finite(getattr(figure, key)) for key in ("value", "low", "high")}
