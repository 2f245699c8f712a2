"""Fields of a CSV file as COPY reads them, by the type of their column."""

from __future__ import annotations

import pytest

from scorer.database.source.csv_fields import READERS, FieldError


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
            ("timestamptz", "2025-09-10 16:31", "2025-09-10 16:31:00+00:00"),
            ("timestamptz", "2025-09-10", "2025-09-10 00:00:00+00:00"),
        ],
    )
    def test_are_read(self, type_name: str, field: str, expected: str) -> None:
        assert READERS[type_name](field) == expected

    @pytest.mark.parametrize(
        ("type_name", "field", "reason"),
        [
            ("int8", "abc", "is not a whole number"),
            ("int8", "1.0", "is not a whole number"),
            ("int8", "1_000", "is not a whole number"),
            ("int8", "\u0661", "is not a whole number"),
            ("int8", " ", "is not a whole number"),
            ("int8", "9223372036854775808", "is out of range"),
            ("int8", "9" * 5000, "is out of range"),
            ("int2", "32768", "is out of range"),
            ("float8", "hemolysed", "is not a number"),
            ("float8", "<0.01", "is not a number"),
            ("float8", "3,7", "is not a number"),
            ("float8", "1_0", "is not a number"),
            ("float8", "0x1p3", "is not a number"),
            ("float8", "-1e400", "is out of range"),
            ("float8", "1e-400", "is out of range"),
            ("text", "a\0", "holds a NUL character"),
            ("timestamptz", "yesterday", "is not a time as ISO 8601 writes it"),
            ("timestamptz", "10/09/2025", "is not a time as ISO 8601 writes it"),
            ("timestamptz", "2025-09-10+05:00", "is not a time as ISO 8601 writes it"),
            ("timestamptz", "infinity", "is not a time as ISO 8601 writes it"),
            ("timestamptz", "2025-02-30", "is not a time that exists"),
            ("timestamptz", "2025-09-10 25:00", "is not a time that exists"),
            ("timestamptz", "0001-01-01 00:00+05:00", "is not a time that exists"),
        ],
    )
    def test_are_refused_with_a_reason_that_does_not_repeat_them(self, type_name: str, field: str, reason: str) -> None:
        with pytest.raises(FieldError, match=f"^{reason}$"):
            READERS[type_name](field)
