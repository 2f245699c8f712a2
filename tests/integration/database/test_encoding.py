"""Values as PostgreSQL reads them: binary COPY and arrays as text come back as they were."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scorer.database.embedded.server import Server
from scorer.database.encoding import copied, documents, flag, moment, number, raw, text, texts, whole, wholes, word

TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]))
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - UTC is added


@pytest.fixture(scope="module")
def cursor(server: Server) -> Iterator[Any]:
    with closing(psycopg2.connect(server.url, options="-c TimeZone=UTC")) as connection:
        with connection.cursor() as opened:
            opened.execute(
                "CREATE TEMPORARY TABLE given (r bytea, t text, w text, n double precision, s smallint, b boolean, "
                "m timestamptz, d jsonb)"
            )
            yield opened
        connection.rollback()


def back(cursor: Any, *fields: bytes) -> tuple[Any, ...]:
    """A row of binary fields as the database has it."""
    cursor.execute("TRUNCATE given")
    cursor.copy_expert("COPY given FROM STDIN (FORMAT binary)", io.BytesIO(copied([fields, fields])))
    cursor.execute("SELECT * FROM given")
    one, other = cursor.fetchall()
    assert one[1] == other[1]
    return tuple(one)


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(),
    words=TEXT,
    value=st.floats(allow_nan=False),
    small=st.integers(-(2**15), 2**15 - 1),
    truth=st.booleans(),
    at=MOMENTS,
    document=st.dictionaries(TEXT, st.none() | st.integers(-(2**53), 2**53) | TEXT, max_size=3),
)
def test_fields_come_back_as_they_were(
    cursor: Any, content: bytes, words: str, value: float, small: int, truth: bool, at: datetime, document: Any
) -> None:
    fields = (
        raw(content),
        text(words),
        word(words),
        number(value),
        whole(small),
        flag(truth),
        moment(at),
        *documents([document]),
    )
    r, *others = back(cursor, *fields)
    assert bytes(r) == content
    assert others == [words, words, value, small, truth, at, document]


def test_none_is_null_and_nan_stays_nan(cursor: Any) -> None:
    none = (raw(None), text(None), word(None), number(None), whole(0), flag(None), moment(None), *documents([{}]))
    assert back(cursor, *none) == (None, None, None, None, 0, False, None, {})
    not_a_number = back(cursor, *none[:3], number(math.nan), *none[4:])[3]
    assert math.isnan(not_a_number)


def test_a_moment_in_another_zone_is_the_same_moment(cursor: Any) -> None:
    at = datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    assert moment(at.astimezone(timezone(timedelta(hours=-5, minutes=-30)))) == moment(at)
    empty = (raw(None), text(None), word(None), number(None), whole(0), flag(None), moment(at), *documents([{}]))
    assert back(cursor, *empty)[6] == at


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.lists(TEXT), numbers=st.lists(st.integers(-(2**63), 2**63 - 1)))
def test_arrays_come_back_as_they_were(cursor: Any, words: list[str], numbers: list[int]) -> None:
    cursor.execute("SELECT CAST(%s AS text[]), CAST(%s AS bigint[])", (texts(words), wholes(numbers)))
    assert cursor.fetchone() == (words, numbers)
