"""What `scorer status` shows to people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from scorer.database.store.status import Daemon, JobHealth, ScoreCounts
from scorer.monitoring.status import JobStatus, NextRun, ServiceStatus, as_text

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)

STATUS = ServiceStatus(
    at=NOON,
    jobs=(
        JobStatus(
            job="first",
            health=JobHealth(
                job="first", ready=True, model_version="2025.05.30", run_id=1042, status="succeeded", as_of=NOON,
                started_at=NOON - timedelta(minutes=55), finished_at=NOON - timedelta(minutes=54), eligible=6500, scored=6100,
                unchanged=300, quarantined=60, insufficient=40, indeterminate=0, failed=0, error=None,
                last_success_at=NOON - timedelta(minutes=54), last_tick_at=NOON - timedelta(minutes=55), last_tick="ran",
                missed_last_day=3, last_missed_at=NOON - timedelta(hours=5), failures=0, breaker_opened_at=None,
                breaker_next_try_at=None, breaker_reason=None, backlog=0, backlog_seconds=0.0, requests_waiting=2,
                requests_seconds=1.2, write_backs_waiting=500, write_backs_seconds=1500.0, take_backs_waiting=3, take_backs_seconds=60.0,
                flags={"first.scores": {"enabled": True, "share": 10}, "first.reasons": {"enabled": True}}, read_at=NOON,
            ),
            scores=ScoreCounts("first", valid=6400, expiring=12, stale=130_000, held=60),
            planned=NextRun("5 * * * *", "Europe/Vienna", NOON + timedelta(minutes=5), None),
        ),
        JobStatus(
            job="second",
            health=JobHealth(
                job="second", ready=False, model_version="1", run_id=1040, status="failed", as_of=NOON,
                started_at=NOON - timedelta(hours=2), finished_at=NOON - timedelta(hours=2), eligible=10, scored=0, unchanged=0,
                quarantined=0, insufficient=0, indeterminate=0, failed=0,
                error="Rule mostly_usable of suite features stopped the run: fewer than half of the entities have a usable value.",
                last_success_at=None, last_tick_at=None, last_tick=None, missed_last_day=0, last_missed_at=None, failures=3,
                breaker_opened_at=NOON - timedelta(hours=2), breaker_next_try_at=NOON + timedelta(minutes=8),
                breaker_reason="Rule mostly_usable of suite features stopped the run.", backlog=10, backlog_seconds=7300.0,
                requests_waiting=0, requests_seconds=0.0, write_backs_waiting=0, write_backs_seconds=0.0, take_backs_waiting=0,
                take_backs_seconds=0.0, flags=None, read_at=NOON,
            ),
            scores=ScoreCounts("second", 0, 0, 0, 0),
            planned=NextRun(None, None, None, "its files are not here"),
        ),
        JobStatus(
            job="third",
            health=None,
            scores=ScoreCounts("third", 0, 0, 0, 0),
            planned=NextRun("@daily", "UTC", NOON + timedelta(hours=12), None),
        ),
        JobStatus(
            job="fourth",
            health=None,
            scores=ScoreCounts("fourth", 0, 0, 0, 0),
            planned=NextRun(None, None, None, "not run here: the option jobs does not name it"),
            not_run="the option jobs does not name it",
        ),
    ),
    daemons=(
        Daemon("ward1/812", "0.1.0", NOON, NOON - timedelta(seconds=3), ready=True, alive=True, detail="next first 12:05 UTC",
               jobs=["first"]),
        Daemon("ward2/99", "0.1.0", NOON, NOON - timedelta(hours=3), ready=True, alive=False, detail="next first 09:05 UTC"),
    ),
)  # fmt: skip

SHOWN = """\
job         first: ready
last run    1042 succeeded at 2025-06-01 11:06:00Z: 6,500 eligible (6,100
            scored, 300 unchanged, 60 quarantined, 40 insufficient)
next run    2025-06-01 12:05:00Z (5 * * * *, Europe/Vienna)
ticks       3 missed within a day; the last, 2025-06-01 11:05:00Z: ran
backlog     none
requests    2 waiting, the oldest for 1 s
write-back  500 waiting, the oldest for 25 min; 3 may show a recalled score, the
            oldest for 1 min
flags       first.scores is on for 10 % of the entities; `scorer flag list` says
            since when and why
scores      6,400 valid (12 expire within the hour), 130,000 stale
quarantine  60 held
model       2025.05.30

job         second: not ready, its breaker is open
last run    1040 failed at 2025-06-01 10:00:00Z; last success: none
error       Rule mostly_usable of suite features stopped the run: fewer than
            half of the entities have a usable value.
next run    unknown: its files are not here
ticks       0 missed within a day
breaker     open since 2025-06-01 10:00:00Z, 3 failures in a row: Rule
            mostly_usable of suite features stopped the run.
            It is tried again at 2025-06-01 12:08:00Z.
backlog     10 waiting, the oldest for 2 h
requests    none
write-back  none
scores      0 valid (0 expire within the hour), 0 stale
quarantine  0 held
model       1

job         third: it has never run here
next run    2025-06-02 00:00:00Z (@daily, UTC)

job         fourth: not run here: the option jobs does not name it

daemons     ward1/812 (0.1.0): at work, runs first, seen 3 s ago: next first
            12:05 UTC
            ward2/99 (0.1.0): silent, it died or cannot reach the database, seen
            3 h ago: next first 09:05 UTC"""


def test_status_fits_eighty_columns() -> None:
    assert as_text(STATUS, width=80) == SHOWN
    assert max(map(len, SHOWN.splitlines())) <= 80


def test_status_is_a_line_per_fact_where_there_is_room() -> None:
    wide = as_text(STATUS, width=160)
    assert max(map(len, wide.splitlines())) <= 160
    assert wide.split() == SHOWN.split()
    assert len(wide.splitlines()) == len(SHOWN.splitlines()) - 7
