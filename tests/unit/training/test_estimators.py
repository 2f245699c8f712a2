"""The configurations: each learns, and refuses what it cannot be fitted to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from scorer.errors import UserError
from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.job import Job
from scorer.jobs.training import Configuration, Recipe
from scorer.tasks.binary import Binary
from scorer.training.cross_validation import fit_all


@pytest.mark.parametrize("configuration", Binary().configurations)
def test_every_configuration_learns_what_there_is_to_learn(
    job: Job, configuration: Configuration, made: Callable[..., Landmarks]
) -> None:
    landmarks = made(job, clients=200, hours=8, tells=3.0)
    landmarks.features.values[:, 5] = np.nan  # a feature that no row has
    recipe = Recipe(configuration=configuration, groups=("vitals",))
    fitted = fit_all(landmarks, job, recipe, folds=2, whole=False, workers=1)
    scored = np.isfinite(fitted.published)
    np.testing.assert_array_equal(scored, landmarks.scorable)
    assert Binary().trial_figures(fitted.margin[scored], landmarks.label[scored])["auroc"] > 0.8


def test_a_parameter_that_a_configuration_does_not_have_is_refused(
    job: Job, landmarks: Landmarks, quick: Recipe
) -> None:
    with pytest.raises(UserError, match='lightgbm small has no parameter "leaves"; it has num_leaves'):
        fit_all(landmarks, job, replace(quick, parameters={"leaves": 3}), folds=2, whole=False, workers=1)


def test_features_that_no_row_has_are_refused(job: Job, quick: Recipe, made: Callable[..., Landmarks]) -> None:
    landmarks = made(job, clients=20)
    landmarks.features.values[:] = np.nan
    with pytest.raises(UserError, match="No landmark has any of the features of vitals"):
        fit_all(landmarks, job, replace(quick, groups=("vitals",)), folds=2, whole=False, workers=1)
