"""A trial of a search: feature groups and a configuration, cross-validated by client."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from scorer.errors import UserError
from scorer.evaluation.landmarks import Landmarks, hours_from_event
from scorer.evaluation.utility import gain_and_best
from scorer.jobs.job import Job
from scorer.jobs.training import Configuration, Recipe
from scorer.scoring.features.build import group_columns
from scorer.tasks.known import task_of, training_rules
from scorer.tasks.task import TaskRules
from scorer.training.cross_validation import crossed, fit_fold, held_out_margins, margins
from scorer.training.estimators import Model, parameters_of
from scorer.training.folds import Folds, folds_for
from scorer.training.targets import counted, gains, targets_of
from scorer.types.arrays import Features, Floats, Integers


def plan_trials(job: Job) -> list[tuple[int, str, Recipe]]:
    """Number, combination and recipe of each trial, in order."""
    # This one weighs landmarks by [utility].
    left_out = set() if job.measures.utility else {Configuration.LIGHTGBM_UTILITY}
    configurations = [each for each in task_of(job.task).configurations if each not in left_out]
    pairs = [(name, groups, each) for name, groups in job.search.combinations.items() for each in configurations]
    return [
        (number, name, replace(_usual(job), configuration=configuration, groups=groups))
        for number, (name, groups, configuration) in enumerate(pairs, start=1)
    ]


def _usual(job: Job) -> Recipe:
    """A recipe of the usual parameters, with the split and the target of the job's own."""
    return Recipe(split=job.training.split, target=job.training.target)


@dataclass(frozen=True, slots=True)
class TrialData:
    """The data of every trial: arrays (n,), `rows` (n, features)."""

    landmarks: Landmarks
    rows: Floats
    folds: Folds
    client: Integers

    @property
    def features(self) -> Features:
        """The rows with the facility of each."""
        known = self.landmarks.features
        return Features(known.names, self.rows, facility=known.facility)

    @classmethod
    def of(cls, landmarks: Landmarks, job: Job, *, folds: int) -> Self:
        """The landmarks that count, dealt out to `folds`.

        Raises UserError where that is not possible.
        """
        known = counted(landmarks, job)
        (_, _, recipe), *_ = plan_trials(job)
        rules = training_rules(job, recipe, classes=known.classes)
        dealt = folds_for(known, rules, folds=folds, split=recipe.split)
        client = np.unique(known.cohort.astype(str), return_inverse=True)[1].astype(np.int64)
        return cls(landmarks=known, rows=known.features.values, folds=dealt, client=client)


def run_trial(data: TrialData, job: Job, number: int, until: float | None) -> dict[str, Any] | None:
    """Run trial `number` of the plan. Returns its figures, or its error; None where `until` has passed."""
    if until is not None and time.time() > until:
        return None
    _, name, recipe = plan_trials(job)[number - 1]
    began = time.monotonic()
    columns = group_columns(job.features, recipe.groups)
    trial: dict[str, Any] = {
        "trial": number,
        "combination": name,
        "configuration": recipe.configuration.value,
        "recipe": {
            **recipe.as_json(),
            "parameters": parameters_of(recipe, task_of(job.task)),
        },
        "features": len(columns),
        "folds": [],
        "figures": {},
        "auroc": None,
        "average_precision": None,
        "objective": None,
        "utility": None,
        "error": None,
    }
    try:
        trial |= _measured(data, job, recipe, columns=columns)
    except Exception as error:  # noqa: BLE001 - whatever a configuration's library raises: the others go on
        trial["error"] = _why(error)
    return {**trial, "seconds": round(time.monotonic() - began, 3)}


def _measured(data: TrialData, job: Job, recipe: Recipe, *, columns: Integers) -> dict[str, Any]:
    known, dealt = data.landmarks, data.folds
    targets = targets_of(known, job, recipe)
    rules = targets.rules
    models, folds = [], []
    for each in range(dealt.count):
        began = time.monotonic()
        models.append(fit_fold(recipe, data.rows, targets, data.client, columns, np.flatnonzero(dealt.seen(each))))
        held_out = (dealt.fold == each) & known.scorable
        if not dealt.judged[held_out].all():
            continue
        figures = rules.trial_figures(margins(models[-1], data.features.only(held_out)), known.label[held_out])
        folds.append(
            {
                "fold": each + 1,
                "landmarks": int(held_out.sum()),
                "positive_landmarks": rules.positives(known.label[held_out]),
                **figures,
                "seconds": round(time.monotonic() - began, 3),
            }
        )
    means = {name: float(np.mean([each[name] for each in folds])) for name in figures}
    if not np.isfinite(list(means.values())).all():
        raise UserError("A fold has scorable landmarks of one class alone; take fewer folds, or load more outcomes.")
    return {
        "folds": folds,
        "figures": means,
        "auroc": means.get("auroc"),
        "average_precision": means.get("average_precision"),
        "objective": rules.objective_of(means),
        "utility": _utility(data, job, models, rules=rules),
    }


def _utility(data: TrialData, job: Job, models: Sequence[Model], *, rules: TaskRules) -> float | None:
    known, gain = data.landmarks, gains(data.landmarks, job)
    if job.measures.utility is None or gain is None:
        return None
    margin = held_out_margins(models, data.features, data.folds, scorable=known.scorable)
    facility = known.features.facility
    _, alarm = crossed(margin, data.folds, known.label, gain, rules=rules, client=data.client, facility=facility)
    alarm &= data.folds.judged
    gain, best = gain_and_best(*hours_from_event(known), job.measures.utility)
    best = best[data.folds.judged]
    return float(gain[alarm].sum() / best.sum()) if best.any() else None


def _why(error: Exception) -> str:
    """The error in words, without what a library may quote of the data."""
    if isinstance(error, UserError):
        return str(error)
    place: Sequence[traceback.FrameSummary] = traceback.extract_tb(error.__traceback__)
    at = f" at {Path(place[-1].filename).name}:{place[-1].lineno}" if place else ""
    return f"{type(error).__name__}{at}"
