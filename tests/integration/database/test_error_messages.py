"""The database's errors, each caused in earnest: what an operator can correct is one sentence, a bug quotes no value."""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta

import psycopg2
import pytest

from scorer.config import Settings
from scorer.database.connecting import connect
from scorer.database.connection import Target
from scorer.database.error_messages import hospitals_function, sentences, translate_error
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.source.arrow_session import ArrowSession
from scorer.errors import DatabaseUnavailable, DataRefused, StatementFailed, TimedOut, UserError


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
            r"A privilege is missing: permission denied for schema scorer; grant it .* ALTER ROLE scorer_worker BYPASSRLS.*",
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
    assert type(error) is (TimedOut if "pg_sleep" in text else UserError)
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
        (("/test_", "/no_test_"), r'The database refuses the connection: database "no_test_\d+" does not exist; .*'),
        (("scorer@", "noone:x@"), r".*: password authentication failed for user \"noone\"; .*"),
        (("host=", "host=/nowhere"), r"The database does not answer: .*; .*"),
    ],
)
def test_a_connection_that_fails_is_one_sentence(
    url: str, settings: Settings, change: tuple[str, str], sentence: str
) -> None:
    target = Target.of(url.replace(*change), settings, role=None)
    for told in failures_of_opening(target):
        assert re.fullmatch(sentence, str(told)), told


# Servers that speak another language


def failures_of_opening(target: Target) -> list[DatabaseUnavailable]:
    """How each kind of session cannot be opened."""
    kinds: list[Callable[[], object]] = [
        lambda: connect(target, read_only=False),
        ArrowSession(target)._opened,
        lambda: ReadOnlySession(target, patience=timedelta(seconds=30)).all("name_backend"),
    ]
    errors = []
    for opened in kinds:
        with pytest.raises(DatabaseUnavailable) as raised:
            opened()
        errors.append(raised.value)
    return errors


