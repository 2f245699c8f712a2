"""What the main thread of the daemon decides by itself: whether it is ready, and when a job's loop is woken."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from scorer.config import Settings
from scorer.daemon.daemon import Daemon, _is_same, _Ticks
from scorer.daemon.schedule_loop import ScheduleLoop
from scorer.database.connection import Database
from scorer.jobs.job import Job
from scorer.jobs.schedule import Schedule

DATABASE = Database("postgresql://scorer@/ward?host=/nowhere", Settings())
NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def daemon() -> Daemon:
    """One that was not started."""
    return Daemon(database=DATABASE, reload_settings=Settings)


def test_a_daemon_begins_as_not_ready(daemon: Daemon) -> None:
    assert daemon.ready() == "starting"
    assert daemon._status() == "Not ready: starting"
    assert daemon.schedules() == {}


def test_one_job_that_cannot_run_does_not_make_it_unready(
    daemon: Daemon, sepsis: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon, "live", lambda: True)
    daemon._why_not = None
    daemon._loops = {name: ScheduleLoop(sepsis, database=DATABASE) for name in ("one", "two")}
    assert daemon.schedules() == dict.fromkeys(("one", "two"), sepsis.schedule)
    daemon._loops["one"].liveness.reason = "no model in production"
    assert daemon.ready() is None
    daemon._loops["one"].next_tick = NOON
    daemon._loops["two"].liveness.beat("score")
    assert daemon._status() == "next one 2025-06-01 12:00 UTC; sepsis: score; job one must be corrected"
    daemon._loops["two"].liveness.blocked = "a lock"
    assert daemon.ready() == "job one: no model in production; job two: a lock"
    assert {name: str(state) for name, state in daemon.job_states().items()} == {
        "one": "not ready: no model in production",
        "two": "not ready: a lock",
    }


def test_a_loop_without_a_sign_of_life_hangs(daemon: Daemon, sepsis: Job) -> None:
    loop = ScheduleLoop(sepsis, database=DATABASE)
    assert daemon._hangs(loop), "its thread does not run"
    loop.stop()
    assert not daemon._hangs(loop)
    loop.liveness.beat_at = time.monotonic() - DATABASE.settings.run_limit.total_seconds() - 1
    assert daemon._hangs(loop)


def test_a_loop_is_woken_at_each_tick_of_its_schedule() -> None:
    ticks = _Ticks(Schedule.of("5 * * * *", "UTC", where="a test"))
    first = ticks.get_next_fire_time(None, NOON)
    assert first == NOON + timedelta(minutes=5)
    assert ticks.get_next_fire_time(first, NOON) == first + timedelta(hours=1)


def test_a_database_that_is_not_there_is_the_same_reason_whatever_is_said_of_it() -> None:
    assert _is_same("database: refused", "database: timed out")
    assert not _is_same("schema: behind", "database: refused")
    assert not _is_same("database: refused", None)
