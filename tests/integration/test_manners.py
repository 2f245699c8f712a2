"""How sessions behave in a database that others use, and that is not as one would wish."""

from __future__ import annotations

import os
import signal
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest

from scorer.config import Settings
from scorer.database import schema
from scorer.database.connection import Database, Target
from scorer.database.session import engine
from scorer.database.store.batches import claim_work
from scorer.errors import UserError
from scorer.jobs.job import Job
from scorer.registry import registration
from scorer.runs.due import enqueue
from scorer.runs.run import dry_run, run_job
from scorer.scoring.opening import open_pipeline
from scorer.scoring.pipeline import carry_batch
from scorer.types.enums import Trigger


def name_of(url: str) -> str:
    return url.split("?", maxsplit=1)[0].rsplit("/", maxsplit=1)[-1]


def test_an_interrupt_while_observations_are_read_is_heard(hospital: Any, changed_job: Any) -> None:
    job = changed_job(("observations.sql", "FROM unnest", "FROM pg_catalog.pg_sleep(0.3) AS slept, unnest"))
    hospital.admit(1, 2)

    def interrupt_soon(step: str) -> None:
        if step == "claim":
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()

    with pytest.raises(KeyboardInterrupt):
        hospital.run(job, watch=interrupt_soon)
    assert hospital.rows("SELECT status, eligible FROM scorer.runs") == [("running", 2)]
    assert hospital.run(job).counts.eligible == 2
    assert hospital.rows("SELECT DISTINCT status FROM scorer.runs") == [("succeeded",)]


def test_a_function_planted_in_public_is_never_run(database_url: str, settings: Settings) -> None:
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE public.caught (who text)")
        cursor.execute(
            "CREATE FUNCTION public.hashtextextended(text, integer) RETURNS bigint LANGUAGE sql AS "
            "$$INSERT INTO public.caught VALUES (current_user) RETURNING 1::bigint$$"
        )
    schema.upgrade(engine(Target.of(database_url, settings, role=None)))
    registration.install_jobs(database=Database(database_url, settings))
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM public.caught")
        assert cursor.fetchone() == (0,)


def test_rows_hidden_by_a_policy_are_told_and_not_taken_for_none(hospital: Any) -> None:
    hospital.admit(1)
    hospital.execute("ALTER TABLE public.visits ENABLE ROW LEVEL SECURITY")
    with pytest.raises(UserError, match="row-level security"):
        hospital.run()


@pytest.mark.parametrize(
    "setting",
    [
        "default_transaction_isolation = 'serializable'",
        "search_path = ''",
        "TimeZone = 'Asia/Kolkata'",
        "DateStyle = 'SQL, DMY'",
        "bytea_output = 'escape'",
        "client_encoding = 'LATIN1'",
    ],
)
def test_a_databases_own_settings_change_nothing(hospital: Any, setting: str) -> None:
    hospital.execute(f"ALTER DATABASE {name_of(hospital.url)} SET {setting}")
    hospital.admit(1, 2, 3)
    hospital.execute("UPDATE public.visits SET client = 'Müller' WHERE visit_id = 2")
    hospital.execute("UPDATE public.patient_observations SET client = 'Müller' WHERE visit_id = 2")
    assert hospital.run().counts.scored == 3
    assert hospital.run().counts.unchanged == 3
    told = hospital.rows("SELECT client FROM reporting.sepsis_predictions WHERE visit_id = 2")
    assert [client.encode("latin1") for (client,) in told] == ["Müller".encode("latin1")]


def test_a_read_only_database_is_one_sentence(hospital: Any) -> None:
    hospital.admit(1)
    hospital.execute(f"ALTER DATABASE {name_of(hospital.url)} SET default_transaction_read_only = on")
    with pytest.raises(UserError, match="read-only"):
        hospital.run()


def test_a_trigger_of_the_hospitals_that_refuses_is_one_sentence_and_nothing_is_kept(hospital: Any) -> None:
    hospital.admit(1, 2)
    hospital.execute(
        "CREATE FUNCTION public.closed() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'visit is closed'; END$$"
    )
    hospital.execute(
        "CREATE TRIGGER closed BEFORE UPDATE ON public.visits FOR EACH ROW EXECUTE FUNCTION public.closed()"
    )
    with pytest.raises(UserError, match=r"write_back of job sepsis was refused .* \(SQLSTATE P0001\)"):
        hospital.run()
    assert hospital.one("SELECT count(*) FROM scorer.scores") == 0
    assert hospital.last_run()[0] == "failed"
    hospital.execute("DROP TRIGGER closed ON public.visits")
    assert hospital.run().counts.scored == 2


def test_a_time_in_the_future_is_refused(hospital: Any) -> None:
    hospital.admit(1)
    with pytest.raises(UserError, match="lies in the future"):
        hospital.run(as_of=datetime.now(UTC) + timedelta(hours=1))
    assert hospital.rows("SELECT run_id FROM scorer.runs") == []
    assert hospital.run().counts.scored == 1


def test_a_run_takes_now_from_the_databases_clock(hospital: Any) -> None:
    ended = run_job(hospital.job, database=Database(hospital.url, hospital.settings))
    ((as_of, started_at),) = hospital.rows("SELECT as_of, started_at FROM scorer.runs")
    assert ended.as_of == as_of == started_at


def test_nobody_waits_for_a_dry_run(hospital: Any, sepsis: Job) -> None:
    hospital.admit(*range(1, 7))
    judging, go_on = threading.Event(), threading.Event()

    def hold(done: int, total: int) -> None:
        judging.set()
        assert go_on.wait(60)

    tried: list[Any] = []
    thread = threading.Thread(
        target=lambda: tried.append(
            dry_run(sepsis, database=Database(hospital.url, hospital.settings), as_of=hospital.noon, progress=hold)
        )
    )
    thread.start()
    try:
        assert judging.wait(60)
        assert hospital.run().counts.scored == 6  # had it to wait, it would give up after lock_timeout
    finally:
        go_on.set()
        thread.join()
    assert tried[0].counts.scored == 6
    assert hospital.one("SELECT count(*) FROM scorer.runs") == 1


def test_whoever_enqueues_does_not_wait_for_a_batch_in_hand(hospital: Any, sepsis: Job) -> None:
    hospital.admit(*range(1, 7))
    first = open_pipeline(sepsis, database=Database(hospital.url, hospital.settings))
    second = open_pipeline(sepsis, database=Database(hospital.url, hospital.settings))
    try:
        with first.session.transaction():
            run, eligible = enqueue(first, as_of=hospital.noon, limit=None, trigger=Trigger.MANUAL)
        assert eligible == 6
        with first.session.transaction():
            assert len(claim_work(first.session, sepsis, run, size=4)) == 4
            with second.session.transaction():
                _, others = enqueue(second, as_of=hospital.noon, limit=None, trigger=Trigger.MANUAL)
            assert others == 0
        counts = carry_batch(first, run)
        assert counts is not None
        assert counts.scored == 6
    finally:
        first.close()
        second.close()
