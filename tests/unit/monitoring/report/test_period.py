"""Days, weeks and runs as times, and the steps they are shown in."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from scorer.database.reporting.standing import Span
from scorer.errors import UserError
from scorer.monitoring.report.period import day_of, span_of, week_of, week_until


def test_a_week_has_seven_days_from_monday_on() -> None:
    week = week_of("2026-W01")
    assert (week.since, week.until) == (datetime(2025, 12, 29, tzinfo=UTC), datetime(2026, 1, 5, tzinfo=UTC))
    assert week.step == "day"
    assert [step.day for step in week.steps] == [29, 30, 31, 1, 2, 3, 4]


def test_a_day_has_its_hours() -> None:
    day = day_of("2026-02-28")
    assert day.step == "hour"
    assert len(day.steps) == 24
    assert day.place(datetime(2026, 2, 28, 6, 30, tzinfo=UTC)) == 6.5


def test_the_seven_days_until_one_hold_it() -> None:
    last = week_until(date(2026, 3, 1))
    assert (last.since, last.until) == (datetime(2026, 2, 23, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC))


def test_a_run_lasts_until_its_end_or_until_now() -> None:
    began, now = datetime(2026, 3, 1, 23, 59, 30, tzinfo=UTC), datetime(2026, 3, 2, 1, tzinfo=UTC)
    ended = span_of(7, Span("a", began, began + timedelta(seconds=45)), now=now)
    assert ended.run_id == 7
    assert len(ended.steps) == 2
    assert began + timedelta(seconds=45) < ended.until
    assert span_of(7, Span("a", began, None), now=now).until > now


@pytest.mark.parametrize("text", ["2026-W54", "2026W", "W48", "2026-48", "2026-W00", ""])
def test_no_week(text: str) -> None:
    with pytest.raises(UserError, match=r"--week: .* is not a week; write it as 2026-W48"):
        week_of(text)


@pytest.mark.parametrize("text", ["2026-02-30", "28.11.2026", "yesterday", ""])
def test_no_day(text: str) -> None:
    with pytest.raises(UserError, match=r"--day: .* is not a day; write it as 2026-11-28"):
        day_of(text)
