"""A batch that raises is halved until the entity that raises stands alone."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from scorer.errors import DataRefused, UserError
from scorer.scoring.batch import BatchResult
from scorer.scoring.isolation import ScoringFailed, isolate_failures, leave_out
from scorer.types.enums import Status
from scorer.types.values import Counts, Outcome, WorkItem

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
PATIENTS_VALUE = "37.2"


def item(entity_id: str) -> WorkItem:
    return WorkItem(entity_id=entity_id, as_of=NOON)


def scoring(failing: set[str], calls: list[int]) -> Callable[[tuple[WorkItem, ...]], BatchResult]:
    """Scores every entity, and raises where one of the `failing` is among them."""

    def score(items: tuple[WorkItem, ...]) -> BatchResult:
        calls.append(len(items))
        if any(each.entity_id in failing for each in items):
            raise ZeroDivisionError(PATIENTS_VALUE)
        outcomes = tuple(
            Outcome(entity_id=each.entity_id, as_of=each.as_of, status=Status.SCORED, input_hash=b"") for each in items
        )
        return BatchResult(
            counts=Counts(eligible=len(items), scored=len(items)),
            new_outcomes=outcomes,
            validated=tuple(each.entity_id for each in items),
            observations_read=2 * len(items),
            unknown_codes={"X": len(items)},
        )

    return score


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 100])
@pytest.mark.parametrize("places", [{0}, {-1}, {0, -1}, {0, 1, 2}])
def test_the_entity_that_raises_fails_alone(size: int, places: set[int]) -> None:
    items = tuple(item(str(number)) for number in range(size))
    failing = {items[place % size].entity_id for place in places}
    calls: list[int] = []
    result = isolate_failures(scoring(failing, calls), items)
    assert [outcome.entity_id for outcome in result.new_outcomes] == [each.entity_id for each in items]
    failed = {outcome.entity_id for outcome in result.new_outcomes if outcome.status is Status.FAILED}
    assert failed == failing
    well = size - len(failing)
    assert result.counts == Counts(eligible=size, scored=well, failed=len(failing))
    assert result.counts.balanced
    assert (result.observations_read, dict(result.unknown_codes)) == (2 * well, {"X": well} if well else {})
    assert set(result.validated) == {each.entity_id for each in items} - failing
    assert len(calls) <= 1 + 2 * len(failing) * (size.bit_length())


def test_where_nothing_raises_the_batch_is_scored_once() -> None:
    calls: list[int] = []
    isolate_failures(scoring(set(), calls), tuple(item(str(number)) for number in range(50)))
    assert calls == [50]


def test_a_failure_says_its_kind_and_no_value(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        result = isolate_failures(scoring({"1"}, []), (item("1"),))
    assert [outcome.reason for outcome in result.new_outcomes] == ["ZeroDivisionError was raised"]
    assert len(caplog.records) == 1
    assert PATIENTS_VALUE not in caplog.text
    assert caplog.records[0].fields == {"entity_id": "1", "error": "ZeroDivisionError"}  # type: ignore[attr-defined]


def test_many_entities_fail_one_by_one() -> None:
    items = tuple(item(str(number)) for number in range(100))
    result = isolate_failures(scoring({str(number) for number in range(0, 100, 5)}, []), items)
    assert result.counts == Counts(eligible=100, scored=80, failed=20)


def test_too_many_failures_stop_the_run() -> None:
    items = tuple(item(str(number)) for number in range(100))
    with pytest.raises(ScoringFailed, match="ZeroDivisionError") as raised:
        isolate_failures(scoring({str(number) for number in range(0, 100, 4)}, []), items)
    assert not isinstance(raised.value, UserError)
    assert PATIENTS_VALUE not in "".join(traceback.format_exception(raised.value))


def test_what_an_operator_can_correct_is_no_entitys_fault() -> None:
    calls: list[int] = []

    def score(items: tuple[WorkItem, ...]) -> BatchResult:
        calls.append(len(items))
        raise UserError("The suite is broken.")

    with pytest.raises(UserError, match="The suite is broken"):
        isolate_failures(score, (item("1"), item("2")))
    assert calls == [2]


def test_any_number_may_have_data_that_a_statement_cannot_take(caplog: pytest.LogCaptureFixture) -> None:
    def score(items: tuple[WorkItem, ...]) -> BatchResult:
        raise DataRefused(
            "The statement x meets data that it cannot take: division by zero; mend.", cause="division by zero"
        )

    items = tuple(item(str(number)) for number in range(100))
    result = isolate_failures(score, items)
    assert result.counts == Counts(eligible=100, quarantined=100)
    assert {outcome.reason for outcome in result.new_outcomes} == {"data_readable: division by zero"}
    assert [rejection.entity_id for rejection in result.rejections] == list(result.validated)
    assert [record.fields["entities"] for record in caplog.records] == [100]  # type: ignore[attr-defined]


def test_what_is_left_out_is_logged_once_for_each_reason(caplog: pytest.LogCaptureFixture) -> None:
    leave_out.cache_clear()
    for _ in range(3):
        leave_out("challenger", job="j", model_version="2", why="one")
        leave_out("reasons", job="j", model_version="1", why="one")
        leave_out("reasons", job="j", model_version="1", why="two")
    assert [record.fields for record in caplog.records] == [  # type: ignore[attr-defined]
        {"job": "j", "challenger": "2", "error": "one"},
        {"job": "j", "model_version": "1", "error": "one"},
        {"job": "j", "model_version": "1", "error": "two"},
    ]
    leave_out.cache_clear()
