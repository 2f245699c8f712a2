"""The loop that records that the daemon lives."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scorer.daemon.heartbeat import HeartbeatLoop
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
