"""What is read is given out to its own job, and no further than the database knows."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from scorer.database.connection import Database
from scorer.database.readonly_session import ReadOnlySession
from scorer.monitoring.report.period import week_until
from scorer.monitoring.report.reading import read
from tests.integration.weeks import DAYS, JOB


def test_each_job_has_its_own_rows(week: Any) -> None:
    period = week_until(datetime.now(UTC).date())
    target = Database(week.url, week.settings).as_reader()
    with closing(ReadOnlySession(target, patience=timedelta(seconds=10))) as views:
        found = {of.job: of for of in read(views, period, jobs=[JOB, "sepsis"], entities=False)}
    assert set(found) == {JOB, "sepsis"}
    for job, of in found.items():
        for rows in (of.runs, of.ticks, of.requests, of.bands, of.moves, of.refused, of.changes):
            assert {row.job for row in rows} <= {job}
        assert of.came_to("runs") == DAYS + 1
        assert (of.ticks_that("late"), of.ticks_that("missed")) == (3, 1)
    assert found["sepsis"].live
    assert not found[JOB].live
    assert found["sepsis"].held == DAYS
    assert found["sepsis"].known_until < period.until
    assert found["sepsis"].known_until == week.one(
        "SELECT GREATEST((SELECT max(finished_at) FROM scorer.runs), (SELECT max(recorded_at) FROM scorer.ticks))"
    )
