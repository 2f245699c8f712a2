"""Numbers and times as files write them: what is read, and what could be read in two ways and is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scorer.database.source.files.csv_dialect import DIALECTS, FieldError, in_zone, plain_number, plain_time, zone_named
from scorer.errors import UserError


class TestNumbers:
    @pytest.mark.parametrize(
        ("dialect", "text", "number"),
        [
            ("iso", "1.234", "1.234"),
            ("de", "93,5", "93.5"),
            ("de", "-0,5", "-0.5"),
            ("de", ",5", ".5"),
            ("de", "93.5", "93.5"),
            ("de", "0.123", "0.123"),
            ("de", "1.234,5", "1234.5"),
            ("de", "1.234.567", "1234567"),
            ("de", "93", "93"),
            ("de", "1,5e3", "1.5e3"),
            ("fr", "1\u202f234,5", "1234.5"),
            ("fr", "1 234,5", "1234.5"),
            ("gb", "1,234.5", "1234.5"),
            ("us", "1,234", "1234"),
            ("us", "93.5", "93.5"),
        ],
    )
    def test_are_read(self, dialect: str, text: str, number: str) -> None:
        assert plain_number(text, dialect) == number

    @pytest.mark.parametrize(
        ("dialect", "text", "reason"),
        [
            ("iso", "93,5", "has a comma; a decimal comma is read with --dialect de or fr"),
            ("iso", "1,234", "has a comma"),
            ("iso", "1,234.5", "has a comma"),
            ("de", "1.234", "has one point, before three digits"),
            ("fr", "-12.345", "has one point, before three digits"),
            ("de", "1,234.5", "has commas where its dialect has none"),
            ("us", "93,5", "has commas where its dialect has none"),
            ("us", "12,34,567", "has commas where its dialect has none"),
            ("de", "93,5 %", "is not a number"),
            ("de", "<0,01", "is not a number"),
        ],
    )
    def test_that_could_be_others_are_refused(self, dialect: str, text: str, reason: str) -> None:
        with pytest.raises(FieldError, match=f"^{reason}"):
            plain_number(text, dialect)

    @given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(sorted(DIALECTS)))
    def test_are_themselves_or_refused_in_each_dialect(self, number: float, dialect: str) -> None:
        text = repr(number).replace(".", DIALECTS[dialect].decimal)
        assert float(plain_number(text, dialect)) == number


class TestTimes:
    @pytest.mark.parametrize(
        ("dialect", "text", "written"),
        [
            ("de", "15.01.2026 05:30", "2026-01-15T05:30:00"),
            ("de", "5.1.2026, 5:30:07", "2026-01-05T05:30:07"),
            ("de", "15.01.2026", "2026-01-15T00:00:00"),
            ("de", "15.01.2026 05:30 +01:00", "2026-01-15T05:30:00+01:00"),
            ("de", "2026-01-15 05:30", "2026-01-15T05:30:00"),
            ("fr", "05/01/2026 05:30", "2026-01-05T05:30:00"),
            ("gb", "05/01/2026 05:30", "2026-01-05T05:30:00"),
            ("us", "05/01/2026 05:30", "2026-05-01T05:30:00"),
            ("us", "1/15/2026 5:30 PM", "2026-01-15T17:30:00"),
            ("us", "1/15/2026 12:00:00 AM", "2026-01-15T00:00:00"),
            ("iso", "2026-01-15t05:30:00z", "2026-01-15T05:30:00+00:00"),
            ("iso", "2026-01-15 05:30:00.0000000 -05:00", "2026-01-15T05:30:00-05:00"),
        ],
    )
    def test_are_read(self, dialect: str, text: str, written: str) -> None:
        assert plain_time(text, dialect).isoformat() == written

    @pytest.mark.parametrize(
        ("dialect", "text"),
        [
            ("iso", "15.01.2026"),
            ("de", "15/01/2026"),
            ("de", "15.01.26"),
            ("us", "15/01/2026"),
            ("us", "1/15/2026 13:00 PM"),
            ("fr", "31/02/2026"),
            ("iso", "1768455000"),
            ("iso", "15-JAN-26"),
        ],
    )
    def test_of_another_dialect_are_refused(self, dialect: str, text: str) -> None:
        with pytest.raises(FieldError, match="is not a time"):
            plain_time(text, dialect)


class TestZones:
    @pytest.mark.parametrize(
        "name", ["", "Berlin", "europe/berlin", "../etc/passwd", "Europe", "right/Europe/Berlin", "+01:00"]
    )
    def test_that_there_are_not_are_refused(self, name: str) -> None:
        with pytest.raises(UserError, match="is no time zone"):
            zone_named(name)

    @given(st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2037, 1, 1)))  # noqa: DTZ001 - as clocks show it
    def test_show_each_moment_or_say_that_they_cannot(self, written: datetime) -> None:
        for zone in (ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Australia/Lord_Howe")):
            moments = {
                offset.astimezone(UTC)
                for hours in range(-28, 29)
                for offset in [written.replace(tzinfo=timezone(timedelta(minutes=30 * hours)))]
                if offset.astimezone(zone).replace(tzinfo=None, fold=0) == written
            }
            if len(moments) == 1:
                assert in_zone(written, zone) == moments.pop()
            else:
                with pytest.raises(FieldError, match="show twice" if moments else "leave out"):
                    in_zone(written, zone)

    def test_without_summer_time_doubt_nothing(self) -> None:
        assert in_zone(datetime(2026, 10, 25, 2, 30), ZoneInfo("UTC")).isoformat() == "2026-10-25T02:30:00+00:00"  # noqa: DTZ001 - as clocks show it
