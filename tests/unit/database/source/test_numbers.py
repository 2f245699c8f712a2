"""Numbers in columns of any kind: what is written as one is read as the server reads it, and nothing else is guessed."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest

from scorer.database.source.numbers import floats, read_numbers
from scorer.errors import UserError

NUMBERS = {
    "37.2": 37.2,
    " 37.2 ": 37.2,
    "\t1e3\n": 1000.0,
    "+.5": 0.5,
    "-5.": -5.0,
    "1E-3": 0.001,
    "007": 7.0,
    "NaN": math.nan,
    "Infinity": math.inf,
    "-inf": -math.inf,
    "1e400": math.inf,
    "12   ": 12.0,
}
NO_NUMBERS = [
    "<0.01",
    "",
    " ",
    "hemolyzed",
    "1,5",
    "1.234,5",
    "1_000",
    "0x1F",
    "1 2",
    "--1",
    "+-1",
    "1e",
    ".",
    "٣",
    "5 mg",
    "N/A",
]


@pytest.mark.parametrize("type_", [pa.string(), pa.large_string()])
def test_text_is_read_where_it_is_a_number_and_kept_where_it_is_none(type_: pa.DataType) -> None:
    texts = [*NUMBERS, *NO_NUMBERS, None]
    values, unread = read_numbers(pa.chunked_array([pa.array(texts, type_)]), where="value")
    none = [math.nan] * (len(NO_NUMBERS) + 1)
    np.testing.assert_array_equal(values, [*NUMBERS.values(), *none])
    assert unread is not None
    assert unread.tolist() == [*[None] * len(NUMBERS), *NO_NUMBERS, None]


def test_where_all_is_read_nothing_is_kept() -> None:
    for texts in (["1", "2.5", None], [" 1", "+2"], [], [None]):
        values, unread = read_numbers(pa.chunked_array([pa.array(texts, pa.string())]), where="value")
        assert len(values) == len(texts)
        assert unread is None


def test_a_column_of_which_no_text_may_be_left_is_refused_by_name() -> None:
    with pytest.raises(
        UserError, match=r"^The column label is text, where a number is expected, and some of it is none"
    ):
        floats(pa.chunked_array([pa.array(["1", "yes"])]), where="label")
