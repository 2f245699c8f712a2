"""A run beside others in a real database: what it sees of them, how it gives way, and what it leaves behind when it stops."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer.database.connection import Target
from scorer.database.session import Session
from scorer.database.store.server import ServerLoad, read_server_load
from scorer.errors import DatabaseBusy, UserError


def looked(hospital: Any, url: str | None = None) -> ServerLoad:
    """What the worker sees now."""
    target = Target.of(url or hospital.url, hospital.settings, role=hospital.settings.worker_role)
    with closing(Session(target)) as session, session.transaction():
        return read_server_load(session)


@pytest.fixture
def seeing(hospital: Any) -> Iterator[None]:
    """What a DBA grants for it; roles are the cluster's, so it is taken back."""
    hospital.execute("GRANT pg_read_all_stats TO scorer_owner")
    yield
    hospital.execute("REVOKE pg_read_all_stats FROM scorer_owner")


@contextmanager
def others_at_work(hospital: Any, count: int) -> Iterator[Callable[[], None]]:
    """So many sessions of others, each in a statement that lasts until what is given here is called, or the block is left."""
    with ExitStack() as stack:
        gate = stack.enter_context(closing(hospital.connect()))
        with gate.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(4711)")
        gate.commit()
        sessions = [stack.enter_context(closing(psycopg2.connect(hospital.url))) for _ in range(count)]
        threads = [threading.Thread(target=_wait_at_the_gate, args=(session,)) for session in sessions]
        for thread in threads:
            thread.start()

        def leave() -> None:
            gate.close()
            for thread in threads:
                thread.join()

        stack.callback(leave)
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711 AND NOT granted"
        while hospital.one(waiting) < count:
            pass
        yield leave


def _wait_at_the_gate(session: Any) -> None:
    with session.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock_shared(4711), pg_advisory_unlock_shared(4711)")
    session.commit()


def test_a_worker_sees_its_lock_waits_alone_unless_more_is_granted(hospital: Any) -> None:
    assert looked(hospital) == ServerLoad(
        active_sessions=None, replication_lag=None, lock_waits=0, longest_transaction=None
    )


@pytest.mark.usefixtures("seeing")
def test_a_worker_sees_what_others_do_and_none_of_their_statements(hospital: Any) -> None:
    before = looked(hospital)
    assert (before.active_sessions, before.replication_lag) == (0, 0), "who looks is no other"
    with others_at_work(hospital, 3):
        load = looked(hospital)
        assert load.active_sessions == 3
        assert load.longest_transaction is not None
        assert load.longest_transaction > timedelta(0)
        with hospital.connect() as session, session.cursor() as cursor:
            cursor.execute("SET ROLE scorer_worker")
            cursor.execute(
                "SELECT DISTINCT query FROM pg_stat_activity WHERE query LIKE '%pg_advisory_lock_shared(4711)%'"
            )
            assert cursor.fetchall() == []
        session.close()


@pytest.mark.usefixtures("seeing")
def test_sessions_of_ours_are_no_others(hospital: Any) -> None:
    target = Target.of(hospital.url, hospital.settings, role=None)
    with closing(Session(target)) as ours, ours.transaction():
        ours.run_script("SELECT pg_sleep(0.05)")
        load = looked(hospital)
        assert load.longest_transaction == timedelta(0)


def test_a_session_of_ours_that_waits_for_a_lock_is_counted(hospital: Any) -> None:
    target = Target.of(hospital.url, replace(hospital.settings, lock_timeout=timedelta(minutes=1)), role=None)
    with closing(hospital.connect()) as holder, holder.cursor() as cursor, closing(Session(target)) as ours:
        cursor.execute("LOCK TABLE public.visits")

        def read() -> None:
            with ours.transaction():
                ours.run_script("SELECT FROM public.visits")

        thread = threading.Thread(target=read)
        thread.start()
        try:
            while looked(hospital).lock_waits != 1:
                assert thread.is_alive()
        finally:
            holder.rollback()
            thread.join()
    assert looked(hospital).lock_waits == 0


# Whole runs


def batches(hospital: Any) -> list[int]:
    return [eligible for (eligible,) in hospital.rows("SELECT eligible FROM scorer.batches ORDER BY batch_id")]


@pytest.mark.usefixtures("seeing")
def test_a_run_beside_busy_others_takes_smaller_batches_and_its_full_ones_when_they_leave(hospital: Any) -> None:
    hospital.admit(*range(1, 43))
    hospital.settings = replace(hospital.settings, batch_size=16, neighbour_active_sessions=2)
    assert hospital.run(limit=2).counts.scored == 2
    with others_at_work(hospital, 3) as leave:
        done: list[str] = []

        def watch(step: str) -> None:
            done.append(step)
            if done.count("commit") == 3:
                leave()

        assert hospital.run(watch=watch).counts.eligible == 42
    assert batches(hospital) == [2, 8, 4, 2, 4, 8, 16]


