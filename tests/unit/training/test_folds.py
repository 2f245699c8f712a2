"""Folds by client: positives spread, the order of rows without effect, bad ones refused."""

from __future__ import annotations

import numpy as np
import pytest

from scorer.errors import UserError
from scorer.tasks.binary import Binary
from scorer.training.folds import folds_of, require_sound


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
