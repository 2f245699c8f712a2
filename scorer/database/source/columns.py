"""Arrow columns of a job's statements as the arrays that the scoring takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from scorer.database.source.arrow_arrays import array_of, booleans_from, integers_from, integers_or, is_valid, one_chunk
from scorer.database.source.numbers import floats, is_numeric, read_numbers, text_of
from scorer.errors import UserError
from scorer.types.arrays import NO_TIME, Attributes, Booleans, Floats, Integers, Observations
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
# Columns of an observation that are no inputs: they enter neither hashes nor frames.
KNOWN_FROM = "known_from"
RECORDED_AT = "recorded_at"
ATTRIBUTE_COLUMNS = ("position",)

# The database's infinities as the driver gives them, wrapped round in counting from 1970 instead of 2000, and as the arrays
# have them: so far away that no date lies beyond, and near enough for differences.
_FROM_2000 = 946_684_800_000_000
_ENDLESS = {NO_TIME + _FROM_2000 - 1: 2**62, NO_TIME + _FROM_2000: -(2**62)}


def observations_of(table: pa.Table, *, keys: tuple[WorkItem, ...]) -> Observations:
    """The rows of an observations statement, sorted as in Observations.

    Their column `position` counts `keys` from 1. Raises UserError where a column has another type than the scoring needs.
    """
    return in_order(unsorted_of(table, keys=keys), recorded=recorded_of(table))


def recorded_of(table: pa.Table) -> Integers | None:
    """When each row was recorded (n,), NO_TIME where unknown; None where the statement does not say."""
    return _times(table[RECORDED_AT], where=RECORDED_AT) if RECORDED_AT in table.column_names else None


def unsorted_of(table: pa.Table, *, keys: tuple[WorkItem, ...]) -> Observations:
    """The rows of an observations statement, as the database sorted them."""
    codes, code = _codes(table["observation_type_code"])
    read = {name: read_numbers(table[name], where=name) for name in _NUMBERS}
    return Observations(
        keys=keys,
        position=integers(table["position"], where="position") - 1,
        observation_id=_keys(table["observation_id"]),
        time=_times(table["observation_date"], where="observation_date"),
        code=code,
        codes=codes,
        value=read["observation_value"][0],
        value_is_null=~is_valid(table["observation_value"]),
        low=read["reference_range_min"][0],
        high=read["reference_range_max"][0],
        extras={
            name: _further(table[name], where=name)
            for name in table.column_names
            if name not in {*OBSERVATION_COLUMNS, KNOWN_FROM, RECORDED_AT}
        },
        known_from=_times(table[KNOWN_FROM], where=KNOWN_FROM) if KNOWN_FROM in table.column_names else None,
        unread={name: texts for name, (_, texts) in read.items() if texts is not None},
    )


def places_of_two_values(rows: Observations) -> Integers:
    """The places (m,), ascending, of the entities that have two values of one code and time."""
    keys = (rows.position, rows.code, rows.time)
    tied = np.flatnonzero(np.logical_and.reduce([key[1:] == key[:-1] for key in keys]))
    return np.unique(rows.position[tied[rows.value[tied] != rows.value[tied + 1]]])


def moved(table: pa.Table, *, by: int) -> pa.Table:
    """The table with its column `position` counted on from `by`."""
    if not by:
        return table
    at = table.column_names.index("position")
    field, counted = table.schema.field(at), integers(table["position"], where="position") + by
    return table.set_column(at, field, pc.cast(integers_from(counted, pa.int64()), field.type))


def exchanged(table: pa.Table, anew: pa.Table, *, places: Integers) -> pa.Table:
    """The table of an observations statement, with the rows of the entities at `places` (m,) from `anew`.

    `anew` was read for these entities alone, in their order.
    """
    kept = table.filter(booleans_from(~np.isin(integers(table["position"], where="position") - 1, places)))
    position = places[integers(anew["position"], where="position") - 1] + 1
    at = anew.column_names.index("position")
    anew = anew.set_column(at, "position", integers_from(position, pa.int64()))
    at = kept.column_names.index("position")
    kept = kept.set_column(at, "position", pc.cast(kept["position"], pa.int64()))
    return pa.concat_tables([kept, anew], promote_options="default")


def _codes(column: pa.ChunkedArray) -> tuple[tuple[str, ...], Integers]:
    """The codes in alphabetical order, and each row's index into them (n,), -1 where it has none."""
    encoded = one_chunk(column).dictionary_encode()
    found = encoded.dictionary.to_pylist()
    if not all(isinstance(each, str) for each in found):
        raise UserError(f"The column observation_type_code is {column.type}, where text is expected.")
    codes = tuple(sorted(found))
    rank = {code: place for place, code in enumerate(codes)}
    ranks = np.array([*(rank[code] for code in found), -1], dtype=np.int64)
    return codes, ranks[_places(encoded)]


