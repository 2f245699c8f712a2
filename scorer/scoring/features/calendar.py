"""Times on the clock of a time zone: the calendar of the as-of time, the days of observations."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scorer.database.source.arrow_arrays import array_of, integers_from
from scorer.types.arrays import Floats, Integers

_HOUR = 3_600_000_000  # microseconds
_DAY = 24 * _HOUR
_THURSDAY = 3  # 1970-01-01, Monday being 0

# By part of the calendar: its first value, and after how many it begins anew.
_PERIODS = {"hour": (0, 24), "weekday": (1, 7), "month": (1, 12)}


def local_days(time: Integers, timezone: str) -> Integers:
    """The day (n,) of each `time` (n,) on a clock of `timezone`, in days since 1970-01-01.

    `time` is in microseconds since 1970-01-01 UTC.
    """
    return np.asarray(_wall_clock(time, timezone) // _DAY, dtype=np.int64)


def calendar_columns(as_of: Integers, parts: tuple[str, ...], *, timezone: str) -> Iterator[Floats]:
    """For each of `parts` (p of them): value, sine and cosine at `as_of` (n,); 3 * p arrays (n,).

    An hour is 0 to 23, a weekday 1 (Monday) to 7, a month 1 to 12. Sine and cosine are of the place in its period; the first hour, weekday
    or month has the sine 0 and the cosine 1. `as_of` is in microseconds since 1970-01-01 UTC.
    """
    wall = _wall_clock(as_of, timezone)
    for part in parts:
        first, period = _PERIODS[part]
        value = _part(wall, part)
        angle = 2.0 * np.pi * (value - first) / period
        yield from (value, np.sin(angle), np.cos(angle))


def _part(wall: Integers, part: str) -> Floats:
    if part == "hour":
        return (wall % _DAY // _HOUR).astype(np.float64)
    if part == "weekday":
        return ((wall // _DAY + _THURSDAY) % 7 + 1).astype(np.float64)
    months = (wall // _DAY).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    return (months % 12 + 1).astype(np.float64)


def _wall_clock(time: Integers, timezone: str) -> Integers:
    """What a clock there shows (n,), as microseconds since 1970-01-01 00:00 on that clock."""
    zoned = integers_from(time, pa.timestamp("us", tz=timezone))
    return array_of(pc.local_timestamp(zoned).cast(pa.int64()))
