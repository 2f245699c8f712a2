"""Fields of a CSV file as PostgreSQL's COPY reads each type, or why one cannot be read."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from uuid import UUID


class FieldError(ValueError):
    """Why a column cannot hold a field, to follow the column's name."""


NULL = r"\N"


def _whole_number(field: str, *, bits: int) -> str:
    """The whole number, for the database to read.

    >>> _whole_number(" 100001", bits=64)
    '100001'
    """
    text = field.strip()
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        raise FieldError("is not a whole number")
    # Python refuses to read thousands of digits.
    if len(text.lstrip("+-0")) > bits or not -(2 ** (bits - 1)) <= int(text) < 2 ** (bits - 1):
        raise FieldError("is out of range")
    return text


_NUMBER = re.compile(r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?)|nan", re.IGNORECASE)


def _number(field: str) -> str:
    """The number, for the database to read: every digit of it counts.

    >>> _number(" 3.70"), _number("-inf"), _number("NaN")
    ('3.70', '-inf', 'NaN')
    """
    text = field.strip()
    if not _NUMBER.fullmatch(text):
        raise FieldError("is not a number")
    value, digits = float(text), re.split("e", text, flags=re.IGNORECASE)[0]
    if (math.isinf(value) and re.search("[0-9]", digits)) or (value == 0 and re.search("[1-9]", digits)):
        raise FieldError("is out of range")
    return text


_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def _text(field: str) -> str:
    if "\0" in field:
        raise FieldError("holds a NUL character")
    return field.translate(_ESCAPES)


_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?) ?(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)


def _time(field: str) -> str:
    """The moment in UTC, which is the zone of a field without one; midnight where it has no time of day.

    >>> _time("2025-06-01T14:30:00+02:00"), _time("2025-06-01")
    ('2025-06-01 12:30:00+00:00', '2025-06-01 00:00:00+00:00')
    """
    match = _TIME.fullmatch(field.strip())
    if match is None:
        raise FieldError("is not a time as ISO 8601 writes it")
    try:
        moment = datetime.fromisoformat(f"{match[1]}T{match[2] or '00:00'}{match[3] or 'Z'}")
        return moment.astimezone(UTC).isoformat(sep=" ")
    except (ValueError, OverflowError) as error:
        raise FieldError("is not a time that exists") from error


def _uuid(field: str) -> str:
    try:
        return str(UUID(field.strip()))
    except ValueError as error:
        raise FieldError("is not a UUID") from error


# By the name of the column's type in PostgreSQL's catalog, what reads its fields; each raises FieldError.
READERS: Mapping[str, Callable[[str], str]] = {
    "int2": partial(_whole_number, bits=16),
    "int4": partial(_whole_number, bits=32),
    "int8": partial(_whole_number, bits=64),
    "float8": _number,
    "numeric": _number,
    "text": _text,
    "varchar": _text,
    "timestamptz": _time,
    "uuid": _uuid,
}
