"""Rows as COPY takes them, one by one, and what is said of the others."""

from __future__ import annotations

from scorer.database.source.files.by_row import FieldNote, copy_rows
from scorer.database.source.files.csv_dialect import Writing, zone_named
from scorer.database.source.files.csv_fields import Column, ColumnType, Note
from scorer.database.source.files.csv_rows import Row
from scorer.database.source.files.reject_file import Rejected


def test_all_faults_of_a_row_are_reported_at_once() -> None:
    columns = [
        Column("visit_id", 0, ColumnType("int8", must_have=True)),
        Column("value", 2, ColumnType("float8")),
        Column("unit", None, ColumnType("text")),
    ]
    rows = [
        Row(line, "", fields, None) for line, fields in enumerate([["1", "", ""], ["", "", "high"], ["x", "", "1"]])
    ]
    copied = copy_rows(rows, columns, writing=Writing())
    assert copied.text == b"0\t1\t\\N\t\\N\n"
    assert copied.read == 3
    assert copied.rejected == [
        Rejected(1, ("visit_id is empty", "value is not a number"), ""),
        Rejected(2, ("visit_id is not a whole number",), ""),
    ]


def test_fields_are_told_of_rows_that_are_loaded_alone() -> None:
    columns = [Column("visit_id", 0, ColumnType("int8", must_have=True)), Column("at", 1, ColumnType("timestamptz"))]
    fields = [["1", "2026-01-15"], ["2", "NULL"], ["x", "2026-01-15"], ["3", "2026-01-15"], ["4", "2026-01-15Z"]]
    writing = Writing(zone=zone_named("Europe/Berlin"))
    copied = copy_rows([Row(1, "", each, None) for each in fields], columns, writing=writing)
    assert copied.notes == {FieldNote(Note.ZONE, "at", ""): 2, FieldNote(Note.EMPTY, "at", "NULL"): 1}
