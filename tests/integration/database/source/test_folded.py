"""Folded rows are the rows that the driver gives without being folded, of whatever type and value."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import psycopg2
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from scorer.config import Settings
from scorer.database.connection import Database, Target
from scorer.database.source import reader
from scorer.database.source.arrow_session import ArrowSession
from scorer.database.source.folded import NotFolded, can_fold, to_fold, unfolded
from scorer.database.source.reader import Source
from scorer.database.statements import statement
from scorer.errors import TimedOut, UserError
from scorer.jobs.sql_text import without_comments
from scorer.types.values import WorkItem

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WHERE = "The statement observations of job j"
PLAIN_TEXT = some.text(some.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)
TYPES: dict[str, some.SearchStrategy[Any]] = {
    "smallint": some.integers(-(2**15), 2**15 - 1),
    "integer": some.integers(-(2**31), 2**31 - 1),
    "bigint": some.integers(-(2**63) + 1, 2**63 - 1),
    "real": some.floats(width=32),
    "double precision": some.floats(),
    "numeric": some.one_of(
        some.decimals(allow_nan=False, allow_infinity=False, places=3), some.sampled_from(["NaN", "Infinity"])
    ),
    "timestamptz": some.one_of(
        some.integers(-6 * 10**16, 2 * 10**17).map(lambda since: EPOCH + timedelta(microseconds=since)),
        some.sampled_from(["infinity", "-infinity", "4713-01-01 00:00:00+00 BC"]),
    ),
    "boolean": some.booleans(),
    "text": PLAIN_TEXT,
    "varchar(20)": PLAIN_TEXT,
    "char(9)": some.text(some.characters(codec="ascii", exclude_characters="\x00"), max_size=9),
    "name": PLAIN_TEXT,
}
SCALAR_TYPES = list(TYPES)


@pytest.fixture(scope="module")
def url(make_database: Callable[[str], str], template: str) -> str:
    """One database for all: its one table is written anew by each test."""
    made = make_database(template)
    columns = ", ".join(f"c{place} {kind}" for place, kind in enumerate(SCALAR_TYPES))
    with closing(psycopg2.connect(made)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE public.folded_rows (place serial, {columns})")
        cursor.execute("GRANT SELECT ON public.folded_rows TO scorer_worker")
    return made


@pytest.fixture(scope="module")
def session(url: str) -> Iterator[ArrowSession]:
    with closing(ArrowSession(Target.of(url, Settings(), role="scorer_worker"))) as opened:
        yield opened


def folded(session: ArrowSession, query: str, schema: pa.Schema) -> pa.Table:
    """What the query returns, folded by the database and unfolded here."""
    asked = statement("fold_rows").replace("{statement}", query)
    for name, part in to_fold(schema).items():
        asked = asked.replace(f"{{{name}}}", part)
    return unfolded(session.query(asked, {}, where=WHERE), schema)


def bits(column: pa.ChunkedArray) -> list[Any]:
    """The values of a column to the last bit: two NaN are the same if their bits are. Of numeric, the numbers."""
    if isinstance(column.type, pa.BaseExtensionType):
        # The driver writes NaN as nan, and the database as NaN.
        return [
            None if value is None else str(Decimal(value))
            for chunk in column.chunks
            for value in chunk.storage.to_pylist()
        ]
    if pa.types.is_floating(column.type):
        width = {pa.float32(): np.int32, pa.float64(): np.int64}[column.type]
        null = column.is_null().to_pylist()
        values = column.fill_null(0).to_numpy().view(width).tolist()
        return [None if out else value for value, out in zip(values, null, strict=True)]
    return list((column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist())


@given(some.lists(some.tuples(*(some.none() | kind for kind in TYPES.values())), max_size=8))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_folded_rows_are_the_rows(url: str, session: ArrowSession, rows: list[tuple[Any, ...]]) -> None:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("TRUNCATE public.folded_rows")
        for row in rows:
            cursor.execute(f"INSERT INTO public.folded_rows VALUES (DEFAULT{', %s' * len(row)})", row)
    query = "SELECT * FROM (SELECT * FROM public.folded_rows ORDER BY place) AS x"
    plain = session.query(query, {}, where=WHERE)
    assert can_fold(plain.schema)
    found = folded(session, query, plain.schema)
    assert found.schema.equals(plain.schema, check_metadata=True)
    for name in plain.column_names:
        assert bits(found[name]) == bits(plain[name]), name
        found[name].validate(full=True)


def test_the_smallest_bigint_is_read_without_being_folded(session: ArrowSession) -> None:
    query = "SELECT CAST(-9223372036854775808 AS bigint) AS x"
    with pytest.raises(NotFolded):
        folded(session, query, session.query(query, {}, where=WHERE).schema)


def test_a_column_of_another_type_than_it_was_is_refused_and_not_cast(session: ArrowSession) -> None:
    """int8send(1.5) would not be found, but float8send(1), textsend of a name and a time without its zone would be."""
    for before, after in (
        ("CAST(1 AS double precision)", "CAST(9007199254740993 AS bigint)"),
        ("now()", "CAST(now() AS timestamp)"),
        ("CAST('x' AS text)", "CAST('x' AS varchar)"),
        ("CAST(1 AS numeric)", "CAST(1 AS double precision)"),
        ("CAST(1 AS bigint)", "CAST(1 AS integer)"),
    ):
        schema = session.query(f"SELECT {before} AS x", {}, where=WHERE).schema
        assert folded(session, f"SELECT {before} AS x", schema).num_rows == 1
        with pytest.raises(UserError):
            folded(session, f"SELECT {after} AS x", schema)


def test_a_column_whose_type_changes_while_a_source_is_open_is_read_as_it_is_then(hospital: Any) -> None:
    hospital.admit(1)
    hospital.execute("ALTER TABLE patient_observations ALTER observation_value TYPE integer USING 80")
    items = (WorkItem("1", as_of=hospital.noon),)
    with closing(Source.of(Database(hospital.url, hospital.settings))) as source:
        assert set(source.observations(hospital.job, items).value.tolist()) == {80.0}
        hospital.execute("ALTER TABLE patient_observations ALTER observation_value TYPE float8 USING 1.5")
        assert source.observations(hospital.job, items).value.tolist() == [1.5] * 8


def test_rows_come_in_parts_and_are_those_of_one(hospital: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hospital.admit(*range(1, 8))
    items = tuple(WorkItem(str(each), as_of=hospital.noon) for each in range(1, 8))
    asked: list[str] = []
    query = ArrowSession.query

    def counted(self: ArrowSession, text: str, *further: Any, **named: Any) -> pa.Table:
        asked.append(text)
        return query(self, text, *further, **named)

    monkeypatch.setattr(ArrowSession, "query", counted)
    with closing(Source.of(Database(hospital.url, hospital.settings))) as source:
        whole = source.observations(hospital.job, items)
        at_once = len(asked)
        monkeypatch.setattr(reader, "_FOLDED_AT_ONCE", 3000)
        parts = source.observations(hospital.job, items)
    assert len(asked) - at_once == math.ceil(7 / 3)
    assert len(whole) == len(parts) == 56
    for name in ("position", "observation_id", "time", "code", "value", "low", "high"):
        assert getattr(whole, name).tolist() == getattr(parts, name).tolist()


def test_columns_that_cannot_be_folded_are_read_row_by_row(hospital: Any) -> None:
    hospital.admit(1, 2)
    plain = without_comments(hospital.job.statements["observations"])
    dated = f"SELECT given.*, CAST('2024-02-29' AS date) AS charted_on FROM ({plain}) AS given"
    job = replace(hospital.job, version="dated", statements={**hospital.job.statements, "observations": dated})
    items = (WorkItem("1", as_of=hospital.noon), WorkItem("2", as_of=hospital.noon))
    with closing(Source.of(Database(hospital.url, hospital.settings))) as source:
        folds, does_not = source.observations(hospital.job, items), source.observations(job, items)
    assert folds.value.tolist() == does_not.value.tolist()
    assert "charted_on" in does_not.extras


def test_columns_of_a_domain_are_not_folded_and_asked_for_once(hospital: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver gives them as what the domain is of; the database does not compare them so."""
    hospital.admit(1)
    hospital.execute(
        "CREATE DOMAIN public.measured AS float8; ALTER TABLE patient_observations ALTER observation_value TYPE public.measured"
    )
    items = (WorkItem("1", as_of=hospital.noon),)
    folds: list[int] = []
    monkeypatch.setattr(reader, "to_fold", lambda schema: folds.append(1) or to_fold(schema))
    with closing(Source.of(Database(hospital.url, hospital.settings))) as source:
        values = [source.observations(hospital.job, items).value.tolist() for _ in range(3)]
    assert values[0] == values[1] == values[2] != []
    assert len(folds) == 1


def test_a_statement_that_takes_too_long_is_not_tried_in_another_way(hospital: Any) -> None:
    hospital.admit(1)
    asleep = hospital.job.statements["observations"].replace(
        "WHERE (COALESCE(", "WHERE (SELECT pg_sleep(30)) IS NOT NULL AND (COALESCE(", 1
    )
    job = replace(hospital.job, version="asleep", statements={**hospital.job.statements, "observations": asleep})
    patient = replace(hospital.settings, statement_timeout=timedelta(seconds=1))
    began = time.monotonic()
    with closing(Source.of(Database(hospital.url, patient))) as source, pytest.raises(TimedOut, match="took longer"):
        source.observations(job, (WorkItem("1", as_of=hospital.noon),))
    assert time.monotonic() - began < 1.9
