"""Sessions as they are opened: settings, role and time limits, by both drivers, and what a DBA gave the login's role."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import psycopg2
import pytest
import sqlalchemy as sa

from scorer.config import Settings
from scorer.database.connecting import connect, lost_settings
from scorer.database.connection import Target
from scorer.database.notifications import Listener
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.session import engine
from scorer.database.source.arrow_session import ArrowSession
from scorer.errors import DatabaseUnavailable, UserError

ASKED = {
    "role": "scorer_worker",
    "statement_timeout": "10min",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "10min",
    "TimeZone": "UTC",
    "application_name": "scorer",
    "client_encoding": "UTF8",
    "search_path": "pg_catalog, pg_temp",
    "row_security": "off",
    "default_transaction_read_only": "off",
}
SELECT = "SELECT " + ", ".join(f"current_setting('{name}') AS \"{name}\"" for name in ASKED)


@pytest.fixture(scope="module")
def url(make_database: Callable[[str], str], template: str) -> str:
    """One database for all: nothing is changed."""
    return make_database(template)


@pytest.fixture
def login(url: str) -> Iterator[tuple[str, str]]:
    """The name of a login that is a worker, and the database's URL for it."""
    name = f"login_{os.getpid()}"
    run_sql(url, f"CREATE ROLE {name} LOGIN PASSWORD 'x'; GRANT scorer_worker TO {name}")
    yield name, url.replace("scorer@", f"{name}:x@", 1)
    run_sql(url, f"DROP OWNED BY {name}; DROP ROLE {name}")


def run_sql(url: str, text: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(text)


def target(settings: Settings, url: str, role: str | None = "scorer_worker") -> Target:
    return Target.of(url, settings, role=role)


def test_every_session_has_its_settings(url: str, settings: Settings) -> None:
    asked = target(settings, url)
    with engine(asked).connect() as connection:
        assert dict(connection.execute(sa.text(SELECT)).one()._mapping) == ASKED
    read_only = ASKED | {"default_transaction_read_only": "on"}
    with closing(ArrowSession(asked)) as arrow:
        assert arrow.query(SELECT, {}, where="It").to_pylist() == [read_only]
    with closing(connect(asked, read_only=True)) as connection, connection.cursor() as cursor:
        cursor.execute(SELECT)
        assert cursor.fetchone() == tuple(read_only.values())


def test_the_sessions_of_health_and_notifications_have_them_too(url: str, settings: Settings) -> None:
    asked = target(settings, url)
    with (
        closing(ReadOnlySession(asked, patience=timedelta(seconds=30))) as readonly,
        closing(Listener.for_answers(asked)) as listener,
    ):
        readonly.all("name_backend")
        listener.open()
        for connection in (readonly._connection, listener._session):
            made = {each.name: each.value for each in connection.settings}
            assert made["role"] == "scorer_worker"
            assert made["default_transaction_read_only"] == "on"
            assert not connection.pooled


def test_they_last_longer_than_a_transaction(url: str, settings: Settings) -> None:
    connection, lost = lost_settings(target(settings, url))
    assert not lost
    assert not connection.pooled
    with closing(connect(target(settings, url), read_only=False)) as session, session.cursor() as cursor:
        session.rollback()
        cursor.execute(SELECT)
        assert cursor.fetchone() == tuple(ASKED.values())


def test_timeouts_of_the_logins_role_that_are_shorter_are_kept(login: tuple[str, str], settings: Settings) -> None:
    name, url = login
    for setting in (
        "statement_timeout = '90s'",
        "lock_timeout = '1h'",
        "work_mem = '8MB'",
        "search_path = public, pg_catalog",
    ):
        run_sql(url.replace(f"{name}:x@", "scorer@"), f"ALTER ROLE {name} SET {setting}")
    with closing(connect(target(settings, url), read_only=False)) as connection:
        made = {each.name: (each.value, each.kept) for each in connection.settings}
    assert made["statement_timeout"] == ("90s", True)
    assert made["lock_timeout"] == ("5s", False)
    assert made["work_mem"] == ("8MB", True)
    assert made["jit"] == ("off", False)
    assert made["search_path"] == ("pg_catalog, pg_temp", False)


def test_a_function_planted_in_public_is_not_called_while_a_session_is_opened(
    login: tuple[str, str], settings: Settings
) -> None:
    name, url = login
    owner = url.replace(f"{name}:x@", "scorer@")
    run_sql(
        owner,
        f"ALTER ROLE {name} SET search_path = planted, pg_catalog; CREATE SCHEMA planted; GRANT USAGE ON SCHEMA planted TO {name};"
        "CREATE FUNCTION planted.set_config(text, text, boolean) RETURNS text LANGUAGE sql AS $$ SELECT 1 / 0 || 'never' $$",
    )
    try:
        with closing(connect(target(settings, url), read_only=False)):
            pass
        with closing(ArrowSession(target(settings, url))) as arrow:
            assert arrow.query("SELECT 1 AS one", {}, where="It").num_rows == 1
    finally:
        run_sql(owner, "DROP SCHEMA planted CASCADE")


def test_a_role_that_is_missing_or_not_granted_is_one_sentence(login: tuple[str, str], settings: Settings) -> None:
    _, url = login
    for role, words in (
        ("nobodys", 'no role "nobodys"; run `scorer db upgrade`'),
        ("scorer_owner", 'able to set role "scorer_owner"; GRANT that role to the user of'),
    ):
        asked = target(settings, url, role)
        kinds = (
            lambda asked=asked: connect(asked, read_only=False),
            ArrowSession(asked)._opened,
            lambda asked=asked: ReadOnlySession(asked, patience=timedelta(seconds=30)).all("name_backend"),
        )
        for opened in kinds:
            with pytest.raises(UserError, match=words) as raised:
                opened()
            assert not isinstance(raised.value, DatabaseUnavailable)


def test_a_timeout_longer_than_the_server_knows_is_its_longest(url: str, settings: Settings) -> None:
    for_ever = replace(settings, statement_timeout=timedelta(days=60))
    with closing(connect(target(for_ever, url), read_only=False)):
        pass
