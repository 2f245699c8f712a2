"""The loop that records that the daemon lives."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any

import psycopg2
import pytest

from scorer.daemon.heartbeat import HeartbeatLoop
from scorer.daemon.outage import Outage
from scorer.database.connection import Database
from scorer.database.session import process_name


def test_a_beat_is_recorded_and_removed_at_the_end(hospital: Any) -> None:
    loop = HeartbeatLoop(database=Database(hospital.url, hospital.settings))
    rows = "SELECT daemon, ready, detail FROM scorer.daemons"
    assert loop.step() == 5
    assert hospital.rows(rows) == [(process_name(), False, "starting")]
    loop.show(ready=True, detail="next sepsis 12:05 UTC", jobs=["sepsis"])
    loop.step()
    assert hospital.one("SELECT jobs FROM scorer.daemons") == ["sepsis"]
    assert hospital.rows(rows) == [(process_name(), True, "next sepsis 12:05 UTC")]
    assert loop.summary == "backlog 0, requests 0"
    loop.end()
    assert hospital.rows(rows) == []


def test_other_settings_are_taken_up_and_what_hindered_it_is_forgotten(ward: Any) -> None:
    loop = HeartbeatLoop(database=Database(ward.url, replace(ward.settings, worker_role="no_role_at_all")))
    try:
        loop._guarded_step()
        assert "no_role_at_all" in str(loop.liveness.hindered)
        loop.reload(settings=ward.settings)
        loop._guarded_step()
        assert loop.liveness.hindered is None
    finally:
        loop.end()


def test_a_primary_that_was_fenced_is_one_outage_and_new_sessions_are_tried_until_one_may_write(
    hospital: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """As a switchover leaves the old primary: it still answers, and sessions that are open stay with it."""
    caplog.set_level("DEBUG", logger="scorer.daemon")
    outage = Outage()
    loop = HeartbeatLoop(database=Database(hospital.url, hospital.settings), outage=outage)

    def fence(how: str) -> None:
        with closing(psycopg2.connect(hospital.url, options="-c default_transaction_read_only=off")) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(how)
                cursor.execute("SELECT pg_reload_conf()")

    try:
        loop._guarded_step()
        fence("ALTER SYSTEM SET default_transaction_read_only = on")
        while hospital.one("SHOW default_transaction_read_only") != "on":
            pass
        for _ in range(3):
            loop._guarded_step()
        assert outage.lasts
        assert outage.servers == 3
        assert loop.liveness.reason is None
        fence("ALTER SYSTEM RESET default_transaction_read_only")
        while hospital.one("SHOW default_transaction_read_only") != "off":
            pass
        loop._guarded_step()
        assert not outage.lasts
    finally:
        fence("ALTER SYSTEM RESET default_transaction_read_only")
        loop.end()
    assert [each.event.name for each in caplog.records if hasattr(each, "event")] == ["DATABASE_LOST", "DATABASE_BACK"]
