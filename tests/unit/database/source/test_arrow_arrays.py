"""Arrow columns as NumPy arrays: what `to_numpy` gives, to the bit, and no pandas."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scorer.database.source.arrow_arrays import (
    array_of,
    booleans_from,
    integers_from,
    integers_or,
    is_valid,
    one_chunk,
    one_text,
)

NUMBERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint32(), pa.float16(), pa.float32(), pa.float64()]


def same(one: np.ndarray, other: np.ndarray) -> bool:
    if one.dtype == object:
        return other.dtype == object and one.tolist() == other.tolist()
    return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()


@settings(deadline=None)  # the first call imports pandas
@given(
    kind=st.sampled_from([*NUMBERS, pa.bool_(), pa.string(), pa.large_string()]),
    values=st.lists(st.lists(st.one_of(st.none(), st.integers(-100, 100)), max_size=20), max_size=4),
    cut=st.integers(0, 9),
    nulls=st.booleans(),
)
def test_it_is_what_to_numpy_gives(kind: pa.DataType, values: list[list[int | None]], cut: int, nulls: bool) -> None:
    """Of chunks that begin anywhere, with and without NULL."""
    made = {pa.bool_(): lambda n: n > 0, pa.string(): str, pa.large_string(): str, pa.uint32(): abs}
    of = made.get(kind, np.float16 if kind == pa.float16() else lambda n: n)
    chunks = [
        pa.array([None if each is None else of(each) for each in part if nulls or each is not None], kind)
        for part in values
    ]
    column = pa.chunked_array([chunk.slice(min(cut, len(chunk))) for chunk in chunks], kind)
    assert same(array_of(column), column.to_numpy())
    assert one_chunk(column).equals(column.combine_chunks())
    assert same(is_valid(column), column.is_valid().to_numpy())
    for chunk in column.chunks:
        assert same(array_of(chunk), chunk.to_numpy(zero_copy_only=False))
        assert same(is_valid(chunk), chunk.is_valid().to_numpy(zero_copy_only=False))
    if kind == pa.int64():
        assert same(integers_or(column, -7), pc.fill_null(column, -7).to_numpy())


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.date32(), pa.binary(), pa.decimal128(9, 2), pa.null()])
def test_other_types_are_left_to_to_numpy(kind: pa.DataType) -> None:
    column = pa.chunked_array([pa.nulls(2, kind)])
    assert str(array_of(column).tolist()) == str(column.to_numpy().tolist())


def test_values_that_are_no_plain_number_keep_their_bits() -> None:
    odd = np.array([np.nan, -0.0, np.inf, -np.inf, 5e-324, np.finfo(float).max])
    assert array_of(pa.chunked_array([pa.array(odd)])).tobytes() == odd.tobytes()


def test_many_texts_are_the_same_texts() -> None:
    texts = pa.chunked_array([pa.array([f"x{n % 7}" if n % 5 else None for n in range(100_003)])])
    assert array_of(texts).tolist() == texts.to_pylist()


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 1000])
def test_booleans_become_arrow_s_own(count: int) -> None:
    flags = np.arange(count) % 3 == 1
    made = booleans_from(flags)
    made.validate(full=True)
    assert made.to_pylist() == flags.tolist()
    assert same(array_of(made), flags)


def test_integers_become_arrow_s_own() -> None:
    moments = np.arange(-3, 9)[::2]
    assert integers_from(moments, pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_pylist() == moments.tolist()


@pytest.mark.parametrize("text", ["", "a", '{"ü": "\N{SNOWMAN}"}', "x" * 100_000])
def test_a_text_is_a_row_of_one(text: str) -> None:
    batch = one_text(text)
    batch.validate(full=True)
    assert batch.to_pylist() == [{"0": text}]


PROGRAM = """
import sys
import numpy as np
import pyarrow as pa
from scorer.database.source.arrow_arrays import array_of, integers_from, is_valid, one_chunk, one_text
column = integers_from(np.arange(9), pa.int64())
for each in (column, column.cast(pa.float64()), column.cast(pa.string()), column.is_null()):
    array_of(pa.chunked_array([each])), is_valid(each)
one_text("x")
one_chunk(pa.chunked_array([], pa.string())).dictionary_encode()
print("pandas" in sys.modules)
"""


def test_pandas_is_not_imported() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
