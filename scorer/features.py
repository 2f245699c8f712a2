"""Observations -> feature matrix, as of a time; pure; the same code trains and scores.

A feature of the observations is a statistic of one code over a trailing window, (as_of - window, as_of], or over the whole stay.
An observation counts if its code is known, its value finite and its time known and not after the as-of time. Those of one
entity and one code are a series, oldest first; at the same time the lower value is the earlier.

    last, first    value
    min, max       value
    mean           value
    std            of the sample; for two observations or more
    slope          by least squares, per hour; for two different times or more
    count          0 where there is none; every other statistic says nothing (NaN) there
    hours_since    hours from the last observation to the as-of time
    outside        the share that lies outside its reference range, among those that have a range
    distance       how far the last one that has a range lies outside it, in widths of that range: above 0 beyond its upper
                   limit, below 0 beyond its lower, 0 within. Where only one limit is known, or both are the same, the
                   width is the limit's size; where that is 0, it is 1.

A reference range has a finite limit or two, the lower not above the upper; other limits are none. Features of the attributes are
numbers as they stand, hours since a time, and one column of 1 and 0 for each listed value of a category, which says
nothing where the text is missing or not listed. No feature is infinite: arithmetic that overflows says nothing.

A row of the matrix depends on nothing but its own entity, to the last bit: sums run along one series, row by row.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

import numpy as np

from scorer.errors import UserError
from scorer.job import WHOLE_STAY, FeatureGroup, FeatureSpec
from scorer.types import Attributes, Booleans, Features, Floats, Integers, Observations

_MICROSECOND = timedelta(microseconds=1)
_HOUR = timedelta(hours=1) // _MICROSECOND
_UNITS = (
    ("h", timedelta(hours=1)),
    ("min", timedelta(minutes=1)),
    ("s", timedelta(seconds=1)),
    ("ms", timedelta(milliseconds=1)),
)

# Differences between times up to here fit 64 bits; PostgreSQL's own end far below it, all but its infinities.
_LAST_TIME = 2**62

# Rows worked on together: few enough to stay in the processor's cache, and memory does not grow with the batch.
_BLOCK_ROWS = 1 << 16


def feature_names(spec: FeatureSpec) -> tuple[str, ...]:
    """The names of the matrix's columns, in order. Raises UserError where one is named twice."""
    names = [
        *(
            f"{code}_{statistic}_{window_text(window)}"
            for group in spec.groups
            for code in group.codes
            for statistic in group.statistics
            for window in group.windows
        ),
        *spec.numbers,
        *(f"hours_since_{name}" for name in spec.hours_since),
        *(f"{name}={value}" for name, values in spec.categories for value in values),
    ]
    for name, times in Counter(names).items():
        if times > 1:
            raise UserError(f'The feature "{name}" stands {times} times in [features] of job.toml; name it once.')
    return tuple(names)


def window_text(window: timedelta | None) -> str:
    """A window as it stands in a feature's name: in the largest of h, min, s, ms and us that needs no fraction.

    >>> [window_text(timedelta(hours=hours)) for hours in (6, 24, 1.5, 720)]
    ['6h', '24h', '90min', '720h']
    >>> window_text(None)
    'stay'
    """
    if window is None:
        return WHOLE_STAY
    for unit, span in _UNITS:
        if window % span == timedelta(0):
            return f"{window // span}{unit}"
    return f"{window // _MICROSECOND}us"


def build(observations: Observations, attributes: Attributes, *, as_of: Integers, spec: FeatureSpec) -> Features:
    """The features of each entity as of its own time, `as_of` (entities,) in microseconds since 1970-01-01 UTC.

    Observations are sorted by entity (ValueError if not); within an entity, any order gives the same bits.
    Raises UserError where the spec names an attribute that is not there.
    """
    names = feature_names(spec)
    values = np.full((len(as_of), len(names)), np.nan)
    column = 0
    # What overflows or has no answer becomes NaN by rule, so there is nothing to warn of.
    with np.errstate(all="ignore"):
        for group in spec.groups:
            _fill_group(values, observations, as_of=as_of, group=group, first_column=column)
            column += len(group.codes) * len(group.statistics) * len(group.windows)
        for each in _attribute_columns(attributes, as_of=as_of, spec=spec):
            values[:, column] = _finite(each)
            column += 1
    return Features(names=names, values=values)


def _finite(column: Floats) -> Floats:
    """`column` with NaN for what is not finite: the one NaN, for those that arithmetic makes differ in their bits."""
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


