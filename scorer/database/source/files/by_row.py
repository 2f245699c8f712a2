"""Rows one by one: as COPY's text format has them, or why they cannot be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from scorer.database.source.files.csv_dialect import FieldError, Writing
from scorer.database.source.files.csv_fields import NULL, Column, Field, Note, read_field
from scorer.database.source.files.csv_rows import Row
from scorer.database.source.files.reject_file import Rejected


class FieldNote(NamedTuple):
    """What is told of fields of a column; `word` is what they read, where that is a word for no value."""

    note: Note
    column: str
    word: str


class Copied(NamedTuple):
    """Rows for COPY: how many were `read`, their `text`, the `rejected`, what is told of fields."""

    read: int
    text: bytes
    rejected: Sequence[Rejected]
    notes: Counter[FieldNote]


def copy_rows(rows: Sequence[Row], columns: Sequence[Column], *, writing: Writing) -> Copied:
    """The rows for COPY."""
    notes: Counter[FieldNote] = Counter()
    whole = [row for row in rows if row.fault is None]
    copied, faults = _converted(whole, columns, writing=writing, notes=notes)
    broken = [Rejected(row.line, (row.fault,), row.text) for row in rows if row.fault is not None]
    unreadable = [Rejected(whole[index].line, reasons, whole[index].text) for index, reasons in faults.items()]
    return Copied(len(rows), "".join(copied).encode(), sorted(broken + unreadable), notes)


def _converted(
    rows: Sequence[Row], columns: Sequence[Column], *, writing: Writing, notes: Counter[FieldNote]
) -> tuple[list[str], dict[int, tuple[str, ...]]]:
    """The readable rows as lines of COPY's text format, and by index the faults of each other row.

    What is to be told of the readable rows' fields is added to `notes`.
    """
    faults: dict[int, tuple[str, ...]] = {}
    converted = [[str(row.line) for row in rows]]
    noted: list[tuple[Column, dict[str, Field]]] = []
    for column in columns:
        if column.position is None:
            converted.append([NULL] * len(rows))
            continue
        fields = [row.fields[column.position] for row in rows]
        readings, reasons = _readings(fields, column, writing=writing)
        texts = dict.fromkeys(reasons, NULL) | {each: reading.text for each, reading in readings.items()}
        converted.append(list(map(texts.__getitem__, fields)))
        for index in (index for index, each in enumerate(fields) if each in reasons) if reasons else ():
            faults[index] = (*faults.get(index, ()), reasons[fields[index]])
        of_column = {each: reading for each, reading in readings.items() if reading.note is not None}
        if of_column:
            noted.append((column, of_column))
    for column, of_column in noted:
        _count(rows, column, of_column, faults=faults, notes=notes)
    lines = ["\t".join(values) + "\n" for values in zip(*converted, strict=True)]
    return [line for index, line in enumerate(lines) if index not in faults], faults


def _readings(fields: Iterable[str], column: Column, *, writing: Writing) -> tuple[dict[str, Field], dict[str, str]]:
    """Each field as COPY reads it, and by field the fault of each that cannot be read.

    Each is read once for all the rows that have it: codes, dates and ranges repeat.
    """
    readings: dict[str, Field] = {}
    reasons: dict[str, str] = {}
    for each in set(fields):
        try:
            readings[each] = read_field(each, column.type, writing)
        except FieldError as error:
            reasons[each] = f"{column.name} {error}"
    return readings, reasons


def _count(
    rows: Sequence[Row],
    column: Column,
    noted: Mapping[str, Field],
    *,
    faults: Mapping[int, object],
    notes: Counter[FieldNote],
) -> None:
    """Add to `notes` the fields of the column that are `noted`, in rows without faults."""
    assert column.position is not None
    for index, row in enumerate(rows):
        each = row.fields[column.position]
        if each in noted and index not in faults:
            note = noted[each].note
            assert note is not None
            notes[told(each, note, column)] += 1


def told(field: str, note: Note, column: Column) -> FieldNote:
    """What is told of a field."""
    return FieldNote(note, column.name, field.strip() if note in {Note.EMPTY, Note.WORD} else "")