def in_order(rows: Observations, *, recorded: Integers | None) -> Observations:
    """The rows by entity, code, time, rank, value, range and key, however the database sorted.

    `recorded` (n,) is when each was recorded, NO_TIME where that is not known; None where it is not known of any.
    """
    segment, order = by_moment(rows)
    same = (np.diff(segment[order]) == 0) & (np.diff(rows.time[order]) == 0)
    if same.any():
        if recorded is not None:
            rows = replace(rows, rank=_ranks(rows.value, recorded, order=order, same=same))
        rank = np.zeros(len(rows), np.int64) if rows.rank is None else rows.rank
        further = [column for column in rows.extras.values() if column.dtype.kind in "biuf"]
        ties = (rows.observation_id, *further, rows.value_is_null, rows.high, rows.low, rows.value, rank, rows.time)
        order = np.lexsort((*ties, segment))
    return rows if _ascends(order) else rows.only(order.astype(np.int64))


def by_moment(rows: Observations) -> tuple[Integers, Integers]:
    """A number (n,) for each row's entity and code, and the order (n,) by these and by time.

    Rows that are in order stay as they are.
    """
    segment = rows.position * (len(rows.codes) + 1) + rows.code + 1
    steps = np.diff(segment)
    if bool(((steps > 0) | ((steps == 0) & (rows.time[1:] >= rows.time[:-1]))).all()):
        return segment, np.arange(len(rows))
    return segment, np.lexsort((rows.time, segment))


def _ascends(order: Integers) -> bool:
    """Whether it is the order in which the rows are."""
    return bool((order == np.arange(len(order))).all())


def _ranks(value: Floats, recorded: Integers, *, order: Integers, same: Booleans) -> Integers | None:
    """The rank of each row (n,), as in Observations; None where all are 0.

    `order` (n,) sorts the rows by moment, and `same` (n - 1,) says which of them so sorted are of the same moment as the next. What was
    recorded nobody knows when may have been recorded first or last: then no row of its moment has a rank.
    """
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    row = order[tied]
    begins = np.concatenate([[True], ~same[tied[1:] - 1]])
    moment = np.cumsum(begins) - 1
    first = np.flatnonzero(begins)
    differing = np.minimum.reduceat(value[row], first) != np.maximum.reduceat(value[row], first)
    told = differing & (np.minimum.reduceat(recorded[row], first) != NO_TIME)
    by_time = np.lexsort((recorded[row], moment))
    row, moment = row[by_time], moment[by_time]
    later = np.concatenate([[False], (np.diff(recorded[row]) > 0) & (np.diff(moment) == 0)])
    steps = np.cumsum(later)
    rank = np.zeros(len(value), np.int64)
    rank[row] = np.where(told[moment], steps - steps[first][moment], 0)
    return rank if rank.any() else None


_NO_WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType({})


