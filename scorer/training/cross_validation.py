"""Cross-validation by client: a client's landmarks are scored by a model that has seen none of them."""

from __future__ import annotations

from dataclasses import dataclass

import joblib
import numpy as np
from threadpoolctl import threadpool_limits

from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.job import Job
from scorer.jobs.training import Recipe
from scorer.registry.ensemble import Ensemble, logistic
from scorer.scoring.features.build import group_columns
from scorer.training.calibration import best_threshold, platt
from scorer.training.estimators import fit, parameters_of
from scorer.training.folds import folds_of
from scorer.training.targets import Targets, gains, targets_of
from scorer.types.arrays import Booleans, Floats, Integers
from scorer.types.values import Progress

# Smaller data are fitted one fold after the other: starting processes would take longer.
_CELLS_WORTH_PROCESSES = 2_000_000


@dataclass(frozen=True, slots=True)
class Fitted:
    """A recipe fitted fold by fold; arrays (n,) over the landmarks with a known outcome.

    `margin` and `score` are NaN where the row is not scorable. `margin` is by the model that has not seen the row's client. `score` is
    the margin calibrated on the rows of the other folds, and `alarm` is whether it exceeds the threshold that was best for them. `whole`
    is the model fitted to everything, if it was asked for.
    """

    margin: Floats
    score: Floats
    alarm: Booleans
    fold: Integers
    whole: Ensemble | None


def fit_all(
    landmarks: Landmarks,
    job: Job,
    recipe: Recipe,
    *,
    folds: int,
    whole: bool,
    workers: int,
    progress: Progress | None = None,
) -> Fitted:
    """Fit `recipe` once without each fold, and where `whole` once to everything. Returns scores and model.

    `landmarks` are those with a known outcome; a row that is not scorable is neither fitted nor scored, and has no alarm. `progress` is
    called with how many fits are done, and of how many.
    """
    parameters_of(recipe)
    fold = folds_of(landmarks.cohort, landmarks.label, folds=folds)
    targets = targets_of(landmarks, job, recipe)
    client = np.unique(landmarks.cohort.astype(str), return_inverse=True)[1].astype(np.int64)
    columns = group_columns(job.features, recipe.groups)
    rows = landmarks.features.values
    sides = [(each, fold != each) for each in range(folds)] + (
        [(folds, np.ones(len(fold), dtype=bool))] if whole else []
    )
    calls = [
        joblib.delayed(fit_fold)(recipe, rows, targets, client, columns, np.flatnonzero(seen)) for _, seen in sides
    ]
    models: dict[int, Ensemble] = {}
    workers = workers if rows.size >= _CELLS_WORTH_PROCESSES else 1
    made = joblib.Parallel(n_jobs=workers, return_as="generator")(calls)
    for (side, _), model in zip(sides, made, strict=True):
        models[side] = model
        if progress is not None:
            progress(len(models), len(sides))
    margin = np.full(len(fold), np.nan)
    for each in range(folds):
        held_out = (fold == each) & landmarks.scorable
        margin[held_out] = models[each].margin(rows[held_out])
    score, alarm = crossed(margin, fold, landmarks.label, gains(landmarks, job))
    return Fitted(margin=margin, score=score, alarm=alarm, fold=fold, whole=models.get(folds))


def fit_fold(
    recipe: Recipe, rows: Floats, targets: Targets, client: Integers, columns: Integers, seen: Integers
) -> Ensemble:
    """Fit to the rows `seen` (m,) of `rows` (n, features), on one thread. Returns the model, uncalibrated.

    `client` (n,) is each row's client, `columns` (k,) are the features it may use. It gives the same bits in any process.
    """
    weight = np.zeros(len(targets.weight))
    weight[seen] = targets.weight[seen]
    with threadpool_limits(limits=1):
        return fit(recipe, rows, Targets(targets.positive, weight), client=client, columns=columns)


def crossed(margin: Floats, fold: Integers, label: Floats, gain: Floats | None) -> tuple[Floats, Booleans]:
    """Scores (n,) and alarms (n,) of each `fold` (n,), by calibration and threshold of the other folds.

    `margin` (n,) is NaN where there is no score; `label` (n,) is 0 or 1; without a `gain` (n,) there are no alarms.
    """
    score, alarm = np.full(len(margin), np.nan), np.zeros(len(margin), dtype=bool)
    scored = np.isfinite(margin)
    for each in np.unique(fold):
        own, others = scored & (fold == each), scored & (fold != each)
        slope, intercept = platt(margin[others], label[others])
        score[own] = logistic(slope * margin[own] + intercept)
        if gain is not None:
            threshold = best_threshold(logistic(slope * margin[others] + intercept), gain[others])
            alarm[own] = score[own] > threshold
    return score, alarm
