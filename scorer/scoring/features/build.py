"""Observations -> feature matrix, as of a time. Pure; the same code trains and scores.

A feature of the observations is a statistic of one code over a trailing window, (as_of - window, as_of], or over the
whole stay. An observation counts if its code is known, its value finite and its time known and not after the as-of
time. Those of one entity and one code are a series, oldest first; at the same time the one recorded first is the
earlier, and where that is not known the lower value.

    last, first    value
    min, max       value
    mean           value
    std            of the sample, for two observations or more
    slope          by least squares, per hour, for two different times or more
    count          0 where there is none, as are sum and days; every other statistic says nothing (NaN) there
    sum            of the values
    median, range  of the values; range is max less min
    hours_since    hours from the last observation to the as-of time
    since_first    hours from the first observation to the as-of time
    days           days of the job's time zone with an observation
    interval_mean  hours between one observation and the next, for two observations or more
    interval_std   of the sample of those intervals, for two intervals or more; observations of one moment are 0 apart
    outside        the share that lies outside its reference range, among those that have a range
    distance       how far the last one that has a range lies outside it, in widths of that range: above 0 beyond its
                   upper limit, below 0 beyond its lower, 0 within. Where only one limit is known, or both are the
                   same, the width is the limit's size; where that is 0, it is 1.

A reference range has a finite limit or two, the lower not above the upper; anything else is none. Features of the
attributes are numbers as they stand, hours since a time, and one column of 1 and 0 for each listed value of a category,
which says nothing where the text is missing or not listed. The calendar is that of the as-of time in the job's time zone
(calendar.py). A ratio is a statistic over one window divided by that over another; where that is 0, it says nothing. No
feature is infinite: what overflows says nothing.

A row of the matrix depends on its own entity alone, to the last bit: sums run along one series, row by row.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence, Set
from datetime import timedelta
from typing import Any

import numpy as np

from scorer.errors import UserError
from scorer.jobs.features import ZERO_OF_NOTHING, FeatureGroup, FeatureSpec, columns, feature_names
from scorer.jobs.training import ATTRIBUTES
from scorer.scoring.features.calendar import calendar_columns
from scorer.scoring.features.series import Rows, Series, series_of
from scorer.scoring.features.statistics import STATISTICS
from scorer.types.arrays import Attributes, Booleans, Features, Floats, Integers, Observations, Texts

_MICROSECOND = timedelta(microseconds=1)
_HOUR = timedelta(hours=1) // _MICROSECOND

# A date that PostgreSQL can hold stays well within; NO_TIME and its infinities do not, nor would differences from them.
_LAST_TIME = 2**62

# Rows worked on together: they stay in the processor's cache, and memory does not grow with the batch.
_BLOCK_ROWS = 1 << 16


def group_columns(spec: FeatureSpec, groups: Sequence[str]) -> Integers:
    """The columns of the matrix that hold the features of `groups`, by name: (columns,).

    All columns where no group is named; ATTRIBUTES names the features of the attributes.
    """
    owners = [column.group for column in columns(spec).values()]
    owners += [ATTRIBUTES] * (len(feature_names(spec)) - len(owners))
    return np.array([place for place, owner in enumerate(owners) if not groups or owner in groups], dtype=np.int64)


def series_within(observations: Observations, *, as_of: Integers, codes: Set[str], window: timedelta | None) -> Series:
    """The series of `codes` that features over a trailing window are made of (None: the whole stay).

    `as_of` (entities,) is in microseconds since 1970-01-01 UTC.
    """
    rows = _rows(observations, slice(0, len(observations)), as_of=as_of, codes=codes)
    return series_of(observations, rows.within(window))


def build(observations: Observations, attributes: Attributes, *, as_of: Integers, spec: FeatureSpec) -> Features:
    """Build the feature matrix, (entities, features), each row as of the entity's own time.

    `as_of` (entities,) is in microseconds since 1970-01-01 UTC. Observations are sorted by entity; within an entity, any order gives the
    same bits. Raises ValueError where they are not sorted, and UserError where the spec is at fault: a feature named twice, an attribute
    that is not there.
    """
    names = feature_names(spec)
    values = np.full((len(as_of), len(names)), np.nan)
    # What overflows or has no answer becomes NaN by rule, so there is nothing to warn of.
    with np.errstate(all="ignore"):
        tables = _tables(values, spec)
        asked = {code for group in spec.groups for code in group.codes}
        for block in _blocks(observations.position):
            rows = _rows(observations, block, as_of=as_of, codes=asked)
            for group, table in zip(spec.groups, tables, strict=True):
                _fill(table, observations, rows=rows, group=group, timezone=spec.timezone)
        for group, table in zip(spec.groups, tables, strict=True):
            for place, (window, by) in enumerate(group.ratios, start=len(group.windows)):
                one, other = (table[..., group.windows.index(each)] for each in (window, by))
                table[..., place] = _finite(one / other)
        of_attributes = list(_attribute_columns(attributes, as_of=as_of, spec=spec))
        for column, each in enumerate(of_attributes, start=len(names) - len(of_attributes)):
            values[:, column] = _finite(each)
    return Features(names=names, values=values, facility=facility_of(attributes, spec))


def facility_of(attributes: Attributes, spec: FeatureSpec) -> Texts | None:
    """What each entity belongs to, (entities,), None where unknown, or empty.

    It is None itself where the job names no facility. Raises UserError where the attribute is not there.
    """
    if spec.facility is None:
        return None
    told = _attribute(attributes.texts, spec.facility, kind="a text")
    return np.array([*(each or None for each in told.tolist()), None], dtype=object)[:-1]


def _finite(column: Floats) -> Floats:
    """`column` with one and the same NaN for all that is not finite: those of arithmetic differ in bits."""
    return np.where(np.isfinite(column), column, np.nan)


def _attribute_columns(attributes: Attributes, *, as_of: Integers, spec: FeatureSpec) -> Iterator[Floats]:
    for name in spec.numbers:
        yield _attribute(attributes.numbers, name, kind="a number")
    for name in spec.hours_since:
        time = _attribute(attributes.times, name, kind="a time")
        yield np.where(_is_time(time), (as_of - time) / _HOUR, np.nan)
    for name, values in spec.categories:
        text = _attribute(attributes.texts, name, kind="a text")
        columns = [np.asarray(text == value, dtype=bool) for value in values]
        listed = np.logical_or.reduce(columns)
        yield from (np.where(listed, column, np.nan) for column in columns)
    yield from calendar_columns(as_of, spec.calendar, timezone=spec.timezone)


def _attribute(columns: Mapping[str, Any], name: str, *, kind: str) -> Any:
    if name not in columns:
        raise UserError(
            f'[features] of job.toml names the attribute "{name}" as {kind}, but the statement for attributes returns '
            "no such column of that kind; add it there, or take it out of [features]."
        )
    return columns[name]


def _is_time(time: Integers) -> Booleans:
    return (time > -_LAST_TIME) & (time < _LAST_TIME)


def _tables(values: Floats, spec: FeatureSpec) -> list[Floats]:
    """Each group's part of `values`, as a view (entities, codes, statistics, windows and ratios).

    What is 0 of no observation begins so, and what is a ratio of it is without a value.
    """
    tables, start = [], 0
    for group in spec.groups:
        shape = (len(group.codes), len(group.statistics), len(group.windows) + len(group.ratios))
        stop = start + math.prod(shape)
        table = values[:, start:stop].reshape(len(values), *shape)
        table[:, :, [statistic in ZERO_OF_NOTHING for statistic in group.statistics], : len(group.windows)] = 0.0
        tables.append(table)
        start = stop
    return tables


def _fill(table: Floats, observations: Observations, *, rows: Rows, group: FeatureGroup, timezone: str) -> None:
    """Write the features of `group` over its windows into its `table`, as `_tables` shapes it."""
    places = {name: place for place, name in enumerate(group.codes)}
    place_of_code = np.array([places.get(name, -1) for name in observations.codes], np.int64)
    rows = rows.only(place_of_code[observations.code[rows.row]] >= 0)
    for w, window in enumerate(group.windows):
        series = series_of(observations, rows.within(window), timezone=timezone)
        begins = series.row[series.first]
        entity, place = observations.position[begins], place_of_code[observations.code[begins]]
        for s, statistic in enumerate(group.statistics):
            table[:, :, s, w][entity, place] = _finite(STATISTICS[statistic](series))


def _blocks(position: Integers) -> Iterator[slice]:
    """The rows in slices of whole entities."""
    if np.any(position[1:] < position[:-1]):
        raise ValueError("the observations are not sorted by entity")
    edges = np.unique(np.searchsorted(position, position[::_BLOCK_ROWS]))
    for start, stop in itertools.pairwise([*edges.tolist(), len(position)]):
        yield slice(start, stop)


def _rows(observations: Observations, block: slice, *, as_of: Integers, codes: Set[str]) -> Rows:
    """The observations of `codes` among the rows of `block` that count."""
    entity, code, time = observations.position[block], observations.code[block], observations.time[block]
    # Code -1, which is none, falls on the last place.
    asked = np.array([*(name in codes for name in observations.codes), False])
    counts = asked[code] & np.isfinite(observations.value[block]) & ~observations.value_is_null[block]
    counts &= _is_time(time) & (time <= as_of[entity])
    kept = np.flatnonzero(counts)
    entity, code, time = entity[kept], code[kept], time[kept]
    rows = Rows(row=kept + block.start, key=entity * len(observations.codes) + code, age=as_of[entity] - time)
    rank = () if observations.rank is None else (observations.rank,)
    columns = (observations.time, *rank, observations.value, observations.low, observations.high)
    if _is_sorted(rows, columns):
        return rows
    return rows.only(np.lexsort((*(column[rows.row] for column in reversed(columns)), rows.key)))


def _is_sorted(rows: Rows, columns: tuple[Integers | Floats, ...]) -> bool:
    """Whether `rows` ascend by key, then by each of `columns` in turn; NaN comes last.

    Features use nothing else, so rows that are alike in all of them may be in any order.
    """
    if np.any(rows.key[1:] < rows.key[:-1]):
        return False
    tied = np.flatnonzero(rows.key[1:] == rows.key[:-1])
    for column in columns:
        before, after = column[rows.row[tied]], column[rows.row[tied + 1]]
        if not np.all((before <= after) | np.isnan(after)):
            return False
        tied = tied[(before == after) | (np.isnan(before) & np.isnan(after))]
    return True
