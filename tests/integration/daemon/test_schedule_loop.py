"""A job's schedule kept by loops, on a clock that the test drives: which ticks ran, were late or missed, and why."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from scorer.daemon import schedule_loop
from scorer.daemon.schedule_loop import ScheduleLoop
from scorer.database.connection import Database
from scorer.database.source import changes
from scorer.errors import UserError
from scorer.jobs.job import Job
from scorer.jobs.schedule import Schedule

HOUR = timedelta(hours=1)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock(hospital: Any) -> Clock:
    """It says noon."""
    return Clock(hospital.noon)


@pytest.fixture
def loop_of(hospital: Any, clock: Clock) -> Iterator[Callable[..., ScheduleLoop]]:
    """Makes loops whose steps are taken by hand."""
    made: list[ScheduleLoop] = []

    def make(job: Job | None = None, **settings: Any) -> ScheduleLoop:
        loop = ScheduleLoop(
            job or hospital.job, database=Database(hospital.url, replace(hospital.settings, **settings)), clock=clock
        )
        made.append(loop)
        return loop

    yield make
    for loop in made:
        loop.close()


def scheduled(job: Job, cron: str, timezone: str = "UTC") -> Job:
    return replace(job, schedule=Schedule.of(cron, timezone, where="a test"))


def ticks(hospital: Any) -> list[tuple[Any, ...]]:
    """(scheduled_for, outcome, reason) of every tick, oldest first."""
    return list(hospital.rows("SELECT scheduled_for, outcome, reason FROM reporting.ticks ORDER BY scheduled_for"))


def runs(hospital: Any) -> list[tuple[Any, ...]]:
    """(trigger, status) of every run, oldest first."""
    return list(hospital.rows("SELECT trigger, status FROM reporting.runs ORDER BY run_id"))


def test_a_tick_runs_once_and_a_new_job_begins_with_the_next(hospital: Any, clock: Clock, loop_of: Any) -> None:
    hospital.admit(1, 2)
    loop = loop_of()
    assert 0 < loop.step() <= hospital.settings.poll.total_seconds()
    assert ticks(hospital) == runs(hospital) == []
    assert loop.next_tick == hospital.noon + timedelta(minutes=5)
    clock.now += timedelta(minutes=5)
    loop.step()
    loop.step()
    assert ticks(hospital) == [(clock.now, "ran", None)]
    assert runs(hospital) == [("schedule", "succeeded")]
    assert hospital.rows("SELECT scheduled_for, as_of, eligible FROM reporting.runs") == [(clock.now, clock.now, 2)]


@pytest.mark.parametrize(
    ("day", "cron", "expected"),
    [
        (datetime(2025, 3, 30, tzinfo=UTC), "5 * * * *", 5),
        (datetime(2025, 3, 30, tzinfo=UTC), "30 2 * * *", 1),
        (datetime(2024, 10, 27, tzinfo=UTC), "5 * * * *", 7),
        (datetime(2024, 10, 27, tzinfo=UTC), "30 2 * * *", 1),
    ],
)
def test_each_tick_of_a_night_in_which_the_clock_changes_runs_once(
    hospital: Any, clock: Clock, loop_of: Any, day: datetime, cron: str, expected: int
) -> None:
    vienna = ZoneInfo("Europe/Vienna")
    clock.now = day.replace(tzinfo=vienna).astimezone(UTC)
    until = (day + 6 * HOUR).replace(tzinfo=vienna).astimezone(UTC)
    loop = loop_of(scheduled(hospital.job, cron, "Europe/Vienna"))
    loop.step()
    while clock.now < until:
        clock.now += timedelta(minutes=5)
        loop.step()
    found = ticks(hospital)
    assert [outcome for _, outcome, _ in found] == ["ran"] * expected
    assert len(runs(hospital)) == expected


def test_what_passed_while_no_daemon_ran_is_caught_up_with_by_one_run(
    hospital: Any, clock: Clock, loop_of: Any
) -> None:
    hospital.admit(1)
    before = loop_of()
    before.step()
    clock.now = first = hospital.noon + timedelta(minutes=5)
    before.step()
    clock.now = first + 3 * HOUR + timedelta(minutes=20)
    after = loop_of()
    after.step()
    after.step()
    reason = "no daemon was running"
    assert ticks(hospital) == [
        (first, "ran", None),
        (first + HOUR, "missed", reason),
        (first + 2 * HOUR, "missed", reason),
        (first + 3 * HOUR, "late", reason),
    ]
    assert runs(hospital) == [("schedule", "succeeded"), ("catch-up", "succeeded")]


def test_two_daemons_record_a_tick_once_and_share_its_work(hospital: Any, clock: Clock, loop_of: Any) -> None:
    hospital.admit(*range(1, 41))
    loops = [loop_of(batch_size=2) for _ in range(2)]
    for loop in loops:
        loop.step()
    for hour in range(3):
        clock.now = hospital.noon + timedelta(minutes=5) + hour * HOUR
        threads = [threading.Thread(target=loop.step) for loop in loops]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ticks(hospital)) == len(runs(hospital)) == hour + 1
    assert {outcome for _, outcome, _ in ticks(hospital)} == {"ran"}
    assert hospital.one("SELECT count(*) FROM scorer.work") == 0
    assert len(hospital.scores()) == 40


def test_work_of_a_run_that_another_daemon_carries_is_shared(hospital: Any, clock: Clock, loop_of: Any) -> None:
    hospital.admit(1, 2, 3)
    hospital.run()
    # A daemon that holds its run, and does not come to its work.
    with hospital.connect() as other, other.cursor() as cursor:
        cursor.execute(
            "INSERT INTO scorer.runs (job, job_version, trigger, as_of, as_known_at, scorer_version, eligible)"
            " SELECT job, job_version, 'schedule', as_of + interval '1 hour', as_of + interval '1 hour', '0', 3"
            " FROM scorer.runs RETURNING run_id"
        )
        ((run_id,),) = cursor.fetchall()
        cursor.execute("SELECT pg_advisory_lock(hashtextextended('scorer.run', %s))", (run_id,))
        cursor.execute(
            "INSERT INTO scorer.work (run_id, job, entity_id, as_of)"
            " SELECT r.run_id, r.job, g::text, r.as_of FROM scorer.runs AS r, generate_series(1, 3) AS g WHERE r.run_id = %s",
            (run_id,),
        )
        other.commit()
        clock.now += timedelta(minutes=2)
        loop_of().step()
        assert hospital.rows("SELECT eligible FROM scorer.batches WHERE run_id = %s", run_id) == [(3,)]
        assert hospital.one("SELECT status FROM scorer.runs WHERE run_id = %s", run_id) == "running"
    other.close()
    # Its process has died: the next look ends it.
    loop_of().step()
    assert hospital.rows("SELECT status, resumed FROM reporting.runs WHERE run_id = %s", run_id) == [("succeeded", 1)]


def test_a_tick_waits_for_the_run_in_hand_and_says_so(hospital: Any, clock: Clock, loop_of: Any) -> None:
    hospital.admit(1)
    hospital.run()
    loop = loop_of()
    loop.step()
    first = hospital.noon + timedelta(minutes=5)
    with hospital.connect() as other, other.cursor() as cursor:
        cursor.execute(
            "INSERT INTO scorer.runs (job, job_version, trigger, as_of, as_known_at, scorer_version)"
            " SELECT job, job_version, 'manual', as_of, as_of, '0' FROM scorer.runs RETURNING run_id"
        )
        cursor.execute("SELECT pg_advisory_lock(hashtextextended('scorer.run', %s))", cursor.fetchone())
        other.commit()
        for clock.now in (first, first + timedelta(minutes=30), first + HOUR, first + HOUR + timedelta(minutes=30)):
            loop.step()
            assert ticks(hospital) == []
    other.close()
    loop.step()
    reason = "another run of the job was still going"
    assert ticks(hospital) == [(first, "missed", reason), (first + HOUR, "late", reason)]
    assert sorted(runs(hospital)) == [("catch-up", "succeeded"), ("manual", "succeeded"), ("manual", "succeeded")]


def test_a_changed_schedule_holds_from_then_on(hospital: Any, clock: Clock, loop_of: Any) -> None:
    loop = loop_of()
    loop.step()
    clock.now = hospital.noon + timedelta(minutes=50)
    loop.step()
    loop.adopt_job(scheduled(hospital.job, "*/15 * * * *"), settings=loop.settings)
    loop.step()
    clock.now = hospital.noon + HOUR
    loop.step()
    assert [(tick, outcome) for tick, outcome, _ in ticks(hospital)] == [
        (hospital.noon + timedelta(minutes=5), "late"),
        (hospital.noon + HOUR, "ran"),
    ]


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The events that on-call would see, since they were last asked for."""
    events = [
        record.event.name for record in caplog.records if hasattr(record, "event") and record.levelno > logging.INFO
    ]
    caplog.clear()
    return events


