"""The configurations: each learns, and refuses what it cannot be fitted to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from scorer.errors import UserError
from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.job import Job, Task
from scorer.jobs.toml_table import TomlTable
from scorer.jobs.training import Configuration, Recipe
from scorer.registry.ensemble import PerFacility
from scorer.registry.model import LoadedModel
from scorer.tasks.binary import Binary
from scorer.tasks.links import logistic
from scorer.training import targets
from scorer.training.cross_validation import fit_all
from scorer.training.trainer import train


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


def test_each_facility_of_enough_clients_has_a_fit_of_its_own(
    job: Job, quick: Recipe, made: Callable[..., Landmarks], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(targets, "ENOUGH_FOR_A_FIT", 15)
    landmarks = made(job, clients=400, tells=4.0)
    client = np.unique(landmarks.cohort.astype(str), return_inverse=True)[1]
    facility = np.array([*"AAABBBBBBC"], dtype=object)[client // 5 % 10]
    # What tells the event in B is the opposite of what tells it in A.
    landmarks.features.values[facility == "B", 0] = 4 - landmarks.features.values[facility == "B", 0]
    landmarks = replace(landmarks, features=replace(landmarks.features, facility=facility))
    alone, own = (
        fit_all(landmarks, job, replace(quick, elsewhere=weight), folds=2, whole=True, workers=1)
        for weight in (1.0, 0.01)
    )
    assert isinstance(own.whole, PerFacility)
    assert not isinstance(alone.whole, PerFacility)
    assert sorted(own.whole.own) == ["A", "B"], "forty clients of C are too few"
    here = (facility == "A") & landmarks.scorable
    auroc = [Binary().trial_figures(each.margin[here], landmarks.label[here])["auroc"] for each in (alone, own)]
    assert auroc[1] > auroc[0] + 0.05
    recipe = replace(quick, elsewhere=0.01)
    trained = train(job, landmarks, recipe, models=tmp_path, model_version="1", folds=2, workers=1)
    assert trained.manifest["recipe"]["elsewhere"] == 0.01
    model = LoadedModel.load(trained.folder, sha256=trained.sha256, task=Task.BINARY, features=landmarks.features.names)
    some = landmarks.features.only(np.flatnonzero(landmarks.scorable)[:400])
    contributions = model.contributions(some)
    assert contributions is not None
    np.testing.assert_allclose(logistic(contributions.sum(axis=1)), model.score(some).score, rtol=1e-9)


@pytest.mark.parametrize("weight", ["0", "1.5"])
def test_a_weight_of_rows_from_elsewhere_is_a_share(weight: str) -> None:
    with pytest.raises(UserError, match='"elsewhere" must be a weight, above 0 and not above 1'):
        Recipe.read(TomlTable({"elsewhere": float(weight)}, where="job.toml: [training]"))
