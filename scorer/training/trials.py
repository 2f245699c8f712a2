"""A trial of a search: feature groups and a configuration, cross-validated by client."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from scorer.errors import UserError
from scorer.evaluation.landmarks import Landmarks, hours_from_event
from scorer.evaluation.utility import gain_and_best
from scorer.jobs.job import Job
from scorer.jobs.training import Configuration, Recipe
from scorer.scoring.features.build import group_columns
from scorer.training.cross_validation import crossed, fit_fold
from scorer.training.estimators import parameters_of
from scorer.training.folds import folds_of
from scorer.training.held_out_figures import objective_of
from scorer.training.targets import counted, gains, targets_of
from scorer.types.arrays import Booleans, Floats, Integers


def plan_trials(job: Job) -> list[tuple[int, str, Recipe]]:
    """Number, combination and recipe of each trial, in order."""
    # This one weighs landmarks by [utility].
    left_out = set() if job.measures.utility else {Configuration.LIGHTGBM_UTILITY}
    configurations = [each for each in Configuration if each not in left_out]
    pairs = [(name, groups, each) for name, groups in job.search.combinations.items() for each in configurations]
    return [
        (number, name, Recipe(configuration=configuration, groups=groups))
        for number, (name, groups, configuration) in enumerate(pairs, start=1)
    ]


@dataclass(frozen=True, slots=True)
class TrialData:
    """The data of every trial: arrays (n,), `rows` (n, features)."""

    landmarks: Landmarks
    rows: Floats
    fold: Integers
    client: Integers

    @classmethod
    def of(cls, landmarks: Landmarks, job: Job, *, folds: int) -> Self:
        """The landmarks that count, dealt out to `folds`.

        Raises UserError where that is not possible.
        """
        known = counted(landmarks, job)
        fold = folds_of(known.cohort, known.label, folds=folds)
        client = np.unique(known.cohort.astype(str), return_inverse=True)[1].astype(np.int64)
        return cls(landmarks=known, rows=known.features.values, fold=fold, client=client)


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
        "recipe": {**recipe.as_json(), "parameters": parameters_of(recipe)},
        "features": len(columns),
        "folds": [],
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
    known, fold = data.landmarks, data.fold
    targets = targets_of(known, job, recipe)
    margin = np.full(len(fold), np.nan)
    folds = []
    for each in range(int(fold.max()) + 1):
        began = time.monotonic()
        held_out = (fold == each) & known.scorable
        model = fit_fold(recipe, data.rows, targets, data.client, columns, np.flatnonzero(fold != each))
        margin[held_out] = model.margin(data.rows[held_out])
        auroc, average_precision = objective_of(margin[held_out], known.label[held_out])
        folds.append(
            {
                "fold": each + 1,
                "landmarks": int(held_out.sum()),
                "positive_landmarks": int((known.label[held_out] == 1).sum()),
                "auroc": auroc,
                "average_precision": average_precision,
                "seconds": round(time.monotonic() - began, 3),
            }
        )
    means = {name: float(np.mean([each[name] for each in folds])) for name in ("auroc", "average_precision")}
    if not np.isfinite(list(means.values())).all():
        raise UserError("A fold has scorable landmarks of one class alone; take fewer folds, or load more outcomes.")
    _, alarm = crossed(margin, fold, known.label, gains(known, job))
    return {
        "folds": folds,
        **means,
        "objective": means["auroc"] + means["average_precision"],
        "utility": _utility(known, job, alarm),
    }


def _utility(known: Landmarks, job: Job, alarm: Booleans) -> float | None:
    if job.measures.utility is None:
        return None
    gain, best = gain_and_best(*hours_from_event(known), job.measures.utility)
    return float(gain[alarm].sum() / best.sum()) if best.any() else None


def _why(error: Exception) -> str:
    """The error in words, without what a library may quote of the data."""
    if isinstance(error, UserError):
        return str(error)
    place: Sequence[traceback.FrameSummary] = traceback.extract_tb(error.__traceback__)
    at = f" at {Path(place[-1].filename).name}:{place[-1].lineno}" if place else ""
    return f"{type(error).__name__}{at}"