def _attribute(columns: Mapping[str, Any], name: str, *, kind: str) -> Any:
    if name not in columns:
        raise UserError(
            f'[features] of job.toml names the attribute "{name}" as {kind}, which the statement "attributes" does '
            "not return as such; add it there or take it out here."
        )
    return columns[name]


def _is_time(time: Integers) -> Booleans:
    return (time > -_LAST_TIME) & (time < _LAST_TIME)


def _fill_group(
    values: Floats, observations: Observations, *, as_of: Integers, group: FeatureGroup, first_column: int
) -> None:
    """Write the features of `group` into `values` (entities, features), from `first_column` on."""
    flat = values.reshape(-1)
    per_code = len(group.statistics) * len(group.windows)
    places = {
        (statistic, window): first_column + place
        for place, (statistic, window) in enumerate(itertools.product(group.statistics, group.windows))
    }
    place_of_code = np.array([group.codes.index(code) if code in group.codes else -1 for code in observations.codes])
    for (statistic, _), place in places.items():
        if statistic == "count":
            values[:, place : first_column + len(group.codes) * per_code : per_code] = 0.0
    for block in _blocks(observations.position):
        rows = _rows(observations, block, as_of=as_of, codes=group.codes)
        for window in group.windows:
            series = _series(observations, rows.within(window))
            corner = series.entity * values.shape[1] + place_of_code[series.code] * per_code
            for statistic in group.statistics:
                flat[corner + places[statistic, window]] = _finite(_STATISTICS[statistic](series))


def _blocks(position: Integers) -> Iterator[slice]:
    """The rows in slices of whole entities."""
    if np.any(position[1:] < position[:-1]):
        raise ValueError("the observations are not sorted by entity")
    edges = np.unique(np.searchsorted(position, position[::_BLOCK_ROWS]))
    for start, stop in itertools.pairwise([*edges.tolist(), len(position)]):
        yield slice(start, stop)


