"""Bugs that recur: logged once an hour each; job, type and place make the difference."""

from __future__ import annotations

import logging

import pytest

from scorer.errors import StatementFailed
from scorer.log import bug_reports, events
from scorer.log.bug_reports import BugReports


class Clock:
    """A monotonic clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the reports."""
    made = Clock()
    monkeypatch.setattr(bug_reports, "time", made)
    return made


def raised(kind: type[Exception], text: str = "") -> Exception:
    """An error as it comes from here, always the same place."""
    with pytest.raises(kind) as caught:
        raise kind(text)
    return caught.value


def test_the_same_bug_is_logged_once_an_hour(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    reports = BugReports()
    assert reports.report(raised(ValueError), job="a")
    clock.now += 3599
    assert not reports.report(raised(ValueError), job="a")
    clock.now += 1
    assert reports.report(raised(ValueError), job="a")
    clock.now += 3599
    assert not reports.report(raised(ValueError), job="a"), "the hour is that of the last report"
    assert [record.levelno for record in caplog.records] == [logging.CRITICAL] * 2
    assert caplog.records[0].getMessage() == events.BUG.sentence
    assert vars(caplog.records[0])["fields"] == {"job": "a"}


def test_another_job_type_or_place_is_another_bug(clock: Clock) -> None:
    reports = BugReports()
    assert reports.report(raised(ValueError), job="a")
    assert reports.report(raised(ValueError), job="b")
    assert reports.report(raised(KeyError), job="a")
    with pytest.raises(ValueError, match="elsewhere") as elsewhere:
        raise ValueError("elsewhere")
    assert reports.report(elsewhere.value, job="a")
    assert not reports.report(raised(ValueError, "with another text"), job="a")


def test_failed_statements_differ_by_what_the_server_says(clock: Clock) -> None:
    reports = BugReports()
    assert reports.report(raised(StatementFailed, "A statement: SQLSTATE 23505"), job="a")
    assert reports.report(raised(StatementFailed, "A statement: SQLSTATE 23514"), job="a")
    assert not reports.report(raised(StatementFailed, "A statement: SQLSTATE 23505"), job="a")


def test_not_more_bugs_are_remembered_than_have_room(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bug_reports, "_MOST", 2)
    reports = BugReports()
    for job in ("a", "b", "c"):
        assert reports.report(raised(ValueError), job=job)
    assert not reports.report(raised(ValueError), job="c")
    assert reports.report(raised(ValueError), job="a"), "forgotten, and so logged again"
