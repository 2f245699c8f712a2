"""New observations ask for scores, where a site has installed the trigger, which never hinders those who insert them."""

from __future__ import annotations

import io
import statistics
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from scorer.runs.requests import RequestAnswering

NEW = (
    "INSERT INTO public.patient_observations (visit_id, client, observation_date, observation_type_code, observation_value, "
    "reference_range_min, reference_range_max) SELECT {visit}, 'C1', now() - n * INTERVAL '1 minute', 'HR', 70 + n, 60, 100 "
    "FROM generate_series(1, {rows}) AS n"
)


@pytest.fixture
def stream(ward: Any) -> Any:
    """A ward with three visits, whose new observations are counted."""
    ward.admit(1, 2, 3)
    ward.execute(ward.job.statements["new_observations"])
    return ward


def arrive(ward: Any, visit: object, rows: int = 1) -> None:
    ward.execute(NEW.format(visit=visit, rows=rows))


def arrivals(ward: Any) -> list[tuple[Any, ...]]:
    """(entity_id, observations) of what was counted and not asked for yet."""
    return ward.rows("SELECT entity_id, sum(observations)::int FROM scorer.arrivals GROUP BY 1 ORDER BY 1")


def asked(ward: Any) -> list[str]:
    """The entities that requests wait for, in order."""
    return [row[0] for row in ward.rows("SELECT entity_id FROM scorer.requests WHERE status = 'waiting' ORDER BY 1")]


def test_nothing_is_counted_where_it_was_not_installed(ward: Any, answering: RequestAnswering) -> None:
    ward.admit(1)
    arrive(ward, 1, rows=9)
    assert arrivals(ward) == []
    assert answering.ask_for_arrivals() == 0


def test_a_visit_is_scored_once_enough_has_come(stream: Any, answering: RequestAnswering) -> None:
    answering.warm()
    for _ in range(stream.job.min_observations - 1):
        arrive(stream, 1)
        assert answering.ask_for_arrivals() == 0
    arrive(stream, 2, rows=2)
    assert arrivals(stream) == [("1", 4), ("2", 2)]
    arrive(stream, 1)
    assert answering.ask_for_arrivals() == 1
    assert asked(stream) == ["1"]
    assert arrivals(stream) == [("2", 2)]
    assert answering.ask_for_arrivals() == 0
    assert answering.answer_waiting() == 1
    assert stream.statuses() == {"1": "SCORED"}
    assert stream.one("SELECT priority FROM scorer.requests") == -1, "behind those that people ask for"


def test_copied_and_inserted_rows_count_alike(stream: Any, answering: RequestAnswering) -> None:
    with closing(stream.connect()) as connection, connection, connection.cursor() as cursor:
        rows = "".join(f"{visit}\tC\t2026-01-01T00:00Z\tHR\t{70 + n}\n" for visit in (1, 2) for n in range(6))
        columns = "visit_id, client, observation_date, observation_type_code, observation_value"
        cursor.copy_expert(f"COPY public.patient_observations ({columns}) FROM STDIN", io.StringIO(rows))
    assert arrivals(stream) == [("1", 6), ("2", 6)]
    assert stream.one("SELECT count(*) FROM scorer.arrivals") == 2, "one row per statement and visit"
    assert answering.ask_for_arrivals() == 2
    assert asked(stream) == ["1", "2"]


def test_rows_of_no_visit_and_of_one_that_is_not_there_do_no_harm(stream: Any, answering: RequestAnswering) -> None:
    arrive(stream, "NULL", rows=9)
    assert arrivals(stream) == []
    arrive(stream, 777, rows=9)
    assert answering.ask_for_arrivals() == 1
    assert answering.answer_waiting() == 1
    assert stream.rows("SELECT status FROM scorer.requests") == [("refused",)]
    arrive(stream, 1, rows=0)
    assert stream.one("SELECT count(*) FROM scorer.arrivals") == 0


def test_what_was_not_asked_for_in_time_is_forgotten(stream: Any, answering: RequestAnswering) -> None:
    arrive(stream, 1, rows=2)
    stream.execute("UPDATE scorer.arrivals SET arrived_at = arrived_at - INTERVAL '7 hours'")
    arrive(stream, 2, rows=2)
    assert answering.ask_for_arrivals() == 0
    assert arrivals(stream) == [("2", 2)]


def test_no_loop_is_woken_for_nothing(stream: Any, answering: RequestAnswering) -> None:
    with closing(stream.connect()) as listening, listening.cursor() as cursor:
        cursor.execute("LISTEN scorer_requests; LISTEN scorer_answers")
        listening.commit()
        arrive(stream, 1, rows=2)
        assert answering.ask_for_arrivals() == 0
        assert answering.answer_waiting() == 0
        assert answering.refuse_strangers({}) == 0
        listening.poll()
        assert listening.notifies == []
        arrive(stream, 1, rows=3)
        assert answering.ask_for_arrivals() == 1
        assert answering.answer_waiting() == 1
        deadline = time.monotonic() + 60
        while len(listening.notifies) < 2 and time.monotonic() < deadline:
            listening.poll()
        assert [each.channel for each in listening.notifies] == ["scorer_requests", "scorer_answers"]


