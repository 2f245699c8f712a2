"""Local times of whole arrays, against zoneinfo's of each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.scoring.features.calendar import calendar_columns, local_days

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Asia/Kolkata", "Pacific/Apia"]
)


@given(st.lists(st.datetimes(datetime(1972, 1, 1), datetime(2036, 1, 1))), ZONES)  # noqa: DTZ001 - UTC is set below
def test_each_part_and_day_is_what_a_clock_there_shows(moments: list[datetime], zone: str) -> None:
    time = np.array([(each.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1) for each in moments], np.int64)
    local = [each.replace(tzinfo=UTC).astimezone(ZoneInfo(zone)) for each in moments]
    hour, _, _, weekday, _, _, month, _, _ = calendar_columns(time, ("hour", "weekday", "month"), timezone=zone)
    assert hour.tolist() == [each.hour for each in local]
    assert weekday.tolist() == [each.isoweekday() for each in local]
    assert month.tolist() == [each.month for each in local]
    assert local_days(time, zone).tolist() == [(each.date() - EPOCH.date()).days for each in local]


@pytest.mark.parametrize(("part", "length"), [("hour", 24), ("weekday", 7), ("month", 12)])
def test_sine_and_cosine_go_round_once_in_a_period(part: str, length: int) -> None:
    hours = np.arange(0, 366 * 24) * 3_600_000_000
    value, sine, cosine = calendar_columns(hours, (part,), timezone="UTC")
    np.testing.assert_allclose(sine**2 + cosine**2, 1.0)
    first = value.min()
    assert (value.max() - first + 1) == length
    assert sine[value == first].tolist() == [0.0] * int((value == first).sum())
    assert len({(round(one, 9), round(other, 9)) for one, other in zip(sine, cosine, strict=True)}) == length
