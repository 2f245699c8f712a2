"""A challenger beside the model: what is published, what is its shadow, and that its failure harms nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scorer.jobs.job import Job
from scorer.jobs.publication import Split
from scorer.registry.model import Scores
from scorer.scoring.batch import BatchInputs
from scorer.scoring.challenger import Challenger, predict_both, shadow_outcomes
from scorer.scoring.isolation import leave_out
from scorer.scoring.predictions import Predictions
from scorer.tasks.binary import Binary
from scorer.types.arrays import Features
from scorer.types.enums import Status
from scorer.types.values import Outcome

IDS = [str(number) for number in range(8)]
MATRIX = Features(names=("a",), values=np.zeros((len(IDS), 1)))


@pytest.fixture(autouse=True)
def _nothing_was_logged() -> Iterator[None]:
    leave_out.cache_clear()
    yield
    leave_out.cache_clear()


def model(version: str, score: float) -> Any:
    """A model that gives every row the same score."""
    return SimpleNamespace(
        manifest=SimpleNamespace(model_version=version),
        score=lambda matrix: Scores(score=np.full(len(matrix.values), score), labels=None, outputs=None),
        training_quantile=lambda score: score,
        baseline=None,
        rules=Binary(),
    )


def test_without_a_challenger_there_is_no_shadow(sepsis: Job) -> None:
    published, shadow = predict_both(model("one", 0.1), None, MATRIX, entity_ids=IDS, job=sepsis)
    assert (published.model_versions, shadow) == (("one",) * len(IDS), None)


def test_the_split_says_which_model_is_published_of_an_entity(sepsis: Job) -> None:
    job = replace(sepsis, split=Split(share=0.5))
    by_challenger = [job.split.takes(job.name, entity_id) for entity_id in IDS]
    assert set(by_challenger) == {True, False}
    challenger = Challenger(model("two", 0.2), job=job.name)
    published, shadow = predict_both(model("one", 0.1), challenger, MATRIX, entity_ids=IDS, job=job)
    assert shadow is not None
    assert published.model_versions == tuple("two" if each else "one" for each in by_challenger)
    assert shadow.model_versions == tuple("one" if each else "two" for each in by_challenger)


def test_a_challenger_that_raises_is_left_out_and_logged_once(sepsis: Job, caplog: pytest.LogCaptureFixture) -> None:
    broken = SimpleNamespace(manifest=SimpleNamespace(model_version="two"))
    challenger = Challenger(broken, job=sepsis.name)  # type: ignore[arg-type]
    for _ in range(3):
        published, shadow = predict_both(model("one", 0.1), challenger, MATRIX, entity_ids=IDS, job=sepsis)
        assert (published.model_versions, shadow) == (("one",) * len(IDS), None)
    (record,) = caplog.records
    assert record.fields == {  # type: ignore[attr-defined]
        "job": sepsis.name,
        "challenger": "two",
        "error": "AttributeError was raised as it scored",
    }


def test_a_shadow_stands_beside_each_new_outcome_of_a_scorable_entity(
    sepsis: Job, make_inputs: Callable[..., BatchInputs]
) -> None:
    inputs = make_inputs(1, 1, 1, 1)
    noon = inputs.items[0].as_of
    published = [
        Outcome(entity_id="0", as_of=noon, status=Status.QUARANTINED, input_hash=b"same", reason="held"),
        Outcome(entity_id="1", as_of=noon, status=Status.SCORED, input_hash=b"same", score=0.1, risk_band="LOW"),
        Outcome(entity_id="3", as_of=noon, status=Status.SCORED, input_hash=b"same", score=0.2, risk_band="LOW"),
    ]
    score = np.array([0.9, 0.8, np.nan])
    shadow = Predictions(
        scores=Scores(score=score, labels=None, outputs=None),
        undeclined=score,
        quantile=score,
        model_versions=("two",) * 3,
        declined={2: "unlike"},
    )
    scorable = np.array([False, True, True, True])  # entity 0 is held; the outcome of entity 2 repeats an earlier one
    one, two = shadow_outcomes(shadow, published, inputs, job=sepsis, scorable=scorable)
    assert (one.entity_id, one.status, one.score, one.risk_band, one.shadow) == ("1", Status.SCORED, 0.9, "HIGH", True)
    assert (one.valid_until, one.model_version) == (noon + timedelta(hours=6), "two")
    assert (two.entity_id, two.status, two.score, two.reason) == ("3", Status.INDETERMINATE, None, "unlike")
    assert (two.risk_band, two.valid_until, two.shadow) == (None, None, True)
