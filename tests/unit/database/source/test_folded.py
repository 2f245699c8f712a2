"""Rows that come folded: bytes of a column, taken as what they stand for."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from scorer.database.source.folded import NotFolded, can_fold, to_fold, unfolded

KINDS = {
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "float4": pa.float32(),
    "float8": pa.float64(),
    "timestamptz": pa.timestamp("us", tz="UTC"),
    "bool": pa.bool_(),
    "text": pa.string(),
    "numeric": pa.opaque(pa.string(), type_name="numeric", vendor_name="PostgreSQL"),
}


def schema(**names: str) -> pa.Schema:
    """Columns by name, of types as PostgreSQL calls them."""
    return pa.schema(
        [
            pa.field(name, KINDS.get(kind, pa.string()), metadata={"POSTGRESQL:type": kind})
            for name, kind in names.items()
        ]
    )


def of(kind: str, data: bytes | None, rows: int, *, known: int | None = None) -> list[Any]:
    """The values of one folded column."""
    sent = {"rows": [rows], "values_0": pa.array([data], pa.binary())} | ({} if known is None else {"known_0": [known]})
    table = unfolded(pa.table(sent), schema(x=kind))
    assert table.schema.field("x").type == KINDS[kind]
    column = table["x"].combine_chunks()
    column.validate(full=True)
    return list((column.storage if kind == "numeric" else column).to_pylist())


NO_INTEGER, NO_MOMENT, NO_DOUBLE = (
    b"\x80" + 7 * b"\0",
    b"\x80" + 6 * b"\0" + b"\x01",
    b"\x7f\xf4\xd1\xa7\x3c\x5b\x9e\x26",
)


@pytest.mark.parametrize("kind", ["int2", "int4", "int8"])
def test_whole_numbers(kind: str) -> None:
    known = {"known": 2} if kind == "int8" else {}
    assert of(kind, struct.pack(">qq", 3, -1), 2, **known) == [3, -1]
    assert of(kind, struct.pack(">q", 7) + NO_INTEGER + struct.pack(">q", -7), 3, **known) == [7, None, -7]


@pytest.mark.parametrize("kind", ["float4", "float8"])
def test_doubles_keep_their_bits_and_null_is_no_nan(kind: str) -> None:
    sent = struct.pack(">ddd", 0.5, -0.0, np.inf) + NO_DOUBLE + struct.pack(">d", np.nan)
    half, zero, endless, null, nan = of(kind, sent, 5)
    assert (half, endless, null) == (0.5, np.inf, None)
    assert str(zero) == "-0.0"
    assert nan != nan  # noqa: PLR0124 - NaN alone is


def test_moments_count_from_2000_and_the_infinities_wrap_round_as_the_drivers_own() -> None:
    table = unfolded(
        pa.table(
            {"rows": [4], "values_0": [struct.pack(">q", 1) + NO_MOMENT + struct.pack(">qq", 2**63 - 1, -(2**63))]}
        ),
        schema(x="timestamptz"),
    )
    assert table["x"].cast(pa.int64()).to_pylist() == [
        946_684_800_000_001,
        None,
        -(2**63) + 946_684_800_000_000 - 1,
        -(2**63) + 946_684_800_000_000,
    ]


def test_truth() -> None:
    assert of("bool", b"\x01\x02\x00", 3) == [True, None, False]


@pytest.mark.parametrize("kind", ["text", "numeric"])
def test_texts_end_where_no_text_goes_on(kind: str) -> None:
    assert of(kind, b"HR\xff\xfe\xff\xff\xc3\xa4\n\xff\xfe", 5) == ["HR", None, "", "ä\n", None]
    assert of(kind, b"", 1) == [""]
    assert of(kind, b"\xfe", 1) == [None]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_of_no_rows_the_database_sends_null(kind: str) -> None:
    assert of(kind, None, 0, known=0) == []


def test_a_bigint_that_stands_for_null_is_noticed_by_the_number_of_those_that_are_known() -> None:
    assert of("int8", NO_INTEGER, 1, known=0) == [None]
    with pytest.raises(NotFolded):
        of("int8", NO_INTEGER, 1, known=1)


def test_bytes_that_are_not_as_many_as_the_rows_are_no_rows() -> None:
    for kind, data in {
        "int4": struct.pack(">q", 1),
        "text": b"a",
        "bool": b"\x01",
        "float8": struct.pack(">d", 1),
    }.items():
        with pytest.raises(NotFolded):
            of(kind, data, 2)


def test_a_column_of_another_type_is_not_folded() -> None:
    assert can_fold(schema(**{kind: kind for kind in KINDS}, a="varchar", b="bpchar", c="name"))
    for other in ("uuid", "date", "timestamp", "money", "jsonb", "_int4", "citext"):
        assert not can_fold(schema(x="int4", y=other))


def test_a_name_is_quoted_and_its_type_is_asked_for() -> None:
    assert to_fold(schema(**{'a"b': "float8"})) == {
        "columns": """string_agg(COALESCE(float8send("a""b"), '\\x7ff4d1a73c5b9e26'), '') AS values_0""",
        "types": """ARRAY["a""b"] = CAST('{}' AS pg_catalog.float8 [])""",
    }
