"""A statement means what it means in psql: in our sessions, within another statement, and in psql's own eyes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, NamedTuple

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorer.config import Settings
from scorer.database.connection import Target
from scorer.database.embedded.installs import installs
from scorer.database.embedded.server import Server
from scorer.database.encoding import texts
from scorer.database.session import Session
from scorer.database.source.arrow_session import ArrowSession
from scorer.database.statements import bound
from scorer.jobs.sql_text import Kind, pieces_of, without_comments

WORDS = "it's :p -- %s %(p)s ; \\ : /* \" $$"  # the value of the parameter p; that of the parameter ids is two of them
GIVEN = {"p": WORDS, "ids": [WORDS, "b"]}


class Part(NamedTuple):
    """A part of a statement as a job writes it, and with its parameters replaced by literals."""

    written: str
    plain: str


def literal(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def as_is(text: str) -> Part:
    return Part(text, text)


def named(name: str, plain: str) -> Part:
    return Part(f":{name}", plain)


TEXT = st.text(st.sampled_from("a:p '\"\\%;-/*$\n\r?{}é"), max_size=12)
P = named("p", f"CAST({literal(WORDS)} AS text)")
IDS = named("ids", f"ARRAY[{literal(WORDS)}, 'b']")


def escaped(text: str) -> str:
    body = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"E'{body}'"


def in_dollars(text: str) -> str:
    return f"$q${text.replace(chr(36), '')}$q$"


def by_code_points(text: str) -> str:
    body = text.replace("\\", "\\\\").replace("'", "''")
    return f"U&'{body} \\0061'"


LITERALS = st.one_of(*(TEXT.map(form) for form in (literal, escaped, in_dollars, by_code_points)))
COMMENTS = st.one_of(
    TEXT.map(lambda text: f" -- {text.translate({10: None, 13: None})}\n"),
    TEXT.map(lambda text: f" /* {text.replace('*', '').replace('/', '')} /* :p */ ' */ "),
    st.sampled_from([" ", "\n", "\r\n"]),
)
EXPRESSIONS = st.one_of(
    LITERALS.map(as_is),
    st.sampled_from(
        [
            P,
            Part(":p::text", P.plain),
            Part("upper(:p) || ':p'", f"upper({P.plain}) || ':p'"),
            Part("CAST(:ids::text[] AS text)", f"CAST({IDS.plain} AS text)"),
            Part("(CAST(:ids AS text[]))[1:2]", f"({IDS.plain})[1:2]"),
            as_is("5 % 3"),
            as_is("(ARRAY[1, 2, 3])[1:2]"),
            as_is("""'{"a": 1}'::jsonb ? 'a'"""),
            as_is("""'{"a": ":p"}'::jsonb ->> 'a'"""),
            as_is("make_interval(days := 2)"),
            as_is("'a' -- :p\n'b'"),
            as_is("E'a' -- '\n'b\\' :p'"),
            as_is("B'01' || X'F'"),
            as_is("3 -- :p\n- 1"),
            as_is("'a' LIKE '%a'"),
        ]
    ),
)
NAMES = TEXT.map(lambda text: '"' + text.replace('"', '""'))


@st.composite
def statements(draw: st.DrawFn) -> Part:
    """A SELECT of some expressions, each as text, with comments between them."""
    written, plain = "SELECT", "SELECT"
    for number in range(draw(st.integers(1, 4))):
        expression, comment = draw(EXPRESSIONS), draw(COMMENTS)
        name = draw(NAMES) + f'{number}"'
        comma = "," if number else ""
        written += f"{comma}{comment}CAST(({expression.written}{comment}) AS text){comment}AS {name}"
        plain += f"{comma}{comment}CAST(({expression.plain}{comment}) AS text){comment}AS {name}"
    end = draw(st.sampled_from(["", ";", "\n-- :p", " ; -- end"]))
    return Part(written + end, plain + end)


@pytest.fixture(scope="module")
def target(server: Server) -> Target:
    return Target.of(server.url, Settings(), role=None)


@pytest.fixture(scope="module")
def plain(server: Server) -> Iterator[Any]:
    with closing(psycopg2.connect(server.url)) as connection, connection.cursor() as cursor:
        yield cursor


@pytest.fixture(scope="module")
def session(target: Target) -> Iterator[Session]:
    with closing(Session(target)) as opened:
        yield opened


@pytest.fixture(scope="module")
def columns(target: Target) -> Iterator[ArrowSession]:
    with closing(ArrowSession(target)) as opened:
        yield opened


@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(statement=statements())
def test_each_session_gives_what_the_server_gives_for_the_statement_with_literals(
    plain: Any, session: Session, columns: ArrowSession, statement: Part
) -> None:
    plain.execute(statement.plain)
    names, rows = [column.name for column in plain.description], plain.fetchall()

    with session.transaction():
        result = session.execute(statement.written, GIVEN)
        assert (list(result.keys()), [tuple(row) for row in result]) == (names, rows)
        within = session.execute(f"SELECT * FROM ({without_comments(statement.written)}) AS q", GIVEN)
        assert [tuple(row) for row in within] == rows

    bindings = {"scorer.p": WORDS, "scorer.ids": texts(GIVEN["ids"])}
    table = columns.query(bound(statement.written), bindings, where="A statement")
    assert table.column_names == names
    assert [tuple(row.values()) for row in table.to_pylist()] == rows


def test_a_script_is_sent_as_it_is(session: Session) -> None:
    script = "SELECT 1 WHERE ':p' LIKE '%p' AND 5 % 3 = 2; -- :p\nSELECT 2 WHERE '%' = '%%' -- %s"
    with session.transaction():
        session.run_script(script)
        session.run_script("-- nothing")


def test_literals_are_read_as_psql_reads_them_whatever_the_database_says(server: Server) -> None:
    url = server.url + "&options=-c%20standard_conforming_strings%3Doff%20-c%20escape_string_warning%3Doff"
    target = replace(Target.of(server.url, Settings(), role=None), url=url)
    with closing(Session(target)) as session, closing(ArrowSession(target)) as columns:
        with session.transaction():
            assert session.execute(r"SELECT 'a\', ':p' AS b", GIVEN).one() == ("a\\", ":p")
            assert session.execute(r"SELECT CAST(:p AS text)", GIVEN).scalar_one() == WORDS
        assert columns.query(r"SELECT 'a\' AS b", {}, where="A statement").to_pylist() == [{"b": "a\\"}]


SOUP = [
    "'",
    "''",
    "E'",
    "U&'",
    "B'",
    "\\'",
    "--",
    "\n",
    "/*",
    "*/",
    "$$",
    "$a$",
    "$",
    '"',
    "=:p+",
    "::",
    " ",
    "a",
    "1",
    "e",
    "(",
]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(soup=st.lists(st.sampled_from(SOUP), min_size=3, max_size=14).map("".join))
def test_psql_finds_the_same_parameters(server: Server, soup: str) -> None:
    """Whatever the text is: psql shows what it sends, with the variable's value in the place of each parameter."""
    ours = [piece.text for piece in pieces_of(soup) if piece.kind is Kind.PARAMETER]
    outside = "".join(piece.text for piece in pieces_of(soup) if piece.kind is Kind.CODE)
    if "\\" in outside:
        return  # a command of psql's own
    (program, *_) = [install.programs / "psql" for install in installs()]
    shown = subprocess.run(
        [program, "-X", "-e", "-v", "p=(FOUND)", server.url],
        input=soup,
        capture_output=True,
        text=True,
        check=False,
        env={},
    )
    queries = shown.stdout
    assert queries.count("(FOUND)") == len(ours), queries
