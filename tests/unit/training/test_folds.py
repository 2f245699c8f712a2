"""Folds by client: positives spread, the order of rows without effect, bad ones refused. By time: each follows what it is learnt from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from scorer.errors import UserError
from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.job import Job
from scorer.jobs.training import SplitBy
from scorer.tasks.binary import Binary
from scorer.tasks.regression import Regression
from scorer.training.folds import folds_for, folds_of, require_sound


def test_a_client_is_in_one_fold_and_positives_are_spread() -> None:
    cohort = np.repeat(np.array([f"c{each}" for each in range(50)], dtype=object), 4)
    label = np.repeat((np.arange(50) % 5 == 0).astype(float), 4)
    fold = folds_of(cohort, label, Binary(), folds=5)
    for client in np.unique(cohort.astype(str)):
        assert len(set(fold[cohort == client].tolist())) == 1
    assert [int(label[fold == each].sum()) for each in range(5)] == [8] * 5
    shuffled = np.random.default_rng(0).permutation(len(cohort))
    np.testing.assert_array_equal(folds_of(cohort[shuffled], label[shuffled], Binary(), folds=5), fold[shuffled])


def test_bad_folds_are_refused_in_a_sentence() -> None:
    cohort = np.array(["a", "a", "b", "c"], dtype=object)
    label = np.array([1.0, 0.0, 1.0, 0.0])
    with pytest.raises(UserError, match=r"1 of 3 clients are in two folds.*give each client one"):
        require_sound(np.array([0, 1, 1, 0]), cohort, label, Binary())
    with pytest.raises(UserError, match=r"Fold 1 of 2 has no landmark with a positive.*fewer folds"):
        require_sound(np.array([1, 1, 1, 0]), cohort, label, Binary())
    with pytest.raises(UserError, match=r"no landmark with a positive outcome.*fewer folds"):
        folds_of(cohort, label, Binary(), folds=3)
    with pytest.raises(UserError, match="No landmark has a positive outcome"):
        folds_of(cohort, np.zeros(4), Binary(), folds=2)
    with pytest.raises(UserError, match="2 folds or more, not 1"):
        folds_of(cohort, label, Binary(), folds=1)


def test_by_time_each_fold_follows_what_it_is_learnt_from(job: Job, made: Callable[..., Landmarks]) -> None:
    landmarks = made(job, clients=60, hours=10)
    dealt = folds_for(landmarks, Binary(), folds=5, split=SplitBy.TIME)
    assert [int((dealt.fold == each).sum()) for each in range(-1, dealt.count)] == [100] * 6
    for each in range(dealt.count):
        assert landmarks.as_of[dealt.seen(each)].max() < landmarks.as_of[dealt.fold == each].min()
    assert (dealt.judged == (dealt.fold == 4)).all()
    assert not any(dealt.seen(each)[dealt.judged].any() for each in range(dealt.count))


def test_by_time_a_moment_stays_together_and_too_few_are_refused(job: Job, made: Callable[..., Landmarks]) -> None:
    landmarks = made(job, clients=60, hours=10)
    rules = Regression()

    def of(moments: int) -> Landmarks:
        return replace(landmarks, as_of=np.arange(600) * moments // 600, label=np.arange(600.0))

    dealt = folds_for(of(4), rules, folds=5, split=SplitBy.TIME)
    assert dealt.count == 3
    assert int(dealt.judged.sum()) == 150
    for few in (1, 2):
        with pytest.raises(UserError, match=r"too few moments.*load more time"):
            folds_for(of(few), rules, folds=5, split=SplitBy.TIME)
    with pytest.raises(UserError, match="needs 2 folds or more, not 1"):
        folds_for(of(4), rules, folds=1, split=SplitBy.TIME)
