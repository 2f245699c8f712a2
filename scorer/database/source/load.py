"""Files loaded into the source tables, the shipped job's or another's: .csv or .csv.gz.

    file -> rows -> COPY to a temporary table -> skip what is there -> refuse keys that are taken -> INSERT

A folder is one transaction. A row that cannot be loaded goes to the reject file and keeps no other row out; a fault of a
whole file stops the load, and nothing is loaded. The columns are listed in sql/source/tables.toml, or in the tables.toml in
the job's folder; their types are those of the database.

How fields are read: an empty field is NULL, in every column. Numbers as PostgreSQL reads them, NaN and infinity
included. Times as ISO 8601 writes them, 2025-06-01T14:30:00+02:00 or less of it; without a zone they are taken as UTC.
Text as it stands. Blank lines are skipped.
"""

from __future__ import annotations

import csv
import io
import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Self, TextIO

import psycopg2
from psycopg2 import errorcodes

from scorer.config import shipped_root
from scorer.database.error_messages import sentences
from scorer.database.source.csv_fields import NULL, READERS, FieldError
from scorer.database.source.csv_rows import Row, open_lines, read_header, read_rows
from scorer.database.source.job_tables import analyzing, filling, making
from scorer.database.statements import statement
from scorer.errors import UserError
from scorer.jobs.tables import SourceTable

ROWS_AT_ONCE = 20_000

LoadProgress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class TableLoad:
    """The rows of one file, counted: read = loaded + already_there + rejected."""

    table: str
    read: int
    loaded: int
    already_there: int
    rejected: int
    ignored_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LoadReport:
    """A folder's tables in the order of loading; `rejects` is None where no row was rejected."""

    tables: tuple[TableLoad, ...]
    rejects: Path | None


def load(
    folder: Path,
    *,
    connection: Any,
    rejects: Path,
    progress: LoadProgress | None = None,
    tables: Sequence[SourceTable] = (),
) -> LoadReport:
    """Load the files in `folder`, and commit, on `connection` (psycopg2's). Returns the counts of each.

    They fill `visits`, `patient_observations` and `outcomes`, or a job's own `tables`, where given. Tables that are missing are
    made. Rows that are already there, the same in every column that the file has, are skipped, so the same folder again adds
    nothing. Rows that cannot be loaded are written to `rejects`, a CSV file of file, line, reason and row that its owner alone
    may read. `progress` is called with table, bytes read, bytes in all.

    Raises UserError, with nothing loaded, where a file or a column is missing, a file has no header, is not UTF-8 or
    cannot be unpacked, or the database refuses.
    """
    described = _tables_of(tables) if tables else _tables()
    files = _files(folder, described)
    with sentences(), _Rejects(rejects) as rejected, connection, connection.cursor() as cursor:
        cursor.execute(_statement("one_load_at_a_time"))
        for making_one in making(tables):
            cursor.execute(making_one)
        types = {table.name: _types(cursor, table) for table in described}
        loads = [
            _load_file(file, types[file.table.name], cursor=cursor, rejects=rejected, progress=progress)
            for file in files
        ]
        cursor.execute(analyzing(tables) if tables else _statement("analyze"))
    return LoadReport(tables=tuple(loads), rejects=rejects if rejected.count else None)


def _statement(name: str, table: _Table | None = None, given: Sequence[str] = ()) -> str:
    """The statement called `name`; of a job's own table, the one for any table, filled in.

    `given` are the columns that the file has.
    """
    if table is not None and table.of_job is not None:
        return filling(name.removesuffix(f"_{table.name}"), table.of_job, given)
    return statement(f"source/{name}")


def _folder() -> Path:
    return shipped_root() / "sql" / "source"


# Tables, files and columns.


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of tables.toml, the shipped one or a job's: then `of_job` says how it is filled."""

    name: str
    file: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    unique: bool
    of_job: SourceTable | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        return self.required + self.optional if self.of_job is None else tuple(self.of_job.columns)

    @property
    def relation(self) -> str:
        return f"public.{self.name}" if self.of_job is None else self.of_job.table


class _File(NamedTuple):
    """A file and the table that it fills."""

    path: Path
    table: _Table


class _Type(NamedTuple):
    """A column's type in the database; `must_have`: it refuses NULL."""

    name: str
    must_have: bool


class _Column(NamedTuple):
    """A column to fill: its place in the file's rows (None: not there), and its type."""

    name: str
    position: int | None
    type: _Type