def attributes_of(
    table: pa.Table,
    *,
    entities: int,
    numbers: Collection[str] = (),
    words: Mapping[str, Mapping[str, str]] = _NO_WORDS,
) -> Attributes:
    """The rows of an attributes statement, an array (entities,) for each column.

    Columns of `numbers` may be text that holds such. `words` gives for each category, by its name, what the job calls the values that the
    database calls otherwise; blanks at the end of a category do not count. An entity without a row has missing values; one with more rows
    than one is `repeated`, and misses what they do not agree in.
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
            texts = _in_words(column, words.get(name))
            found.texts[name] = _spread(texts, position, np.empty(entities, dtype=object))
        else:
            values, unread = read_numbers(column, where=name)
            found.numbers[name] = _spread(values, position, np.full(entities, np.nan))
            if unread is not None:
                found.unread[name] = _spread(unread, position, np.empty(entities, dtype=object))
    return found


def _in_words(column: pa.ChunkedArray, words: Mapping[str, str] | None) -> npt.NDArray[Any]:
    """The column of a category (n,) in the job's words; any other as it stands."""
    if words is None:
        return array_of(column)
    encoded = one_chunk(pc.utf8_rtrim(column, characters=" ")).dictionary_encode()
    own = np.array([*(words.get(text, text) for text in encoded.dictionary.to_pylist()), None], dtype=object)
    return own[_places(encoded)]


def _places(encoded: pa.DictionaryArray) -> Integers:
    """The places (n,) of values in their dictionary, -1 where they are NULL."""
    return integers_or(pc.cast(encoded.indices, pa.int64()), -1)


def _spread(values: npt.NDArray[Any], position: Integers, into: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`into` (entities,) with `values` (n,) at `position` (n,), but where those of one place differ."""
    missing = into[:1].copy()
    into[position] = values
    if len(position) > len(into) or len(np.unique(position)) < len(position):
        placed = into[position]
        differing = position[(placed != values) & ~((placed != placed) & (values != values))]  # noqa: PLR0124 - NaN is as NaN
        into[differing] = missing
    return into


def labels(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """The labels (n,) of a column, for the task to read: numbers or texts, NaN or None where it is NULL.

    What is neither, NaN itself included, comes as text: it is no way to say that an outcome is unknown.
    """
    if isinstance(column.type, pa.BaseExtensionType):  # numeric comes as text, of a type of its own
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], type=column.type.storage_type)
        numbers = pc.cast(column, pa.float64())
        column = column if _has_nan(numbers) else numbers
    if pa.types.is_boolean(column.type) or pa.types.is_integer(column.type) or pa.types.is_null(column.type):
        return array_of(column.cast(pa.float64(), safe=False))
    if pa.types.is_floating(column.type) and not _has_nan(column):
        return array_of(column.cast(pa.float64()))
    return np.array([None if each is None else str(each) for each in column.to_pylist()], dtype=object)


def _has_nan(column: pa.ChunkedArray) -> bool:
    return bool(pc.any(pc.is_nan(column)).as_py())


def integers(column: pa.ChunkedArray | pa.Array, *, where: str) -> Integers:
    """The column (n,) as whole numbers. Raises UserError where it holds others."""
    try:
        array = pc.cast(column, pa.int64())
    except pa.ArrowException as error:
        raise UserError(f"The column {where} is {column.type}, where a whole number is expected.") from error
    return array_of(array)


def _times(column: pa.ChunkedArray, *, where: str) -> Integers:
    """The column (n,) as microseconds since 1970-01-01 UTC, NO_TIME where it is NULL."""
    if not pa.types.is_timestamp(column.type) or column.type.tz is None:
        cure = "; write AT TIME ZONE 'Europe/Berlin', or the zone that it is in, behind it in the job's statement"
        raise UserError(
            f"The column {where} is {column.type}, where a timestamp with time zone is expected"
            f"{cure if pa.types.is_timestamp(column.type) else ''}."
        )
    whole = pc.cast(pc.cast(column, pa.timestamp("us", tz="UTC")), pa.int64())
    times = integers_or(whole, NO_TIME)
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
    return array_of(column)


def _further(column: pa.ChunkedArray, *, where: str) -> npt.NDArray[Any]:
    """A column (n,) for the suites; of booleans, 1, 0 and NaN as float16, a type that PostgreSQL lacks."""
    if pa.types.is_boolean(column.type):
        return floats(column, where=where).astype(np.float16)
    return floats(column, where=where) if is_numeric(column) else array_of(column)
