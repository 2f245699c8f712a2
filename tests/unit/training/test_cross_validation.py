"""Cross-validation by client: labels of other clients are no help."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.job import Job
from scorer.jobs.training import Recipe
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