@dataclass(frozen=True, slots=True)
class _Rows:
    """Observations that count, series by series, each oldest first; arrays (rows,)."""

    row: Integers  # in the whole of the observations
    key: Integers  # one number per entity and code, ascending
    age: Integers  # microseconds before the as-of time

    def within(self, window: timedelta | None) -> _Rows:
        """Those of a trailing window."""
        return self if window is None else self.only(self.age < window // _MICROSECOND)

    def only(self, which: Booleans | Integers) -> _Rows:
        return _Rows(row=self.row[which], key=self.key[which], age=self.age[which])


def _rows(observations: Observations, block: slice, *, as_of: Integers, codes: tuple[str, ...]) -> _Rows:
    """The observations of `codes` among the rows of `block` that count."""
    entity, code, time = observations.position[block], observations.code[block], observations.time[block]
    # Code -1, which is none, falls on the last place.
    asked = np.array([*(name in codes for name in observations.codes), False])
    counts = asked[code] & np.isfinite(observations.value[block]) & ~observations.value_is_null[block]
    counts &= _is_time(time) & (time <= as_of[entity])
    kept = np.flatnonzero(counts)
    entity, code, time = entity[kept], code[kept], time[kept]
    rows = _Rows(
        row=kept + block.start,
        key=entity * len(observations.codes) + code,
        age=as_of[entity] - time,
    )
    return _in_order(observations, rows)


def _in_order(observations: Observations, rows: _Rows) -> _Rows:
    """`rows` sorted so that only rows alike in all that features see can change places."""
    columns = (
        rows.key,
        -rows.age,
        observations.value[rows.row],
        observations.low[rows.row],
        observations.high[rows.row],
    )
    return rows if _is_sorted(columns) else rows.only(np.lexsort(columns[::-1]))


def _is_sorted(columns: tuple[Integers | Floats, ...]) -> bool:
    """Whether rows ascend by the first column, where that is the same by the second, and so on; NaN comes last."""
    first, *others = columns
    if np.any(first[1:] < first[:-1]):
        return False
    tied = np.flatnonzero(first[1:] == first[:-1])
    for column in others:
        before, after = column[tied], column[tied + 1]
        if not np.all((before <= after) | np.isnan(after)):
            return False
        tied = tied[(before == after) | (np.isnan(before) & np.isnan(after))]
    return True


def _series(observations: Observations, rows: _Rows) -> _Series:
    """`rows` cut into series."""
    begins = np.ones(len(rows.key), dtype=bool)
    np.not_equal(rows.key[1:], rows.key[:-1], out=begins[1:])
    first = np.flatnonzero(begins)
    entity, code = np.divmod(rows.key[first], max(len(observations.codes), 1))
    return _Series(
        observations=observations,
        row=rows.row,
        age=rows.age,
        entity=entity,
        code=code,
        first=first,
        count=np.diff(first, append=len(rows.key)),
    )


@dataclass(frozen=True, eq=False)
class _Series:
    """All series of one group in one window, none of them empty: `row` and `age` (rows,), the others (series,)."""

    observations: Observations
    row: Integers
    age: Integers
    entity: Integers
    code: Integers
    first: Integers
    count: Integers

    @property
    def last(self) -> Integers:
        """Where each series ends."""
        return self.first + self.count - 1

    @cached_property
    def of_row(self) -> Integers:
        """The series that each row belongs to."""
        return np.repeat(np.arange(len(self.first)), self.count)

    def sums(self, column: Floats | Booleans) -> Floats:
        """The sum of `column` (rows,) in each series."""
        # Row by row, as bincount adds: np.add.reduceat adds in an order that depends on the neighbours.
        return np.bincount(self.of_row, weights=column, minlength=len(self.first))

    def from_mean(self, column: Floats) -> Floats:
        """`column` (rows,) less its mean in each series."""
        return column - (self.sums(column) / self.count)[self.of_row]

    @cached_property
    def value(self) -> Floats:
        """Each row's value."""
        # -0.0 becomes 0.0: they are equal, so which of them comes first is left to chance.
        return self.observations.value[self.row] + 0.0

    @cached_property
    def value_from_first(self) -> Floats:
        """Each row's value less the first of its series, so that a mean and a spread keep their digits."""
        return self.value - self.value[self.first][self.of_row]

    @cached_property
    def value_from_mean(self) -> Floats:
        """Each row's value less its series' mean."""
        return self.from_mean(self.value_from_first)

    @cached_property
    def limits(self) -> tuple[Floats, Floats]:
        """Each row's reference range; infinite where there is no such limit, both where there is no range."""
        low, high = self.observations.low[self.row], self.observations.high[self.row]
        is_range = ~(low > high)
        return (
            np.where(np.isfinite(low) & is_range, low, -np.inf),
            np.where(np.isfinite(high) & is_range, high, np.inf),
        )

    @cached_property
    def has_range(self) -> Booleans:
        """Whether each row has a reference range."""
        low, high = self.limits
        return np.isfinite(low) | np.isfinite(high)


def _last(series: _Series) -> Floats:
    return series.value[series.last]


def _first(series: _Series) -> Floats:
    return series.value[series.first]


def _min(series: _Series) -> Floats:
    return np.minimum.reduceat(series.value, series.first)


def _max(series: _Series) -> Floats:
    return np.maximum.reduceat(series.value, series.first)


def _mean(series: _Series) -> Floats:
    return series.value[series.first] + series.sums(series.value_from_first) / series.count


def _std(series: _Series) -> Floats:
    squares = series.sums(series.value_from_mean**2)
    return np.where(series.count > 1, np.sqrt(squares / (series.count - 1)), np.nan)


def _slope(series: _Series) -> Floats:
    hours = series.from_mean((series.age[series.first][series.of_row] - series.age) / _HOUR)
    slope = series.sums(hours * series.value_from_mean) / series.sums(hours**2)
    return np.where(series.age[series.first] > series.age[series.last], slope, np.nan)


def _count(series: _Series) -> Floats:
    return series.count.astype(np.float64)


def _hours_since(series: _Series) -> Floats:
    return series.age[series.last] / _HOUR


def _outside(series: _Series) -> Floats:
    low, high = series.limits
    return series.sums((series.value < low) | (series.value > high)) / series.sums(series.has_range)


def _distance(series: _Series) -> Floats:
    row = np.maximum.reduceat(np.where(series.has_range, np.arange(len(series.row)), -1), series.first)
    low, high = (limit[row] for limit in series.limits)
    beyond = np.maximum(series.value[row] - high, 0.0) - np.maximum(low - series.value[row], 0.0)
    width = high - low
    for instead in (np.abs(np.where(np.isfinite(high), high, low)), 1.0):
        width = np.where(np.isfinite(width) & (width > 0.0), width, instead)
    return np.where(row >= 0, beyond / width, np.nan)


_STATISTICS: Mapping[str, Callable[[_Series], Floats]] = {
    "last": _last,
    "first": _first,
    "min": _min,
    "max": _max,
    "mean": _mean,
    "std": _std,
    "slope": _slope,
    "count": _count,
    "hours_since": _hours_since,
    "outside": _outside,
    "distance": _distance,
}
