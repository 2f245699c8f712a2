"""The rows of a CSV file: the line that each begins on, and quotes that are never closed."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from scorer.database.source.files import csv_rows
from scorer.database.source.files.csv_rows import Lines, Row, chunks, open_lines, read_header, read_rows
from scorer.errors import UserError

HEADER = ["id", "client", "remarks"]
LOADED = ["id", "client"]


def rows_of(text: str, *, header: list[str] = HEADER, loaded: list[str] = LOADED) -> list[Row]:
    lines = Lines(text.splitlines(keepends=True), path=Path("visits.csv"))
    found = read_header(lines, required=loaded)
    assert list(found.names) == header
    return list(read_rows(lines, header=found, loaded=loaded))


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
            (2, "client breaks its line, or the quotes do not match"),
            (3, "2 fields where the header has 3"),
        ]

    @pytest.mark.parametrize(
        "remark", ["n" * 140_000, '"' + "n" * 140_000 + '"', '"' + "two\nlines " * 20_000 + '"', "a\0b"]
    )
    def test_may_be_long_where_a_column_is_ignored(self, remark: str) -> None:
        rows = rows_of(f"id,client,remarks\n1,a,{remark}\n2,b,")
        assert [(row.fields[:2], row.fault) for row in rows] == [(["1", "a"], None), (["2", "b"], None)]

    def test_may_not_be_endless(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(csv_rows, "LONGEST_FIELD", 1000)
        before = csv.field_size_limit(1000)
        try:
            rows = rows_of(f"id,client,remarks\n1,a,{'n' * 2000}\n2,b,\n")
        finally:
            csv.field_size_limit(before)
        assert [row.fault for row in rows] == [
            "a field of more than 1,000 characters, or a quote that is never closed",
            None,
        ]

    def test_come_in_lists_that_fit_the_memory(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(csv_rows, "LONGEST_FIELD", 1000)
        rows = rows_of("id,client,remarks\n" + "".join(f"{number},a,{'n' * 300}\n" for number in range(10)))
        assert [len(chunk) for chunk in chunks(rows, most=100)] == [4, 4, 2]
        assert [len(chunk) for chunk in chunks(rows, most=3)] == [3, 3, 3, 1]

    @pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
    @pytest.mark.parametrize("first", ["", "sep={}\r\n"])
    def test_are_separated_as_the_names_of_the_columns_are(self, separator: str, first: str) -> None:
        lines = ["id,client,remarks", "1,a,", '2,b,"x,y"']
        text = first.format(separator) + "\r\n".join(line.replace(",", separator) for line in lines)
        rows = rows_of(text)
        assert [row.fields for row in rows] == [["1", "a", ""], ["2", "b", f"x{separator}y"]]
        assert [row.line for row in rows] == ([3, 4] if first else [2, 3])


class TestFiles:
    def test_report_how_far_they_have_been_read(self, tmp_path: Path) -> None:
        path = tmp_path / "visits.csv.gz"
        path.write_bytes(gzip.compress("\ufeffvisit_id\n1\n".encode()))
        with open_lines(path) as (lines, _, bytes_read):
            assert bytes_read() == 0
            assert list(lines) == ["visit_id\n", "1\n"]
            assert bytes_read() == path.stat().st_size

    @pytest.mark.parametrize(
        ("name", "content", "sentence"),
        [
            ("visits.csv", b"visit_id\n1\n\xff\n", "is not UTF-8 after line"),
            ("visits.csv.gz", gzip.compress(b"visit_id\n1\n", mtime=0)[:-9], "cannot be read after line"),
            ("visits.csv.gz", b"visit_id\n1\n", "cannot be read after line 0: Not a gzipped file"),
        ],
        ids=["not UTF-8", "cut off", "not packed"],
    )
    def test_that_cannot_be_read_are_named_in_one_sentence(
        self, tmp_path: Path, name: str, content: bytes, sentence: str
    ) -> None:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(UserError, match=sentence) as raised, open_lines(path) as (lines, _, _):
            list(lines)
        assert str(raised.value).startswith(str(path))
        assert "\n" not in str(raised.value)

    def test_need_a_header(self, tmp_path: Path) -> None:
        for content in ("", "\n1,2\n", '"a\n'):
            (tmp_path / "visits.csv").write_text(content)
            with open_lines(tmp_path / "visits.csv") as (lines, _, _), pytest.raises(UserError, match="has no header"):
                read_header(lines, required=["visit_id"])