def test_two_processes_at_once_ask_once(stream: Any, open_answering: Callable[..., RequestAnswering]) -> None:
    for visit in (1, 2, 3):
        arrive(stream, visit, rows=5)
    desks = [open_answering() for _ in range(2)]
    together, found = threading.Barrier(2), [0, 0]

    def work(number: int) -> None:
        together.wait()
        found[number] = desks[number].ask_for_arrivals()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(found) == 3
    assert asked(stream) == ["1", "2", "3"]
    assert arrivals(stream) == []


# Whoever inserts


def test_a_role_that_may_only_insert_observations_needs_no_more(stream: Any) -> None:
    stream.execute("CREATE ROLE stream_clinician NOLOGIN")
    try:
        stream.execute("GRANT INSERT ON public.patient_observations TO stream_clinician")
        with closing(stream.connect()) as connection, connection, connection.cursor() as cursor:
            cursor.execute("SET ROLE stream_clinician")
            # What it lays in the way does not mislead the owner's function.
            cursor.execute(
                "CREATE FUNCTION pg_temp.count(bigint) RETURNS bigint LANGUAGE sql AS $$ SELECT 1000::bigint $$"
            )
            cursor.execute("SET search_path = pg_temp, public")
            cursor.execute("INSERT INTO public.patient_observations (visit_id) VALUES (1)")
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute("SELECT 1 FROM scorer.arrivals")
        stream.execute(NEW.format(visit=2, rows=1))
        assert ("2", 1) in arrivals(stream)
    finally:
        stream.execute("DROP OWNED BY stream_clinician; DROP ROLE stream_clinician")


@pytest.mark.parametrize(
    "damage",
    [
        "DROP TABLE scorer.arrivals",
        "ALTER TABLE scorer.arrivals RENAME COLUMN observations TO o",
        "REVOKE INSERT ON scorer.arrivals FROM scorer_owner",
        "ALTER TABLE scorer.arrivals ADD CONSTRAINT none CHECK (observations > 99)",
        "DROP SCHEMA scorer CASCADE",
        "DROP FUNCTION scorer.new_observations_of_sepsis() CASCADE",
    ],
)
def test_no_damage_of_ours_keeps_an_observation_out(stream: Any, damage: str) -> None:
    stream.execute(damage)
    before = stream.one("SELECT count(*) FROM public.patient_observations")
    arrive(stream, 1, rows=3)
    assert stream.one("SELECT count(*) FROM public.patient_observations") == before + 3


def test_no_lock_of_ours_keeps_an_observation_waiting(stream: Any) -> None:
    """As a migration takes it: the observation is inserted while the lock is held, and not counted."""
    with closing(stream.connect()) as holding, holding.cursor() as cursor:
        cursor.execute("LOCK TABLE scorer.arrivals IN ACCESS EXCLUSIVE MODE")
        arrive(stream, 1, rows=3)
    assert arrivals(stream) == []
    assert stream.one("SHOW lock_timeout") == "0", "the session's own is as it was"


def test_sessions_that_insert_do_not_wait_for_each_other_nor_for_the_answers(
    stream: Any, answering: RequestAnswering
) -> None:
    with closing(stream.connect()) as first, first.cursor() as cursor:
        cursor.execute(NEW.format(visit=1, rows=5))
        stream.execute("SET lock_timeout = '1s'")
        arrive(stream, 1, rows=5)
        assert answering.ask_for_arrivals() == 1
        first.commit()
    assert arrivals(stream) == [("1", 5)]
    assert answering.ask_for_arrivals() == 1


def test_a_thousand_rows_cost_little_more(stream: Any) -> None:
    """Printed, and not judged by the clock: a busy machine decides that."""

    def seconds() -> float:
        found = []
        for _ in range(5):
            began = time.monotonic()
            arrive(stream, "1 + n % 3", rows=1000)
            found.append(time.monotonic() - began)
        return statistics.median(found)

    counted = seconds()
    assert stream.one("SELECT count(*) FROM scorer.arrivals") == 15
    stream.execute("DROP FUNCTION scorer.new_observations_of_sepsis() CASCADE")
    bare = seconds()
    print(f"1,000 rows inserted in {bare * 1000:.1f} ms; counted, in {counted * 1000:.1f} ms")
    assert stream.one("SELECT count(*) FROM scorer.arrivals") == 15


def test_the_script_can_be_run_again(stream: Any) -> None:
    stream.execute(stream.job.statements["new_observations"])
    arrive(stream, 1, rows=2)
    assert arrivals(stream) == [("1", 2)]
    owner = "SELECT pg_get_userbyid(proowner) FROM pg_proc WHERE proname = 'new_observations_of_sepsis'"
    assert stream.one(owner) == "scorer_owner"
