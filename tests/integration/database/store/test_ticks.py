"""What a daemon records by the functions of the store: ticks, breakers and its heartbeat."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from scorer.database.session import Session
from scorer.database.store.ticks import (
    close_breaker,
    count_failure,
    hold_schedule,
    is_tick_open,
    last_tick,
    miss_ticks,
    read_breaker,
    read_clock,
    record_heartbeat,
    record_tick,
    remove_daemon,
)
from scorer.types.values import Tick

HOURLY = "0 * * * *"
NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_tick_is_settled_once(session: Session, begin: Any) -> None:
    run, _ = begin()
    missed = (NOON - 2 * HOUR, NOON - HOUR)
    tick = Tick(NOON, "ran", None, HOURLY, missed=missed, missed_reason="down", recorded_by="here/1")
    with session.transaction():
        assert last_tick(session, "sepsis") == (None, None)
        assert is_tick_open(session, "sepsis", NOON)
        record_tick(session, "sepsis", tick, run_id=run.run_id)
        assert not is_tick_open(session, "sepsis", NOON)
        assert is_tick_open(session, "another", NOON)

        def miss(*ticks: datetime) -> int:
            return miss_ticks(session, "sepsis", ticks, reason="down", schedule=HOURLY, recorded_by="here/1")

        assert miss(*missed) == 2
        assert miss(*missed, NOON) == 0
        assert last_tick(session, "sepsis") == (NOON, HOURLY)


def test_a_tick_that_a_wrong_clock_settled_in_the_future_does_not_count(session: Session, begin: Any) -> None:
    begin()
    with session.transaction():
        tomorrow = read_clock(session) + timedelta(days=1)
        for scheduled_for in (NOON, tomorrow):
            assert miss_ticks(session, "sepsis", [scheduled_for], reason="r", schedule=HOURLY, recorded_by="d") == 1
        assert last_tick(session, "sepsis") == (NOON, HOURLY)


def test_one_transaction_holds_a_schedule(session: Session, open_session: Callable[..., Session]) -> None:
    other = open_session()
    with session.transaction():
        assert hold_schedule(session, "sepsis")
        with other.transaction():
            assert not hold_schedule(other, "sepsis")
            assert hold_schedule(other, "another")
    with other.transaction():
        assert hold_schedule(other, "sepsis")


def test_the_clock_goes_on_within_a_transaction(session: Session) -> None:
    with session.transaction():
        first = read_clock(session)
        assert read_clock(session) > first


def test_a_breaker_opens_at_the_limit_for_a_while_and_is_closed_by_a_success(session: Session, begin: Any) -> None:
    begin()

    def fail(reason: str, now: datetime) -> None:
        with session.transaction():
            count_failure(session, "sepsis", reason=reason, now=now, limit=2, pause=HOUR)

    with session.transaction():
        assert read_breaker(session, "sepsis") is None
        assert close_breaker(session, "sepsis") is None
    fail("first", NOON)
    with session.transaction():
        closed = read_breaker(session, "sepsis")
    assert closed is not None
    assert (closed.failures, closed.reason, closed.opened_at) == (1, "first", None)
    assert not closed.is_open(NOON)
    fail("second", NOON + HOUR)
    with session.transaction():
        opened = close_breaker(session, "sepsis")
        assert read_breaker(session, "sepsis") is None
    assert opened is not None
    assert (opened.failures, opened.next_try_at) == (2, NOON + 2 * HOUR)
    assert opened.is_open(NOON + HOUR)
    assert not opened.is_open(NOON + 2 * HOUR)
    assert not opened.is_open(NOON), "a failure that a wrong clock dated in the future counts for nothing"


def test_a_daemon_lives_until_it_stops_or_is_not_seen_for_a_day(hospital: Any, session: Session) -> None:
    hospital.execute(
        "INSERT INTO scorer.daemons (daemon, version, beat_at, ready, detail) VALUES ('old', '0', now() - interval '25 hours', true, '')"
    )
    with session.transaction():
        record_heartbeat(session, "here/1", ready=False, detail="starting", jobs=None)
        record_heartbeat(session, "here/1", ready=True, detail="", jobs=None)
        record_heartbeat(session, "here/2", ready=True, detail="", jobs=None)
    assert hospital.rows("SELECT daemon, ready FROM scorer.daemons ORDER BY 1") == [("here/1", True), ("here/2", True)]
    with session.transaction():
        remove_daemon(session, "here/1")
    assert hospital.rows("SELECT daemon FROM scorer.daemons") == [("here/2",)]
