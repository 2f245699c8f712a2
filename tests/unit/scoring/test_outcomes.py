"""One outcome for each entity of a batch, what it rests on, and whether it is new."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from scorer.jobs.job import Job
from scorer.registry.model import Scores
from scorer.scoring.batch import BatchInputs, BatchResult
from scorer.scoring.outcomes import Scored, SuiteResults, outcomes_of
from scorer.scoring.predictions import Predictions
from scorer.scoring.validation.suites import EntityResult, ObservationResult
from scorer.types.arrays import NO_TIME, Attributes, Features
from scorer.types.enums import Action, Status, Trigger
from scorer.types.values import Counts, Outcome, Previous, Rejection, Run

MakeInputs = Callable[..., BatchInputs]
NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
RUN = Run(
    run_id=1,
    job="sepsis",
    trigger=Trigger.MANUAL,
    status="running",
    as_of=NOON,
    started_at=NOON,
    finished_at=None,
    counts=Counts(),
)


def previous_of(job: Job, *, reason: str) -> Previous:
    """An entity that was held an hour before the run, by the same model and job on the inputs `same`."""
    return Previous(
        status=Status.QUARANTINED,
        reason=reason,
        as_of=NOON - timedelta(hours=1),
        input_hash=b"same",
        valid_until=None,
        model_version="m",
        job_version=job.version,
    )


def outcomes(
    sepsis: Job,
    inputs: BatchInputs,
    *,
    usable: Any = None,
    held: dict[int, str] | None = None,
    unfit: dict[int, str] | None = None,
    score: list[float],
    scorable: list[bool],
    unchanged: int = 0,
) -> BatchResult:
    refused = (
        Rejection(
            entity_id="0",
            observation_id="7",
            rule="r",
            action=Action.DROP,
            column_name="c",
            observed="o",
            expected="e",
        ),
    )
    rows = np.ones(len(inputs.observations), bool) if usable is None else usable
    return outcomes_of(
        inputs,
        RUN,
        job=sepsis,
        results=SuiteResults(
            observations=ObservationResult(
                usable=rows, distinct=rows, held=held or {}, rejections=refused, results=(), unknown_codes={"X": 2}
            ),
            features=EntityResult(held={}, rejections=(), results=(), unknown_words={"sex=X": 1}),
            scores=EntityResult(held=unfit or {}, rejections=(), results=()),
        ),
        scored=Scored(
            matrix=Features(names=("a", "b"), values=np.arange(2.0 * len(inputs.items)).reshape(-1, 2)),
            held=held or {},
            scorable=np.array(scorable, bool),
            predictions=Predictions(
                scores=Scores(score=np.array(score), labels=None, outputs=None),
                undeclined=np.array(score),
                quantile=np.array(score),
                model_versions=("m",) * len(score),
                declined={},
            ),
        ),
        unchanged=unchanged,
        model_version="m",
    )


def test_every_entity_has_exactly_one_outcome(sepsis: Job, make_inputs: MakeInputs) -> None:
    found = outcomes(
        sepsis,
        make_inputs(6, 6, 4, 6, 6, 6),
        held={1: "two_clients"},
        score=[0.9, np.nan, 0.5, 0.01],
        unfit={2: "too_high"},
        scorable=[True, False, False, True, True, True],
        unchanged=3,
    )
    assert [(each.status, each.reason, each.score, each.risk_band) for each in found.new_outcomes] == [
        (Status.SCORED, None, 0.9, "HIGH"),
        (Status.QUARANTINED, "two_clients", None, None),
        (Status.INSUFFICIENT, "4 usable observations, 5 needed", None, None),
        (Status.INDETERMINATE, "the model gives no score", None, None),
        (Status.QUARANTINED, "too_high", None, None),
        (Status.SCORED, None, 0.01, "LOW"),
    ]
    assert found.counts == Counts(
        eligible=9, scored=2, unchanged=3, quarantined=2, insufficient=1, indeterminate=1, failed=0
    )
    assert found.counts.balanced


def test_an_outcome_says_what_it_rests_on(sepsis: Job, make_inputs: MakeInputs) -> None:
    (first, second) = outcomes(sepsis, make_inputs(6, 6), score=[0.5, 0.5], scorable=[True, True]).new_outcomes
    assert (first.as_of, first.valid_until) == (NOON, NOON + timedelta(hours=6))
    assert first.input_hash == b"same"
    assert second.features is not None
    assert np.frombuffer(second.features, "<f8").tolist() == [2.0, 3.0]
    assert first.attributes == {"client": "c0", "facility": "A"}
    assert second.attributes == {"client": "c1", "facility": "A"}


def test_observations_that_were_refused_do_not_count(sepsis: Job, make_inputs: MakeInputs) -> None:
    usable = np.array([True] * 4 + [False] * 2)
    found = outcomes(sepsis, make_inputs(6), usable=usable, score=[], scorable=[False])
    assert found.new_outcomes[0].reason == "4 usable observations, 5 needed"
    assert (found.observations_read, found.observations_dropped) == (6, 2)
    assert [each.rule for each in found.rejections] == ["r"]
    assert found.unknown_codes == {"X": 2, "sex=X": 1}


def test_an_outcome_that_repeats_is_counted_and_not_written(sepsis: Job, make_inputs: MakeInputs) -> None:
    before = previous_of(sepsis, reason="two_clients")
    found = outcomes(sepsis, make_inputs(6, previous={0: before}), held={0: "two_clients"}, score=[], scorable=[False])
    assert found.new_outcomes == ()
    assert found.counts == Counts(eligible=1, quarantined=1)
    assert found.validated == ("0",)


def test_attributes_are_published_as_what_they_are(sepsis: Job, make_inputs: MakeInputs) -> None:
    job = replace(sepsis, published=("client", "age", "born", "died", "weight"))
    these = replace(
        make_inputs(6),
        attributes=Attributes(
            texts={"client": np.array([None], dtype=object)},
            numbers={"age": np.array([40.5]), "weight": np.array([np.inf])},
            times={"born": np.array([0], np.int64), "died": np.array([NO_TIME])},
        ),
    )
    (outcome,) = outcomes(job, these, score=[0.5], scorable=[True]).new_outcomes
    assert outcome.attributes == {
        "client": None,
        "age": 40.5,
        "born": "1970-01-01T00:00:00+00:00",
        "died": None,
        "weight": None,
    }


@pytest.mark.parametrize(
    ("number", "text"), [(12345.0, "12345"), (-0.5, "-0.5"), (2.0**53, "9007199254740992"), (1e300, "1e+300")]
)
def test_a_whole_number_is_published_as_one(number: float, text: str, sepsis: Job, make_inputs: MakeInputs) -> None:
    these = replace(make_inputs(6), attributes=Attributes(numbers={"client": np.array([number])}))
    (outcome,) = outcomes(replace(sepsis, published=("client",)), these, score=[0.5], scorable=[True]).new_outcomes
    assert json.dumps(outcome.attributes) == f'{{"client": {text}}}'


def test_an_outcome_repeats_where_nothing_differs_and_it_is_no_score(sepsis: Job) -> None:
    held = Outcome(entity_id="1", as_of=NOON, status=Status.QUARANTINED, input_hash=b"same", reason="rule")
    before = previous_of(sepsis, reason="rule")
    by: dict[str, Any] = {"model_version": "m", "job_version": sepsis.version}
    assert held.repeats(before, **by)
    assert not held.repeats(None, **by)
    assert not held.repeats(before, **(by | {"model_version": "other"}))
    assert not held.repeats(before, **(by | {"job_version": "other"}))
    assert not replace(held, reason="another").repeats(before, **by)
    assert not replace(held, input_hash=b"other").repeats(before, **by)
    assert not replace(held, status=Status.INSUFFICIENT).repeats(before, **by)
    anew = replace(held, status=Status.SCORED, reason=None)
    assert not anew.repeats(replace(before, status=Status.SCORED, reason=None), **by)


def test_a_repeated_outcome_is_written_once_as_of_the_end_of_a_record(sepsis: Job, make_inputs: MakeInputs) -> None:
    """It shows that the entity was tried as of its end."""
    before, ended = previous_of(sepsis, reason="two_clients"), NOON - timedelta(minutes=30)

    def new(previous: Previous) -> tuple[Outcome, ...]:
        inputs = make_inputs(6, previous={0: previous})
        inputs = replace(inputs, items=tuple(replace(each, as_of=ended) for each in inputs.items))
        return outcomes(sepsis, inputs, held={0: "two_clients"}, score=[], scorable=[False]).new_outcomes

    assert len(new(before)) == 1
    assert new(replace(before, as_of=ended)) == ()
    assert len(new(replace(before, as_of=ended, as_known_at=before.as_of))) == 1
