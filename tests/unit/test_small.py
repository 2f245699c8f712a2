"""The small parts: spans of time, counts, and the database's errors in one sentence."""

from __future__ import annotations

import re
from contextlib import closing
from datetime import timedelta

import psycopg2
import pytest
import sqlalchemy as sa

from scorer.config import Settings, parse_span
from scorer.database.connection import Target, columns_uri, libpq_url
from scorer.database.error_messages import sentences, translate_error
from scorer.database.session import engine
from scorer.errors import DatabaseUnavailable, StatementFailed, UserError
from scorer.types.values import Counts

# Spans of time


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("1 ms", timedelta(milliseconds=1)),
        ("500ms", timedelta(milliseconds=500)),
        ("5 s", timedelta(seconds=5)),
        ("1 second", timedelta(seconds=1)),
        ("30 seconds", timedelta(seconds=30)),
        ("10 min", timedelta(minutes=10)),
        ("2 minutes", timedelta(minutes=2)),
        ("6 h", timedelta(hours=6)),
        ("1.5 hours", timedelta(minutes=90)),
        ("30 days", timedelta(days=30)),
        ("1 d", timedelta(days=1)),
        (" 7  day ", timedelta(days=7)),
    ],
)
def test_spans_are_read(text: str, span: timedelta) -> None:
    assert parse_span(text, where="here") == span


@pytest.mark.parametrize(
    "text",
    [
        "",
        "6",
        "h",
        "6 m",
        "6 M",
        "6 H",
        "-6 h",
        "+6 h",
        "6 hs",
        "6 weeks",
        "1,5 h",
        "1e3 s",
        "6 h 30 min",
        "\u0666 h",
        "inf s",
    ],
)
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(UserError, match=rf'^here: "{re.escape(text)}" is not a span of time; .*\.$'):
        parse_span(text, where="here")


@pytest.mark.parametrize("text", ["0 s", "0.0 h", "0.5 ms"])
def test_no_time_at_all_is_refused(text: str) -> None:
    """PostgreSQL takes a timeout of nothing for none at all."""
    with pytest.raises(UserError, match="is shorter than a millisecond"):
        parse_span(text, where="here")


def test_a_span_beyond_counting_is_refused() -> None:
    with pytest.raises(UserError, match="is longer than can be counted"):
        parse_span("9" * 400 + " days", where="here")
    with pytest.raises(UserError, match="is longer than can be counted"):
        parse_span("999999999999 days", where="here")


# Counts


@pytest.mark.parametrize("name", [name for name in Counts.__dataclass_fields__ if name != "eligible"])
def test_each_count_weighs_against_eligible(name: str) -> None:
    assert Counts(eligible=2, **{name: 2}).balanced
    assert not Counts(eligible=2, **{name: 1}).balanced
    assert not Counts(eligible=2, **{name: 3}).balanced


# URLs


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("postgresql://u:p@h:1/d?sslmode=require", "postgresql://u:p@h:1/d?sslmode=require"),
        ("postgres://h/d", "postgresql://h/d"),
        ("postgresql+psycopg2://h/d", "postgresql://h/d"),
        ("postgresql+psycopg://h/d", "postgresql://h/d"),
        ("postgresql://", "postgresql://"),
        ("postgresql:///d?host=/tmp", "postgresql:///d?host=/tmp"),
    ],
)
def test_urls_of_libpq_and_of_sqlalchemy_are_the_same(url: str, read: str) -> None:
    assert libpq_url(url) == read


@pytest.mark.parametrize(
    "url", ["", "mysql://u:secret@h/d", "host=h password=secret", "h:5432/secret", "postgresql:/secret"]
)
def test_what_is_no_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(UserError) as told:
        libpq_url(url)
    assert "secret" not in str(told.value)
    assert "postgresql://user@host:5432/database" in str(told.value)


def target(settings: Settings, url: str, role: str | None = "scorer_worker") -> Target:
    return Target.of(url, settings, role=role)


def test_every_session_has_its_manners(migrated_url: str, settings: Settings) -> None:
    asked = (
        "SELECT current_user, current_setting('statement_timeout'), current_setting('lock_timeout'), "
        "current_setting('idle_in_transaction_session_timeout'), current_setting('TimeZone'), "
        "current_setting('application_name'), current_setting('default_transaction_read_only')"
    )
    with engine(target(settings, migrated_url)).connect() as connection:
        ours = tuple(connection.execute(sa.text(asked)).one())
    assert ours == ("scorer_worker", "10min", "5s", "10min", "UTC", "scorer", "off")
    uri = columns_uri(target(settings, migrated_url))
    with closing(psycopg2.connect(uri)) as connection, connection.cursor() as cursor:
        cursor.execute(asked)
        assert cursor.fetchone() == (*ours[:-1], "on")


