"""What becomes of a batch's entities: who stands unchanged, who is the culprit, and one outcome for each."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from scorer.errors import UserError
from scorer.jobs.job import DueAgain, Job
from scorer.registry.model import Scores
from scorer.scoring.isolation import ScoringFailed, isolate_failures
from scorer.scoring.outcomes import BatchInputs, BatchResult, add_counts, outcomes_of
from scorer.scoring.predictions import Predictions
from scorer.scoring.unchanged import is_unchanged
from scorer.scoring.validation.suites import EntityResult, ObservationResult
from scorer.types.arrays import NO_TIME, Attributes, Features, Observations
from scorer.types.enums import Action, Status, Trigger
from scorer.types.values import Counts, Outcome, Previous, Rejection, Run, WorkItem

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
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


def item(entity_id: str = "1", *, as_of: datetime = NOON, previous: Previous | None = None) -> WorkItem:
    return WorkItem(entity_id=entity_id, as_of=as_of, previous=previous)


# Unchanged


def scored(job: Job, **other: Any) -> Previous:
    """A score of an hour before the run, valid for five more, by the same model and job on the inputs `same`."""
    values = {
        "status": Status.SCORED,
        "reason": None,
        "as_of": NOON - HOUR,
        "input_hash": b"same",
        "valid_until": NOON + 5 * HOUR,
        "model_version": "m",
        "job_version": job.version,
    }
    return Previous(**(values | other))


CHANGE, EVERY, EXPIRY = DueAgain.CHANGE, DueAgain.EVERY_RUN, DueAgain.EXPIRY
EXPIRED = {"valid_until": NOON}
AT_ONCE = {"as_of": NOON}
ENDED = NOON - HOUR  # the as-of time of an entity whose record ended an hour before the run


@pytest.mark.parametrize(
    ("previous", "inputs", "as_of", "due_again", "stands"),
    [
        # a live entity: by what makes it due again
        ({}, b"same", NOON, CHANGE, True),
        ({}, b"other", NOON, CHANGE, False),
        (EXPIRED, b"same", NOON, CHANGE, False),
        (EXPIRED, b"other", NOON, CHANGE, False),
        ({}, b"same", NOON, EXPIRY, True),
        ({}, b"other", NOON, EXPIRY, True),
        (EXPIRED, b"same", NOON, EXPIRY, False),
        ({}, b"same", NOON, EVERY, False),
        ({"valid_until": None}, b"same", NOON, CHANGE, False),
        ({"valid_until": NOON + timedelta(microseconds=1)}, b"same", NOON, CHANGE, True),
        # another model or job scores it again, whatever else
        ({"model_version": "older"}, b"same", NOON, CHANGE, False),
        ({"model_version": "older"}, b"same", NOON, EXPIRY, False),
        ({"job_version": "older"}, b"same", NOON, CHANGE, False),
        ({"job_version": "older"}, b"same", NOON, EXPIRY, False),
        # the same moment twice: only other inputs matter
        (AT_ONCE, b"same", NOON, EVERY, True),
        (AT_ONCE | EXPIRED, b"same", NOON, CHANGE, True),
        (AT_ONCE, b"other", NOON, EXPIRY, False),
        (AT_ONCE | {"model_version": "older"}, b"same", NOON, CHANGE, False),
        # an entity whose record has ended is scored once, as of that end
        ({}, b"same", ENDED, CHANGE, True),
        ({}, b"same", ENDED, EVERY, True),
        (EXPIRED, b"same", ENDED, EXPIRY, True),
        ({"model_version": "older", "job_version": "older"}, b"same", ENDED, CHANGE, True),
        ({}, b"other", ENDED, CHANGE, False),
        ({}, b"other", ENDED, EXPIRY, False),
        ({"as_of": NOON - 2 * HOUR}, b"same", ENDED, CHANGE, False),
    ],
)
def test_a_score_stands(
    sepsis: Job, previous: dict[str, Any], inputs: bytes, as_of: datetime, due_again: DueAgain, stands: bool
) -> None:
    job = replace(sepsis, due_again=due_again)
    waiting = item(as_of=as_of, previous=scored(job, **previous))
    assert is_unchanged(waiting, inputs, run=RUN, job=job, model_version="m") is stands


@pytest.mark.parametrize("status", [status for status in Status if status not in {Status.SCORED, Status.UNCHANGED}])
@pytest.mark.parametrize("as_of", [NOON, ENDED])
def test_who_has_no_score_is_judged_again(sepsis: Job, status: Status, as_of: datetime) -> None:
    previous = scored(sepsis, status=status, reason="r")
    assert not is_unchanged(item(as_of=as_of, previous=previous), b"same", run=RUN, job=sepsis, model_version="m")
    assert not is_unchanged(item(as_of=as_of), b"same", run=RUN, job=sepsis, model_version="m")


@pytest.mark.parametrize("status", [status for status in Status if status not in {Status.RECALLED, Status.UNCHANGED}])
@pytest.mark.parametrize("inputs", [b"same", b"other"])
def test_what_knew_less_follows_nothing_but_what_was_recalled(sepsis: Job, status: Status, inputs: bytes) -> None:
    def stands(previous: Previous, *, as_of: datetime = NOON, known: datetime | None = None) -> bool:
        waiting = replace(item(as_of=as_of, previous=previous), as_known_at=known)
        return is_unchanged(waiting, inputs, run=RUN, job=sepsis, model_version="another")

    before = scored(sepsis, status=status, valid_until=NOON)
    assert stands(before, known=NOON - 2 * HOUR)
    assert stands(before, as_of=ENDED, known=NOON - 2 * HOUR)
    assert stands(replace(before, as_known_at=NOON + HOUR))
    assert not stands(before, known=NOON - HOUR)
    assert not stands(before)
    assert not stands(replace(before, status=Status.RECALLED), known=NOON - 2 * HOUR)
    # The ordinary outcome as of a record's end is made over what was judged before, by whatever knowledge.
    assert not stands(replace(before, as_of=NOON - 2 * HOUR, as_known_at=NOON), as_of=ENDED)


def test_what_says_the_same_again_is_not_written_again(sepsis: Job) -> None:
    held = Outcome(entity_id="1", as_of=NOON, status=Status.QUARANTINED, input_hash=b"same", reason="rule")
    before = scored(sepsis, status=Status.QUARANTINED, reason="rule")
    by: dict[str, Any] = {"model_version": "m", "job_version": sepsis.version}
    assert held.repeats(before, **by)
    assert not held.repeats(None, **by)
    assert not held.repeats(before, **(by | {"model_version": "other"}))
    assert not held.repeats(before, **(by | {"job_version": "other"}))
    assert not replace(held, reason="another").repeats(before, **by)
    assert not replace(held, input_hash=b"other").repeats(before, **by)
    assert not replace(held, status=Status.INSUFFICIENT).repeats(before, **by)
    anew = replace(held, status=Status.SCORED, reason=None)
    assert not anew.repeats(scored(sepsis), **by)


# The culprit

PATIENTS_VALUE = "37.2"


def judging(culprits: set[str], calls: list[int]) -> Callable[[tuple[WorkItem, ...]], BatchResult]:
    """Judges everybody scored, and raises where a culprit is among them."""

    def judge(items: tuple[WorkItem, ...]) -> BatchResult:
        calls.append(len(items))
        if any(each.entity_id in culprits for each in items):
            raise ZeroDivisionError(PATIENTS_VALUE)
        outcomes = tuple(
            Outcome(entity_id=each.entity_id, as_of=each.as_of, status=Status.SCORED, input_hash=b"") for each in items
        )
        return BatchResult(
            counts=Counts(eligible=len(items), scored=len(items)),
            new_outcomes=outcomes,
            judged=tuple(each.entity_id for each in items),
            observations_read=2 * len(items),
            unknown_codes={"X": len(items)},
        )

    return judge


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 100])
@pytest.mark.parametrize("places", [{0}, {-1}, {0, -1}, {0, 1, 2}])
def test_the_culprit_alone_fails(size: int, places: set[int]) -> None:
    items = tuple(item(str(number)) for number in range(size))
    culprits = {items[place % size].entity_id for place in places}
    calls: list[int] = []
    judged = isolate_failures(judging(culprits, calls), items)
    assert [outcome.entity_id for outcome in judged.new_outcomes] == [each.entity_id for each in items]
    failed = {outcome.entity_id for outcome in judged.new_outcomes if outcome.status is Status.FAILED}
    assert failed == culprits
    well = size - len(culprits)
    assert judged.counts == Counts(eligible=size, scored=well, failed=len(culprits))
    assert judged.counts.balanced
    assert (judged.observations_read, dict(judged.unknown_codes)) == (2 * well, {"X": well} if well else {})
    assert set(judged.judged) == {each.entity_id for each in items} - culprits
    assert len(calls) <= 1 + 2 * len(culprits) * (size.bit_length())


def test_without_a_culprit_the_batch_is_judged_once() -> None:
    calls: list[int] = []
    isolate_failures(judging(set(), calls), tuple(item(str(number)) for number in range(50)))
    assert calls == [50]


def test_a_failure_tells_its_kind_and_no_value(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        judged = isolate_failures(judging({"1"}, []), (item("1"),))
    assert [outcome.reason for outcome in judged.new_outcomes] == ["ZeroDivisionError was raised"]
    assert len(caplog.records) == 1
    assert PATIENTS_VALUE not in caplog.text
    assert caplog.records[0].fields == {"entity_id": "1", "error": "ZeroDivisionError"}  # type: ignore[attr-defined]


def test_many_culprits_fail_one_by_one() -> None:
    items = tuple(item(str(number)) for number in range(100))
    judged = isolate_failures(judging({str(number) for number in range(0, 100, 5)}, []), items)
    assert judged.counts == Counts(eligible=100, scored=80, failed=20)


def test_too_many_culprits_are_the_jobs_fault() -> None:
    items = tuple(item(str(number)) for number in range(100))
    with pytest.raises(ScoringFailed, match="ZeroDivisionError") as raised:
        isolate_failures(judging({str(number) for number in range(0, 100, 4)}, []), items)
    assert not isinstance(raised.value, UserError)
    assert PATIENTS_VALUE not in "".join(traceback.format_exception(raised.value))


def test_what_an_operator_can_mend_is_nobodys_fault() -> None:
    calls: list[int] = []

    def judge(items: tuple[WorkItem, ...]) -> BatchResult:
        calls.append(len(items))
        raise UserError("The suite is broken.")

    with pytest.raises(UserError, match="The suite is broken"):
        isolate_failures(judge, (item("1"), item("2")))
    assert calls == [2]


# Outcomes


def known(*counts: int, previous: dict[int, Previous] | None = None) -> BatchInputs:
    """Entities 0, 1, ... with so many observations each."""
    items = tuple(item(str(place), previous=(previous or {}).get(place)) for place in range(len(counts)))
    rows = sum(counts)
    observations = Observations(
        keys=items,
        position=np.repeat(np.arange(len(counts)), counts),
        observation_id=np.arange(rows),
        time=np.zeros(rows, np.int64),
        code=np.zeros(rows, np.int64),
        codes=("HR",),
        value=np.full(rows, 80.0),
        value_is_null=np.zeros(rows, bool),
        low=np.full(rows, np.nan),
        high=np.full(rows, np.nan),
    )
    clients = np.array([f"c{place}" for place in range(len(counts))], dtype=object)
    return BatchInputs(
        items=items,
        hashes=[b"same"] * len(counts),
        observations=observations,
        attributes=Attributes(texts={"client": clients}),
    )


def judged(
    sepsis: Job,
    known: BatchInputs,
    *,
    usable: Any = None,
    held: dict[int, str] | None = None,
    published: dict[int, str] | None = None,
    declined: dict[int, str] | None = None,
    score: list[float],
    wanted: list[bool],
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
    rows = np.ones(len(known.observations), bool) if usable is None else usable
    verdicts = (
        ObservationResult(usable=rows, held=held or {}, rejections=refused, results=(), unknown_codes={"X": 2}),
        EntityResult(held={}, rejections=(), results=()),
        EntityResult(held=published or {}, rejections=(), results=()),
    )
    matrix = Features(names=("a", "b"), values=np.arange(2.0 * len(known.items)).reshape(-1, 2))
    return outcomes_of(
        known,
        job=sepsis,
        as_of=NOON,
        matrix=matrix,
        held=held or {},
        wanted=np.array(wanted, bool),
        said=Predictions(
            scores=Scores(score=np.array(score), labels=None, outputs=None),
            given=np.array(score),
            quantile=np.array(score),
            by=("m",) * len(score),
            declined=declined or {},
        ),
        verdicts=verdicts,
        unchanged=unchanged,
        model_version="m",
    )


def test_everybody_ends_as_exactly_one_thing(sepsis: Job) -> None:
    found = judged(
        sepsis,
        known(6, 6, 4, 6, 6, 6),
        held={1: "two_clients"},
        score=[0.9, np.nan, 0.5, 0.01],
        published={2: "too_high"},
        wanted=[True, False, False, True, True, True],
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


def test_an_outcome_says_what_it_rests_on(sepsis: Job) -> None:
    (first, second) = judged(sepsis, known(6, 6), score=[0.5, 0.5], wanted=[True, True]).new_outcomes
    assert (first.as_of, first.valid_until) == (NOON, NOON + timedelta(hours=6))
    assert first.input_hash == b"same"
    assert second.features is not None
    assert np.frombuffer(second.features, "<f8").tolist() == [2.0, 3.0]
    assert (first.attributes, second.attributes) == ({"client": "c0"}, {"client": "c1"})


def test_observations_that_were_refused_do_not_count(sepsis: Job) -> None:
    usable = np.array([True] * 4 + [False] * 2)
    found = judged(sepsis, known(6), usable=usable, score=[], wanted=[False])
    assert found.new_outcomes[0].reason == "4 usable observations, 5 needed"
    assert (found.observations_read, found.observations_dropped) == (6, 2)
    assert [each.rule for each in found.rejections] == ["r"]
    assert found.unknown_codes == {"X": 2}


def test_an_outcome_that_repeats_is_counted_and_not_written(sepsis: Job) -> None:
    before = scored(sepsis, status=Status.QUARANTINED, reason="two_clients")
    found = judged(sepsis, known(6, previous={0: before}), held={0: "two_clients"}, score=[], wanted=[False])
    assert found.new_outcomes == ()
    assert found.counts == Counts(eligible=1, quarantined=1)
    assert found.judged == ("0",)


def test_attributes_are_published_as_what_they_are(sepsis: Job) -> None:
    job = replace(sepsis, published=("client", "age", "born", "died", "weight"))
    these = replace(
        known(6),
        attributes=Attributes(
            texts={"client": np.array([None], dtype=object)},
            numbers={"age": np.array([40.5]), "weight": np.array([np.inf])},
            times={"born": np.array([0], np.int64), "died": np.array([NO_TIME])},
        ),
    )
    (outcome,) = judged(job, these, score=[0.5], wanted=[True]).new_outcomes
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
def test_a_whole_number_is_published_as_one(number: float, text: str, sepsis: Job) -> None:
    these = replace(known(6), attributes=Attributes(numbers={"client": np.array([number])}))
    (outcome,) = judged(replace(sepsis, published=("client",)), these, score=[0.5], wanted=[True]).new_outcomes
    assert json.dumps(outcome.attributes) == f'{{"client": {text}}}'


def test_who_is_left_out_takes_his_observations_along() -> None:
    left = known(2, 3, 0, 4).without([False, True, False, False])
    assert left.entity_ids == ["0", "2", "3"]
    assert left.observations.position.tolist() == [0, 0, 2, 2, 2, 2]
    assert left.observations.observation_id.tolist() == [0, 1, 5, 6, 7, 8]
    assert left.observations.keys == left.items
    assert left.attributes.texts["client"].tolist() == ["c0", "c2", "c3"]
    assert left.count(left.observations).tolist() == [2, 0, 4]
    assert known(1, 2).without([True, True]).items == ()


def test_parts_add_up() -> None:
    one = BatchResult(
        counts=Counts(eligible=1, scored=1),
        judged=("a",),
        observations_read=1,
        observations_dropped=2,
        unknown_codes={"X": 1},
    )
    other = BatchResult(
        counts=Counts(eligible=2, failed=2),
        judged=("b",),
        observations_read=3,
        observations_dropped=4,
        unknown_codes={"X": 2, "Y": 3},
    )
    both = one + other
    assert both.counts == add_counts(one.counts, other.counts) == Counts(eligible=3, scored=1, failed=2)
    assert (both.judged, both.observations_read, both.observations_dropped) == (("a", "b"), 4, 6)
    assert both.unknown_codes == {"X": 3, "Y": 3}
