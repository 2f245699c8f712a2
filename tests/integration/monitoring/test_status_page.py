"""The status page of a database with some days in it: read as a reader, seldom, and closed again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from scorer.database.connection import Database
from scorer.database.readonly_session import ReadOnlySession
from scorer.jobs.job import load_job
from scorer.jobs.schedule import Schedule
from scorer.monitoring.prometheus import JobState
from scorer.monitoring.status_page import StatusPage
from tests.integration.weeks import CLIENT, JOB


class Ready:
    """A daemon that can score."""

    lives = True

    def live(self) -> bool:
        return self.lives

    def ready(self) -> str | None:
        return None

    def schedules(self) -> Mapping[str, Schedule]:
        return {"sepsis": load_job("sepsis").schedule}

    def job_states(self) -> Mapping[str, JobState]:
        return {"sepsis": JobState(), JOB: JobState(runs=False, why="its tables are not there")}


class Counting(ReadOnlySession):
    """A session that counts its statements and whether it was closed."""

    asked = 0
    closed = True

    def all(self, name: str, **parameters: Any) -> Any:
        """Count the statement, and run it."""
        self.asked, self.closed = self.asked + 1, False
        return super().all(name, **parameters)

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True
        super().close()


@pytest.fixture
def views(week: Any) -> Counting:
    """The week's views, counted."""
    return Counting(Database(week.url, week.settings).as_reader(), patience=timedelta(seconds=10))


def test_it_tells_jobs_runs_and_alerts(views: Counting, week: Any) -> None:
    text = StatusPage(views, state=Ready()).text()
    assert "<title>Scorer: ready</title>" in text
    assert "job: not run here" not in text
    assert "<b>&lt;script&gt;alert(1)&lt;/script&gt;</b>: not run here: its tables are not there" in text
    held = week.one("SELECT held FROM reporting.health WHERE job = 'sepsis'")
    assert "<td>-</td><td>-</td><td>1, " in text  # no backlog, no request, one write-back
    assert f'<td class="n">{held}</td>' in text
    newest = week.one("SELECT max(run_id) FROM reporting.runs WHERE job = 'sepsis' AND trigger <> 'request'")
    assert f'<th scope="row">sepsis</th><td class="n">{newest}</td>' in text
    assert "The &lt;b&gt;database&lt;/b&gt; did not answer." in text
    assert "3 of &lt;i&gt;features&lt;/i&gt; moved" in text
    assert CLIENT not in text


def test_the_database_is_read_once_for_all_who_look_and_left_alone(views: Counting) -> None:
    now = [0.0]
    page = StatusPage(views, state=Ready(), clock=lambda: now[0])
    first = page.text()
    asked = views.asked
    assert views.closed
    now[0] = 9.0
    assert page.text() == first
    assert views.asked == asked
    now[0] = 11.0
    page.text()
    assert views.asked == 2 * asked


def test_a_loop_that_stands_still_is_not_ready(views: Counting) -> None:
    state = Ready()
    state.lives = False
    assert "<title>Scorer: not ready</title>" in StatusPage(views, state=state).text()
