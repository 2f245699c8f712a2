"""Fields of a CSV file as PostgreSQL's COPY reads each type, or why one cannot be read."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, tzinfo
from enum import Enum
from functools import partial
from typing import NamedTuple
from uuid import UUID

from scorer.database.source.files.csv_dialect import (
    FieldError,
    Writing,
    in_zone,
    is_never_meant,
    is_null_word,
    may_be_meant,
    plain_number,
    plain_time,
)

NULL = r"\N"


class ColumnType(NamedTuple):
    """A column's type in the database: its name in the catalog.

    `must_have`: it refuses NULL. `length`: of text, in characters. `words`: those of an enum.
    """

    name: str
    must_have: bool = False
    length: int | None = None
    words: tuple[str, ...] = ()


class Column(NamedTuple):
    """A column to fill: its place in the file's rows (None: not there), and its type."""

    name: str
    position: int | None
    type: ColumnType


class Note(Enum):
    """What is told of a field that was read."""

    EMPTY = "a word for no value, taken as empty"
    WORD = "text that may be a word for no value, loaded as it stands"
    ZONE = "a time without a zone, taken in that of the load"
    WALL = "a time without a zone, for a column without one"


class Field(NamedTuple):
    """A field as COPY's text format has it, and what is told of it."""

    text: str
    note: Note | None = None


def read_field(field: str, column: ColumnType, writing: Writing) -> Field:
    """The field for a column of this type. Raises FieldError where the column cannot hold it.

    >>> from scorer.database.source.files.csv_dialect import PLAIN
    >>> read_field(" 3.70", ColumnType("float8"), PLAIN).text, read_field("NULL", ColumnType("float8"), PLAIN).text
    ('3.70', '\\\\N')
    """
    note = None
    if field and field in writing.null_words:
        field, note = "", Note.EMPTY
    elif column.name in _TEXTS or column.words:
        if is_never_meant(field):
            raise FieldError(f"reads {field.strip()}; leave the field empty, or take the word as empty: --null WORD")
        note = Note.WORD if may_be_meant(field) else None
    elif field and is_null_word(field) and not (column.name in _NUMBERS and field.strip().lower() == "nan"):
        field, note = "", Note.EMPTY
    if not field:
        if column.must_have:
            raise FieldError("is empty")
        return Field(NULL, note)
    if column.words:
        if field not in column.words:
            raise FieldError("is none of the words of its type")
        return Field(field.translate(_ESCAPES), note)
    read = READERS[column.name](field, column, writing)
    return read if note is None else read._replace(note=note)


def _whole_number(field: str, _: ColumnType, __: Writing, *, bits: int) -> Field:
    """The whole number, for the database to read."""
    text = field.strip()
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise FieldError("is not a whole number")
    # Python refuses to read thousands of digits.
    if len(text.lstrip("+-0")) > bits or not -(2 ** (bits - 1)) <= int(text) < 2 ** (bits - 1):
        raise FieldError("is out of range")
    return Field(text)


def _number(field: str, column: ColumnType, writing: Writing) -> Field:
    """The number, for the database to read: every digit of it counts."""
    text = plain_number(field.strip(), writing.dialect)
    value, digits = float(text), re.split("e", text, flags=re.IGNORECASE)[0]
    if column.name == "float4" and math.isfinite(value):
        try:
            value = struct.unpack("f", struct.pack("f", value))[0]
        except OverflowError as error:
            raise FieldError("is out of range") from error
    if (math.isinf(value) and re.search("[0-9]", digits)) or (value == 0 and re.search("[1-9]", digits)):
        raise FieldError("is out of range")
    return Field(text)


_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def _text(field: str, column: ColumnType, _: Writing) -> Field:
    if "\0" in field:
        raise FieldError("holds a NUL character")
    if column.length is not None and len(field.rstrip(" ")) > column.length:
        raise FieldError(f"is longer than {column.length} characters")
    return Field(field.translate(_ESCAPES))


def _uuid(field: str, _: ColumnType, __: Writing) -> Field:
    try:
        return Field(str(UUID(field.strip())))
    except ValueError as error:
        raise FieldError("is not a UUID") from error


def _truth(field: str, _: ColumnType, __: Writing) -> Field:
    text = field.strip().lower()
    if text not in {"0", "1", "true", "false", "t", "f", "yes", "no", "y", "n"}:
        raise FieldError("is neither true nor false")
    return Field("t" if text in {"1", "true", "t", "yes", "y"} else "f")


def _moment(field: str, _: ColumnType, writing: Writing) -> Field:
    """The moment in UTC. Refused where neither the field nor the load says its zone."""
    written = plain_time(field.strip(), writing.dialect)
    if written.tzinfo is not None:
        return Field(_at(written, UTC).isoformat(sep=" "))
    if writing.zone is None:
        raise FieldError(
            "has no time zone; write it as 2026-01-15T05:30:00+01:00, or say whose clock it shows: --timezone Europe/Berlin"
        )
    return Field(_at(in_zone(written, writing.zone), UTC).isoformat(sep=" "), Note.ZONE)


def _wall_time(field: str, _: ColumnType, writing: Writing) -> Field:
    """The time as clocks show it, for a column without a zone."""
    written = plain_time(field.strip(), writing.dialect)
    if written.tzinfo is None:
        if writing.zone is not None:
            in_zone(written, writing.zone)
        return Field(written.isoformat(sep=" "), Note.WALL)
    if writing.zone is None:
        raise FieldError(
            "has a time zone, and its column none; say whose clock the column shows: --timezone Europe/Berlin"
        )
    shown = _at(written, writing.zone).replace(tzinfo=None, fold=0)
    in_zone(shown, writing.zone)
    return Field(shown.isoformat(sep=" "))


def _at(moment: datetime, zone: tzinfo) -> datetime:
    try:
        return moment.astimezone(zone)
    except (ValueError, OverflowError) as error:
        raise FieldError("is not a time that exists") from error


def _date(field: str, _: ColumnType, writing: Writing) -> Field:
    written = plain_time(field.strip(), writing.dialect)
    if written.tzinfo is not None or written.time() != time():
        raise FieldError("has a time of day, which its column cannot hold")
    return Field(written.date().isoformat())


_TEXTS = frozenset({"text", "varchar", "bpchar", "citext"})
_NUMBERS = frozenset({"float4", "float8", "numeric"})
# By the name of the column's type in PostgreSQL's catalog, what reads its fields; each raises FieldError.
READERS: Mapping[str, Callable[[str, ColumnType, Writing], Field]] = {
    "int2": partial(_whole_number, bits=16),
    "int4": partial(_whole_number, bits=32),
    "int8": partial(_whole_number, bits=64),
    **dict.fromkeys(sorted(_NUMBERS), _number),
    **dict.fromkeys(sorted(_TEXTS), _text),
    "bool": _truth,
    "uuid": _uuid,
    "date": _date,
    "timestamp": _wall_time,
    "timestamptz": _moment,
}
