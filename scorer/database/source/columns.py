"""Arrow columns of a job's statements as the arrays that the scoring takes."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from scorer.database.source.numbers import floats, is_numeric, read_numbers, text_of
from scorer.errors import UserError
from scorer.types.arrays import NO_TIME, Attributes, Floats, Integers, Observations
from scorer.types.values import WorkItem

OBSERVATION_COLUMNS = (
    "position",
    "observation_id",
    "observation_date",
    "observation_type_code",
    "observation_value",
    "reference_range_min",
    "reference_range_max",
)
_NUMBERS = OBSERVATION_COLUMNS[-3:]
KNOWN_FROM = "known_from"  # an observation's column that is no input: it enters neither hashes nor frames
ATTRIBUTE_COLUMNS = ("position",)

# The database's infinities as the driver gives them, wrapped round in counting from 1970 instead of 2000, and as the arrays
# have them: so far away that no date lies beyond, and near enough for differences.
_FROM_2000 = 946_684_800_000_000
_ENDLESS = {NO_TIME + _FROM_2000 - 1: 2**62, NO_TIME + _FROM_2000: -(2**62)}


def observations_of(table: pa.Table, *, keys: tuple[WorkItem, ...]) -> Observations:
    """The rows of an observations statement, sorted by entity, code, time and value.

    Their column `position` counts `keys` from 1. Raises UserError where a column has another type than the scoring needs.
    """
    codes, code = _codes(table["observation_type_code"])
    read = {name: read_numbers(table[name], where=name) for name in _NUMBERS}
    plain = Observations(
        keys=keys,
        position=integers(table["position"], where="position") - 1,
        observation_id=_keys(table["observation_id"]),
        time=_times(table["observation_date"], where="observation_date"),
        code=code,
        codes=codes,
        value=read["observation_value"][0],
        value_is_null=table["observation_value"].is_null().to_numpy(),
        low=read["reference_range_min"][0],
        high=read["reference_range_max"][0],
        extras={
            name: _further(table[name], where=name)
            for name in table.column_names
            if name not in {*OBSERVATION_COLUMNS, KNOWN_FROM}
        },
        known_from=_times(table[KNOWN_FROM], where=KNOWN_FROM) if KNOWN_FROM in table.column_names else None,
        unread={name: texts for name, (_, texts) in read.items() if texts is not None},
    )
    return plain.only(_order(plain))


def _codes(column: pa.ChunkedArray) -> tuple[tuple[str, ...], Integers]:
    """The codes in alphabetical order, and each row's index into them (n,), -1 where it has none."""
    encoded = column.combine_chunks().dictionary_encode()
    found = encoded.dictionary.to_pylist()
    if not all(isinstance(each, str) for each in found):
        raise UserError(f"The column observation_type_code is {column.type}, where text is expected.")
    codes = tuple(sorted(found))
    rank = {code: place for place, code in enumerate(codes)}
    ranks = np.array([*(rank[code] for code in found), -1], dtype=np.int64)
    return codes, ranks[integers(encoded.indices.fill_null(-1), where="observation_type_code")]


def _order(rows: Observations) -> Integers:
    """Indices (n,) that sort by entity, code, time, value, range and key, however the database sorted."""
    segment = rows.position * (len(rows.codes) + 1) + rows.code + 1
    order = np.lexsort((rows.time, segment)) if len(rows) else np.empty(0, np.int64)
    same = (np.diff(segment[order]) == 0) & (np.diff(rows.time[order]) == 0)
    if same.any():
        further = [column for column in rows.extras.values() if column.dtype.kind in "biuf"]
        ties = (rows.observation_id, *further, rows.value_is_null, rows.high, rows.low, rows.value, rows.time, segment)
        order = np.lexsort(ties)
    return order.astype(np.int64)


def attributes_of(table: pa.Table, *, entities: int, numbers: Collection[str] = ()) -> Attributes:
    """The rows of an attributes statement, an array (entities,) for each column.

    Columns of `numbers` may be text that holds such. An entity without a row has missing values; one with more rows than one is
    `repeated`, and misses what they do not agree in.
    """
    position = integers(table["position"], where="position") - 1
    repeated = np.bincount(position, minlength=entities) > 1
    found = Attributes(repeated=repeated if repeated.any() else None)
    for name in table.column_names:
        column = table[name]
        if name in ATTRIBUTE_COLUMNS:
            continue
        if pa.types.is_timestamp(column.type):
            found.times[name] = _spread(_times(column, where=name), position, np.full(entities, NO_TIME))
        elif text_of(column) is not None and name not in numbers:
            found.texts[name] = _spread(_plain(column), position, np.empty(entities, dtype=object))
        else:
            values, unread = read_numbers(column, where=name)
            found.numbers[name] = _spread(values, position, np.full(entities, np.nan))
            if unread is not None:
                found.unread[name] = _spread(unread, position, np.empty(entities, dtype=object))
    return found


