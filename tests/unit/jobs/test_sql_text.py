"""The pieces of SQL statements: what is a literal, a comment or a parameter is what psql takes for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.jobs.sql_text import (
    Kind,
    find_fault,
    parameters_of,
    pieces_of,
    with_parameters,
    without_comments,
    without_parameters,
)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("SELECT :a, :b, :a", ("a", "b")),
        ("SELECT :a::interval, CAST(:b AS text)::date", ("a", "b")),
        ("WHERE a=:a AND b<>:b AND c IN(:c,:d)", ("a", "b", "c", "d")),
        ("SELECT ':a', ' :a', 'it''s :a' -- :a", ()),
        (r"SELECT '\', :a", ("a",)),
        (r"SELECT E'\' :a', :b", ("b",)),
        ("SELECT E'a' -- it's\n  'b\\' :a', :b", ("b",)),
        ("SELECT somE'x :a'", ()),
        (r"SELECT U&'\0061 :a', U&" + '"d\\0061t :a", :b', ("b",)),
        ("SELECT B'01', X'1F', n'x :a', :b", ("b",)),
        ("SELECT $$ :a ' $$, $x$ $$ :a $x$, :b", ("b",)),
        ("SELECT a$b$c, :a, d$b$", ("a",)),
        ('SELECT "a :a "" :a", :b', ("b",)),
        ("SELECT /* :a /* ' */ :a */ :b", ("b",)),
        ("SELECT 1 -/* :a */ :b", ("b",)),
        ("SELECT 1 +-- :a\n :b", ("b",)),
        ("SELECT 1 -- :a\r, :b", ("b",)),
        ("SELECT a[1:2], a[lo:hi], a[f(1):hi], a[1 :hi], a[(1) :hi]", ()),
        ("SELECT a[:lo::hi], a[:lo : :hi], a[2::hi]", ("lo", "hi")),
        ("SELECT make_interval(days := :a)", ("a",)),
        ("SELECT make_interval(days:=1)", ()),
        ("SELECT JSON_OBJECT('a':b, k:v), JSON_OBJECT('a' : :b)", ("b",)),
        ("SELECT DISTINCT ON (x) :a", ("a",)),
        ("SELECT '{}'::jsonb ? :a, d @> :b, d #>> :c, 5 % :d", ("a", "b", "c", "d")),
        (r"SELECT \:a, x\:\:text", ()),
        ("SELECT :1, :é, : a", ()),
    ],
)
def test_the_parameters_are_those_that_psql_would_take(text: str, named: tuple[str, ...]) -> None:
    assert parameters_of(text) == named


@given(st.text(st.sampled_from("'\"$eEuU&abxn\\:;-/* \n\r[(1])"), max_size=30))
def test_the_pieces_are_the_text_whatever_it_is(text: str) -> None:
    pieces = pieces_of(text)
    assert "".join(piece.text for piece in pieces) == text
    assert all(piece.text for piece in pieces)
    assert all(piece.ended for piece in pieces[:-1])


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("-- head: :a\nSELECT 1 -- one\n;\n-- tail", "SELECT 1"),
        ("SELECT '--'\n  AND b <> '--' AND c", "SELECT '--'\n  AND b <> '--' AND c"),
        ("SELECT 'a;'; -- x\r\n;; /* end */", "SELECT 'a;'"),
        ("/*+ SeqScan(v) */ SELECT 1", "/*+ SeqScan(v) */ SELECT 1"),
        ("SELECT 'a' -- b\n'c'", "SELECT 'a' \n'c'"),
        (";SELECT 1", "SELECT 1"),
        ("-- nothing", ""),
    ],
)
def test_a_statement_alone_has_no_comment_that_could_swallow_what_follows(text: str, alone: str) -> None:
    assert without_comments(text) == alone


def test_parameters_are_written_as_they_are_to_be_sent() -> None:
    sent = with_parameters(r"SELECT :a % 2, ':a%', x\:\:text", str.upper, rest=lambda text: text.replace("%", "%%"))
    assert sent == "SELECT A %% 2, ':a%%', x::text"


def test_what_names_no_parameter_any_more_is_sent_as_it_is() -> None:
    kept = without_parameters("SELECT a[:lo:hi], ':b'")
    assert parameters_of(kept) == ()
    assert with_parameters(kept, str) == "SELECT a[:lo:hi], ':b'"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("SELECT 1", None),
        ("SELECT 1;;\n-- the end", None),
        ("SELECT '1;2', $$;$$", None),
        ("SELECT 1;\n\nSELECT 2", "holds a second statement, in line 3; a file is one statement"),
        ("-- nothing\n;", "holds no statement"),
        ("", "holds no statement"),
        ("SELECT 1\r\n-- one\r\n;\r\n", None),
        ("SELECT 1,\n'a", "has no end of the literal that begins in line 2"),
        ("SELECT 1,\n\"a'", "has no end of the literal that begins in line 2"),
        ("SELECT\nE'a\\'", "has no end of the literal that begins in line 2"),
        ("SELECT $a$ $b$", "has no end of the literal that begins in line 1"),
        ("SELECT /* /* */", "has no end of the comment that begins in line 1"),
    ],
)
def test_what_is_not_one_statement_is_said_with_its_line(text: str, fault: str | None) -> None:
    assert find_fault(text) == fault


@pytest.mark.parametrize("text", ["", "-- nothing", "SELECT 1; SELECT 2"])
def test_a_script_may_hold_any_number_of_statements(text: str) -> None:
    assert find_fault(text, script=True) is None


def test_a_long_text_takes_no_time_out_of_proportion() -> None:
    assert parameters_of("SELECT " + "'" * 100_001 + "a:" * 50_000) == ()
    assert [piece.kind for piece in pieces_of("/*" * 50_000)] == [Kind.BLOCK_COMMENT]
