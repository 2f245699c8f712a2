"""The model configurations, each fitted from rows, targets and weights into an uncalibrated model.

Every fit runs on one thread and by a fixed seed, so that it gives the same bits on any number of cores; whole fits run in parallel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from scorer.errors import UserError
from scorer.jobs.job import Task
from scorer.jobs.training import Configuration, Recipe
from scorer.registry.ensemble import PerFacility
from scorer.tasks.task import TaskRules
from scorer.training.calibrations import members
from scorer.training.classifiers import OF_CLASSES, OF_EVENTS, fit_classes, fit_events
from scorer.training.regressors import OF_VALUES, fit_values
from scorer.training.targets import Fitting, Targets
from scorer.types.arrays import Floats, Integers

Parameters = Mapping[str, Any]
DEFAULTS: Mapping[Task, Mapping[Configuration, Parameters]] = {
    Task.BINARY: OF_EVENTS,
    Task.MULTICLASS: OF_CLASSES,
    Task.REGRESSION: OF_VALUES,
}


class Model(Protocol):
    """A fitted model; `rows` (n, f) have NaN for missing."""

    def margin(self, rows: Floats) -> Floats:
        """The margins of rows (n, f), before calibration."""

    def contributions(self, rows: Floats) -> Floats | None:
        """What each feature adds to a score, (n, f + 1), bias last; None where there is no exact split."""

    def calibrated(self, *args: Any, **calibration: Any) -> Model:
        """A copy with another calibration."""


def parameters_of(recipe: Recipe, rules: TaskRules) -> dict[str, Any]:
    """The defaults of the recipe's configuration, overridden by the recipe's parameters.

    Raises UserError where the configuration has no such parameter.
    """
    own = DEFAULTS[rules.task][recipe.configuration]
    for name in recipe.parameters:
        if name not in own:
            raise UserError(
                f'The configuration {recipe.configuration} has no parameter "{name}"; it has {", ".join(own) or "none"}.'
            )
    return {**own, **recipe.parameters}


def fit(recipe: Recipe, rows: Floats, targets: Targets, *, client: Integers, columns: Integers) -> Model:
    """Fit `recipe` to the `columns` (k,) of `rows` (n, features). Returns the model, uncalibrated.

    Where `targets` names facilities, each has a fit of its own beside that of everyone. `client` (n,) is each row's client. Raises
    UserError where the rows that have a weight cannot be learnt from, or have no feature.
    """
    everyone = _fit(recipe, rows, targets, client=client, columns=columns)
    own = {}
    for name, here in members(targets.facility).items():
        weight = np.where(here, targets.weight, targets.weight * recipe.elsewhere)
        own[name] = _fit(recipe, rows, replace(targets, weight=weight), client=client, columns=columns)
    return PerFacility(everyone, own) if own else everyone


def _fit(recipe: Recipe, rows: Floats, targets: Targets, *, client: Integers, columns: Integers) -> Model:
    """One fit for all rows.

    Raises UserError where the rows that have a weight cannot be learnt from, or have no feature.
    """
    rules = targets.rules
    used = targets.weight > 0
    seen = rows[np.ix_(used, columns)]
    # A feature that no row has is left out: some libraries cannot take it.
    known = ~np.isnan(seen).all(axis=0)
    seen, columns = np.ascontiguousarray(seen[:, known]), columns[known]
    target, weight = targets.target[used], targets.weight[used]
    rules.require_fit(target)
    if not len(columns):
        raise UserError(
            f"No landmark has any of the features of {', '.join(recipe.groups) or 'the job'}; load observations."
        )
    data = Fitting(rows=seen, target=target, weight=weight, client=client[used], columns=columns)
    return _FITS[rules.task](recipe, data, parameters_of(recipe, rules), rules)


_FITS: Mapping[Task, Callable[[Recipe, Fitting, Parameters, TaskRules], Model]] = {
    Task.BINARY: fit_events,
    Task.MULTICLASS: fit_classes,
    Task.REGRESSION: fit_values,
}
