"""The words that database, jobs and program share."""

from __future__ import annotations

from scorer.types.enums import OUTCOMES, Status, Trigger


def test_a_recall_is_no_outcome_of_a_run() -> None:
    assert {*OUTCOMES, Status.RECALLED} == set(Status)
    assert Status.RECALLED not in OUTCOMES


def test_a_schedule_sets_off_what_is_in_time_and_what_is_late() -> None:
    assert [trigger for trigger in Trigger if trigger.by_schedule] == [Trigger.SCHEDULE, Trigger.CATCH_UP]