@contextmanager
def a_server_that_refuses(severity: str, sqlstate: str, words: str) -> Iterator[str]:
    """The URL of a server that answers each session that begins with this refusal, as PostgreSQL's protocol has it."""
    fields = {"S": severity, "V": "FATAL", "C": sqlstate, "M": words}
    body = b"".join(name.encode() + value.encode() + b"\0" for name, value in fields.items()) + b"\0"
    answer = b"E" + (len(body) + 4).to_bytes(4, "big") + body

    class Refusal(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while int.from_bytes((begun := self.rfile.read(8))[4:], "big") in {80877103, 80877104}:  # TLS, GSS
                self.wfile.write(b"N")
            self.rfile.read(int.from_bytes(begun[:4], "big") - 8)
            self.wfile.write(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Refusal) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"postgresql://u@127.0.0.1:{server.server_address[1]}/d"
        server.shutdown()


@pytest.mark.parametrize(
    ("severity", "sqlstate", "words"),
    [
        ("FATAL", "57P03", "the database system is starting up"),
        ("FATAL", "57P03", "das Datenbanksystem startet"),
        ("FATAL", "57P03", "das Datenbanksystem ist im Wiederherstellungsmodus"),
        ("FATAL", "57P03", "das Datenbanksystem fährt herunter"),
        ("FATAL", "53300", "zu viele Verbindungen von Rolle »scorer_daemon«"),
        ("FATAL", "53300", "tut mir leid, schon zu viele Verbindungen"),
        ("FATAL", "28P01", "Passwort-Authentifizierung für Benutzer »u« fehlgeschlagen"),
        ("ВАЖНО", "57P03", "система баз данных запускается"),
        ("FATAL", "57P03", "データベースシステムは起動しています"),
        ("KATASTROFALNY", "57P03", "system bazy danych uruchamia się"),
    ],
)
def test_a_refusal_in_any_language_is_quoted_and_worth_waiting_for(
    settings: Settings, severity: str, sqlstate: str, words: str
) -> None:
    with a_server_that_refuses(severity, sqlstate, words) as url:
        for told in failures_of_opening(Target.of(url, settings, role="scorer_worker")):
            assert str(told).startswith(f"The database refuses the connection: {words}; ")
            assert not told.answers


# Functions of the hospital's


class Failed(psycopg2.Error):
    """An error of the server's, with its fields as ADBC has them."""

    def __init__(self, sqlstate: str, primary: str, context: str) -> None:
        super().__init__(f"FEHLER:  {primary}\nCONTEXT:  {context}")
        self.sqlstate = sqlstate
        self.details = [(b"PG_DIAG_CONTEXT", context.encode()), ("PG_DIAG_MESSAGE_PRIMARY", primary)]


@pytest.mark.parametrize(
    ("context", "function"),
    [
        ("PL/pgSQL function public.audit_visits() line 1 at SQL statement", "public.audit_visits()"),
        (
            "PL/pgSQL-Funktion audit_visits(integer,character varying) Zeile 3 bei SQL-Anweisung",
            "audit_visits(integer,character varying)",
        ),
        ("функция PL/pgSQL audit_visits(), строка 1, оператор RAISE", "audit_visits()"),
        ('PL/pgSQL function public."Audit Visits"(text[]) line 1 at RAISE', 'public."Audit Visits"(text[])'),
        ('SQL function "f" statement 1', "f()"),
        ("SQL-Funktion »f« Anweisung 1", "f()"),
        ('SQL function "h" during inlining', "h()"),
        ('PL/Python function "f"', "f()"),
        ('compilation of PL/pgSQL function "f" near line 3', "f()"),
        ("SQL statement \"INSERT INTO a VALUES ('Jane Doe')\"\nPL/pgSQL function f() line 1 at EXECUTE", "f()"),
        ("PL/pgSQL function scorer.move_model(text) line 9 at RAISE", None),
        ('SQL statement "COMMIT"', None),
        ('SQL statement "SELECT lower(Jane)"', None),
        ("PL/pgSQL assignment \"v := lower('Jane')\"", None),
        ('COPY visits, line 3, column age: "Jane"', None),
        ("unnamed portal parameter $1 = 'Jane'", None),
        ('JSON data, line 1: {"Jane()":', None),
        ("", None),
    ],
)
def test_the_function_is_named_by_the_servers_context_and_no_value_with_it(context: str, function: str | None) -> None:
    error = Failed("P0001", "Jane Doe is unknown", context)
    assert hospitals_function(error) == function
    told = str(translate_error(error, where="The statement write_back of job j"))
    assert "Jane" not in told
    assert function is None or f"the hospital's function {function}" in told


@pytest.mark.parametrize(
    ("sqlstate", "words"),
    [
        ("42P01", r"which fails: relation \"a\" is not there; .*ALTER FUNCTION f\(\) SET search_path = public"),
        ("42883", "which fails: .*SET search_path"),
        ("42501", r"which lacks a privilege: .*; grant it to the role .*SECURITY DEFINER"),
        (
            "P0001",
            r"was refused by the hospital's function f\(\) \(SQLSTATE P0001\); see in the server's log what it raised",
        ),
        ("23505", r"was refused by the hospital's function f\(\) \(SQLSTATE 23505\)"),
        ("22012", r"was refused by the hospital's function f\(\)"),
        ("25006", "The database is read-only"),
        ("55P03", "The database gave up on us"),
    ],
)
def test_what_a_function_of_the_hospital_raises_has_its_remedy(sqlstate: str, words: str) -> None:
    error = Failed(sqlstate, 'relation "a" is not there', "PL/pgSQL function f() line 1 at RAISE")
    assert re.search(words, str(translate_error(error, where="The statement write_back of job j")))


@pytest.mark.parametrize(
    "sqlstate", ["53400", "58030", "0A000", "72000", "HV000", "P0001", "38000", "XX000", "XX001", "F0000", "25P04"]
)
def test_a_fault_of_the_servers_is_no_bug_of_ours(sqlstate: str) -> None:
    told = translate_error(Failed(sqlstate, "a reason", ""), where="The statement due of job j")
    assert isinstance(told, UserError)
    assert not isinstance(told, DatabaseUnavailable)
    assert sqlstate in str(told) or sqlstate == "25P04"


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
