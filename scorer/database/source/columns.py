"""Arrow columns of a job's statements as the arrays that the scoring takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

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
    value = table["observation_value"]
    plain = Observations(
        keys=keys,
        position=integers(table["position"], where="position") - 1,
        observation_id=_keys(table["observation_id"]),
        time=_times(table["observation_date"], where="observation_date"),
        code=code,
        codes=codes,
        value=floats(value, where="observation_value"),
        value_is_null=value.is_null().to_numpy(),
        low=floats(table["reference_range_min"], where="reference_range_min"),
        high=floats(table["reference_range_max"], where="reference_range_max"),
        extras={
            name: _further(table[name], where=name)
            for name in table.column_names
            if name not in {*OBSERVATION_COLUMNS, KNOWN_FROM}
        },
        known_from=_times(table[KNOWN_FROM], where=KNOWN_FROM) if KNOWN_FROM in table.column_names else None,
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


def attributes_of(table: pa.Table, *, entities: int, where: str) -> Attributes:
    """The rows of an attributes statement, an array (entities,) for each column.

    An entity without a row has missing values. Raises UserError where there is more than one row for an entity.
    """
    position = integers(table["position"], where="position") - 1
    if len(np.unique(position)) != len(position):
        raise UserError(f"The {where} give more than one row for an entity.")
    found = Attributes()
    for name in table.column_names:
        column = table[name]
        if name in ATTRIBUTE_COLUMNS:
            continue
        if pa.types.is_timestamp(column.type):
            found.times[name] = _spread(_times(column, where=name), position, np.full(entities, NO_TIME))
        elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            texts = np.empty(entities, dtype=object)
            found.texts[name] = _spread(_plain(column), position, texts)
        else:
            found.numbers[name] = _spread(floats(column, where=name), position, np.full(entities, np.nan))
    return found


def _spread(values: npt.NDArray[Any], position: Integers, into: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`into` (entities,), with `values` (n,) at the places `position` (n,)."""
    into[position] = values
    return into


def floats(column: pa.ChunkedArray, *, where: str) -> Floats:
    """The column (n,) as numbers, NaN where it is NULL.

    Raises UserError where it is of another type, or holds whole numbers beyond 2^53.
    """
    try:
        return np.asarray(pc.cast(column, pa.float64()).to_numpy(), dtype=np.float64)
    except pa.ArrowException as error:
        if pa.types.is_integer(column.type):
            raise UserError(
                f"The column {where} holds whole numbers beyond 2^53, which cannot be told apart as numbers; CAST it AS text "
                "in the job's statement (AS double precision, if it is a measurement)."
            ) from error
        raise UserError(
            f"The column {where} is {column.type}, where a number is expected; CAST it in the job's statement."
        ) from error


def labels(column: pa.ChunkedArray, *, where: str) -> npt.NDArray[Any]:
    """The labels (n,) of a column: texts, None where it is NULL; or numbers, NaN where it is.

    Raises UserError where it is of another type.
    """
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.asarray(column.to_numpy(), dtype=object)
    return floats(column, where=where)


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
        raise UserError(f"The column {where} is {column.type}, where a timestamp with time zone is expected.")
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
    return floats(column, where=where).astype(np.float16) if pa.types.is_boolean(column.type) else _plain(column)


def _plain(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    return np.asarray(column.to_numpy())
