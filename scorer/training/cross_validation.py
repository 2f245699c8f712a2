"""Cross-validation by client: a client's landmarks are scored by a model that has seen none of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import joblib
import numpy as np
from threadpoolctl import threadpool_limits

from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.job import Job
from scorer.jobs.training import Recipe
from scorer.registry.ensemble import by_facility
from scorer.scoring.features.build import group_columns
from scorer.tasks.task import TaskRules
from scorer.training.calibrations import calibrate
from scorer.training.estimators import Model, fit, parameters_of
from scorer.training.folds import Folds, folds_for
from scorer.training.targets import Targets, gains, targets_of
from scorer.types.arrays import Booleans, Features, Floats, Integers, Texts
from scorer.types.values import Progress

# Smaller data are fitted one fold after the other: starting processes would take longer.
_CELLS_WORTH_PROCESSES = 2_000_000


@dataclass(frozen=True, slots=True)
class Fitted:
    """A recipe fitted fold by fold; arrays (n,), or (n, k), over the landmarks with a known outcome.

    `margin` and `published` are NaN where the row is not scorable. `margin` is by the model that has not seen the row's client (or, split
    by time, has seen what precedes the row alone; the first rows have none). `published` is the margin calibrated on the margins of rows
    that this model has seen, `alarm` whether its score exceeds the threshold that was best for them, by facility; both are of the rows that
    the figures are of. `whole` is the model fitted to everything, if it was asked for. `unknown` is the same of the same landmarks as if
    the facility of none were known, where the job names one.
    """

    margin: Floats
    published: Floats
    alarm: Booleans
    folds: Folds
    rules: TaskRules
    whole: Model | None = None
    unknown: Fitted | None = None


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
    targets = targets_of(landmarks, job, recipe)
    rules = targets.rules
    parameters_of(recipe, rules)
    dealt = folds_for(landmarks, rules, folds=folds, split=recipe.split)
    client = np.unique(landmarks.cohort.astype(str), return_inverse=True)[1].astype(np.int64)
    columns = group_columns(job.features, recipe.groups)
    # Rows without a weight, such as those that were thinned out, are sent to no worker.
    used = np.flatnonzero(targets.weight > 0)
    rows = landmarks.features.values if len(used) == len(landmarks) else landmarks.features.values[used]
    sides = [(each, dealt.seen(each)) for each in range(dealt.count)] + (
        [(dealt.count, np.ones(len(landmarks), dtype=bool))] if whole else []
    )
    calls = [
        joblib.delayed(fit_fold)(recipe, rows, targets.only(used), client[used], columns, np.flatnonzero(seen[used]))
        for _, seen in sides
    ]
    models: dict[int, Model] = {}
    workers = workers if rows.size >= _CELLS_WORTH_PROCESSES else 1
    made = joblib.Parallel(n_jobs=workers, return_as="generator")(calls)
    for (side, _), model in zip(sides, made, strict=True):
        models[side] = model
        if progress is not None:
            progress(len(models), len(sides))
    of_folds = [models[each] for each in range(dealt.count)]
    return _held_out(of_folds, landmarks, job, dealt, rules=rules, client=client, whole=models.get(dealt.count))


def _held_out(
    models: Sequence[Model],
    landmarks: Landmarks,
    job: Job,
    folds: Folds,
    *,
    rules: TaskRules,
    client: Integers,
    whole: Model | None,
) -> Fitted:
    """What the models of the folds make of the landmarks, with their facilities and without."""
    gain, features = gains(landmarks, job), landmarks.features
    unknown: Fitted | None = None
    if features.facility is not None:
        margin = held_out_margins(models, replace(features, facility=None), folds, scorable=landmarks.scorable)
        judged = crossed(margin, folds, landmarks.label, gain, rules=rules, client=client)
        unknown = Fitted(margin, *judged, folds, rules)
    margin = held_out_margins(models, features, folds, scorable=landmarks.scorable)
    judged = crossed(
        margin,
        folds,
        landmarks.label,
        gain,
        rules=rules,
        client=client,
        facility=features.facility,
        unknown=None if unknown is None else unknown.margin,
    )
    return Fitted(margin, *judged, folds, rules, whole=whole, unknown=unknown)


def held_out_margins(models: Sequence[Model], features: Features, folds: Folds, *, scorable: Booleans) -> Floats:
    """The margin of each row of `features` (n, f) by its fold's model, (n,) or (n, k).

    It is NaN if not `scorable` (n,).
    """
    found: Floats | None = None
    for each, model in enumerate(models):
        held_out = (folds.fold == each) & scorable
        margin = margins(model, features.only(held_out))
        if found is None:
            found = np.full((len(held_out), *margin.shape[1:]), np.nan)
        found[held_out] = margin
    assert found is not None, "there are folds"
    return found


def margins(model: Model, features: Features) -> Floats:
    """The margins of `features` (n, f), each row by the fit of its facility, (n,) or (n, k)."""
    found = by_facility(model, features, lambda fit, rows: np.asarray(fit.margin(rows)), calibrated={})
    assert found is not None, "every fit has margins"
    return found


def fit_fold(
    recipe: Recipe, rows: Floats, targets: Targets, client: Integers, columns: Integers, seen: Integers
) -> Model:
    """Fit to the rows `seen` (m,) of `rows` (n, features), on one thread. Returns the model, uncalibrated.

    `client` (n,) is each row's client, `columns` (k,) are the features it may use. It gives the same bits in any process.
    """
    weight = np.zeros(len(targets.weight))
    weight[seen] = targets.weight[seen]
    with threadpool_limits(limits=1):
        return fit(recipe, rows, replace(targets, weight=weight), client=client, columns=columns)


def crossed(
    margin: Floats,
    folds: Folds,
    label: Floats,
    gain: Floats | None,
    *,
    rules: TaskRules,
    client: Integers,
    facility: Texts | None = None,
    unknown: Floats | None = None,
) -> tuple[Floats, Booleans]:
    """What is published, (n,) or (n, k), and alarms (n,), of each fold that is judged.

    A fold is calibrated by what it has seen. `margin` (n,) or (n, k) is NaN where there is no score, and so is `unknown`, what it would be
    if no facility were known; without a `gain` (n,) there are no alarms.
    """
    published, alarm = np.full(margin.shape, np.nan), np.zeros(len(margin), dtype=bool)
    scored = np.isfinite(margin.reshape(len(margin), -1)).all(axis=1)
    for each in range(folds.count):
        own, others = scored & folds.judged & (folds.fold == each), scored & folds.seen(each)
        if not own.any():
            continue
        calibrations = calibrate(
            margin[others],
            label[others],
            client[others],
            unknown=None if unknown is None else unknown[others],
            gain=None if gain is None else gain[others],
            facility=None if facility is None else facility[others],
            rules=rules,
        )
        of_own = None if facility is None else facility[own]
        published[own] = calibrations.publish(margin[own], of_own, rules=rules)
        alarm[own] = calibrations.alarms(rules.score_of(published[own]), of_own)
    return published, alarm
