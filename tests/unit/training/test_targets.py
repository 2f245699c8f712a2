"""What models are fitted to: the better decision, thinned, and only where the outcome is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from scorer.errors import UserError
from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.job import Job
from scorer.jobs.training import Recipe
from scorer.training.targets import counted, gains, targets_of
from scorer.types.arrays import NO_TIME

HOUR = 3_600_000_000


def test_targets_are_the_better_decision_by_how_much_it_is_better(
    job: Job, quick: Recipe, made: Callable[..., Landmarks]
) -> None:
    all_of = made(job, clients=5, hours=30)
    of_one = all_of.only((all_of.entity_ids == "00000") | (all_of.entity_ids == "00001"))
    targets = targets_of(of_one, job, Recipe())
    event = of_one.entity_ids == "00000"
    # The event is at hour 31: hour 25 is its optimum, hour 19 where an alarm begins to be worth something, hour 22 midway.
    worth = dict(zip(np.arange(1, 31), zip(targets.target[event], targets.weight[event], strict=True), strict=True))
    assert worth[25] == (True, 1.0)
    assert worth[22] == (True, pytest.approx(0.5))
    assert worth[28] == (True, pytest.approx(2 / 3 + 2 / 3))
    assert worth[10] == (False, pytest.approx(0.05))
    assert worth[1][1] == 0.0, "what cannot be scored is not fitted"
    assert not targets.target[~event].any()
    assert set(targets.weight[~event].round(9).tolist()) == {0.0, 0.05}
    without = replace(job, measures=replace(job.measures, utility=None))
    assert gains(of_one, without) is None
    with pytest.raises(UserError, match=r"no \[utility\]"):
        targets_of(of_one, without, Recipe())
    plain = targets_of(of_one, without, quick)
    np.testing.assert_array_equal(plain.target, of_one.label == 1)


def test_thinning_keeps_every_event_and_the_weight_of_all_others(job: Job, landmarks: Landmarks, quick: Recipe) -> None:
    whole, thin = (targets_of(landmarks, job, replace(quick, thin=each)) for each in (1, 3))
    event = landmarks.event_at != NO_TIME
    np.testing.assert_array_equal(whole.weight[event], thin.weight[event])
    assert set(thin.weight[~event].tolist()) == {0.0, 3.0}
    assert thin.weight[~event].sum() == pytest.approx(whole.weight[~event].sum(), rel=0.05)


def test_unknown_outcomes_and_hours_long_after_the_event_are_left_out(job: Job, landmarks: Landmarks) -> None:
    unknown = replace(landmarks, label=np.where(np.arange(len(landmarks)) % 2, np.nan, landmarks.label))
    assert len(counted(unknown, job)) == len(landmarks) // 2
    late = replace(landmarks, event_at=np.where(landmarks.event_at == NO_TIME, NO_TIME, landmarks.as_of - 4 * HOUR))
    assert len(counted(late, job)) == int((landmarks.event_at == NO_TIME).sum())
    with pytest.raises(UserError, match="No landmark of job sepsis has a known outcome"):
        counted(replace(landmarks, label=np.full(len(landmarks), np.nan)), job)
