"""Which current outcomes still stand, case by case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scorer.jobs.job import DueAgain, Job
from scorer.scoring.batch import BatchInputs
from scorer.scoring.unchanged import find_unchanged, is_unchanged
from scorer.types.enums import Status, Trigger
from scorer.types.values import Counts, Previous, Run, WorkItem

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
        # the end was charted after a score as of a later moment; that one knew more than the run
        ({"as_of": NOON}, b"same", ENDED, CHANGE, False),
        ({"as_of": NOON}, b"other", ENDED, EXPIRY, False),
        ({"as_of": NOON + HOUR}, b"other", ENDED, CHANGE, True),
        ({"as_of": ENDED, "as_known_at": NOON + HOUR}, b"other", ENDED, CHANGE, True),
        ({"as_of": ENDED, "as_known_at": NOON}, b"other", ENDED, CHANGE, False),
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
def test_an_entity_without_a_score_is_not_unchanged(sepsis: Job, status: Status, as_of: datetime) -> None:
    previous = scored(sepsis, status=status, reason="r")
    assert not is_unchanged(item(as_of=as_of, previous=previous), b"same", run=RUN, job=sepsis, model_version="m")
    assert not is_unchanged(item(as_of=as_of), b"same", run=RUN, job=sepsis, model_version="m")


@pytest.mark.parametrize("status", [status for status in Status if status not in {Status.RECALLED, Status.UNCHANGED}])
@pytest.mark.parametrize("inputs", [b"same", b"other"])
def test_less_knowledge_follows_nothing_but_a_recalled_score(sepsis: Job, status: Status, inputs: bytes) -> None:
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
    # The ordinary outcome as of a record's end replaces what was scored before, by whatever knowledge.
    assert not stands(replace(before, as_of=NOON - 2 * HOUR, as_known_at=NOON), as_of=ENDED)


def test_each_item_is_asked_with_the_model_that_publishes_for_it(
    sepsis: Job, make_inputs: Callable[..., BatchInputs]
) -> None:
    inputs = make_inputs(1, 1, 1, previous={0: scored(sepsis), 1: scored(sepsis, model_version="challenger")})
    asked: list[str] = []

    def publisher_of(entity_id: str) -> str:
        asked.append(entity_id)
        return "m"

    assert find_unchanged(inputs, run=RUN, job=sepsis, publisher_of=publisher_of) == [True, False, False]
    assert asked == ["0", "1"], "not of an entity that has no outcome yet"