def _spread(values: npt.NDArray[Any], position: Integers, into: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`into` (entities,) with `values` (n,) at `position` (n,), but where those of one place differ."""
    missing = into[:1].copy()
    into[position] = values
    if len(position) > len(into) or len(np.unique(position)) < len(position):
        placed = into[position]
        differing = position[(placed != values) & ~((placed != placed) & (values != values))]  # noqa: PLR0124 - NaN is as NaN
        into[differing] = missing
    return into


def labels(column: pa.ChunkedArray, *, where: str) -> Floats:
    """The column (n,) as labels of a binary job: 0, 1, and NaN where it is NULL; true is 1, false is 0.

    Raises UserError where a row has anything else, NaN included: it is no way to say that an outcome is unknown.
    """
    if isinstance(column.type, pa.BaseExtensionType):  # numeric comes as text, of a type of its own
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], type=column.type.storage_type)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        values = np.array([_label(text) for text in column.to_pylist()], dtype=np.float64)
    elif pa.types.is_boolean(column.type) or pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        values = np.asarray(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)
    else:
        values = np.full(len(column), np.nan)
    other = int((~(np.isin(values, (0, 1)) | column.is_null().to_numpy())).sum())
    if other:
        raise UserError(
            f"The label of {where} must be 0, 1 or NULL; {other:,} of {len(values):,} rows have something else. Write NULL where "
            "the outcome is not known, and 1 for the event."
        )
    return values


def _label(text: str | None) -> float:
    """The label that a text says, NaN for NULL and for any other text.

    >>> _label("1"), _label("false"), _label("0.0"), _label("yes")
    (1.0, 0.0, 0.0, nan)
    """
    if text is None:
        return math.nan
    word = {"true": "1", "t": "1", "false": "0", "f": "0"}.get(text.strip().lower(), text)
    try:
        return float(word)
    except ValueError:
        return math.nan


def integers(column: pa.ChunkedArray | pa.Array, *, where: str) -> Integers:
    """The column (n,) as whole numbers. Raises UserError where it holds others."""
    try:
        array = pc.cast(column, pa.int64())
    except pa.ArrowException as error:
        raise UserError(f"The column {where} is {column.type}, where a whole number is expected.") from error
    return np.asarray(array.to_numpy(**({} if isinstance(array, pa.ChunkedArray) else {"zero_copy_only": False})))


def _times(column: pa.ChunkedArray, *, where: str) -> Integers:
    """The column (n,) as microseconds since 1970-01-01 UTC, NO_TIME where it is NULL."""
    if not pa.types.is_timestamp(column.type) or column.type.tz is None:
        cure = "; write AT TIME ZONE 'Europe/Berlin', or the zone that it is in, behind it in the job's statement"
        raise UserError(
            f"The column {where} is {column.type}, where a timestamp with time zone is expected"
            f"{cure if pa.types.is_timestamp(column.type) else ''}."
        )
    whole = pc.cast(pc.cast(column, pa.timestamp("us", tz="UTC")), pa.int64())
    times = integers(pc.fill_null(whole, NO_TIME), where=where)
    for wrapped, endless in _ENDLESS.items():
        times = np.where(times == wrapped, endless, times)
    return times


def _keys(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """The keys (n,), refused where a rejection could not quote them: a uuid, say, comes as bytes."""
    if not (pa.types.is_integer(column.type) or pa.types.is_string(column.type)):
        raise UserError(
            f"The column observation_id is {column.type}, where a whole number or text is expected; CAST it AS text in the "
            "job's statement."
        )
    return _plain(column)


def _further(column: pa.ChunkedArray, *, where: str) -> npt.NDArray[Any]:
    """A column (n,) for the suites; of booleans, 1, 0 and NaN as float16, a type that PostgreSQL lacks."""
    if pa.types.is_boolean(column.type):
        return floats(column, where=where).astype(np.float16)
    return floats(column, where=where) if is_numeric(column) else _plain(column)


def _plain(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    return np.asarray(column.to_numpy())
