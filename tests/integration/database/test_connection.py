"""What a URL says reaches the server as psql would have it: which hosts, which of them, and the URL's own options."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import psycopg2
import pytest

from scorer.config import Settings
from scorer.database.connecting import connect
from scorer.database.connection import Target
from scorer.database.notifications import Listener
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.session import Session
from scorer.database.source.arrow_session import ArrowSession
from scorer.errors import DatabaseUnavailable


@pytest.fixture(scope="module")
def url(make_database: Callable[[str], str], template: str) -> str:
    """One database for all: nothing is changed."""
    return make_database(template)


def target(settings: Settings, url: str, role: str | None = "scorer_worker") -> Target:
    return Target.of(url, settings, role=role)


def use_all_kinds(target: Target) -> None:
    """Open a session of each kind, and use it."""
    with closing(Session(target)) as session, session.transaction():
        session.run_script("SELECT 1")
    with closing(ArrowSession(target)) as arrow:
        assert arrow.query("SELECT 1 AS one", {}, where="It").num_rows == 1
    with closing(ReadOnlySession(target, patience=timedelta(seconds=30))) as readonly:
        assert readonly.all("name_backend")
    with closing(Listener.for_requests(target)) as listener:
        listener.open()


@pytest.mark.parametrize("attributes", ["any", "read-write", "primary", "prefer-standby"])
@pytest.mark.parametrize("hosts", ["one", "several"])
def test_target_session_attrs_finds_the_primary_for_every_kind_of_session(
    url: str, settings: Settings, attributes: str, hosts: str
) -> None:
    if hosts == "several":
        folder = psycopg2.extensions.parse_dsn(url)["host"]
        url = url.replace(f"host={folder}", f"host={quote('/nowhere')},{folder},{folder}")
    use_all_kinds(target(settings, f"{url}&target_session_attrs={attributes}"))


@pytest.mark.parametrize("attributes", ["read-only", "standby"])
def test_a_primary_is_no_standby(url: str, settings: Settings, attributes: str) -> None:
    asked = target(settings, f"{url}&target_session_attrs={attributes}")
    for open_one in (lambda: connect(asked, read_only=True), ArrowSession(asked)._opened):
        with pytest.raises(DatabaseUnavailable, match="The database does not answer"):
            open_one()


def shown(target: Target, *names: str) -> tuple[Any, ...]:
    with closing(connect(target, read_only=False)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(f"current_setting('{name}')" for name in names))
        return tuple(cursor.fetchall()[0])


def test_options_of_the_url_are_kept(url: str, settings: Settings) -> None:
    with_options = f"{url}&options=-c%20work_mem%3D7MB%20-c%20search_path%3Dpublic%20-c%20row_security%3Don"
    assert shown(target(settings, with_options), "work_mem", "jit", "search_path", "row_security", "role") == (
        "7MB",
        "off",
        "pg_catalog, pg_temp",
        "off",
        "scorer_worker",
    )


def test_of_two_timeouts_the_shorter_counts(url: str, settings: Settings) -> None:
    options = "-c%20statement_timeout%3D30s%20-c%20lock_timeout%3D1h%20-c%20idle_in_transaction_session_timeout%3D0"
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    assert shown(target(settings, f"{url}&options={options}"), *names) == ("30s", "5s", "10min")