def _tables() -> tuple[_Table, ...]:
    content = tomllib.loads((_folder() / "tables.toml").read_text(encoding="utf-8"))
    return tuple(
        _Table(
            name=name,
            file=table["file"],
            required=tuple(table["required"]),
            optional=tuple(table["optional"]),
            unique=table["unique"],
        )
        for name, table in content.items()
    )


def _tables_of(tables: Iterable[SourceTable]) -> tuple[_Table, ...]:
    """A job's own tables, as the loader takes them."""
    return tuple(
        _Table(
            name=table.name,
            file="optional" if table.optional else "required",
            required=table.required,
            optional=tuple(name for name in table.columns if name not in table.required),
            unique=bool(table.key),
            of_job=table,
        )
        for table in tables
    )


def _files(folder: Path, tables: Iterable[_Table]) -> tuple[_File, ...]:
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder; name the one that holds the files to load.")
    files = []
    for table in tables:
        plain, packed = folder / f"{table.name}.csv", folder / f"{table.name}.csv.gz"
        if plain.exists() and packed.exists():
            raise UserError(f"{folder} holds both {plain.name} and {packed.name}; take away the one not to be loaded.")
        if plain.exists() or packed.exists():
            files.append(_File(plain if plain.exists() else packed, table))
        elif table.file == "required":
            raise UserError(f"{folder} holds neither {plain.name} nor {packed.name}; put one of them there.")
    return tuple(files)


def _types(cursor: Any, table: _Table) -> dict[str, _Type]:
    """The types of the table's columns in the database; a table that is missing is made."""
    cursor.execute(_statement("columns"), {"table": table.relation})
    if cursor.rowcount == 0:
        cursor.execute(_statement(f"create_{table.name}"))
        cursor.execute(_statement("columns"), {"table": table.relation})
    return {name: _Type(type_name, must_have) for name, type_name, must_have in cursor}


def _columns(file: _File, header: Sequence[str], types: Mapping[str, _Type]) -> tuple[_Column, ...]:
    """The columns to fill, in the order of tables.toml. Raises UserError where file or database lack one."""
    table = file.table
    for name in table.columns:
        if header.count(name) > 1:
            raise UserError(f'{file.path}: the header has the column "{name}" twice; take one of them away.')
        if name in table.required and name not in header:
            raise UserError(f'{file.path}: the column "{name}" is missing; add it, or mend its name in the header.')
        if name not in types:
            raise UserError(f'The table {table.relation} has no column "{name}"; add it to the table.')
        if types[name].name not in READERS:
            raise UserError(
                f'The column "{name}" of {table.relation} is of type {types[name].name}, which no file can fill; '
                f"make it one of {', '.join(READERS)}."
            )
    return tuple(_Column(name, header.index(name) if name in header else None, types[name]) for name in table.columns)


# One file.


def _load_file(
    file: _File, types: Mapping[str, _Type], *, cursor: Any, rejects: _Rejects, progress: LoadProgress | None
) -> TableLoad:
    table, size, rejected_before, read = file.table, file.path.stat().st_size, rejects.count, 0
    with open_lines(file.path) as (lines, bytes_read):
        header = read_header(lines)
        columns = _columns(file, header, types)
        cursor.execute(_statement(f"stage_{table.name}", table))
        rows = read_rows(lines, header=header, loaded=table.columns)
        while chunk := list(islice(rows, ROWS_AT_ONCE)):
            _stage(file, columns, chunk, cursor=cursor, rejects=rejects)
            read += len(chunk)
            if progress:
                progress(table.name, bytes_read(), size)
    already_there, loaded = _settle(file, header, cursor=cursor, rejects=rejects)
    return TableLoad(
        table=table.name,
        read=read,
        loaded=loaded,
        already_there=already_there,
        rejected=rejects.count - rejected_before,
        ignored_columns=tuple(name for name in header if name not in table.columns),
    )


def _stage(file: _File, columns: Sequence[_Column], rows: Sequence[Row], *, cursor: Any, rejects: _Rejects) -> None:
    """Copy the rows that can be read to the temporary table; write the others to the reject file."""
    whole = [row for row in rows if row.fault is None]
    copied, faults = _converted(whole, columns)
    broken = [(row.line, row.fault, row.text) for row in rows if row.fault is not None]
    unreadable = [(whole[index].line, fault, whole[index].text) for index, fault in faults.items()]
    rejects.add(file.path.name, sorted(broken + unreadable))
    with _refusal_explained(file):
        cursor.copy_expert(_statement(f"copy_{file.table.name}", file.table), io.BytesIO("".join(copied).encode()))


