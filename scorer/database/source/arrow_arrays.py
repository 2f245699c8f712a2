"""Arrow columns as NumPy arrays, and the other way, by their buffers.

What pyarrow's `to_numpy` and `pa.array` give is the same, but they import pandas first, which takes a fifth of a second of every cold run.
The buffers are those of the Arrow format: values of fixed width, and bits, the lowest first, for booleans and for what is not NULL.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scorer.types.arrays import Booleans, Integers

_WIDTH_OF_OFFSETS = np.int32
_FEW = 100_000  # texts, of which pyarrow would make Python's own faster than we do


def array_of(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[Any]:
    """The column (n,), texts as objects: all as `to_numpy` gives it.

    NULL is NaN among numbers, which makes whole numbers float64, and None else.
    """
    kind = column.type
    if pa.types.is_boolean(kind) and not column.null_count:
        return _joined([_bits(chunk, 1) for chunk in _chunks(column)], dtype=np.dtype(bool))
    if pa.types.is_integer(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind):
        dtype = np.dtype(kind.to_pandas_dtype())
        if not column.null_count:
            return _joined([_values(chunk, dtype) for chunk in _chunks(column)], dtype=dtype)
        into = dtype if dtype.kind == "f" else np.dtype(np.float64)
        return _joined([_filled(chunk, dtype, np.nan, into=into) for chunk in _chunks(column)], dtype=into)
    if _is_text(kind) and len(column) <= _FEW:
        found = np.empty(len(column), dtype=object)
        found[:] = column.to_pylist()
        return found
    return np.asarray(column.to_numpy(**({} if isinstance(column, pa.ChunkedArray) else {"zero_copy_only": False})))


def integers_or(column: pa.ChunkedArray | pa.Array, missing: int) -> Integers:
    """The column of int64 (n,), `missing` where it is NULL."""
    assert column.type == pa.int64(), column.type
    dtype = np.dtype(np.int64)
    return _joined([_filled(chunk, dtype, missing, into=dtype) for chunk in _chunks(column)], dtype=dtype)


def is_valid(column: pa.ChunkedArray | pa.Array) -> Booleans:
    """Which values of the column (n,) are not NULL."""
    chunks = _chunks(column)
    valid = [_bits(each, 0) if each.null_count else np.ones(len(each), dtype=bool) for each in chunks]
    return _joined(valid, dtype=np.dtype(bool))


def one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """The column (n,) in one piece."""
    if not column.num_chunks and _is_text(column.type):
        return pa.nulls(0, column.type)
    return column.combine_chunks()


def integers_from(values: Integers, kind: pa.DataType) -> pa.Array:
    """Values (n,) as an Arrow array of a type that is kept as int64, such as a timestamp."""
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values, dtype=np.int64))])


def booleans_from(values: Booleans) -> pa.Array:
    """Values (n,) as an Arrow array."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, pa.py_buffer(np.packbits(values, bitorder="little"))])


def one_text(text: str) -> pa.RecordBatch:
    """A row with one text, as a statement takes its parameter."""
    written = text.encode()
    offsets = np.array([0, len(written)], dtype=_WIDTH_OF_OFFSETS)
    column = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(offsets), pa.py_buffer(written)])
    return pa.RecordBatch.from_arrays([column], names=["0"])


def _chunks(column: pa.ChunkedArray | pa.Array) -> list[pa.Array]:
    return column.chunks if isinstance(column, pa.ChunkedArray) else [column]


def _values(chunk: pa.Array, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """The values of fixed width in a chunk (n,); where it is NULL, anything."""
    if not len(chunk):
        return np.empty(0, dtype)
    return np.frombuffer(chunk.buffers()[1], dtype, count=len(chunk), offset=chunk.offset * dtype.itemsize)


def _filled(chunk: pa.Array, dtype: np.dtype[Any], missing: float, *, into: np.dtype[Any]) -> npt.NDArray[Any]:
    """The values of fixed width in a chunk (n,) as the type `into`, `missing` where it is NULL."""
    values = _values(chunk, dtype)
    if not chunk.null_count:
        return values.astype(into, copy=False)
    values = values.astype(into)
    values[~is_valid(chunk)] = missing
    return values


def _bits(chunk: pa.Array, buffer: int) -> Booleans:
    """The bits in one of a chunk's buffers (n,)."""
    if not len(chunk):
        return np.empty(0, dtype=bool)
    first, bits = chunk.offset // 8, np.frombuffer(chunk.buffers()[buffer], np.uint8)
    begins = chunk.offset - 8 * first
    found = np.unpackbits(bits[first:], count=begins + len(chunk), bitorder="little")
    return found[begins:].astype(bool)


def _joined(parts: list[npt.NDArray[Any]], *, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate(parts) if parts else np.empty(0, dtype)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
