"""Nightly chores: once a night, by one daemon of several, on a clock that the test drives."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest

from scorer.daemon import nightly_loop
from scorer.daemon.nightly_loop import CHORES, Chore, NightlyLoop
from scorer.daemon.outage import Outage
from scorer.database.connection import Database, Target
from scorer.database.session import Session
from scorer.database.store.chores import begin_chore, end_chore
from scorer.errors import DatabaseUnavailable, Stopping, UserError
from scorer.log import events

FIRST = datetime(2025, 6, 1, 3, 17, tzinfo=UTC)  # a tick of the nightly schedule
A_DAY = timedelta(days=1)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock(FIRST - timedelta(hours=1))


@pytest.fixture
def loop(hospital: Any, clock: Clock) -> Any:
    """Makes daemons' loops, each with a list of what it did; its steps are taken by hand."""
    loops = []

    def make(do: Callable[..., None] | None = None, *, began: datetime | None = None) -> tuple[NightlyLoop, list[str]]:
        done: list[str] = []

        def chore(job: Any, database: Any, stopping: Callable[[], bool]) -> None:
            done.append(job.name)
            if do is not None:
                do(stopping)

        now, clock.now = clock.now, began or clock.now
        made = NightlyLoop(
            (hospital.job,),
            database=Database(hospital.url, hospital.settings),
            chores=(Chore("tidy", chore),),
            clock=clock,
        )
        made.step()  # it is here that a loop begins
        clock.now = now
        loops.append(made)
        return made, done

    yield make
    for each in loops:
        each.close()


class KillError(BaseException):
    """What ends a process in the midst of a chore."""


def killed(_: Any) -> None:
    raise KillError


def attempts(hospital: Any) -> list[int]:
    return [row[0] for row in hospital.rows("SELECT attempts FROM scorer.chores ORDER BY night")]


def kept(hospital: Any) -> list[tuple[Any, ...]]:
    return list(hospital.rows("SELECT night, ended_at IS NOT NULL, error FROM scorer.chores ORDER BY night"))


def test_the_chores_that_there_are() -> None:
    assert [chore.name for chore in CHORES] == ["upkeep", "checkup", "replay"]


def test_a_chore_is_done_once_a_night(hospital: Any, loop: Any, clock: Clock) -> None:
    made, done = loop()
    assert made.step() == 60
    assert done == []
    clock.now = FIRST - timedelta(seconds=20)
    assert made.step() == 20
    for minutes in (0, 1, 300):
        clock.now = FIRST + timedelta(minutes=minutes)
        made.step()
    assert done == ["sepsis"]
    clock.now = FIRST + A_DAY
    made.step()
    assert done == ["sepsis", "sepsis"]
    assert kept(hospital) == [(FIRST, True, None), (FIRST + A_DAY, True, None)]


def test_of_two_daemons_one_does_it(hospital: Any, loop: Any, clock: Clock) -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow(_: Any) -> None:
        began.set()
        assert go_on.wait(30)

    (one, of_one), (other, of_other) = loop(slow), loop()
    clock.now = FIRST
    working = threading.Thread(target=one.step)
    working.start()
    assert began.wait(30)
    other.step()
    assert of_other == []
    go_on.set()
    working.join(30)
    other.step()
    assert (of_one, of_other) == (["sepsis"], [])
    clock.now = FIRST + A_DAY
    other.step()
    one.step()
    assert (of_one, of_other) == (["sepsis"], ["sepsis"])


def test_a_daemon_that_comes_too_late_finds_it_done(hospital: Any) -> None:
    """The other one did it between a look at what is due and taking hold of it."""
    with closing(Session(Target.of(hospital.url, hospital.settings, role="scorer_worker"))) as session:
        with session.transaction():
            assert begin_chore(session, "sepsis", "tidy", night=FIRST, daemon="one")
            end_chore(session, "sepsis", "tidy", night=FIRST, error=None)
        with session.transaction():
            assert not begin_chore(session, "sepsis", "tidy", night=FIRST, daemon="other")


def test_what_a_dead_daemon_began_another_does_anew(hospital: Any, loop: Any, clock: Clock) -> None:
    one, _ = loop(killed)
    clock.now = FIRST
    with pytest.raises(KillError):
        one.step()
    assert kept(hospital) == [(FIRST, False, None)]
    one.close()
    _, done = loop()
    assert done == ["sepsis"]
    assert kept(hospital) == [(FIRST, True, None)]


def test_a_night_without_a_daemon_is_made_up_for_once(loop: Any, clock: Clock) -> None:
    made, done = loop()
    clock.now = FIRST
    made.step()
    made.close()
    clock.now = FIRST + 3 * A_DAY + timedelta(hours=2)
    made, done = loop()
    made.step()
    assert done == ["sepsis"]


def test_nights_before_the_first_daemon_are_none(hospital: Any, loop: Any, clock: Clock) -> None:
    clock.now = FIRST + timedelta(hours=2)
    made, done = loop()
    made.step()
    assert done == []
    assert kept(hospital) == []


