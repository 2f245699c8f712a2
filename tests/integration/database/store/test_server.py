"""The server by the functions of the store: parameters of a transaction, its locks, plans, and the WAL position."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scorer.database.session import Session
from scorer.database.store.server import (
    ServerLoad,
    TableLock,
    describe_session,
    explain_statement,
    give_no_row,
    list_table_locks,
    list_zone_guesses,
    mark_position,
    read_server_load,
    set_parameter,
)


def test_a_session_is_described_by_its_login_and_role(session: Session, open_session: Callable[..., Session]) -> None:
    login = open_session(None)
    with session.transaction(), login.transaction():
        ours, theirs = describe_session(session), describe_session(login)
    assert "scorer_worker" in ours.values()
    assert "scorer_worker" not in theirs.values()
    assert ours.keys() == theirs.keys()


def test_a_parameter_lasts_as_long_as_its_transaction(session: Session) -> None:
    def seen() -> object:
        return session.execute("SELECT current_setting('work_mem')", {}).scalar_one()

    with session.transaction():
        before = seen()
        set_parameter(session, "work_mem", setting="3MB")
        assert seen() == "3MB"
    with session.transaction():
        assert seen() == before


def test_the_locks_of_a_transaction_are_named_as_lock_table_names_them(session: Session) -> None:
    with session.transaction():
        session.run_script("SELECT FROM public.visits")
        session.run_script("DELETE FROM scorer.work WHERE false")
        locks = set(list_table_locks(session))
    assert {TableLock("public.visits", "ACCESS SHARE"), TableLock("scorer.work", "ROW EXCLUSIVE")} <= locks
    with session.transaction():
        assert not {each for each in list_table_locks(session) if each.relation == "public.visits"}


def test_a_statement_is_explained_and_not_run(hospital: Any, session: Session) -> None:
    insert = "INSERT INTO scorer.requests (job, entity_id) VALUES (:job, :entity)"
    parameters = {"job": "sepsis", "entity": "1", "further": "not named"}
    with session.transaction():
        lines = explain_statement(session, insert, parameters, form="TEXT")
        (document,) = explain_statement(session, insert, parameters, form="JSON")
    assert lines[0].startswith("Insert on")
    assert document[0]["Plan"]["Node Type"] == "ModifyTable"
    assert hospital.one("SELECT count(*) FROM scorer.requests") == 0


def test_the_position_moves_on_with_what_is_written(hospital: Any, session: Session) -> None:
    with session.transaction():
        first = mark_position(session)
    hospital.execute("CREATE TABLE written AS SELECT generate_series(1, 1000)")
    with session.transaction():
        second = mark_position(session)
    assert (first.cluster, first.timeline, first.database) == (second.cluster, second.timeline, second.database)
    assert hospital.one("SELECT pg_wal_lsn_diff(%s, %s) > 0", second.written, first.written)


def test_the_load_of_others_is_unknown_unless_it_is_granted(session: Session) -> None:
    with session.transaction():
        load = read_server_load(session)
    assert load == ServerLoad(active_sessions=None, replication_lag=None, lock_waits=0, longest_transaction=None)


def test_what_a_statement_says_of_times_is_known_without_running_it(session: Session) -> None:
    with session.transaction(keep=False):
        assert give_no_row(session, "SELECT now() AS a, CAST(:b AS timestamp) AS b", {"b": None}) == ("b",)
        session.run_script("CREATE TEMPORARY TABLE seen (at timestamp)")
        assert list_zone_guesses(session, "SELECT 1 FROM pg_temp.seen WHERE at AT TIME ZONE 'UTC' < now()", {}) == ()
    with session.transaction(keep=False):
        session.run_script("CREATE TEMPORARY TABLE seen (at timestamp)")
        (guess,) = list_zone_guesses(session, "UPDATE pg_temp.seen SET at = now()", {})
    assert guess.endswith(".seen.at")