@pytest.mark.usefixtures("seeing")
def test_a_run_waits_for_others_and_then_goes_on(hospital: Any, caplog: pytest.LogCaptureFixture) -> None:
    hospital.admit(*range(1, 20))
    hospital.settings = replace(hospital.settings, batch_size=8, neighbour_active_sessions=2)
    with others_at_work(hospital, 3) as leave:
        caplog.set_level("INFO", logger="scorer.runs.neighbour")
        waiting = threading.Event()

        def release() -> None:
            while not any(record.getMessage().startswith("Database busy: waiting") for record in caplog.records):
                if waiting.wait(0.02):
                    return
            leave()

        thread = threading.Thread(target=release)
        thread.start()
        try:
            assert hospital.run().counts.scored == 19
        finally:
            waiting.set()
            thread.join()
    assert batches(hospital)[:3] == [4, 2, 1]
    assert sum(batches(hospital)) == 19


@pytest.mark.usefixtures("seeing")
def test_a_run_that_waited_in_vain_fails_with_the_reason_and_leaves_its_work_to_the_next(hospital: Any) -> None:
    hospital.admit(*range(1, 20))
    limited = replace(hospital.settings, batch_size=8, neighbour_active_sessions=2)
    hospital.settings = replace(limited, neighbour_patience=timedelta(milliseconds=300))
    with others_at_work(hospital, 3):
        with pytest.raises(DatabaseBusy, match=r"neighbour_active_sessions: \d+, limit 2"):
            hospital.run()
        status, error, eligible, scored = hospital.last_run()
        assert (status, eligible, scored) == ("failed", 19, 7)
        assert "Stopped to spare the database" in error
        assert hospital.one("SELECT count(*) FROM scorer.work") == 0, "the rest was not given back"
    assert len(hospital.scores()) == 7
    assert hospital.run().counts.scored == 12


@pytest.mark.usefixtures("seeing")
def test_a_run_that_is_done_waits_for_no_others(hospital: Any) -> None:
    hospital.admit(*range(1, 8))
    limited = replace(hospital.settings, batch_size=8, neighbour_active_sessions=2)
    hospital.settings = replace(limited, neighbour_patience=timedelta(milliseconds=1))
    with others_at_work(hospital, 3):
        assert hospital.run().counts.scored == 7
    assert batches(hospital) == [4, 2, 1]


def test_a_limit_on_what_may_not_be_seen_stops_the_run_in_one_sentence(hospital: Any) -> None:
    hospital.admit(1)
    hospital.settings = replace(hospital.settings, neighbour_longest_transaction=timedelta(minutes=1))
    with pytest.raises(UserError, match="GRANT pg_read_all_stats TO scorer_owner"):
        hospital.run()
    assert hospital.scores() == {}


def worker_processes() -> set[int]:
    """The further processes of this one."""
    children = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has just ended
            children += (task / "children").read_text().split()
    return {int(pid) for pid in children if b"take_part" in Path(f"/proc/{pid}/cmdline").read_bytes()}


@contextmanager
def a_lock_wait_of_ours(hospital: Any) -> Iterator[None]:
    """Within it, one of our sessions waits for a lock."""
    waiting = psycopg2.connect(hospital.url, application_name="scorer")
    with closing(waiting), closing(hospital.connect()) as holder:
        holder.cursor().execute("LOCK TABLE public.outcomes")
        thread = threading.Thread(target=lambda: waiting.cursor().execute("LOCK TABLE public.outcomes"))
        thread.start()
        try:
            while not hospital.one("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                assert thread.is_alive()
            yield
        finally:
            holder.rollback()
            thread.join()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_that_waits_for_others_shows_life(workers: int, hospital: Any) -> None:
    hospital.admit(*range(1, 17))
    patience = timedelta(milliseconds=300)
    hospital.settings = replace(hospital.settings, batch_size=4, neighbour_lock_waits=0, neighbour_patience=patience)
    steps: list[str] = []
    with a_lock_wait_of_ours(hospital), pytest.raises(DatabaseBusy, match="neighbour_lock_waits: 1, limit 0"):
        hospital.run(workers=workers, watch=steps.append)
    assert "wait" in steps
    status, error, eligible, scored = hospital.last_run()
    assert (status, eligible) == ("failed", 16)
    assert "Stopped to spare the database" in error
    assert 0 < scored < 16
    assert not worker_processes()
