"""Fits for events and for classes: logistic regression, forests, boosted trees, and a stack of them.

Every fit runs on one thread and by a fixed seed, so that it gives the same bits on any number of cores.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from scorer.jobs.training import Configuration, Recipe
from scorer.registry.ensemble import Boosted, Ensemble, Linear, Member, Voted
from scorer.registry.predictors import ClassEnsemble, PerClass, Shares
from scorer.tasks.task import TaskRules
from scorer.training.targets import Fitting
from scorer.types.arrays import Floats, Integers

Parameters = Mapping[str, Any]
Target = npt.NDArray[Any]
Fit = Callable[[Floats, Target, Floats, Parameters, Sequence[int]], list[Member]]
_STACK_SEES = 0.75  # of the clients fit the members; the others weigh them
LIMIT = 5.0  # standard deviations to which a value is clipped
STEADY = {"deterministic": True, "force_row_wise": True, "num_threads": 1, "verbose": -1}  # of LightGBM

_FOREST = {"trees": 60, "min_samples_leaf": 20, "max_features": 0.1, "share": 0.25}
_LIGHTGBM = {
    "num_leaves": 15,
    "learning_rate": 0.08,
    "trees": 100,
    "min_child_samples": 100,
    "feature_fraction": 0.15,
    "bagging_fraction": 1.0,
    "lambda_l2": 10.0,
    "max_bin": 63,
}
_LOGISTIC = {"C": 0.01}
OF_EVENTS: Mapping[Configuration, Parameters] = {
    Configuration.LOGISTIC_REGRESSION: _LOGISTIC,
    Configuration.RANDOM_FOREST: _FOREST,
    Configuration.EXTRA_TREES: _FOREST,
    Configuration.GRADIENT_BOOSTING: {
        "learning_rate": 0.05,
        "max_iter": 100,
        "max_leaf_nodes": 15,
        "min_samples_leaf": 100,
        "l2_regularization": 5.0,
        "max_features": 0.3,
        "max_bins": 63,
    },
    Configuration.LIGHTGBM_SMALL: {**_LIGHTGBM, "num_leaves": 7},
    Configuration.LIGHTGBM_LARGE: {**_LIGHTGBM, "num_leaves": 31, "trees": 150, "learning_rate": 0.05},
    Configuration.LIGHTGBM_UTILITY: _LIGHTGBM,
    Configuration.STACK: {},
}
# Jobs with several classes, or with values, tend to have fewer rows and features than those of events.
FOREST = {"trees": 100, "min_samples_leaf": 5, "max_features": 0.33, "share": 0.7}
LIGHTGBM = {
    "num_leaves": 15,
    "learning_rate": 0.08,
    "trees": 100,
    "min_child_samples": 20,
    "feature_fraction": 0.5,
    "bagging_fraction": 1.0,
    "lambda_l2": 1.0,
    "max_bin": 63,
}
GRADIENT_BOOSTING = {
    "learning_rate": 0.08,
    "max_iter": 100,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 20,
    "l2_regularization": 1.0,
    "max_features": 0.5,
    "max_bins": 63,
}
OF_CLASSES: Mapping[Configuration, Parameters] = {
    Configuration.LOGISTIC_REGRESSION: {"C": 0.1},
    Configuration.RANDOM_FOREST: FOREST,
    Configuration.EXTRA_TREES: FOREST,
    Configuration.GRADIENT_BOOSTING: GRADIENT_BOOSTING,
    Configuration.LIGHTGBM_SMALL: {**LIGHTGBM, "num_leaves": 7},
    Configuration.LIGHTGBM_LARGE: {**LIGHTGBM, "num_leaves": 31, "trees": 150, "learning_rate": 0.05},
}


def fit_events(recipe: Recipe, data: Fitting, parameters: Parameters, rules: TaskRules) -> Ensemble:  # noqa: ARG001 - as the others
    """Fit `recipe` to rows that are positive or not. Returns the ensemble, uncalibrated."""
    seeds, columns = seeds_of(recipe), data.columns
    rows, target, weight = data.rows, data.target, data.weight
    if recipe.configuration is Configuration.STACK:
        stacks = [_stacked(rows, target, weight, client=data.client, seed=seed) for seed in seeds]
        members = [member for stack, _ in stacks for member in stack]
        weights = [each / len(stacks) for _, own in stacks for each in own]
        return Ensemble(members, weights=weights, columns=columns.tolist())
    members = _EVENTS[recipe.configuration](rows, target, weight, parameters, seeds)
    return Ensemble(members, columns=columns.tolist())


def fit_classes(recipe: Recipe, data: Fitting, parameters: Parameters, rules: TaskRules) -> ClassEnsemble:
    """Fit `recipe` to rows with the codes of their classes. Returns the ensemble, uncalibrated."""
    members = _CLASSES[recipe.configuration](data.rows, data.target, data.weight, parameters, seeds_of(recipe))
    return ClassEnsemble(members, classes=rules.classes, columns=data.columns.tolist())


def seeds_of(recipe: Recipe) -> list[int]:
    """A seed for each member."""
    return [recipe.seed + 17 * number for number in range(recipe.members)]


def standardised(rows: Floats) -> tuple[Floats, Floats, Floats]:
    """Rows (n, k) in standard deviations, and whether each is missing, (n, k + k); mean and scale (k,)."""
    there = ~np.isnan(rows)
    count = np.maximum(there.sum(axis=0), 1)
    filled = np.where(there, rows, 0.0)
    centre = filled.sum(axis=0) / count
    scale = np.sqrt(np.where(there, np.square(rows - centre), 0.0).sum(axis=0) / count)
    scale[scale <= 0.0] = 1.0
    standard = np.clip(np.where(there, (filled - centre) / scale, 0.0), -LIMIT, LIMIT)
    # A feature that is always present, or never, gets no weight for being missing.
    return np.hstack([standard, ~there]), centre, scale


def linear(coefficients: Floats, bias: float, *, centre: Floats, scale: Floats) -> Linear:
    """The linear member of `coefficients` (2 k,) fitted to what `standardised` gives."""
    features = len(centre)
    return Linear(
        centre=centre,
        scale=scale,
        weight=coefficients[:features],
        missing=coefficients[features:],
        bias=bias,
        limit=LIMIT,
    )


def _logistic(
    rows: Floats, target: Target, weight: Floats, parameters: Parameters, _seeds: Sequence[int]
) -> list[Member]:
    design, centre, scale = standardised(rows)
    model = LogisticRegression(C=parameters["C"], max_iter=300, tol=1e-3)
    model.fit(design, target, sample_weight=weight / weight.mean())
    pairs = list(zip(model.coef_, model.intercept_.tolist(), strict=True))
    own = [linear(coefficients, float(bias), centre=centre, scale=scale) for coefficients, bias in pairs]
    return list(own)  # the same for every seed


def _logistic_of_classes(
    rows: Floats, target: Target, weight: Floats, parameters: Parameters, seeds: Sequence[int]
) -> list[Member]:
    own = [each for each in _logistic(rows, target, weight, parameters, seeds) if isinstance(each, Linear)]
    if len(own) == 1:  # of two classes the library fits the second alone
        nothing = np.zeros_like(own[0].weight)
        first = Linear(centre=own[0].centre, scale=own[0].scale, weight=nothing, missing=nothing, bias=0.0, limit=LIMIT)
        own = [first, *own]
    return [PerClass(tuple(own))]


def forest(make: Callable[..., Any], wrap: Callable[[Any], Member], *, target_type: type = np.int64) -> Fit:
    """The fit of a forest that `make` gives, one for each seed, of targets as `target_type`."""

    def fitted(
        rows: Floats, target: Target, weight: Floats, parameters: Parameters, seeds: Sequence[int]
    ) -> list[Member]:
        own = {
            "n_estimators": int(parameters["trees"]),
            "min_samples_leaf": int(parameters["min_samples_leaf"]),
            "max_features": parameters["max_features"],
            "max_samples": parameters["share"],
            "bootstrap": True,
            "n_jobs": 1,
        }
        return [
            wrap(make(**own, random_state=seed).fit(rows, target.astype(target_type), sample_weight=weight))
            for seed in seeds
        ]

    return fitted


def gradient_boosting(make: Callable[..., Any], wrap: Callable[[Any], Member], *, target_type: type = np.int64) -> Fit:
    """The fit of boosted trees that `make` gives, one for each seed, of targets as `target_type`."""

    def fitted(
        rows: Floats, target: Target, weight: Floats, parameters: Parameters, seeds: Sequence[int]
    ) -> list[Member]:
        return [
            wrap(
                make(**parameters, early_stopping=False, random_state=seed).fit(
                    rows, target.astype(target_type), sample_weight=weight
                )
            )
            for seed in seeds
        ]

    return fitted


def boosted(
    rows: Floats, target: Floats, weight: Floats, parameters: Parameters, seeds: Sequence[int], **objective: Any
) -> list[Member]:
    """A LightGBM member for each seed, fitted to rows (n, k) by an `objective` with its parameters."""
    import lightgbm

    own = dict(parameters)
    trees, max_bin = int(own.pop("trees")), int(own.pop("max_bin"))
    # Values are binned once for all members.
    bins = {**STEADY, "max_bin": max_bin, "feature_pre_filter": False, "data_random_seed": seeds[0]}
    data = lightgbm.Dataset(rows, target, weight=weight, params=bins, free_raw_data=False)
    learning = {**own, **STEADY, **objective, "bagging_freq": 1}
    return [
        Boosted(lightgbm.train({**learning, "seed": seed, "max_bin": max_bin}, data, trees).model_to_string())
        for seed in seeds
    ]


def _lightgbm(
    rows: Floats, target: Target, weight: Floats, parameters: Parameters, seeds: Sequence[int]
) -> list[Member]:
    return boosted(rows, target.astype(np.float64), weight, parameters, seeds, objective="binary")


def _lightgbm_of_classes(
    rows: Floats, target: Target, weight: Floats, parameters: Parameters, seeds: Sequence[int]
) -> list[Member]:
    several = {"objective": "multiclass", "num_class": int(target.max()) + 1}
    return boosted(rows, target.astype(np.float64), weight, parameters, seeds, **several)


def _stacked(
    rows: Floats, target: Target, weight: Floats, *, client: Integers, seed: int
) -> tuple[list[Member], list[float]]:
    """Three members fitted to all rows, and their weights.

    The weights are those that did best on clients held out from a first fit of the same members.
    """
    kinds = (Configuration.LOGISTIC_REGRESSION, Configuration.EXTRA_TREES, Configuration.LIGHTGBM_SMALL)
    clients = np.unique(client)
    drawn = np.random.default_rng(seed).permutation(clients)[: round(len(clients) * _STACK_SEES)]
    first = np.isin(client, drawn)
    if len(np.unique(target[~first])) == 1:
        first = np.ones(len(client), dtype=bool)
    margins = np.column_stack(
        [
            _EVENTS[kind](rows[first], target[first], weight[first], OF_EVENTS[kind], [seed])[0].margin(rows)
            for kind in kinds
        ]
    )
    unseen = ~first if not first.all() else first
    weigh = LogisticRegression(C=1.0).fit(margins[unseen], target[unseen], sample_weight=weight[unseen])
    weights = np.maximum(weigh.coef_[0], 0.0)
    if not weights.any():
        weights = np.ones(len(kinds))
    members = [_EVENTS[kind](rows, target, weight, OF_EVENTS[kind], [seed])[0] for kind in kinds]
    return members, (weights / weights.sum()).tolist()


_EVENTS: Mapping[Configuration, Fit] = {
    Configuration.LOGISTIC_REGRESSION: _logistic,
    Configuration.RANDOM_FOREST: forest(RandomForestClassifier, Voted),
    Configuration.EXTRA_TREES: forest(ExtraTreesClassifier, Voted),
    Configuration.GRADIENT_BOOSTING: gradient_boosting(HistGradientBoostingClassifier, Voted),
    Configuration.LIGHTGBM_SMALL: _lightgbm,
    Configuration.LIGHTGBM_LARGE: _lightgbm,
    Configuration.LIGHTGBM_UTILITY: _lightgbm,
}
_CLASSES: Mapping[Configuration, Fit] = {
    Configuration.LOGISTIC_REGRESSION: _logistic_of_classes,
    Configuration.RANDOM_FOREST: forest(RandomForestClassifier, Shares),
    Configuration.EXTRA_TREES: forest(ExtraTreesClassifier, Shares),
    Configuration.GRADIENT_BOOSTING: gradient_boosting(HistGradientBoostingClassifier, Shares),
    Configuration.LIGHTGBM_SMALL: _lightgbm_of_classes,
    Configuration.LIGHTGBM_LARGE: _lightgbm_of_classes,
}
