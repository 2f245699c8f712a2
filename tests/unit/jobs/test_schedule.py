"""When a job is due: cron expressions on the clock of a time zone, across both changes of it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from scorer.errors import UserError
from scorer.jobs.schedule import Schedule

VIENNA = ZoneInfo("Europe/Vienna")


def fired(cron: str, zone: str, *, day: date) -> list[str]:
    """The ticks of a local day, by that zone's clock and its offset."""
    schedule = Schedule.of(cron, zone, where="here")
    first, last = (datetime.combine(each, time(), tzinfo=ZoneInfo(zone)) for each in (day, day + timedelta(days=1)))
    moment = timedelta(microseconds=1)
    return [
        tick.astimezone(ZoneInfo(zone)).strftime("%d %H:%M%z")
        for tick in schedule.ticks(after=first.astimezone(UTC) - moment, until=last.astimezone(UTC) - moment)
    ]


SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)


def test_an_hourly_job_runs_every_real_hour() -> None:
    assert len(fired("5 * * * *", "Europe/Vienna", day=SPRING)) == 23
    assert len(fired("5 * * * *", "Europe/Vienna", day=AUTUMN)) == 25
    assert len(fired("5 * * * *", "UTC", day=AUTUMN)) == 24
    schedule = Schedule.of("5 * * * *", "Europe/Vienna", where="here")
    year = list(schedule.ticks(after=datetime(2026, 1, 1, tzinfo=UTC), until=datetime(2027, 1, 1, tzinfo=UTC)))
    assert len(year) == 365 * 24
    assert {later - earlier for earlier, later in pairwise(year)} == {timedelta(hours=1)}


def test_a_daily_job_runs_once_a_day_whatever_the_clock_does() -> None:
    assert fired("30 2 * * *", "Europe/Vienna", day=SPRING) == [
        "29 03:00+0200"
    ]  # 02:30 is not there: as soon as it is over
    assert fired("30 2 * * *", "Europe/Vienna", day=AUTUMN) == ["25 02:30+0200"]  # there twice: the first of them
    schedule = Schedule.of("30 2 * * *", "America/New_York", where="here")
    assert (
        len(list(schedule.ticks(after=datetime(2026, 1, 1, 6, tzinfo=UTC), until=datetime(2027, 1, 1, 6, tzinfo=UTC))))
        == 364 + 1
    )


def test_the_hour_that_is_there_twice_gives_no_tick_of_the_past() -> None:
    schedule = Schedule.of("30 2 * * *", "Europe/Vienna", where="here")
    second_passage = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)
    assert second_passage.astimezone(VIENNA).strftime("%H:%M") == "02:10"
    assert schedule.next_tick(after=second_passage) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)


def test_zones_with_half_hours() -> None:
    # There 02:00 to 02:30 is skipped.
    assert fired("15 2 * * *", "Australia/Lord_Howe", day=date(2026, 10, 4)) == ["04 02:30+1100"]
    assert len(fired("*/30 * * * *", "Australia/Lord_Howe", day=date(2026, 4, 5))) == 49


def test_sunday_is_0_and_7_and_a_tick_is_after_its_moment() -> None:
    sunday = datetime(2026, 11, 22, tzinfo=UTC)
    for cron in ("0 0 * * 0", "0 0 * * 7", "0 0 * * SUN", "@weekly"):
        schedule = Schedule.of(cron, "UTC", where="here")
        assert schedule.next_tick(after=sunday - timedelta(days=3)) == sunday
        assert schedule.next_tick(after=sunday) == sunday + timedelta(days=7)


@pytest.mark.parametrize("cron", ["", "5 * * *", "0 5 * * * *", "61 * * * *", "0 0 30 2 *", "@reboot", "5 * * * WED#9"])
def test_what_is_no_schedule_is_one_sentence(cron: str) -> None:
    with pytest.raises(UserError, match=r"^here: .*write it as 5 \* \* \* \*, or as @hourly\.$") as raised:
        Schedule.of(cron, "UTC", where="here")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "Europe"])
def test_what_is_no_zone_is_one_sentence(zone: str) -> None:
    with pytest.raises(UserError, match=r"^here: .* is no time zone; write one such as Europe/Vienna\.$"):
        Schedule.of("5 * * * *", zone, where="here")