def test_a_job_whose_runs_keep_failing_is_left_alone_and_tried_again(
    hospital: Any, clock: Clock, loop_of: Any, changed_job: Callable[..., Job], caplog: pytest.LogCaptureFixture
) -> None:
    hospital.admit(1)
    impossible = hospital.observe(1, observation_value=9999.0)
    strict = changed_job(("job.toml", "[actions] ", '[actions]\nvalue_not_too_high = "fail" '))
    loop = loop_of(strict, breaker_failures=2, breaker_pause=timedelta(hours=3))
    loop.step()
    first = hospital.noon + timedelta(minutes=5)
    for clock.now in (first, first + HOUR):
        loop.step()
    assert logged(caplog) == ["RUN_FAILED", "RUN_FAILED", "BREAKER_OPENED"]
    for hours in (2, 3):
        clock.now = first + hours * HOUR
        loop.step()
    assert [outcome for _, outcome, _ in ticks(hospital)] == ["ran", "ran", "missed", "missed"]
    assert ticks(hospital)[-1][2].startswith(
        "its breaker is open: Suite observations of job sepsis: rule value_not_too_high"
    )
    clock.now = first + 4 * HOUR  # three hours after it was opened: one try, which fails, and says no more than it said
    loop.step()
    clock.now = first + 5 * HOUR
    loop.step()
    assert logged(caplog) == []
    assert [status for _, status in runs(hospital)] == ["failed"] * 3

    hospital.execute("DELETE FROM public.patient_observations WHERE observation_id = %s", impossible)
    loop.adopt_job(strict, settings=loop.settings)  # a reload need not wait for the pause to end
    clock.now = first + 6 * HOUR
    loop.step()
    assert runs(hospital)[-1] == ("schedule", "succeeded")
    assert hospital.rows("SELECT * FROM scorer.breakers") == []
    assert [outcome for _, outcome, _ in ticks(hospital)] == ["ran", "ran", "missed", "missed", "ran", "missed", "ran"]


