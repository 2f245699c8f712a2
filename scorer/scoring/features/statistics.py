"""The statistics of a series: arrays (series,), a value for each; NaN where a series has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

import numpy as np

from scorer.scoring.features.calendar import local_days
from scorer.scoring.features.series import Series
from scorer.types.arrays import Floats

_HOUR = timedelta(hours=1) // timedelta(microseconds=1)


def _mean(series: Series) -> Floats:
    return series.value[series.first] + series.sums(series.value_from_first) / series.count


def _std(series: Series) -> Floats:
    # Of one observation, 0 / 0: NaN.
    return np.sqrt(series.sums(np.square(series.value_from_mean)) / (series.count - 1))


def _slope(series: Series) -> Floats:
    hours = series.from_mean((series.age[series.first][series.of_row] - series.age) / _HOUR)
    # At one time, 0 / 0: NaN.
    return series.sums(hours * series.value_from_mean) / series.sums(np.square(hours))


def _outside(series: Series) -> Floats:
    low, high = series.limits
    return series.sums((series.value < low) | (series.value > high)) / series.sums(series.has_range)


def _distance(series: Series) -> Floats:
    last = np.maximum.reduceat(np.where(series.has_range, np.arange(len(series.row)), -1), series.first)
    value, low, high = series.value[last], series.limits[0][last], series.limits[1][last]
    beyond = np.maximum(value - high, 0.0) - np.maximum(low - value, 0.0)
    width = high - low
    for instead in (np.abs(np.where(np.isfinite(high), high, low)), 1.0):
        width = np.where(np.isfinite(width) & (width > 0.0), width, instead)
    return np.where(last >= 0, beyond / width, np.nan)


def _median(series: Series) -> Floats:
    ordered = series.value[np.lexsort((series.value, series.of_row))]
    lower, upper = ordered[series.first + (series.count - 1) // 2], ordered[series.first + series.count // 2]
    middle: Floats = lower + (upper - lower) / 2.0
    return middle


def _range(series: Series) -> Floats:
    highest, lowest = (extreme.reduceat(series.value, series.first) for extreme in (np.maximum, np.minimum))
    return np.asarray(highest - lowest, dtype=np.float64)


def _days(series: Series) -> Floats:
    day = local_days(series.observations.time[series.row], series.timezone)
    # Where a clock is put back across midnight, a day is left and begun again.
    day = day[np.lexsort((day, series.of_row))]
    begins = np.ones(len(day), dtype=bool)
    np.not_equal(day[1:], day[:-1], out=begins[1:])
    begins[series.first] = True
    return series.sums(begins)


def _interval_mean(series: Series) -> Floats:
    # Of one observation, 0 / 0: NaN.
    return (series.age[series.first] - series.age[series.last]) / _HOUR / (series.count - 1)


def _interval_std(series: Series) -> Floats:
    interval = -np.diff(series.age, prepend=series.age[:1]) / _HOUR
    apart = interval - _interval_mean(series)[series.of_row]
    apart[series.first] = 0.0
    # Of two observations, or one, 0 / 0: NaN.
    return np.sqrt(series.sums(np.square(apart)) / np.maximum(series.count - 2, 0))


STATISTICS: Mapping[str, Callable[[Series], Floats]] = {
    "last": lambda series: series.value[series.last],
    "first": lambda series: series.value[series.first],
    "min": lambda series: np.minimum.reduceat(series.value, series.first),
    "max": lambda series: np.maximum.reduceat(series.value, series.first),
    "mean": _mean,
    "std": _std,
    "slope": _slope,
    "count": lambda series: series.count.astype(np.float64),
    "hours_since": lambda series: series.age[series.last] / _HOUR,
    "outside": _outside,
    "distance": _distance,
    "sum": lambda series: series.sums(series.value),
    "days": _days,
    "median": _median,
    "range": _range,
    "interval_mean": _interval_mean,
    "interval_std": _interval_std,
    "since_first": lambda series: series.age[series.first] / _HOUR,
}
