"""Values of database rows: counts that balance, outcomes that add nothing, and the time of what is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from scorer.types.enums import OUTCOMES, Status
from scorer.types.values import Counts, Outcome, Previous, WorkItem

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("name", [name for name in Counts.__dataclass_fields__ if name != "eligible"])
def test_each_count_weighs_against_eligible(name: str) -> None:
    assert Counts(eligible=2, **{name: 2}).balanced
    assert not Counts(eligible=2, **{name: 1}).balanced
    assert not Counts(eligible=2, **{name: 3}).balanced


def test_there_is_a_count_for_each_outcome() -> None:
    assert list(Counts.__dataclass_fields__) == ["eligible", *(status.lower() for status in OUTCOMES)]


def test_what_is_known_is_known_as_of_the_same_time_unless_another_is_named() -> None:
    assert WorkItem("1", NOON).known_at == NOON
    assert WorkItem("1", NOON, as_known_at=NOON + timedelta(hours=1)).known_at == NOON + timedelta(hours=1)


REFUSED = Outcome("1", NOON, Status.QUARANTINED, b"hash", reason="a rule")
BEFORE = Previous(Status.QUARANTINED, "a rule", NOON, b"hash", None, "model", "job")


def repeats(outcome: Outcome, previous: Previous | None, *, model: str = "model", job: str = "job") -> bool:
    return outcome.repeats(previous, model_version=model, job_version=job)


def test_an_outcome_without_a_score_repeats_its_like() -> None:
    assert repeats(REFUSED, BEFORE)
    assert not repeats(REFUSED, None)
    assert not repeats(REFUSED, BEFORE, model="another")
    assert not repeats(REFUSED, BEFORE, job="another")


@pytest.mark.parametrize(
    "change", [{"input_hash": b"other"}, {"reason": "another rule"}, {"status": Status.INSUFFICIENT}]
)
def test_an_outcome_that_differs_repeats_nothing(change: dict[str, object]) -> None:
    assert not repeats(replace(REFUSED, **change), BEFORE)  # type: ignore[arg-type]


def test_a_score_is_never_a_repetition() -> None:
    scored = replace(REFUSED, status=Status.SCORED, score=0.5)
    assert not repeats(scored, replace(BEFORE, status=Status.SCORED))
