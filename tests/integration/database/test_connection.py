"""Sessions as they are opened: role, time limits, time zone and the URL's own options, by both drivers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import psycopg2
import pytest
import sqlalchemy as sa

from scorer.config import Settings
from scorer.database.connection import Target, columns_uri
from scorer.database.session import engine


@pytest.fixture(scope="module")
def url(make_database: Callable[[str], str], template: str) -> str:
    """One database for all: nothing is changed."""
    return make_database(template)


def target(settings: Settings, url: str, role: str | None = "scorer_worker") -> Target:
    return Target.of(url, settings, role=role)


def test_every_session_has_its_settings(url: str, settings: Settings) -> None:
    asked = (
        "SELECT current_user, current_setting('statement_timeout'), current_setting('lock_timeout'), "
        "current_setting('idle_in_transaction_session_timeout'), current_setting('TimeZone'), "
        "current_setting('application_name'), current_setting('default_transaction_read_only')"
    )
    with engine(target(settings, url)).connect() as connection:
        ours = tuple(connection.execute(sa.text(asked)).one())
    assert ours == ("scorer_worker", "10min", "5s", "10min", "UTC", "scorer", "off")
    uri = columns_uri(target(settings, url))
    with closing(psycopg2.connect(uri)) as connection, connection.cursor() as cursor:
        cursor.execute(asked)
        assert cursor.fetchone() == (*ours[:-1], "on")


def test_options_of_the_url_are_kept(url: str, settings: Settings) -> None:
    with_options = f"{url}&options=-c%20work_mem%3D7MB"
    with engine(target(settings, with_options)).connect() as connection:
        assert connection.execute(sa.text("SELECT current_setting('work_mem'), current_user")).one() == (
            "7MB",
            "scorer_worker",
        )