def _settle(file: _File, header: Sequence[str], *, cursor: Any, rejects: _Rejects) -> tuple[int, int]:
    """Insert the staged rows, except those already there and those whose key is taken, which are rejected.

    Returns how many were already there, and how many were inserted.
    """
    cursor.execute(_statement(f"pass_known_{file.table.name}", file.table, header), {"given": list(header)})
    already_there = cursor.rowcount
    if file.table.unique:
        cursor.execute(_statement(f"refuse_taken_{file.table.name}", file.table))
        rejects.add(file.path.name, _rows_on(file, dict(cursor.fetchall())))
    with _refusal_explained(file):
        cursor.execute(_statement(f"insert_{file.table.name}", file.table, header))
    return already_there, cursor.rowcount


def _rows_on(file: _File, reasons: Mapping[int, str]) -> Iterator[tuple[int, str, str]]:
    """Line, reason and text of the rows on the lines in `reasons`; the file is read again for them."""
    if not reasons:
        return
    with open_lines(file.path) as (lines, _):
        for row in read_rows(lines, header=read_header(lines), loaded=file.table.columns):
            if row.line in reasons:
                yield row.line, reasons[row.line], row.text


@contextmanager
def _refusal_explained(file: _File) -> Iterator[None]:
    """Within it, a refusal by the hospital's own constraint or type becomes UserError, without values."""
    try:
        yield
    except psycopg2.IntegrityError as error:
        raise UserError(
            f"{file.path}: the database refuses a row, and nothing was loaded: {error.diag.message_primary}; "
            f"mend the file, or the constraint of {file.table.relation}."
        ) from error
    except psycopg2.DataError as error:
        fault = errorcodes.lookup(error.pgcode or errorcodes.DATA_EXCEPTION).lower().replace("_", " ")
        raise UserError(
            f"{file.path}: the database cannot hold a value, and nothing was loaded: {fault}; "
            f"mend the file, or widen the columns of {file.table.relation}."
        ) from error


# From fields to COPY.


def _converted(rows: Sequence[Row], columns: Sequence[_Column]) -> tuple[list[str], dict[int, str]]:
    """The readable rows as lines of COPY's text format, and by index the fault of each other row."""
    faults: dict[int, str] = {}
    converted = [[str(row.line) for row in rows]]
    for column in columns:
        if column.position is None:
            converted.append([NULL] * len(rows))
            continue
        fields = [row.fields[column.position] for row in rows]
        readings, reasons = _readings(fields, column)
        converted.append([readings.get(field, NULL) for field in fields])
        for index in (index for index, field in enumerate(fields) if field in reasons) if reasons else ():
            faults[index] = "; ".join(filter(None, [faults.get(index), reasons[fields[index]]]))
    lines = ["\t".join(values) + "\n" for values in zip(*converted, strict=True)]
    return [line for index, line in enumerate(lines) if index not in faults], faults


def _readings(fields: Iterable[str], column: _Column) -> tuple[dict[str, str], dict[str, str]]:
    """By field its text for COPY, and by field the fault of each that cannot be read.

    Each is read once for all the rows that have it: codes, dates and ranges repeat.
    """
    readings: dict[str, str] = {}
    reasons: dict[str, str] = {}
    read = READERS[column.type.name]
    for field in set(fields):
        try:
            if field:
                readings[field] = read(field)
            elif column.type.must_have:
                reasons[field] = f"{column.name} is empty"
        except FieldError as error:
            reasons[field] = f"{column.name} {error}"
    return readings, reasons


# The reject file.


class _Rejects:
    """The reject file, made when the first row goes into it; removed again where the load fails."""

    def __init__(self, path: Path) -> None:
        self.count = 0
        self._path = path
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        if self._file is not None:
            self._file.close()
            if failure is not None:
                self._path.unlink(missing_ok=True)

    def add(self, file: str, rows: Iterable[tuple[int, str, str]]) -> None:
        """Write line, reason and text of each of the rows of `file`."""
        for line, reason, text in rows:
            if self._file is None:
                self._file = self._created()
                csv.writer(self._file).writerow(["file", "line", "reason", "row"])
            csv.writer(self._file).writerow([file, line, reason, text.rstrip("\r\n")])
            self.count += 1

    def _created(self) -> TextIO:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.unlink(missing_ok=True)
            return open(self._path, "x", encoding="utf-8", newline="", opener=_for_its_owner_alone)
        except OSError as error:
            raise UserError(f"The reject file {self._path} cannot be written: {error.strerror}.") from error


def _for_its_owner_alone(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)
