"""The model configurations, each fitted from rows, targets and weights into an uncalibrated ensemble.

Every fit runs on one thread and by a fixed seed, so that it gives the same bits on any number of cores; whole fits run in parallel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from scorer.errors import UserError
from scorer.jobs.training import Configuration, Recipe
from scorer.registry.boosting import lightgbm
from scorer.registry.ensemble import Boosted, Ensemble, Linear, Member, Voted
from scorer.training.targets import Targets
from scorer.types.arrays import Booleans, Floats, Integers

Parameters = Mapping[str, Any]
Fit = Callable[[Floats, Booleans, Floats, Parameters, Sequence[int]], list[Member]]
_STACK_SEES = 0.75  # of the clients fit the members; the others weigh them
_LIMIT = 5.0  # standard deviations to which a value is clipped

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
DEFAULTS: Mapping[Configuration, Parameters] = {
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


def parameters_of(recipe: Recipe) -> dict[str, Any]:
    """The defaults of the recipe's configuration, overridden by the recipe's parameters.

    Raises UserError where the configuration has no such parameter.
    """
    own = DEFAULTS[recipe.configuration]
    for name in recipe.parameters:
        if name not in own:
            raise UserError(
                f'The configuration {recipe.configuration} has no parameter "{name}"; it has {", ".join(own) or "none"}.'
            )
    return {**own, **recipe.parameters}


def fit(recipe: Recipe, rows: Floats, targets: Targets, *, client: Integers, columns: Integers) -> Ensemble:
    """Fit `recipe` to the `columns` (k,) of `rows` (n, features). Returns the ensemble, uncalibrated.

    `client` (n,) is each row's client. Raises UserError where the rows that have a weight are all of one class, or have no feature.
    """
    used = targets.weight > 0
    seen = rows[np.ix_(used, columns)]
    # A feature that no row has is left out: some libraries cannot take it.
    known = ~np.isnan(seen).all(axis=0)
    seen, columns = np.ascontiguousarray(seen[:, known]), columns[known]
    positive, weight = targets.positive[used], targets.weight[used]
    if positive.all() or not positive.any():
        raise UserError(
            "The landmarks to be fitted are all of one class once those that cannot be scored are left out; load more outcomes."
        )
    if not len(columns):
        raise UserError(
            f"No landmark has any of the features of {', '.join(recipe.groups) or 'the job'}; load observations."
        )
    seeds = [recipe.seed + 17 * number for number in range(recipe.members)]
    if recipe.configuration is Configuration.STACK:
        stacks = [_stacked(seen, positive, weight, client=client[used], seed=seed) for seed in seeds]
        members = [member for stack, _ in stacks for member in stack]
        weights = [each / len(stacks) for _, own in stacks for each in own]
        return Ensemble(members, weights=weights, columns=columns.tolist())
    members = _FITS[recipe.configuration](seen, positive, weight, parameters_of(recipe), seeds)
    return Ensemble(members, columns=columns.tolist())


def _logistic(
    rows: Floats, positive: Booleans, weight: Floats, parameters: Parameters, _seeds: Sequence[int]
) -> list[Member]:
    there = ~np.isnan(rows)
    count = np.maximum(there.sum(axis=0), 1)
    filled = np.where(there, rows, 0.0)
    centre = filled.sum(axis=0) / count
    scale = np.sqrt(np.where(there, np.square(rows - centre), 0.0).sum(axis=0) / count)
    scale[scale <= 0.0] = 1.0
    standard = np.clip(np.where(there, (filled - centre) / scale, 0.0), -_LIMIT, _LIMIT)
    # A feature that is always present, or never, gets no weight for being missing.
    model = LogisticRegression(C=parameters["C"], max_iter=300, tol=1e-3)
    model.fit(np.hstack([standard, ~there]), positive, sample_weight=weight / weight.mean())
    coefficients = model.coef_[0]
    features = rows.shape[1]
    one = Linear(
        centre=centre,
        scale=scale,
        weight=coefficients[:features],
        missing=coefficients[features:],
        bias=float(model.intercept_[0]),
        limit=_LIMIT,
    )
    return [one]  # the same for every seed


def _forest(make: Callable[..., Any]) -> Fit:
    def fitted(
        rows: Floats, positive: Booleans, weight: Floats, parameters: Parameters, seeds: Sequence[int]
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
            Voted(make(**own, random_state=seed).fit(rows, positive.astype(np.int64), sample_weight=weight))
            for seed in seeds
        ]

    return fitted


def _gradient_boosting(
    rows: Floats, positive: Booleans, weight: Floats, parameters: Parameters, seeds: Sequence[int]
) -> list[Member]:
    return [
        Voted(
            HistGradientBoostingClassifier(**parameters, early_stopping=False, random_state=seed).fit(
                rows, positive.astype(np.int64), sample_weight=weight
            )
        )
        for seed in seeds
    ]


def _lightgbm(
    rows: Floats, positive: Booleans, weight: Floats, parameters: Parameters, seeds: Sequence[int]
) -> list[Member]:
    own = dict(parameters)
    trees, max_bin = int(own.pop("trees")), int(own.pop("max_bin"))
    steady = {"deterministic": True, "force_row_wise": True, "num_threads": 1, "verbose": -1}
    # Values are binned once for all members.
    bins = {**steady, "max_bin": max_bin, "feature_pre_filter": False, "data_random_seed": seeds[0]}
    data = lightgbm.Dataset(rows, positive.astype(np.float64), weight=weight, params=bins, free_raw_data=False)
    learning = {**own, **steady, "objective": "binary", "bagging_freq": 1}
    return [
        Boosted(lightgbm.train({**learning, "seed": seed, "max_bin": max_bin}, data, trees).model_to_string())
        for seed in seeds
    ]


def _stacked(
    rows: Floats, positive: Booleans, weight: Floats, *, client: Integers, seed: int
) -> tuple[list[Member], list[float]]:
    """Three members fitted to all rows, and their weights.

    The weights are those that did best on clients held out from a first fit of the same members.
    """
    kinds = (Configuration.LOGISTIC_REGRESSION, Configuration.EXTRA_TREES, Configuration.LIGHTGBM_SMALL)
    clients = np.unique(client)
    drawn = np.random.default_rng(seed).permutation(clients)[: round(len(clients) * _STACK_SEES)]
    first = np.isin(client, drawn)
    if len(np.unique(positive[~first])) == 1:
        first = np.ones(len(client), dtype=bool)
    margins = np.column_stack(
        [
            _FITS[kind](rows[first], positive[first], weight[first], DEFAULTS[kind], [seed])[0].margin(rows)
            for kind in kinds
        ]
    )
    unseen = ~first if not first.all() else first
    weigh = LogisticRegression(C=1.0).fit(margins[unseen], positive[unseen], sample_weight=weight[unseen])
    weights = np.maximum(weigh.coef_[0], 0.0)
    if not weights.any():
        weights = np.ones(len(kinds))
    members = [_FITS[kind](rows, positive, weight, DEFAULTS[kind], [seed])[0] for kind in kinds]
    return members, (weights / weights.sum()).tolist()


_FITS: Mapping[Configuration, Fit] = {
    Configuration.LOGISTIC_REGRESSION: _logistic,
    Configuration.RANDOM_FOREST: _forest(RandomForestClassifier),
    Configuration.EXTRA_TREES: _forest(ExtraTreesClassifier),
    Configuration.GRADIENT_BOOSTING: _gradient_boosting,
    Configuration.LIGHTGBM_SMALL: _lightgbm,
    Configuration.LIGHTGBM_LARGE: _lightgbm,
    Configuration.LIGHTGBM_UTILITY: _lightgbm,
}
