"""The loop that answers requests: when it looks again, and what it does where the database or a job fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from scorer.daemon.outage import Outage
from scorer.daemon.request_loop import RequestLoop
from scorer.database.connection import Database
from scorer.runs.due import enqueue
from scorer.scoring.opening import open_pipeline
from scorer.types.enums import Trigger

PASSWORD = "only-for-tests"
DONE = ("done", "SCORED")


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The names of all events that were logged."""
    return [record.event.name for record in caplog.records if hasattr(record, "event")]


def eventually(holds: Callable[[], object]) -> None:
    """Return once it holds."""
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_a_request_that_could_not_be_taken_is_looked_at_again_within_the_second(
    ward: Any,
) -> None:
    """However long the poll is; and less often while it stays so."""
    ward.admit(1)
    ward.settings = replace(ward.settings, poll=timedelta(hours=1))
    loop = RequestLoop([ward.job], database=Database(ward.url, ward.settings))
    try:
        assert loop.step() == 3600
        (request,) = ward.ask(1)
        pipeline = open_pipeline(ward.job, database=Database(ward.url, ward.settings))
        with pipeline.session.transaction():
            enqueue(pipeline, as_of=None, limit=None, trigger=Trigger.SCHEDULE)
            assert [loop.step() for _ in range(4)] == [0.05, 0.1, 0.2, 0.2]
        pipeline.close()
        assert loop.step() == 3600
        assert ward.answers(request) == [DONE]
    finally:
        loop.close()


def test_a_bug_in_one_job_keeps_no_other_from_being_answered_and_is_logged_once(
    ward: Any, caplog: pytest.LogCaptureFixture
) -> None:
    ward.admit(1)
    broken = replace(ward.under_another_name(ward.job), features=None)
    settings = replace(ward.settings, poll=timedelta(milliseconds=1))
    loop = RequestLoop([broken, ward.job], database=Database(ward.url, settings))
    try:
        for _ in range(3):
            assert loop._guarded_step() == 0.001
        (request,) = ward.ask(1)
        loop._guarded_step()
        assert ward.answers(request) == [DONE]
    finally:
        loop.close()
    assert logged(caplog).count("BUG") == 1


def test_a_loop_that_is_let_in_no_more_goes_on_once_it_is_let_in_again(
    ward: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither its steps nor its waits end its thread, whatever they raise."""
    ward.admit(1)
    ward.execute(f"CREATE ROLE barred LOGIN PASSWORD '{PASSWORD}' IN ROLE scorer_worker")
    settings = replace(ward.settings, poll=timedelta(milliseconds=50))
    url = ward.url.replace("//scorer@", f"//barred:{PASSWORD}@", 1)
    loop = RequestLoop([ward.job], database=Database(url, settings))
    loop.start()
    try:
        (request,) = ward.ask(1)
        eventually(lambda: ward.answers(request) == [DONE])
        eventually(lambda: loop._outage._was_there)  # the step that answered has come to its end
        ward.execute("ALTER ROLE barred NOLOGIN")
        ward.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'barred'")
        eventually(lambda: loop._outage.lasts)
        assert loop._thread.is_alive()
        (request,) = ward.ask(1)
        ward.execute("ALTER ROLE barred LOGIN")
        eventually(lambda: ward.answers(request) == [("done", "UNCHANGED")])
        eventually(lambda: not loop._outage.lasts)
    finally:
        loop.stop()
        loop.join(60)
        ward.execute("DROP ROLE barred")
    assert logged(caplog).count("DATABASE_LOST") == logged(caplog).count("DATABASE_BACK") == 1
    assert not {"NOT_READY", "BUG"} & set(logged(caplog))


def test_a_lock_that_another_session_keeps_is_logged_once_it_has_lasted_and_once_it_is_gone(
    ward: Any, caplog: pytest.LogCaptureFixture
) -> None:
    ward.admit(1)
    settings = replace(ward.settings, lock_timeout=timedelta(milliseconds=50))
    outage = Outage(patience=timedelta(milliseconds=1))
    loop = RequestLoop([ward.job], database=Database(ward.url, settings), outage=outage)
    try:
        loop._guarded_step()
        ward.ask(1)
        with closing(ward.connect()) as holder, holder.cursor() as cursor:
            cursor.execute("LOCK TABLE scorer.requests IN ACCESS EXCLUSIVE MODE")
            for _ in range(5):
                loop._guarded_step()
        assert "lock" in str(loop.liveness.hindered)
        assert logged(caplog).count("WORK_BLOCKED") == 1
        assert "WORK_FLOWS_AGAIN" not in logged(caplog)
        loop._guarded_step()
        assert loop.liveness.hindered is None
    finally:
        loop.close()
    assert logged(caplog).count("WORK_FLOWS_AGAIN") == 1
    assert not {"DATABASE_LOST", "DATABASE_BACK", "BUG"} & {*logged(caplog)}


def test_a_reload_of_other_settings_reaches_the_sessions(ward: Any) -> None:
    loop = RequestLoop([ward.job], database=Database(ward.url, ward.settings))
    try:
        loop.step()
        other = replace(ward.settings, lock_timeout=timedelta(seconds=7))
        loop.reload([ward.job], settings=other)
        loop.step()
        with loop._answering._session.transaction():
            said = loop._answering._session.execute("SHOW lock_timeout", {}).scalar_one()
        assert (said, loop.settings) == ("7s", other)
    finally:
        loop.close()


def test_a_look_round_expires_what_is_late(ward: Any) -> None:
    """As the first look of a daemon that comes back."""
    ward.admit(1)
    ward.rows("SELECT scorer.request_scores('sepsis', ARRAY['1'], '10 ms')")
    ward.execute("SELECT pg_sleep(0.02)")
    loop = RequestLoop([ward.job], database=Database(ward.url, ward.settings))
    try:
        loop.step()
        assert ward.answers(1) == [("expired", None)]
        assert ward.ledger(1) == []
    finally:
        loop.close()