def test_options_of_the_url_are_kept(migrated_url: str, settings: Settings) -> None:
    url = f"{migrated_url}&options=-c%20work_mem%3D7MB"
    with engine(target(settings, url)).connect() as connection:
        assert connection.execute(sa.text("SELECT current_setting('work_mem'), current_user")).one() == (
            "7MB",
            "scorer_worker",
        )


# Errors of the database, made for real


def failure(url: str, text: str) -> Exception:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        with pytest.raises(psycopg2.Error) as raised:
            cursor.execute(text)
        return raised.value


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "SET ROLE scorer_reader; SELECT * FROM scorer.scores",
            r"A privilege is missing: permission denied for schema scorer; .*",
        ),
        (
            "SELECT * FROM public.nowhere",
            r'.*: relation "public.nowhere" does not exist; .*',
        ),
        ("SELECT nothing FROM public.visits", r'.*: column "nothing" does not exist; .*'),
        ("SELECT * FROM nowhere.visits", r'.*: relation "nowhere.visits" does not exist; .*'),
        ("SELECT nofunction(1)", r".*: function nofunction\(integer\) does not exist; .*"),
        ("SET statement_timeout = 1; SELECT pg_sleep(5)", r"A statement took longer than statement_timeout allows: .*"),
    ],
)
def test_what_an_operator_can_mend_is_one_sentence(migrated_url: str, text: str, sentence: str) -> None:
    told = translate_error(failure(migrated_url, text))
    assert type(told) is UserError
    assert re.fullmatch(sentence, str(told)), told
    assert "\n" not in str(told)
    assert str(told).endswith(".")


def test_a_lock_that_is_not_had_is_worth_waiting_for(migrated_url: str) -> None:
    with closing(psycopg2.connect(migrated_url)) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE scorer.work")
        told = translate_error(failure(migrated_url, "SET lock_timeout = 10; SELECT * FROM scorer.work"))
    assert isinstance(told, DatabaseUnavailable)
    assert told.sqlstate == "55P03"


def test_a_session_that_is_ended_is_worth_waiting_for(migrated_url: str) -> None:
    with closing(psycopg2.connect(migrated_url)) as ended, ended.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
        with closing(psycopg2.connect(migrated_url)) as other, other.cursor() as ending:
            ending.execute("SELECT pg_terminate_backend(%s)", (pid,))
        with pytest.raises(psycopg2.Error) as raised:
            cursor.execute("SELECT 1")
    assert isinstance(translate_error(raised.value), DatabaseUnavailable)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("/test_", "/no_test_"), r'.*: database "no_test_\d+" does not exist; .*'),
        (("scorer@", "noone:x@"), r".*: password authentication failed for user \"noone\"; .*"),
        (("host=", "host=/nowhere"), r"The database does not answer: .*; .*"),
    ],
)
def test_a_connection_that_fails_is_one_sentence(migrated_url: str, change: tuple[str, str], sentence: str) -> None:
    with pytest.raises(psycopg2.OperationalError) as raised:
        psycopg2.connect(migrated_url.replace(*change))
    told = translate_error(raised.value)
    assert re.fullmatch(sentence, str(told)), told


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO public.visits (visit_id, client) VALUES (4711, 'Jane Doe'), (4711, 'Jane Doe')",
        "SELECT 'Jane Doe'::bigint",
        "SELECT 1 / 0",
        "INSERT INTO scorer.requests (job, entity_id, status) VALUES ('Jane Doe', '4711', 'gone')",
    ],
)
def test_a_bug_is_told_without_the_servers_words(migrated_url: str, text: str) -> None:
    assert translate_error(failure(migrated_url, text)) is None
    with (
        pytest.raises(StatementFailed, match=r"^A statement: SQLSTATE \w{5}(, constraint \w+)?$") as raised,
        sentences(),
    ):
        raise failure(migrated_url, text)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_what_is_not_the_databases_passes_through() -> None:
    with pytest.raises(ValueError, match="ours"), sentences():
        raise ValueError("ours")
