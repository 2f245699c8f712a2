"""The database's errors, each caused in earnest: what an operator can correct is one sentence, a bug quotes no value."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing

import psycopg2
import pytest

from scorer.database.error_messages import sentences, translate_error
from scorer.errors import DatabaseUnavailable, DataRefused, StatementFailed, UserError


@pytest.fixture(scope="module")
def url(make_database: Callable[[str], str], template: str) -> str:
    """One database for all: what fails changes nothing."""
    return make_database(template)


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
def test_what_an_operator_can_correct_is_one_sentence(url: str, text: str, sentence: str) -> None:
    error = translate_error(failure(url, text))
    assert type(error) is UserError
    assert re.fullmatch(sentence, str(error)), error
    assert "\n" not in str(error)
    assert str(error).endswith(".")


def test_a_lock_that_is_not_had_is_worth_waiting_for(url: str) -> None:
    with closing(psycopg2.connect(url)) as other, other.cursor() as cursor:
        cursor.execute("LOCK TABLE scorer.work")
        error = translate_error(failure(url, "SET lock_timeout = 10; SELECT * FROM scorer.work"))
    assert isinstance(error, DatabaseUnavailable)
    assert error.sqlstate == "55P03"


def test_a_session_that_is_ended_is_worth_waiting_for(url: str) -> None:
    with closing(psycopg2.connect(url)) as ended, ended.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
        with closing(psycopg2.connect(url)) as other, other.cursor() as ending:
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
def test_a_connection_that_fails_is_one_sentence(url: str, change: tuple[str, str], sentence: str) -> None:
    with pytest.raises(psycopg2.OperationalError) as raised:
        psycopg2.connect(url.replace(*change))
    error = translate_error(raised.value)
    assert re.fullmatch(sentence, str(error)), error


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO public.visits (visit_id, client) VALUES (4711, 'Jane Doe'), (4711, 'Jane Doe')",
        "SELECT 'Jane Doe'::bigint",
        "SELECT 1 / 0",
        "INSERT INTO scorer.requests (job, entity_id, status) VALUES ('Jane Doe', '4711', 'gone')",
    ],
)
def test_a_bug_is_reported_without_the_servers_words(url: str, text: str) -> None:
    assert translate_error(failure(url, text)) is None
    with (
        pytest.raises(StatementFailed, match=r"^A statement: SQLSTATE \w{5}(, constraint \w+)?$") as raised,
        sentences(),
    ):
        raise failure(url, text)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("SELECT 'Jane Doe'::bigint", "invalid text representation (SQLSTATE 22P02)"),
        ("SELECT 1 / 0", "division by zero (SQLSTATE 22012)"),
        ("SELECT (SELECT * FROM (VALUES ('Jane'), ('Doe')) AS v)", "cardinality violation (SQLSTATE 21000)"),
        ("DO $$ BEGIN RAISE 'Jane Doe' USING ERRCODE = 'ZX123'; END $$", "an error of its own (SQLSTATE ZX123)"),
        ("SELECT repeat('Jane', 1000000000)", "program limit exceeded (SQLSTATE 54000)"),
        ("SELECT '2025-02-30'::date, 'Jane'", "datetime field overflow (SQLSTATE 22008)"),
    ],
)
def test_what_a_jobs_own_statement_meets_is_said_in_words_and_without_a_value(url: str, text: str, cause: str) -> None:
    with pytest.raises(UserError) as raised, sentences(where="The statement due of job sepsis"):
        raise failure(url, text)
    assert str(raised.value).startswith("The statement due of job sepsis ")
    assert cause in str(raised.value) or "54000" in cause
    assert "Jane" not in str(raised.value)
    assert isinstance(raised.value, DataRefused) == (cause[-6:-4] in {"21", "22"})


@pytest.mark.parametrize("name", ["write_back", "take_back"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT 'MEDIUM Jane'::varchar(4)::integer", "invalid text representation (SQLSTATE 22P02)"),
        (
            "CREATE VIEW pg_temp.v AS SELECT 1 AS a LIMIT 1; UPDATE pg_temp.v SET a = 2",
            "object not in prerequisite state",
        ),
        ("DO $$ BEGIN RAISE 'Jane' USING ERRCODE = '0A000'; END $$", "feature not supported (SQLSTATE 0A000)"),
        ("DO $$ BEGIN RAISE 'Jane'; END $$", "a trigger or constraint there"),
    ],
)
def test_what_the_hospitals_table_refuses_is_one_sentence(url: str, name: str, text: str, words: str) -> None:
    with pytest.raises(UserError) as raised, sentences(where=f"The statement {name} of job sepsis"):
        raise failure(url, text)
    assert not isinstance(raised.value, DataRefused), "no entity's fault"
    assert words in str(raised.value)
    assert "Jane" not in str(raised.value)


def test_what_is_not_the_databases_passes_through() -> None:
    with pytest.raises(ValueError, match="ours"), sentences():
        raise ValueError("ours")
