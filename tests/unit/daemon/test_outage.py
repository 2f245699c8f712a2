"""An outage that several loops notice together is logged once when it begins and once when it is over."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scorer.daemon.outage import Outage
from scorer.errors import DatabaseUnavailable

GONE = DatabaseUnavailable("The database does not answer; start it.")
LOCKED = DatabaseUnavailable("A lock was not granted.", sqlstate="55P03")


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The events that were logged since they were last asked for."""
    events = [record.event.name for record in caplog.records if hasattr(record, "event")]
    caplog.clear()
    return events


@pytest.fixture(autouse=True)
def all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="scorer.daemon.outage")


def test_a_database_that_is_gone_for_several_loops_is_one_outage(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage()
    outage.lets_go("heart")
    assert not outage.blocks("heart", GONE)
    assert not outage.blocks("requests", GONE)
    assert outage.lasts
    assert logged(caplog) == ["DATABASE_LOST"]
    outage.lets_go("heart")
    assert outage.lasts, "the other loop is still kept from its work"
    outage.lets_go("requests")
    assert not outage.lasts
    assert logged(caplog) == ["DATABASE_BACK"]


def test_a_database_that_was_never_there_is_no_outage(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage()
    assert not outage.blocks("heart", GONE)
    assert not outage.lasts
    assert logged(caplog) == []


def test_a_loop_that_ends_ends_its_part_of_an_outage() -> None:
    outage = Outage()
    outage.lets_go("heart")
    outage.blocks("sepsis", GONE)
    assert outage.forget("sepsis") is not None
    assert not outage.lasts


def test_a_lock_that_is_not_granted_is_logged_once_the_patience_is_over(caplog: pytest.LogCaptureFixture) -> None:
    patient = Outage(patience=timedelta(hours=1))
    assert not patient.blocks("sepsis", LOCKED)
    patient.lets_go("sepsis")
    assert logged(caplog) == []

    outage = Outage(patience=timedelta(0))
    assert outage.blocks("sepsis", LOCKED)
    assert outage.blocks("other", LOCKED)
    assert not outage.lasts, "the database answers"
    assert logged(caplog) == ["WORK_BLOCKED"]
    outage.lets_go("sepsis")
    assert logged(caplog) == []
    outage.lets_go("other")
    assert logged(caplog) == ["WORK_FLOWS_AGAIN"]
