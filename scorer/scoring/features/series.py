"""Series: the observations of one entity and one code that count, oldest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

import numpy as np

from scorer.types.arrays import Booleans, Floats, Integers, Observations

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Rows:
    """Observations that count, series by series, each oldest first; arrays (rows,)."""

    row: Integers  # in the whole of the observations
    key: Integers  # one number per entity and code, ascending
    age: Integers  # microseconds before the as-of time

    def within(self, window: timedelta | None) -> Rows:
        """Those of a trailing window."""
        return self if window is None else self.only(self.age < window // _MICROSECOND)

    def only(self, which: Booleans | Integers) -> Rows:
        """Those that `which` picks, in its order: a mask (rows,), or indices (m,)."""
        return Rows(row=self.row[which], key=self.key[which], age=self.age[which])


@dataclass(frozen=True, eq=False)
class Series:
    """All series of one group in one window, none of them empty: arrays (rows,) and (series,)."""

    observations: Observations
    row: Integers  # (rows,), as in Rows
    age: Integers
    first: Integers  # (series,): where each begins among the rows
    count: Integers
    timezone: str = "UTC"  # whose days are counted

    @property
    def last(self) -> Integers:
        """The place of each series' last row, (series,)."""
        return self.first + self.count - 1

    def sums(self, column: Floats | Booleans) -> Floats:
        """The sum of `column` (rows,) over each series, (series,)."""
        # bincount adds row by row, so no neighbour can matter; np.add.reduceat does not promise its order.
        return np.bincount(self.of_row, weights=column, minlength=len(self.first)).astype(np.float64, copy=False)

    def from_mean(self, column: Floats) -> Floats:
        """`column` (rows,) less its mean over each series, (rows,)."""
        return column - (self.sums(column) / self.count)[self.of_row]

    @cached_property
    def of_row(self) -> Integers:
        """The series of each row, (rows,)."""
        return np.repeat(np.arange(len(self.first)), self.count)

    @cached_property
    def value(self) -> Floats:
        """The value of each row, (rows,)."""
        # -0.0 becomes 0.0: they are equal, so which of them comes first is left to chance.
        return self.observations.value[self.row] + 0.0

    @cached_property
    def value_from_first(self) -> Floats:
        """Each value less the first of its series, (rows,): small, so that a spread keeps its digits."""
        return self.value - self.value[self.first][self.of_row]

    @cached_property
    def value_from_mean(self) -> Floats:
        """Each value less the mean of its series, (rows,)."""
        return self.from_mean(self.value_from_first)

    @cached_property
    def limits(self) -> tuple[Floats, Floats]:
        """The reference range of each row, (rows,) each; infinite where there is no such limit."""
        low, high = self.observations.low[self.row], self.observations.high[self.row]
        crossed = low > high
        return (
            np.where(np.isfinite(low) & ~crossed, low, -np.inf),
            np.where(np.isfinite(high) & ~crossed, high, np.inf),
        )

    @cached_property
    def has_range(self) -> Booleans:
        """Whether each row has a limit or two, (rows,)."""
        low, high = self.limits
        return np.isfinite(low) | np.isfinite(high)


def series_of(observations: Observations, rows: Rows, *, timezone: str = "UTC") -> Series:
    """Cut `rows` into series; days are those of `timezone`."""
    begins = np.ones(len(rows.key), dtype=bool)
    np.not_equal(rows.key[1:], rows.key[:-1], out=begins[1:])
    first = np.flatnonzero(begins)
    count = np.diff(first, append=len(begins))
    return Series(observations=observations, row=rows.row, age=rows.age, first=first, count=count, timezone=timezone)
