"""Fits for values, and for the two quantiles that an interval begins with.

The quantiles are LightGBM's whatever fits the value. Every fit runs on one thread and by a fixed seed, so that it gives the same bits on
any number of cores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import Ridge

from scorer.jobs.training import Configuration, Recipe
from scorer.registry.ensemble import Member
from scorer.registry.predictors import Predicted, ValueEnsemble
from scorer.tasks.task import TaskRules
from scorer.training.classifiers import (
    FOREST,
    GRADIENT_BOOSTING,
    LIGHTGBM,
    boosted,
    forest,
    gradient_boosting,
    linear,
    seeds_of,
    standardised,
)
from scorer.training.targets import Fitting
from scorer.types.arrays import Floats

Parameters = Mapping[str, Any]
Fit = Callable[[Floats, Floats, Floats, Parameters, Sequence[int]], list[Member]]
_QUANTILES = {**LIGHTGBM, "num_leaves": 7}
OF_VALUES: Mapping[Configuration, Parameters] = {
    Configuration.LINEAR_REGRESSION: {"alpha": 10.0},
    Configuration.RANDOM_FOREST: FOREST,
    Configuration.EXTRA_TREES: FOREST,
    Configuration.GRADIENT_BOOSTING: GRADIENT_BOOSTING,
    Configuration.LIGHTGBM_SMALL: {**LIGHTGBM, "num_leaves": 7},
    Configuration.LIGHTGBM_LARGE: {**LIGHTGBM, "num_leaves": 31, "trees": 150, "learning_rate": 0.05},
    Configuration.LIGHTGBM_ABSOLUTE: LIGHTGBM,
}


def fit_values(recipe: Recipe, data: Fitting, parameters: Parameters, rules: TaskRules) -> ValueEnsemble:
    """Fit `recipe` to rows with values. Returns the ensemble, uncalibrated."""
    seeds = seeds_of(recipe)
    rows, target, weight = data.rows, data.target, data.weight
    low, high = (
        boosted(rows, target, weight, _QUANTILES, seeds[:1], objective="quantile", alpha=level)
        for level in (rules.alpha / 2, 1 - rules.alpha / 2)
    )
    value = _VALUES[recipe.configuration](rows, target, weight, parameters, seeds)
    return ValueEnsemble(value, low=low, high=high, columns=data.columns.tolist())


def _ridge(rows: Floats, target: Floats, weight: Floats, parameters: Parameters, _seeds: Sequence[int]) -> list[Member]:
    design, centre, scale = standardised(rows)
    model = Ridge(alpha=parameters["alpha"]).fit(design, target, sample_weight=weight / weight.mean())
    return [linear(model.coef_, float(model.intercept_), centre=centre, scale=scale)]  # the same for every seed


def _lightgbm(objective: str) -> Fit:
    def fitted(
        rows: Floats, target: Floats, weight: Floats, parameters: Parameters, seeds: Sequence[int]
    ) -> list[Member]:
        return boosted(rows, target, weight, parameters, seeds, objective=objective)

    return fitted


_VALUES: Mapping[Configuration, Fit] = {
    Configuration.LINEAR_REGRESSION: _ridge,
    Configuration.RANDOM_FOREST: forest(RandomForestRegressor, Predicted, target_type=np.float64),
    Configuration.EXTRA_TREES: forest(ExtraTreesRegressor, Predicted, target_type=np.float64),
    Configuration.GRADIENT_BOOSTING: gradient_boosting(
        HistGradientBoostingRegressor, Predicted, target_type=np.float64
    ),
    Configuration.LIGHTGBM_SMALL: _lightgbm("regression"),
    Configuration.LIGHTGBM_LARGE: _lightgbm("regression"),
    Configuration.LIGHTGBM_ABSOLUTE: _lightgbm("regression_l1"),
}
