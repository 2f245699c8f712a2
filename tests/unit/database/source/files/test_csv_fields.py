"""Fields of a CSV file as COPY reads them, by the type of their column."""

from __future__ import annotations

import re

import pytest

from scorer.database.source.files.csv_dialect import PLAIN, FieldError, Writing, zone_named
from scorer.database.source.files.csv_fields import NULL, ColumnType, Field, Note, read_field

NO_ZONE = (
    "has no time zone; write it as 2026-01-15T05:30:00+01:00, or say whose clock it shows: --timezone Europe/Berlin"
)
BERLIN = Writing(zone=zone_named("Europe/Berlin"))


class TestFields:
    @pytest.mark.parametrize(
        ("type_name", "field", "expected"),
        [
            ("int8", "100001", "100001"),
            ("int8", " -7 ", "-7"),
            ("int8", "9223372036854775807", "9223372036854775807"),
            ("int2", "-32768", "-32768"),
            ("float8", "1e308", "1e308"),
            ("float8", "0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
            ("float8", "-0", "-0"),
            ("float8", "0e-400", "0e-400"),
            ("float8", ".5", ".5"),
            ("float8", "Infinity", "Infinity"),
            ("float8", "-inf", "-inf"),
            ("float8", "nan", "nan"),
            ("text", "NA", "NA"),
            ("text", "a\tb\\N", "a\\tb\\\\N"),
            ("timestamptz", "2025-09-10 16:31:00+00:00", "2025-09-10 16:31:00+00:00"),
            ("timestamptz", "2025-09-10T16:31:00.1234567Z", "2025-09-10 16:31:00.123456+00:00"),
            ("timestamptz", "2025-09-10 16:31:00 +0530", "2025-09-10 11:01:00+00:00"),
            ("timestamptz", "2025-09-10 16:31:00-05", "2025-09-10 21:31:00+00:00"),
            ("timestamptz", "2025-09-10 16:31:00 UTC", "2025-09-10 16:31:00+00:00"),
            ("timestamptz", "1880-01-01 00:53:28+00:53:28", "1880-01-01 00:00:00+00:00"),
            ("timestamp", "2025-09-10 16:31", "2025-09-10 16:31:00"),
            ("date", "2025-09-10", "2025-09-10"),
            ("float4", "93.5", "93.5"),
            ("bpchar", "M  ", "M  "),
            ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
            ("bool", "1", "t"),
        ],
    )
    def test_are_read(self, type_name: str, field: str, expected: str) -> None:
        assert read_field(field, ColumnType(type_name), PLAIN).text == expected

    @pytest.mark.parametrize(
        ("type_name", "field", "reason"),
        [
            ("int8", "abc", "is not a whole number"),
            ("int8", "1.0", "is not a whole number"),
            ("int8", "1_000", "is not a whole number"),
            ("int8", "\u0661", "is not a whole number"),
            ("int8", "9223372036854775808", "is out of range"),
            ("int8", "9" * 5000, "is out of range"),
            ("int2", "32768", "is out of range"),
            ("float8", "hemolysed", "is not a number"),
            ("float8", "<0.01", "is not a number"),
            (
                "float8",
                "3,7",
                "has a comma; a decimal comma is read with --dialect de or fr, one that divides thousands with gb or us",
            ),
            ("float4", "1e39", "is out of range"),
            ("float4", "1e-46", "is out of range"),
            ("uuid", "1", "is not a UUID"),
            ("bool", "2", "is neither true nor false"),
            ("date", "2025-09-10 16:31", "has a time of day, which its column cannot hold"),
            ("text", "NULL", "reads NULL; leave the field empty, or take the word as empty: --null WORD"),
            ("float8", "1_0", "is not a number"),
            ("float8", "0x1p3", "is not a number"),
            ("float8", "-1e400", "is out of range"),
            ("float8", "1e-400", "is out of range"),
            ("text", "a\0", "holds a NUL character"),
            ("timestamptz", "yesterday", "is not a time as ISO 8601 writes it"),
            (
                "timestamptz",
                "10/09/2025",
                "is not a time as ISO 8601 writes it; it is read with --dialect fr or gb (day first) or us (month first)",
            ),
            (
                "timestamptz",
                "10.09.2025 16:31",
                "is not a time as ISO 8601 writes it; it is read with --dialect de",
            ),
            ("timestamptz", "2025-09-10 16:31", NO_ZONE),
            ("timestamptz", "2025-09-10", NO_ZONE),
            (
                "timestamp",
                "2025-09-10 16:31Z",
                "has a time zone, and its column none; say whose clock the column shows: --timezone Europe/Berlin",
            ),
            ("timestamptz", "2025-09-10+05:00", "is not a time as ISO 8601 writes it"),
            ("timestamptz", "infinity", "is not a time as ISO 8601 writes it"),
            ("timestamptz", "2025-02-30", "is not a time that exists"),
            ("timestamptz", "2025-09-10 25:00", "is not a time that exists"),
            ("timestamptz", "0001-01-01 00:00+05:00", "is not a time that exists"),
        ],
    )
    def test_are_refused_with_a_reason_that_does_not_repeat_them(self, type_name: str, field: str, reason: str) -> None:
        with pytest.raises(FieldError, match=f"^{re.escape(reason)}$"):
            read_field(field, ColumnType(type_name), PLAIN)

    @pytest.mark.parametrize(
        ("column", "field", "reason"),
        [
            (ColumnType("varchar", length=3), "MICU", "is longer than 3 characters"),
            (ColumnType("bpchar", length=3), "MICU ", "is longer than 3 characters"),
            (ColumnType("sex", words=("F", "M")), "W", "is none of the words of its type"),
            (ColumnType("int8", must_have=True), "", "is empty"),
            (ColumnType("int8", must_have=True), "NULL", "is empty"),
        ],
    )
    def test_that_their_column_cannot_hold_are_refused(self, column: ColumnType, field: str, reason: str) -> None:
        with pytest.raises(FieldError, match=f"^{reason}$"):
            read_field(field, column, PLAIN)

    def test_may_be_longer_by_blanks(self) -> None:
        assert read_field("ICU  ", ColumnType("varchar", length=3), PLAIN).text == "ICU  "
        assert read_field("F", ColumnType("sex", words=("F", "M")), PLAIN).text == "F"


class TestWordsForNoValue:
    WORDS = ("NULL", "null", r"\N", "N/A", "NA", "None", "nil", "-", "(null)", "#N/A", ".", "<NA>", "NaT", " ")

    @pytest.mark.parametrize("word", WORDS)
    @pytest.mark.parametrize(
        "type_name", ["int2", "float8", "numeric", "timestamptz", "timestamp", "date", "uuid", "bool"]
    )
    def test_are_empty_where_the_column_is_no_text_and_told(self, type_name: str, word: str) -> None:
        assert read_field(word, ColumnType(type_name), PLAIN) == Field(NULL, Note.EMPTY)

    def test_a_number_that_is_none_is_a_number_where_the_type_has_it(self) -> None:
        assert read_field("NaN", ColumnType("float8"), PLAIN) == Field("NaN")
        assert read_field("NaN", ColumnType("int4"), PLAIN) == Field(NULL, Note.EMPTY)
        assert read_field("NaN", ColumnType("timestamptz"), PLAIN) == Field(NULL, Note.EMPTY)

    @pytest.mark.parametrize("word", ["NULL", "null", r"\N", "(null)", "#N/A", "<NA>"])
    def test_are_refused_in_text_where_no_one_means_them(self, word: str) -> None:
        with pytest.raises(FieldError, match="leave the field empty"):
            read_field(word, ColumnType("text"), PLAIN)

    @pytest.mark.parametrize("word", ["NA", "N/A", "None", "-", "."])
    def test_are_told_in_text_where_they_may_be_meant(self, word: str) -> None:
        assert read_field(word, ColumnType("text"), PLAIN) == Field(word, Note.WORD)

    @pytest.mark.parametrize("type_name", ["text", "bpchar", "float8", "timestamptz"])
    def test_that_the_load_names_are_empty_in_every_column(self, type_name: str) -> None:
        writing = Writing(null_words=frozenset({"NULL", "k.A."}))
        assert read_field("k.A.", ColumnType(type_name), writing) == Field(NULL, Note.EMPTY)
        assert read_field("NULL", ColumnType(type_name), writing) == Field(NULL, Note.EMPTY)


class TestTimesWithoutAZone:
    def test_are_taken_in_the_zone_of_the_load_and_told(self) -> None:
        for written, moment in (
            ("2026-01-15 05:30:00", "2026-01-15 04:30:00+00:00"),
            ("2026-07-15T05:30", "2026-07-15 03:30:00+00:00"),
            ("2026-07-15", "2026-07-14 22:00:00+00:00"),
        ):
            assert read_field(written, ColumnType("timestamptz"), BERLIN) == Field(moment, Note.ZONE)

    def test_with_an_offset_need_no_zone_not_even_in_the_doubled_hour(self) -> None:
        for offset, moment in (("+02:00", "2026-10-25 00:30:00+00:00"), ("+01:00", "2026-10-25 01:30:00+00:00")):
            assert read_field(f"2026-10-25 02:30:00{offset}", ColumnType("timestamptz"), BERLIN) == Field(moment)

    @pytest.mark.parametrize("type_name", ["timestamptz", "timestamp"])
    def test_that_clocks_show_twice_or_never_are_refused(self, type_name: str) -> None:
        column = ColumnType(type_name)
        with pytest.raises(FieldError, match=r"^falls into the time that clocks in Europe/Berlin show twice"):
            read_field("2026-10-25 02:30:00", column, BERLIN)
        with pytest.raises(FieldError, match=r"^falls into the time that clocks in Europe/Berlin leave out"):
            read_field("2026-03-29 02:30:00", column, BERLIN)
        read_field("2026-10-25 03:00:00", column, BERLIN)
        read_field("2026-03-29 03:00:00", column, BERLIN)

    def test_of_a_column_without_one_are_the_clock_of_the_zone(self) -> None:
        column = ColumnType("timestamp")
        assert read_field("2026-01-15 04:30:00Z", column, BERLIN) == Field("2026-01-15 05:30:00")
        assert read_field("2026-01-15 05:30:00", column, BERLIN) == Field("2026-01-15 05:30:00", Note.WALL)
        assert read_field("2026-01-15 05:30:00", column, PLAIN) == Field("2026-01-15 05:30:00", Note.WALL)
        with pytest.raises(FieldError, match="show twice"):  # the column could not tell which
            read_field("2026-10-25 02:30:00+01:00", column, BERLIN)
