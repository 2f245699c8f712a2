"""A trial: its figures fold by fold, or its error without a value of the data."""

from __future__ import annotations

import time

import numpy as np
import pytest

from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.job import Job
from scorer.jobs.training import Configuration
from scorer.tasks.binary import Binary
from scorer.training.search.trials import TrialData, plan_trials, run_trial


@pytest.fixture
def data(job: Job, landmarks: Landmarks) -> TrialData:
    """Landmarks in two folds."""
    return TrialData.of(landmarks, job, folds=2)


def test_each_combination_is_planned_with_each_configuration(job: Job) -> None:
    planned = plan_trials(job)
    assert [number for number, _, _ in planned] == list(range(1, 2 * len(Binary().configurations) + 1))
    assert [(name, recipe.groups) for _, name, recipe in planned[:: len(Binary().configurations)]] == [
        (name, groups) for name, groups in job.search.combinations.items()
    ]


def test_a_trial_has_the_means_of_its_folds(job: Job, data: TrialData, tried: list[str]) -> None:
    trial = run_trial(data, job, 1, None)
    assert trial is not None
    assert trial["error"] is None
    for name in ("auroc", "average_precision"):
        assert trial[name] == np.mean([fold[name] for fold in trial["folds"]])
    assert trial["objective"] == trial["auroc"] + trial["average_precision"]
    assert sum(fold["landmarks"] for fold in trial["folds"]) == int(data.landmarks.scorable.sum())
    assert trial["utility"] is not None
    assert tried == ["logistic regression, vitals"] * 2


def test_an_error_is_recorded_by_its_kind_and_place_alone(job: Job, data: TrialData, tried: list[str]) -> None:
    (number,) = [
        number
        for number, name, recipe in plan_trials(job)
        if (name, recipe.configuration) == ("few", Configuration.EXTRA_TREES)
    ]
    trial = run_trial(data, job, number, None)
    assert trial is not None
    assert trial["error"].startswith("ValueError at conftest.py:")
    assert trial["objective"] is None
    assert "37.2" not in str(trial)


def test_no_trial_begins_when_its_time_has_passed(job: Job, data: TrialData, tried: list[str]) -> None:
    assert run_trial(data, job, 1, time.time() - 1) is None
    assert not tried
