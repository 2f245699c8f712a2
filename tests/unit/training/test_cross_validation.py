"""Cross-validation by client: labels of other clients are no help. By time: intervals know how far the world moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.job import Job, Task
from scorer.jobs.training import Configuration, Recipe, SplitBy
from scorer.tasks.binary import Binary
from scorer.training.cross_validation import fit_all
from scorer.training.targets import counted
from scorer.types.arrays import NO_TIME, Features


def test_shuffled_labels_give_an_auroc_within_noise_of_a_half(
    job: Job, quick: Recipe, made: Callable[..., Landmarks]
) -> None:
    landmarks = made(job, clients=300, tells=4.0)
    clients = np.random.default_rng(5).permutation(300)
    # Outcomes go to other clients, whole: within a client, landmarks stay as alike as they are.
    place = np.concatenate([np.arange(each * 10, each * 10 + 10) for each in clients])
    moved = replace(
        landmarks,
        label=landmarks.label[place],
        event_at=np.where(
            landmarks.event_at[place] == NO_TIME,
            NO_TIME,
            landmarks.event_at[place] - landmarks.as_of[place] + landmarks.as_of,
        ),
    )
    values = landmarks.features.values.copy()
    values[:, 0] = (
        np.random.default_rng(6).normal(size=len(values)) + 4.0 * landmarks.label[np.argsort(place, kind="stable")]
    )
    aurocs = {}
    for name, each in (
        ("true", landmarks),
        ("shuffled", replace(moved, features=Features(landmarks.features.names, values))),
    ):
        known = counted(each, job)
        fitted = fit_all(known, job, quick, folds=5, whole=False, workers=1)
        scored = np.isfinite(fitted.published)
        # Of the last hours alone, where positives are: the hour itself says much of the label.
        late = scored & (known.used > 15)
        aurocs[name] = Binary().trial_figures(fitted.published[late], known.label[late])["auroc"]
    assert aurocs["true"] > 0.9
    assert abs(aurocs["shuffled"] - 0.5) < 0.08


def test_intervals_hold_what_follows_in_a_world_that_moves_where_they_are_judged_by_time(
    job: Job, made: Callable[..., Landmarks]
) -> None:
    """Levels of 24 periods walk at random: a model of the past is off by what it cannot know, in each period anew."""
    recipe = Recipe(
        configuration=Configuration.LIGHTGBM_SMALL, parameters={"trees": 30, "min_child_samples": 5}, split=SplitBy.TIME
    )
    regression = replace(job, task=Task.REGRESSION, measures=replace(job.measures, utility=None))
    held: dict[str, list[float]] = {"by time": [], "by client": []}
    for world in range(12):
        random = np.random.default_rng(world)
        landmarks = made(job, clients=1200, hours=1)
        period = np.arange(1200) * 24 // 1200
        known = replace(
            landmarks,
            scorable=np.ones(1200, dtype=bool),
            label=np.cumsum(random.normal(size=24))[period] + random.normal(size=1200),
        )
        values = np.full_like(known.features.values, np.nan)
        values[:, 0], values[:, 1] = period, random.normal(size=1200)
        known = replace(known, features=Features(known.features.names, values))
        fitted = fit_all(known, regression, recipe, folds=5, whole=False, workers=1)
        judged, client = fitted.folds.judged, np.arange(1200)
        by_client = fit_all(
            known.only(~judged), regression, replace(recipe, split=SplitBy.CLIENT), folds=5, whole=False, workers=1
        )
        calibration = fitted.rules.calibrate(by_client.margin, known.label[~judged], client[~judged])
        for name, published in (
            ("by time", fitted.published[judged]),
            ("by client", fitted.rules.publish(fitted.margin[judged], calibration)),
        ):
            inside = (published[:, 1] <= known.label[judged]) & (known.label[judged] <= published[:, 2])
            held[name].append(float(inside.mean()))
    assert 0.85 < np.mean(held["by time"]) < 0.95, held
    assert np.mean(held["by client"]) < 0.8, held