def test_where_a_run_cannot_even_begin_the_ticks_are_left_to_another_daemon(
    hospital: Any, clock: Clock, loop_of: Any, changed_job: Callable[..., Job]
) -> None:
    hospital.admit(1)
    broken = changed_job(("observations.sql", "    o.observation_value,", "    o.observation_worth,"))
    lame, sound = loop_of(broken), loop_of()
    for loop in (lame, sound):
        loop.step()
    clock.now = first = hospital.noon + timedelta(minutes=5)
    with pytest.raises(UserError, match="observation_worth"):
        lame.step()
    assert ticks(hospital) == hospital.rows("SELECT * FROM scorer.breakers") == []
    sound.step()
    assert ticks(hospital) == [(first, "ran", None)]
    sound.close()

    for hours in (1, 2):
        clock.now = first + hours * HOUR
        with pytest.raises(UserError, match="observation_worth"):
            lame.step()
    lame.adopt_job(hospital.job, settings=lame.settings)
    lame.step()
    (_, missed, reason), (_, ran, _) = ticks(hospital)[1:]
    assert (missed, ran) == ("missed", "ran")
    assert "observation_worth" in reason


def test_ticks_of_a_schedule_that_changed_while_no_daemon_ran_are_not_invented(
    hospital: Any, clock: Clock, loop_of: Any
) -> None:
    daily = loop_of(scheduled(hospital.job, "5 12 * * *"))
    daily.step()
    clock.now = first = hospital.noon + timedelta(minutes=5)
    daily.step()
    clock.now += 20 * HOUR
    often = loop_of(scheduled(hospital.job, "*/5 * * * *"))
    often.step()
    clock.now += timedelta(minutes=5)
    often.step()
    assert ticks(hospital) == [(first, "ran", None), (clock.now, "ran", None)]


def test_a_clock_that_was_ahead_when_the_daemon_began_does_not_keep_it_from_its_ticks(
    hospital: Any, clock: Clock, loop_of: Any
) -> None:
    clock.now += timedelta(days=30)
    loop = loop_of()
    loop.step()
    clock.now = hospital.noon
    loop.step()
    clock.now += timedelta(minutes=5)
    loop.step()
    assert ticks(hospital) == [(clock.now, "ran", None)]


def test_a_pause_of_the_whole_service_is_recorded_as_such(hospital: Any, clock: Clock, loop_of: Any) -> None:
    loop = loop_of()
    loop.step()
    clock.now += timedelta(minutes=5)
    loop.step()
    loop.step()
    clock.now += 2 * HOUR + timedelta(minutes=10)
    loop.step()
    assert [reason for _, _, reason in ticks(hospital)] == [None, "the service stood still", "the service stood still"]


def test_a_run_that_succeeds_by_hand_closes_the_breaker(hospital: Any, clock: Clock, loop_of: Any) -> None:
    hospital.admit(1)
    hospital.execute(
        "INSERT INTO scorer.breakers VALUES ('sepsis', 3, 'a test', now(), now(), now() + interval '1 hour')"
    )
    assert hospital.one("SELECT ready FROM reporting.health") is False
    hospital.run()
    assert hospital.rows("SELECT * FROM scorer.breakers") == []


# A database that is put back, or is another one


