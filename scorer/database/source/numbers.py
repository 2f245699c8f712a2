"""Numbers in Arrow columns, also of text; what is no number is kept apart, as it was read.

A laboratory's values are text in many databases, and a few of them are words or `<0.01`. A number is written as PostgreSQL and CSV files
write it: digits with a point, an exponent, a sign, blanks round it. A decimal comma is no number, since it could be one of thousands.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from scorer.database.source.arrow_arrays import array_of, is_valid
from scorer.errors import UserError
from scorer.types.arrays import Floats

_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_NO_FINITE = r"(?i)^([+-]?(inf|infinity)|nan)$"


def floats(column: pa.ChunkedArray, *, where: str) -> Floats:
    """The column (n,) as numbers, NaN where it is NULL.

    Raises UserError where it is of another type, holds text that is no number, or whole numbers beyond 2^53.
    """
    values, unread = read_numbers(column, where=where)
    if unread is not None:
        raise UserError(
            f"The column {where} is text, where a number is expected, and some of it is none; CAST it in the job's statement."
        )
    return values


def read_numbers(column: pa.ChunkedArray, *, where: str) -> tuple[Floats, npt.NDArray[np.object_] | None]:
    """The column (n,) as numbers, NaN where it is NULL or text that is no number; and that text (n,).

    The text is None where there is a number or NULL; in place of all of it there is None where nothing is left unread. Raises UserError
    where the column is neither of numbers nor of text, or holds whole numbers beyond 2^53.
    """
    try:
        return _array(pc.cast(column, pa.float64())), None
    except pa.ArrowException as error:
        texts = text_of(column)
        if texts is not None:
            return _parsed(texts)
        if pa.types.is_integer(column.type):
            raise UserError(
                f"The column {where} holds whole numbers beyond 2^53, which cannot be told apart as numbers; CAST it AS text "
                "in the job's statement (AS double precision, if it is a measurement)."
            ) from error
        raise UserError(
            f"The column {where} is {column.type}, where a number is expected; CAST it in the job's statement."
        ) from error


def text_of(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """The column as text, where that is what it is; None where it is of another type."""
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column
    return None


def is_numeric(column: pa.ChunkedArray) -> bool:
    """Whether it is PostgreSQL's numeric, which the driver gives as text of a type of its own."""
    return getattr(column.type, "type_name", None) == "numeric"


def _parsed(texts: pa.ChunkedArray) -> tuple[Floats, npt.NDArray[np.object_] | None]:
    trimmed = pc.utf8_trim_whitespace(texts.cast(pa.large_string()))
    looks_so = pc.or_(pc.match_substring_regex(trimmed, _NUMBER), pc.match_substring_regex(trimmed, _NO_FINITE))
    is_number = pc.and_kleene(looks_so, pc.is_valid(trimmed))  # never NULL itself
    plain = pc.utf8_ltrim(pc.if_else(is_number, trimmed, pa.nulls(len(trimmed), trimmed.type)), characters="+")
    try:
        values = _array(pc.cast(plain, pa.float64()))
    except pa.ArrowException:  # a number that no double holds, 1e400
        values = np.array([np.nan if text is None else float(text) for text in plain.to_pylist()])
    is_text = is_valid(trimmed) & ~array_of(is_number)
    if not is_text.any():
        return values, None
    unread = np.full(len(texts), None, dtype=object)
    unread[is_text] = array_of(texts)[is_text]
    return values, unread


def _array(column: pa.ChunkedArray) -> Floats:
    return np.asarray(array_of(column), dtype=np.float64)
