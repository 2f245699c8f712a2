"""Files to rows to what COPY reads; and that statements, tables.toml and calls name the same columns."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from scorer.database.source import csv_fields, csv_rows, load
from scorer.errors import UserError

TABLES = load._tables()
HEADER = ["id", "client", "remarks"]
LOADED = ["id", "client"]


def rows_of(text: str, *, header: list[str] = HEADER, loaded: list[str] = LOADED) -> list[csv_rows.Row]:
    lines = csv_rows.Lines(text.splitlines(keepends=True), path=Path("visits.csv"))
    assert csv_rows.read_header(lines) == header
    return list(csv_rows.read_rows(lines, header=header, loaded=loaded))


def read(type_name: str, field: str) -> str:
    return csv_fields.READERS[type_name](field)


class TestRows:
    def test_have_the_number_of_the_line_that_they_begin_on(self) -> None:
        rows = rows_of('id,client,remarks\n1,a,\n\n2,b,"two\nlines"\r\n3,c,\n')
        assert [(row.line, row.fields) for row in rows] == [
            (2, ["1", "a", ""]),
            (4, ["2", "b", "two\nlines"]),
            (6, ["3", "c", ""]),
        ]
        assert rows[1].text == '2,b,"two\nlines"\r\n'

    @pytest.mark.parametrize("line", ["1,a", "1,a,b,c", "1"])
    def test_with_the_wrong_number_of_fields_are_at_fault(self, line: str) -> None:
        [row] = rows_of(f"id,client,remarks\n{line}\n")
        assert row.fault == f"{line.count(',') + 1} fields where the header has 3"
        assert row.text == f"{line}\n"

    @pytest.mark.parametrize("broken", ['1,"a,', '1,a,"', '1,"a"b,', '"'])
    @pytest.mark.parametrize("after", ['2,b,\n3,"c, d",\n4,e,\n', "2,b,\n", '2,"b",\n', ""])
    def test_survive_a_quote_that_is_never_closed_before_them(self, broken: str, after: str) -> None:
        alone = rows_of(f"id,client,remarks\n0,z,\n{after}")[1:]
        first, *others = rows_of(f"id,client,remarks\n{broken}\n{after}")
        assert (first.line, first.text, first.fault) == (2, f"{broken}\n", "the quotes do not match")
        assert others == alone

    def test_survive_a_quote_left_open_far_before_their_end(self) -> None:
        after = "".join(f"{number},c,\n" for number in range(100_000))
        rows = rows_of(f'id,client,remarks\n1,"a,\n{after}')
        assert [row.line for row in rows if row.fault] == [2]
        assert len(rows) == 100_001

    def test_may_break_in_a_column_that_is_ignored_only(self) -> None:
        rows = rows_of('id,client,remarks\n1,"a\nb",c\n')
        assert [(row.line, row.fault) for row in rows] == [
            (2, "the quotes do not match"),
            (3, "2 fields where the header has 3"),
        ]


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
        assert read(type_name, field) == expected

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
        with pytest.raises(csv_fields.FieldError, match=f"^{reason}$"):
            read(type_name, field)

    def test_of_a_row_are_all_told_at_once(self) -> None:
        columns = [
            load._Column("visit_id", 0, load._Type("int8", must_have=True)),
            load._Column("value", 2, load._Type("float8", must_have=False)),
            load._Column("unit", None, load._Type("text", must_have=False)),
        ]
        rows = [
            csv_rows.Row(line, "", fields, None)
            for line, fields in enumerate([["1", "", ""], ["", "", "high"], ["x", "", "1"]])
        ]
        copied, faults = load._converted(rows, columns)
        assert copied == ["0\t1\t\\N\t\\N\n"]
        assert faults == {
            1: "visit_id is empty; value is not a number",
            2: "visit_id is not a whole number",
        }


class TestFiles:
    def test_that_are_optional_may_be_missing(self, tmp_path: Path) -> None:
        for name in ("visits.csv", "patient_observations.csv.gz"):
            (tmp_path / name).touch()
        found = load._files(tmp_path, TABLES)
        assert [file.path.name for file in found] == ["visits.csv", "patient_observations.csv.gz"]

    def test_that_are_required_may_not(self, tmp_path: Path) -> None:
        (tmp_path / "visits.csv").touch()
        with pytest.raises(UserError, match=r"neither patient_observations\.csv nor patient_observations\.csv\.gz"):
            load._files(tmp_path, TABLES)

    def test_may_not_be_there_twice(self, tmp_path: Path) -> None:
        for name in ("visits.csv", "visits.csv.gz"):
            (tmp_path / name).touch()
        with pytest.raises(UserError, match=r"both visits\.csv and visits\.csv\.gz"):
            load._files(tmp_path, TABLES)

    def test_are_looked_for_in_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="is not a folder"):
            load._files(tmp_path / "nowhere", TABLES)

    def test_tell_how_far_they_have_been_read(self, tmp_path: Path) -> None:
        path = tmp_path / "visits.csv.gz"
        path.write_bytes(gzip.compress("\ufeffvisit_id\n1\n".encode()))
        with csv_rows.open_lines(path) as (lines, bytes_read):
            assert bytes_read() == 0
            assert list(lines) == ["visit_id\n", "1\n"]
            assert bytes_read() == path.stat().st_size


class TestStatements:
    """Each file of sql/source is asked for by a call, each call finds its file, and columns are those of tables.toml."""

    FOLDER = load._folder()

    def test_match_the_calls_both_ways(self) -> None:
        source = Path(load.__file__).read_text(encoding="utf-8")
        named = set(re.findall(r'_statement\(f?"(\w+)(?:"|\{)', source))
        asked = {"one_load_at_a_time", "columns", "analyze"}
        for table in TABLES:
            verbs = ["create_", "stage_", "copy_", "pass_known_", "insert_"] + ["refuse_taken_"] * table.unique
            asked |= {f"{verb}{table.name}" for verb in verbs}
            named |= {f"{verb}{table.name}" for verb in verbs if verb in named}
        others = "".join(path.read_text(encoding="utf-8") for path in Path(load.__file__).parent.glob("*.py"))
        there = {path.stem for path in self.FOLDER.glob("*.sql")}
        assert {name for name in there if name in asked or name not in others} == asked
        assert {name for name in named if not name.endswith("_")} == asked

    @pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
    def test_receive_the_columns_in_the_order_in_which_they_are_sent(self, table: load._Table) -> None:
        statement = (self.FOLDER / f"copy_{table.name}.sql").read_text(encoding="utf-8")
        assert re.findall(r"^    (\w+),?$", statement, re.MULTILINE) == ["line", *table.columns]

    @pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
    def test_compare_every_column_with_what_is_there(self, table: load._Table) -> None:
        statement = (self.FOLDER / f"pass_known_{table.name}.sql").read_text(encoding="utf-8")
        for name in table.columns:
            assert re.search(rf"\w\.{name} (IS NOT DISTINCT FROM|=) l\.{name}\b", statement), name
        asked_for = set(re.findall(r"'(\w+)' <> ALL", statement))
        assert asked_for <= set(table.optional)
        assert set(table.optional) - asked_for <= {"recorded_at"}
