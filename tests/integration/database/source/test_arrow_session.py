"""A session that gives Arrow columns: read-only, its settings bound, opened ahead and anew."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import psycopg2
import pytest

from scorer.config import Settings
from scorer.database.connection import Target
from scorer.database.source.arrow_session import ArrowSession
from scorer.errors import DatabaseUnavailable, UserError

WHERE = "The statement observations of job j"


@pytest.fixture(scope="module")
def url(make_database: Callable[[str], str], template: str) -> str:
    """One database for all: nothing is written."""
    return make_database(template)


@pytest.fixture
def session(url: str, settings: Settings) -> Iterator[ArrowSession]:
    with closing(ArrowSession(Target.of(url, settings, role="scorer_worker"))) as opened:
        yield opened


def one(session: ArrowSession, query: str, **settings: str) -> object:
    """The one value of a query."""
    ((value,),) = [row.values() for row in session.query(query, settings, where=WHERE).to_pylist()]
    return value


def test_a_statement_reads_the_settings_made_with_it(session: ArrowSession) -> None:
    ask = "SELECT current_setting('scorer.ward') || current_setting('enable_seqscan')"
    assert one(session, ask, **{"scorer.ward": "A", "enable_seqscan": "off"}) == "Aoff"
    assert one(session, ask, **{"scorer.ward": 'B"', "enable_seqscan": "off"}) == 'B"off'
    assert one(session, ask) == 'B"off', "what is made already is not made again"


def test_it_writes_nothing_and_acts_as_its_role(session: ArrowSession) -> None:
    assert one(session, "SELECT CAST(current_user AS text)") == "scorer_worker"
    with pytest.raises(UserError, match="would write, and is run in a read-only session"):
        one(session, "INSERT INTO scorer.requests (job, entity_id) VALUES ('j', '1') RETURNING request_id")


def test_an_error_names_the_statement_and_the_next_one_is_run_in_a_new_session(session: ArrowSession) -> None:
    first = one(session, "SELECT pg_backend_pid()", **{"scorer.ward": "A"})
    with pytest.raises(UserError, match=f"^{WHERE} names a table that is not there"):
        one(session, "SELECT * FROM public.nowhere")
    ask = "SELECT pg_backend_pid() || ' ' || current_setting('scorer.ward')"
    later = str(one(session, ask, **{"scorer.ward": "A"}))
    assert later.endswith(" A"), "the settings are made anew"
    assert later != f"{first} A"


def test_a_session_that_was_ended_is_opened_anew(session: ArrowSession, url: str) -> None:
    pid = one(session, "SELECT pg_backend_pid()")
    with closing(psycopg2.connect(url)) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", (pid,))
    with pytest.raises(DatabaseUnavailable):
        one(session, "SELECT 1")
    assert one(session, "SELECT 1") == 1


def test_it_may_be_opened_ahead_and_closed_before_it_is_used(session: ArrowSession) -> None:
    session.open_ahead()
    session.open_ahead()
    assert one(session, "SELECT 1") == 1
    session.close()
    session.open_ahead()
    session.close()
    session.close()
    assert one(session, "SELECT 2") == 2


def test_a_server_that_is_not_there_is_reported_when_the_session_is_used(settings: Settings) -> None:
    nowhere = ArrowSession(Target.of("postgresql:///d?host=/nowhere", settings, role=None))
    nowhere.open_ahead()
    with pytest.raises(DatabaseUnavailable, match="The database does not answer"):
        one(nowhere, "SELECT 1")
    nowhere.open_ahead()
    nowhere.close()