def test_a_chore_that_fails_is_logged_and_waits_for_the_next_night(
    hospital: Any, loop: Any, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_: Any) -> None:
        raise UserError("The standby is not there; start it.")

    made, done = loop(fails)
    clock.now = FIRST
    with caplog.at_level(logging.INFO):
        made.step()
        made.step()
    assert done == ["sepsis"]
    assert [record.getMessage() for record in caplog.records].count(events.CHORE_FAILED.sentence) == 1
    assert kept(hospital) == [(FIRST, True, "The standby is not there; start it.")]


def test_a_chore_that_the_database_keeps_from_its_end_is_given_up_and_the_others_go_on(
    hospital: Any, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[str] = []
    outage = Outage()
    outage.lets_go("heart")

    def full(*_: Any) -> None:
        done.append("full")
        raise DatabaseUnavailable("The disk is full; make room.", sqlstate="53100")

    chores = Chore("full", full), Chore("other", lambda *_: done.append("other"))
    made = NightlyLoop(
        (hospital.job,), database=Database(hospital.url, hospital.settings), outage=outage, chores=chores, clock=clock
    )
    with closing(made), caplog.at_level(logging.INFO):
        made.step()
        clock.now = FIRST
        for step in range(1, 6):
            assert made._guarded_step() == 60
            assert (outage.lasts, made.liveness.hindered) == (False, None)
            assert done.count("full") == min(step, 3)
        assert done == ["full", "other", "full", "full"]
        assert [record.getMessage() for record in caplog.records].count(events.CHORE_FAILED.sentence) == 1
        found = "SELECT ended_at IS NOT NULL, attempts, error FROM scorer.chores WHERE chore = 'full' ORDER BY night"
        assert hospital.rows(found) == [(True, 3, "The disk is full; make room.")]
        clock.now = FIRST + A_DAY
        made.step()
        assert done[4:] == ["full", "other"]


def test_a_chore_that_kills_its_process_is_given_up(
    hospital: Any, loop: Any, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    made, done = loop(killed)
    clock.now = FIRST
    for _ in range(3):
        with pytest.raises(KillError):
            made.step()
    with caplog.at_level(logging.INFO):
        made.step()
        made.step()
    assert done == ["sepsis"] * 3
    assert [record.getMessage() for record in caplog.records].count(events.CHORE_FAILED.sentence) == 1
    ((night, ended, error),) = kept(hospital)
    assert (night, ended) == (FIRST, True)
    assert error.startswith("It was begun 3 times and never came to its end")


def test_a_lost_database_is_waited_for_and_logged_by_others(
    loop: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, done = loop()
    clock.now = FIRST
    made._outage.lets_go("heart")
    with monkeypatch.context() as lost:

        def gone(*_: Any) -> None:
            raise DatabaseUnavailable("The database does not answer; start it.")

        lost.setattr(nightly_loop, "last_night", gone)
        for _ in range(3):
            made._guarded_step()
            assert (made._outage.lasts, made.liveness.hindered) == (False, None)
    made._guarded_step()
    assert done == ["sepsis"]


def test_a_bug_in_a_chore_ends_no_loop(hospital: Any, loop: Any, clock: Clock) -> None:
    def breaks(_: Any) -> None:
        raise ZeroDivisionError("a patient's value")

    made, _ = loop(breaks)
    clock.now = FIRST
    made.step()
    assert kept(hospital) == [(FIRST, True, "a bug: ZeroDivisionError")]


def test_a_loop_that_is_asked_to_stop_leaves_the_chore_to_others(hospital: Any, loop: Any, clock: Clock) -> None:
    def asks(stopping: Callable[[], bool]) -> None:
        if stopping():
            raise Stopping

    made, _ = loop(lambda stopping: (made.stop(), asks(stopping)))
    clock.now = FIRST
    with pytest.raises(Stopping):
        made.step()
    assert kept(hospital) == [(FIRST, False, None)]
    assert attempts(hospital) == [0]
    _, done = loop(asks)
    assert done == ["sepsis"]
    assert kept(hospital) == [(FIRST, True, None)]


def test_asking_whether_to_stop_shows_life(loop: Any, clock: Clock) -> None:
    beats = []

    def asks(stopping: Callable[[], bool]) -> None:
        for _ in range(3):
            stopping()
            beats.append((made.liveness.beat_at, made.liveness.doing))

    made, _ = loop(asks)
    clock.now = FIRST
    made.step()
    assert [doing for _, doing in beats] == ["tidy of sepsis"] * 3
    assert beats[0][0] < beats[1][0] < beats[2][0]


def test_a_reload_changes_the_schedule(hospital: Any, loop: Any, clock: Clock) -> None:
    made, done = loop()
    made.reload((hospital.job,), settings=replace(hospital.settings, nightly="0 12 * * *"))
    clock.now = FIRST
    made.step()
    assert done == []
    clock.now = FIRST.replace(hour=12, minute=0)
    made.step()
    assert done == ["sepsis"]


def test_the_worker_does_the_bookkeeping_and_no_more(hospital: Any) -> None:
    with hospital.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET ROLE scorer_worker")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("UPDATE scorer.chores SET night = now()")
    connection.close()
