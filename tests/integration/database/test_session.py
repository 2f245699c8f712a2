"""A session: what its transactions keep, what is made once in it, and what a job's query may name."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing, suppress

import pytest

from scorer.config import Settings
from scorer.database.connection import Target
from scorer.database.encoding import text, word
from scorer.database.session import Session
from scorer.database.statements import only_named
from scorer.errors import UserError

MANY = "SELECT repeat('1', 1000) AS text FROM generate_series(1, :rows)"
WAITING = "SELECT count(*) AS waiting FROM scorer.requests"


@pytest.fixture(scope="module")
def url(make_database: Callable[[str], str], template: str) -> str:
    """One database for all, without a request in it."""
    return make_database(template)


@pytest.fixture
def session(url: str, settings: Settings) -> Iterator[Session]:
    with closing(Session(Target.of(url, settings, role="scorer_worker"))) as opened:
        yield opened


def waiting(session: Session) -> int:
    with session.transaction():
        return int(session.execute(WAITING, {}).scalar_one())


def ask(session: Session) -> None:
    session.execute("INSERT INTO scorer.requests (job, entity_id) VALUES (:job, '1')", {"job": "sepsis"})


def test_a_stream_gives_rows_as_they_come_and_holds_few(
    session: Session, url: str, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scorer.database.session.statement", lambda _name: MANY)
    with session.transaction():
        tracemalloc.start()
        numbers = session.stream("many", rows=300_000)
        assert next(numbers).text == "1" * 1000
        seen = 1 + sum(1 for _ in numbers)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert seen == 300_000
    assert most < 30_000_000, "300 MB were given"


def test_a_transaction_is_kept_unless_it_fails_or_is_not_to_be(session: Session) -> None:
    before = waiting(session)
    with session.transaction(keep=False):
        ask(session)
    with suppress(ZeroDivisionError), session.transaction():
        ask(session)
        raise ZeroDivisionError
    assert waiting(session) == before
    with session.transaction():
        ask(session)
    assert waiting(session) == before + 1


def test_closing_rolls_back_and_the_next_transaction_opens_anew(session: Session) -> None:
    before = waiting(session)
    with suppress(KeyboardInterrupt), session.transaction():
        ask(session)
        session.close()
        session.close()
        raise KeyboardInterrupt
    assert waiting(session) == before


def test_what_lasts_as_long_as_the_session_is_made_once_in_it(session: Session) -> None:
    there = "SELECT to_regclass('pg_temp.staged_rejections') IS NOT NULL"
    fields = (text("1"), text(""), word("rule"), word("hold"), word("column"), text("seen"), text("expected"))

    def stage(*, keep: bool = True) -> None:
        with session.transaction(keep=keep):
            session.make("create_staged_rejections")
            session.make("create_staged_rejections")
            session.copy("copy_rejections", [fields])
            assert session.execute("SELECT count(*) FROM pg_temp.staged_rejections", {}).scalar_one() == 1

    stage(keep=False)  # it is gone with the transaction
    stage()
    stage()
    with session.transaction():
        assert session.execute(there, {}).scalar_one()
    session.close()
    with session.transaction():
        assert not session.execute(there, {}).scalar_one()
    stage()


def test_a_statement_alone_is_in_no_transaction(session: Session) -> None:
    with (
        pytest.raises(UserError, match=r"^A script failed: active sql transaction \(SQLSTATE 25001\)"),
        session.transaction(),
    ):
        session.run_script("ALTER SYSTEM RESET work_mem")
    with pytest.raises(UserError, match="permission denied"):
        session.alone("ALTER SYSTEM RESET work_mem")


def test_rows_are_shown_by_the_names_of_their_columns(session: Session) -> None:
    with session.transaction():
        (row,) = session.shown("read_clock")
        assert row.keys() == {"now"}
        assert session.one("read_clock").now >= row["now"]
        assert session.all("list_asked_jobs", jobs=[]) == []


def test_a_jobs_query_gets_the_parameters_that_it_names_and_may_name_no_other() -> None:
    given = {"as_of": 1, "sweep": True}
    assert only_named("SELECT CAST(:as_of AS timestamptz), '1'::text", given, where="due") == {"as_of": 1}
    with pytest.raises(UserError, match=r"^The statement due names :limit_hours, which \[parameters\]"):
        only_named("SELECT :limit_hours", given, where="The statement due")
