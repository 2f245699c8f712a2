"""What a binary task answers: labels in words and numbers, sets of two classes, and the naive forecast."""

from __future__ import annotations

import numpy as np
import pytest

from scorer.errors import UserError
from scorer.jobs.monitoring import Limits
from scorer.jobs.publication import Declining
from scorer.tasks.binary import Binary
from scorer.tasks.bootstrap import Figure, draws
from scorer.tasks.task import History, Judged
from scorer.types.arrays import NO_TIME

RULES = Binary()


def test_labels_are_read_from_numbers_and_words() -> None:
    label, classes = RULES.read_labels(np.array([0.0, 1.0, np.nan]), where="the column")
    assert label[:2].tolist() == [0.0, 1.0]
    assert np.isnan(label[2])
    assert classes == ()
    words = np.array(["true", "F", None, " 1 "], dtype=object)
    label, _ = RULES.read_labels(words, where="the column")
    assert [None if np.isnan(each) else each for each in label] == [1.0, 0.0, None, 1.0]
    for odd in (np.array([0.0, 2.0]), np.array(["1", "maybe"], dtype=object), np.array([np.inf])):
        with pytest.raises(
            UserError, match=r"^The label of the column must be 0, 1 or NULL; 1 of \d rows have something else\."
        ):
            RULES.read_labels(odd, where="the column")


def test_the_naive_forecast_is_the_prevalence() -> None:
    nothing = np.zeros(3, np.int64)
    history = History(np.array([0.0, 1.0, np.nan]), nothing, nothing, np.full(3, NO_TIME))
    assert RULES.naive(history, RULES.everyone(np.array([0.0, 0.0, 1.0, 1.0]))).tolist() == [0.5, 0.5, 0.5]


def test_sets_cover_as_often_as_promised() -> None:
    random = np.random.default_rng(2)
    label = (random.random(4000) < 0.3).astype(float)
    score = 1 / (1 + np.exp(-(random.normal(size=4000) + 2 * label - 1)))
    half = np.arange(4000) < 2000
    sets = RULES.conformal(RULES.fit_conformal(score[half], label[half], np.arange(2000)))
    assert sets is not None
    covered = sets.covers(score[~half], label[~half], Declining(alpha=0.2))
    for value in (0, 1):
        assert covered[label[~half] == value].mean() == pytest.approx(0.8, abs=0.06)
    assert RULES.fit_conformal(score, np.zeros(4000), np.arange(4000)) is None


def test_figures_that_are_worse_are_told() -> None:
    rows = Judged(np.linspace(0, 1, 100), (np.arange(100) > 60).astype(float), np.arange(100))
    own = {"auroc": {"value": 0.9, "low": 0.88, "high": 0.92}}
    live = {"auroc": Figure(0.7, 0.65, 0.75)}
    assert RULES.live(live, own, rows, Limits()).lost is True
    assert RULES.live({"auroc": Figure(0.89, 0.8, 0.95)}, own, rows, Limits()).lost is False
    assert RULES.live(live, own, rows, Limits(min_positives=50)).lost is None
    assert RULES.live(live, {}, rows, Limits()).lost is None
    assert RULES.figures(rows, draws(100))["auroc"].value == 1.0


def test_labels_in_a_few_words() -> None:
    assert RULES.told(np.array([0.0, 1.0, 0.0])) == "0 2, 1 1"
