"""What a model is fitted to: the label, or the better of alarm and silence, weighted by the gain.

The second is cost-sensitive learning by example weighting (Zadrozny, Langford and Abe, ICDM 2003): each row is weighted by the difference
in utility, so that the loss counts mistakes as the utility does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from scorer.errors import UserError
from scorer.evaluation.landmarks import Landmarks, hours_from_event
from scorer.evaluation.utility import gain_and_best
from scorer.jobs.job import Job
from scorer.jobs.training import Configuration, Recipe
from scorer.tasks.known import training_rules
from scorer.tasks.task import TaskRules
from scorer.training.calibrations import members, suffices
from scorer.types.arrays import Floats, Integers, Texts

# Clients with the event (of a task without one, with a known outcome) from which a facility may have a fit of its own.
ENOUGH_FOR_A_FIT = 200


@dataclass(frozen=True, slots=True)
class Targets:
    """The target and the weight of each row (n,); a row of weight 0 is not fitted.

    The target is whether a row is positive, the code of its class, or its value; `rules` are those of the task and the recipe. `facility`
    (n,) is what a row belongs to that has a fit of its own, else None.
    """

    target: npt.NDArray[Any]
    weight: Floats
    rules: TaskRules
    facility: Texts | None = None

    def only(self, kept: Integers) -> Targets:
        """The rows of these indexes (m,), in that order."""
        facility = None if self.facility is None else self.facility[kept]
        return Targets(self.target[kept], self.weight[kept], self.rules, facility)


@dataclass(frozen=True, slots=True)
class Fitting:
    """What a configuration is fitted to: `rows` (n, k) of features `columns` (k,), each row's `client`."""

    rows: Floats
    target: npt.NDArray[Any]
    weight: Floats
    client: Integers
    columns: Integers


def gains(landmarks: Landmarks, job: Job) -> Floats | None:
    """The gain (n,) of an alarm over silence at each landmark; None where the job has no [utility]."""
    if job.measures.utility is None:
        return None
    return gain_and_best(*hours_from_event(landmarks), job.measures.utility)[0]


def counted(landmarks: Landmarks, job: Job) -> Landmarks:
    """The landmarks that count: outcome known and, with a [utility], event not more than `dt_late` past.

    Raises UserError where there is none.
    """
    kept = ~np.isnan(landmarks.label)
    if job.measures.utility is not None:
        hours, has_event = hours_from_event(landmarks)
        kept &= ~has_event | (np.nan_to_num(hours) <= job.measures.utility.dt_late)
    if not kept.any():
        raise UserError(
            f"No landmark of job {job.name} has a known outcome, so there is nothing to learn; load outcomes."
        )
    return landmarks.only(kept)


def targets_of(landmarks: Landmarks, job: Job, recipe: Recipe) -> Targets:
    """The targets of `recipe`; landmarks not scorable or without a known outcome have the weight 0.

    Of an entity without the event (of each, where the task has none), one landmark in `recipe.thin` is kept, from a start that moves from
    entity to entity, its weight multiplied by as many. Raises UserError where the configuration needs a [utility] and the job has none.
    """
    rules = training_rules(job, recipe, classes=landmarks.classes)
    target: npt.NDArray[Any]
    if recipe.configuration is Configuration.LIGHTGBM_UTILITY:
        gain = gains(landmarks, job)
        if gain is None:
            raise UserError(
                f"Job {job.name} has no [utility], which the configuration {recipe.configuration} needs; add it to job.toml, or take "
                "another configuration."
            )
        target, weight = gain > 0, np.abs(gain)
    else:
        target, weight = rules.target_of(landmarks.label), np.ones(len(landmarks))
    weight = np.where(landmarks.trainable, weight, 0.0)
    if recipe.thin > 1:
        entities, entity = np.unique(landmarks.entity_ids.astype(str), return_inverse=True)
        first = np.searchsorted(entity, np.arange(len(entities)))
        number = np.arange(len(entity)) - first[entity] + entity
        thinned = rules.thinned(landmarks.label, entity)
        weight = np.where(thinned, np.where(number % recipe.thin == 0, weight * recipe.thin, 0.0), weight)
    return Targets(target=target, weight=weight, rules=rules, facility=_own_fits(landmarks, recipe, rules))


def _own_fits(landmarks: Landmarks, recipe: Recipe, rules: TaskRules) -> Texts | None:
    """The facility of each landmark (n,) where that one has a fit of its own, else None.

    None where no facility has one.
    """
    if recipe.elsewhere == 1.0:
        return None
    client = np.unique(landmarks.cohort.astype(str), return_inverse=True)[1].astype(np.int64)
    found = np.full(len(landmarks), None, dtype=object)
    for name, rows in members(landmarks.features.facility).items():
        kept = rows & landmarks.trainable
        if suffices(landmarks.label[kept], client[kept], rules=rules, clients=ENOUGH_FOR_A_FIT):
            found[rows] = name
    return found if any(each is not None for each in found) else None