def test_a_database_that_is_put_back_is_told_and_its_ticks_are_not_called_missed_for_another_reason(
    hospital: Any, clock: Clock, loop_of: Callable[..., ScheduleLoop], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="scorer.daemon.schedule_loop")
    hospital.admit(1)
    loop = loop_of(scheduled(hospital.job, "0 * * * *"))
    for _ in range(4):
        loop.step()
        clock.now += HOUR
    ran = hospital.one("SELECT max(scheduled_for) FROM scorer.ticks")
    hospital.execute("DELETE FROM scorer.ticks WHERE scheduled_for > %s", ran - 2 * HOUR)  # as a restore does
    caplog.clear()
    loop.step()
    told = [
        record
        for record in caplog.records
        if getattr(record, "event", None) and record.event.name == "DATABASE_WENT_BACK"
    ]
    assert len(told) == 1
    reasons = hospital.rows(
        "SELECT outcome, reason FROM reporting.ticks WHERE scheduled_for > %s AND scheduled_for <= %s",
        ran - 2 * HOUR,
        ran,
    )
    assert reasons == [("missed", "it had run, and the database was put back to a time before it")] * 2
    caplog.clear()
    clock.now += HOUR
    loop.step()
    assert not [
        record
        for record in caplog.records
        if getattr(record, "event", None) and record.event.name == "DATABASE_WENT_BACK"
    ]


def test_a_session_that_leads_to_a_server_left_behind_is_opened_anew_before_a_tick_runs_twice(
    hospital: Any,
    clock: Clock,
    loop_of: Callable[..., ScheduleLoop],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The loop's session reads what an old primary knew; new sessions lead to the new one."""
    caplog.set_level("DEBUG", logger="scorer.daemon.schedule_loop")
    hospital.admit(1)
    loop = loop_of(scheduled(hospital.job, "0 * * * *"))
    loop.step()
    clock.now += HOUR
    loop.step()
    old = loop._session
    before = hospital.one("SELECT max(scheduled_for) FROM scorer.ticks")
    clock.now += HOUR
    loop.step()
    real, real_close = schedule_loop.last_tick, old.close
    closed: list[bool] = []

    def last_tick(session: Any, job: str) -> tuple[datetime | None, str | None]:
        last, kept = real(session, job)
        return (last if closed else before), kept

    def close() -> None:
        closed.append(True)
        real_close()

    monkeypatch.setattr(schedule_loop, "last_tick", last_tick)
    monkeypatch.setattr(schedule_loop, "has_tick", lambda *_: bool(closed))
    monkeypatch.setattr(old, "close", close)
    caplog.clear()
    loop.step()
    assert closed == [True]
    assert [record.event.name for record in caplog.records if hasattr(record, "event")] == []
    assert hospital.one("SELECT count(*) FROM scorer.runs") == 2


@pytest.mark.parametrize("kept_rows", [64, 0])
def test_rows_are_kept_from_tick_to_tick_and_scores_are_as_of_all(
    hospital: Any, clock: Clock, loop_of: Any, monkeypatch: pytest.MonkeyPatch, kept_rows: int
) -> None:
    """A run that reads everything finds each of them unchanged: it has the same hash of the same inputs."""
    monkeypatch.setattr(changes, "FEWEST", 1)
    read: list[int] = []
    rows_of = changes.ByChanges._rows

    def counted(self: Any, job: Any, items: Any, blocks: Any, **further: Any) -> Any:
        read.append(len(blocks))
        return rows_of(self, job, items, blocks, **further)

    monkeypatch.setattr(changes.ByChanges, "_rows", counted)
    hospital.admit(1, 2, 3)
    hospital.execute(hospital.job.statements["changed_observations"])
    loop = loop_of(kept_rows=kept_rows, nightly="0 0 1 1 *")
    loop.step()
    clock.now += timedelta(minutes=5)
    loop.step()
    first = hospital.scores()
    assert set(first) == {"1", "2", "3"}
    for hours_ago, value in ((0.5, 131.0), (5.5, 55.0), (-0.5, 99.0)):
        hospital.observe(2, hours_ago=hours_ago, observation_value=value)
    hospital.execute("DELETE FROM patient_observations WHERE visit_id = 3 AND observation_type_code = 'RR'")
    clock.now += HOUR
    loop.step()
    assert [status for _, status in runs(hospital)] == ["succeeded", "succeeded"]
    assert {each for each, score in hospital.scores().items() if score != first[each]} >= {"2", "3"}
    assert read == ([0, 1] if kept_rows else [])
    assert hospital.run(as_of=clock.now).counts.unchanged == 3


def test_a_reload_with_less_room_keeps_nothing_of_before(hospital: Any, loop_of: Any) -> None:
    loop = loop_of(kept_rows=64)
    carried = loop._carried
    loop.adopt_job(hospital.job, settings=replace(loop.settings, poll=HOUR))
    assert loop._carried is carried
    loop.adopt_job(hospital.job, settings=replace(loop.settings, kept_rows=0))
    assert loop._carried.rows is None
