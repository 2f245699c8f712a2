"""Fits of values: each configuration finds what there is; absolute errors fit a median, quantiles their share."""

from __future__ import annotations

import numpy as np
import pytest

from scorer.jobs.training import Configuration, Recipe
from scorer.tasks.regression import Regression
from scorer.training.regressors import OF_VALUES, fit_values
from scorer.training.targets import Fitting

RULES = Regression(alpha=0.2)


def data(rows: int = 800) -> Fitting:
    random = np.random.default_rng(1)
    values = random.normal(size=(rows, 4))
    target = 3 * values[:, 0] + random.exponential(size=rows)  # skewed: its mean is above its median
    values[random.random(values.shape) < 0.05] = np.nan
    return Fitting(rows=values, target=target, weight=np.ones(rows), client=np.arange(rows), columns=np.arange(4))


@pytest.mark.parametrize("configuration", RULES.configurations)
def test_every_configuration_foretells_values(configuration: Configuration) -> None:
    some = data()
    one, other = (
        fit_values(Recipe(configuration=configuration), some, OF_VALUES[configuration], RULES) for _ in range(2)
    )
    margin = one.margin(some.rows)
    assert margin.shape == (800, 3)
    assert margin.tobytes() == other.margin(some.rows).tobytes()
    assert RULES.trial_figures(margin, some.target)["skill"] > 0.2
    inside = (margin[:, 1] <= some.target) & (some.target <= margin[:, 2])
    assert 0.7 < inside.mean() < 0.95


def test_absolute_errors_fit_a_median_and_squares_a_mean() -> None:
    some = data(4000)
    share = {
        configuration: (
            some.target
            < fit_values(Recipe(configuration=configuration), some, OF_VALUES[configuration], RULES).margin(some.rows)[
                :, 0
            ]
        ).mean()
        for configuration in (Configuration.LIGHTGBM_ABSOLUTE, Configuration.LIGHTGBM_SMALL)
    }
    assert share[Configuration.LIGHTGBM_ABSOLUTE] == pytest.approx(0.5, abs=0.03)
    assert share[Configuration.LIGHTGBM_SMALL] > 0.55
