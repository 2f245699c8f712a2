"""Many rows in one: the values of each column one after the other, as NumPy takes them.

A driver takes half a microsecond for each row, whatever it holds, and PostgreSQL sends each in a message of its own. Folded, a batch is one
row. It has how many there were, and of each column the bytes of its values in the order of the rows:

| type of the column | a value | NULL |
| --- | --- | --- |
| smallint, integer, bigint | 8 bytes, the greatest first | the number -2^63 |
| real, double precision | the 8 bytes of a double, the greatest first | those of a NaN that arithmetic never gives |
| timestamp with time zone | 8 bytes: microseconds since 2000 | the number -2^63 + 1, which is no moment |
| boolean | a byte, 0 or 1 | 2 |
| text, varchar, char(n), name, numeric | UTF-8, up to the byte 255, which UTF-8 does not have | the byte 254, which it has not either |

A bigint may be -2^63 itself, so of each the database counts how many are known: where fewer are found, the rows are read unfolded. So they
are where a column is of another type.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scorer.types.arrays import Booleans

_NO_INTEGER = -(2**63)
_NO_MOMENT = -(2**63) + 1
_NO_DOUBLE = 0x7FF4_D1A7_3C5B_9E26
_NO_BOOLEAN = 2
_NO_TEXT, _END = 254, 255
_FROM_1970_TO_2000 = 946_684_800_000_000

_INTEGER = r"string_agg(COALESCE(int8send({0}), '\x8000000000000000'), '')"
_DOUBLE = r"string_agg(COALESCE(float8send({0}), '\x7ff4d1a73c5b9e26'), '')"
_MOMENT = r"string_agg(COALESCE(timestamptz_send({0}), '\x8000000000000001'), '')"
_BOOLEAN = r"string_agg(COALESCE(boolsend({0}), '\x02'), '')"
_TEXT = r"string_agg(COALESCE(textsend(CAST({0} AS text)), '\xfe'), '\xff')"
_WRITTEN = {
    "int2": _INTEGER,
    "int4": _INTEGER,
    "int8": _INTEGER,
    "float4": _DOUBLE,
    "float8": _DOUBLE,
    "timestamptz": _MOMENT,
    "bool": _BOOLEAN,
    "text": _TEXT,
    "varchar": _TEXT,
    "bpchar": _TEXT,
    "name": _TEXT,
    "numeric": _TEXT,
}


class NotFolded(Exception):
    """What was sent does not say what the rows are: a bigint is -2^63, say."""


def can_fold(schema: pa.Schema) -> bool:
    """Whether all columns are of types that are folded."""
    return all(_type(field) in _WRITTEN for field in schema)


def to_fold(schema: pa.Schema) -> dict[str, str]:
    """What sql/engine/server/fold_rows.sql has in braces of the statement's columns."""
    asked, types = [], []
    for place, field in enumerate(schema):
        name = '"' + field.name.replace('"', '""') + '"'
        asked.append(f"{_WRITTEN[_type(field)].format(name)} AS values_{place}")
        if _is_counted(field):
            asked.append(f"count({name}) AS known_{place}")
        types.append(f"ARRAY[{name}] = CAST('{{}}' AS pg_catalog.{_type(field)} [])")
    return {"columns": ", ".join(asked), "types": " OR ".join(types)}


def unfolded(folded: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows, in columns of the types of `schema`, which is that of the statement without being folded.

    Raises NotFolded where what was sent does not say which rows they are.
    """
    rows = folded["rows"][0].as_py()
    columns = []
    for place, field in enumerate(schema):
        column = _read(folded[f"values_{place}"], rows, field)
        if _is_counted(field) and column.null_count != rows - folded[f"known_{place}"][0].as_py():
            raise NotFolded
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=schema)


def _read(sent: pa.ChunkedArray, rows: int, field: pa.Field) -> pa.Array:
    """The column (rows,) of what was sent of it: bytes, or NULL of no rows."""
    held = sent[0].as_buffer()
    if held is None:
        return pa.nulls(0, field.type)
    column = _READ[_WRITTEN[_type(field)]](np.frombuffer(held, dtype=np.uint8))
    if len(column) != rows:
        raise NotFolded
    # As the driver has it: numeric is text of a type of its own.
    is_own = isinstance(field.type, pa.BaseExtensionType)
    return pa.ExtensionArray.from_storage(field.type, column) if is_own else column.cast(field.type)


def _is_counted(field: pa.Field) -> bool:
    """Whether the database counts how many of its values are not NULL."""
    return _type(field) == "int8"


def _type(field: pa.Field) -> str:
    """The name of the column's type in PostgreSQL."""
    return str((field.metadata or {}).get(b"POSTGRESQL:type", b"").decode())


def _integers(data: npt.NDArray[np.uint8]) -> pa.Array:
    values = data.view(">i8").astype(np.int64)
    return _array(values, values == _NO_INTEGER)


def _doubles(data: npt.NDArray[np.uint8]) -> pa.Array:
    bits = data.view(">i8").astype(np.int64)
    return _array(bits.view(np.float64), bits == _NO_DOUBLE)


def _moments(data: npt.NDArray[np.uint8]) -> pa.Array:
    """Microseconds since 1970; the infinities wrap round, as they do in the driver's own columns."""
    since_2000 = data.view(">i8").astype(np.int64)
    moments = _array(since_2000 + _FROM_1970_TO_2000, since_2000 == _NO_MOMENT)
    return moments.cast(pa.timestamp("us", tz="UTC"))


def _booleans(data: npt.NDArray[np.uint8]) -> pa.Array:
    bits = np.packbits(data == 1, bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(data), [_validity(data == _NO_BOOLEAN), pa.py_buffer(bits)])


def _texts(data: npt.NDArray[np.uint8]) -> pa.Array:
    ends = np.append(np.flatnonzero(data == _END), len(data))
    begins = np.append(0, ends[:-1] + 1)
    null = np.append(data, _END)[begins] == _NO_TEXT
    offsets = np.append(0, np.cumsum(ends - begins - null)).astype(np.int32)
    buffers = [_validity(null), pa.py_buffer(offsets), pa.py_buffer(data[data < _NO_TEXT])]
    return pa.Array.from_buffers(pa.string(), len(ends), buffers)


def _array(values: npt.NDArray[np.float64] | npt.NDArray[np.int64], null: Booleans) -> pa.Array:
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, len(values), [_validity(null), pa.py_buffer(values)])


def _validity(null: Booleans) -> pa.Buffer | None:
    """Arrow's bits of what is not NULL; None where nothing is."""
    return pa.py_buffer(np.packbits(~null, bitorder="little")) if null.any() else None


_READ: dict[str, Callable[[npt.NDArray[np.uint8]], pa.Array]] = {
    _INTEGER: _integers,
    _DOUBLE: _doubles,
    _MOMENT: _moments,
    _BOOLEAN: _booleans,
    _TEXT: _texts,
}
