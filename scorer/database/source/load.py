"""Files loaded into the source tables, the shipped job's or another's: .csv or .csv.gz.

    file -> rows -> COPY to a temporary table -> compare with what is there -> refuse, pass over or update -> INSERT

A folder is one transaction. A row that cannot be loaded goes to the reject file and keeps no other row out; a fault of a
whole file stops the load, and nothing is loaded. So does a file none of whose rows can be loaded. The columns are listed
in sql/source/tables.toml, or in the tables.toml in the job's folder; their types are those of the database.

How fields are read: an empty field is NULL, in every column, and so is a word such as NULL where the column is no text.
Numbers as PostgreSQL reads them, NaN and infinity included. Times as ISO 8601 writes them, 2025-06-01T14:30:00+02:00 or
less of it; one without a zone needs a load that says whose clock it shows. Text as it stands. Blank lines are skipped.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import psycopg2
from psycopg2 import errorcodes

from scorer.database.error_messages import sentences
from scorer.database.source.files.by_column import copy_file
from scorer.database.source.files.by_row import Copied, FieldNote
from scorer.database.source.files.csv_dialect import PLAIN, Writing
from scorer.database.source.files.csv_fields import ColumnType
from scorer.database.source.files.csv_rows import SEPARATORS, Header, open_lines, read_header, read_rows
from scorer.database.source.files.reject_file import NothingLoaded, Rejected, RejectFile
from scorer.database.source.load_tables import (
    File,
    Table,
    analyzing,
    column_types,
    columns_to_fill,
    emptying,
    files_in,
    filling,
    making,
    newest_times,
    tables_for,
)
from scorer.database.statements import statement
from scorer.errors import UserError
from scorer.jobs.folder.tables import SourceTable

ROWS_AT_ONCE = 20_000
_SENT_AT_ONCE = 1 << 16  # bytes

LoadProgress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class TableLoad:
    """The rows of one file, counted: read = loaded + updated + already_there + rejected.

    `changes`: of the updated rows, how many have another value in each column. `differing_rows`: of the rejected ones, how
    many because the table has their key with other values, and `differing` in which columns. `beside`: of the loaded
    observations, how many stand beside one of the same visit, time and code with another value. `separator`: of the file's
    fields. `notes`: fields that are told.
    """

    table: str
    read: int
    loaded: int
    already_there: int
    rejected: int
    ignored_columns: tuple[str, ...]
    updated: int = 0
    changes: Mapping[str, int] = field(default_factory=dict)
    differing_rows: int = 0
    differing: tuple[str, ...] = ()
    beside: int = 0
    separator: str = "commas"
    notes: Mapping[FieldNote, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LoadReport:
    """A folder's tables in the order of loading; `rejects` is None where no row was rejected."""

    tables: tuple[TableLoad, ...]
    rejects: Path | None

    def require_no_differing(self) -> None:
        """Do nothing, unless a row was rejected because its key is there with other values: raises UserError."""
        for table in self.tables:
            if table.differing_rows:
                count = (
                    f"1 row of {table.table} is"
                    if table.differing_rows == 1
                    else f"{table.differing_rows:,} rows of {table.table} are"
                )
                raise UserError(
                    f"{count} there with another {', '.join(table.differing)}; `load` adds rows and changes none: --update changes "
                    f"them (each is in {self.rejects})."
                )


class _Settled(NamedTuple):
    """What became of the rows that could be read."""

    already_there: int
    updated: int
    changes: Mapping[str, int]
    differing_rows: int
    differing: tuple[str, ...]
    beside: int
    inserted: int


def load(
    folder: Path,
    *,
    connection: Any,
    rejects: Path,
    writing: Writing = PLAIN,
    update: bool = False,
    progress: LoadProgress | None = None,
    job_tables: Sequence[SourceTable] = (),
) -> LoadReport:
    """Load the files in `folder`, and commit, on `connection` (psycopg2's). Returns the counts of each.

    They fill `visits`, `patient_observations` and `outcomes`, or a job's own tables, where given. Tables that are missing
    are made. Rows that are already there, the same in every column that the file has, are skipped, so the same folder
    again adds nothing. Those whose key is there with other values are rejected or, with `update`, change what is there.
    Rows that cannot be loaded are written to `rejects`, a CSV file of file, line, reason and row that its owner alone may
    read. `progress` is called with table, bytes read, bytes in all.

    Raises UserError, with nothing loaded, where a file or a column is missing, a file has no header, is not UTF-8,
    cannot be unpacked or has no row that can be loaded, or the database refuses.
    """
    tables = tables_for(job_tables)
    files = files_in(folder, tables)
    with sentences(), RejectFile(rejects) as rejected, connection, connection.cursor() as cursor:
        types = _begin(cursor, tables, writing, job_tables)
        one = _Load(cursor, rejected, writing, update=update, progress=progress)
        loads = [one.of(file, types[file.table.name]) for file in files]
        cursor.execute(analyzing(job_tables) if job_tables else _statement("analyze"))
    return LoadReport(tables=tuple(loads), rejects=rejects if rejected.count else None)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What files brought into tables that held nothing else.

    `newest` is the newest time among the rows of required files, up to now.
    `visits` are the ids and clients that are known of the shipped tables.
    """

    report: LoadReport
    newest: datetime | None
    visits: tuple[tuple[str, str | None], ...]


def make_tables(connection: Any, job_tables: Sequence[SourceTable] = ()) -> None:
    """Make the source tables that are missing, the shipped job's or those given, and commit."""
    with sentences(), connection, connection.cursor() as cursor:
        _begin(cursor, tables_for(job_tables), PLAIN, job_tables)


def load_delivery(
    files: Sequence[File],
    *,
    connection: Any,
    rejects: Path,
    writing: Writing = PLAIN,
    job_tables: Sequence[SourceTable] = (),
    ended: bool | None = None,
    planned: Sequence[str] = (),
) -> Delivery:
    """Empty the source tables, load these files as `load` does, and commit. Returns what they brought.

    Times of columns that are `planned` were known ahead, and do not count as the newest. Where `ended` is given, the files are observations
    alone: their visits are made of them, as ended with the last one or not. Raises UserError as `load` does.
    """
    tables = tables_for(job_tables)
    with sentences(), RejectFile(rejects) as rejected, connection, connection.cursor() as cursor:
        types = _begin(cursor, tables, writing, job_tables)
        cursor.execute(emptying(tables))
        one = _Load(cursor, rejected, writing, update=False, progress=None)
        loads = tuple(one.of(file, types[file.table.name]) for file in files)
        if ended is not None:
            cursor.execute(_statement("derive_visits"), {"ended": ended})
        cursor.execute(analyzing(job_tables) if job_tables else _statement("analyze"))
        found = []
        for table in (each for each in tables if each.file == "required"):
            for each in newest_times(table, types[table.name], planned=planned):
                cursor.execute(each)
                found += cursor.fetchone()
        if not job_tables:
            cursor.execute(_statement("list_visits"))
        visits = () if job_tables else tuple(cursor.fetchall())
    report = LoadReport(tables=loads, rejects=rejects if rejected.count else None)
    return Delivery(report, newest=max(filter(None, found), default=None), visits=visits)


def _begin(
    cursor: Any, tables: Sequence[Table], writing: Writing, job_tables: Sequence[SourceTable]
) -> dict[str, dict[str, ColumnType]]:
    """Wait for other loads, and make what is missing. Returns the types of each table's columns."""
    cursor.execute(_statement("one_load_at_a_time"))
    if writing.zone is not None:
        cursor.execute(_statement("set_zone"), {"zone": writing.zone.key})
    for each in making(job_tables):
        cursor.execute(each)
    return {table.name: _types(cursor, table) for table in tables}


def _statement(name: str, table: Table | None = None, given: Sequence[str] = ()) -> str:
    """The statement called `name`; of a job's own table, the one for any table, filled in.

    `given` are the columns that the file has. What is said of a column that the table lacks, in lines of its own, is left out.
    """
    if table is not None and table.of_job is not None:
        return filling(name.removesuffix(f"_{table.name}"), table.of_job, given)
    text = statement(f"source/{name}")
    if table is None or table.lacks is None:
        return text
    return "\n".join(line for line in text.splitlines() if table.lacks not in line)


def _types(cursor: Any, table: Table) -> dict[str, ColumnType]:
    """The types of the table's columns in the database; a table that is missing is made."""
    cursor.execute(_statement("columns"), {"table": table.relation})
    if cursor.rowcount == 0:
        cursor.execute(_statement(f"create_{table.name}"))
        cursor.execute(_statement("columns"), {"table": table.relation})
    return column_types(cursor)


class _Load:
    """The load of a folder's files, one after the other, in a transaction that is open."""

    def __init__(
        self, cursor: Any, rejects: RejectFile, writing: Writing, *, update: bool, progress: LoadProgress | None
    ) -> None:
        self._cursor, self._rejects, self._writing = cursor, rejects, writing
        self._update, self._progress = update, progress

    def of(self, file: File, types: Mapping[str, ColumnType]) -> TableLoad:
        """Load one file. Returns its counts. Raises NothingLoaded where it has rows and none can be loaded."""
        size, rejected_before, read = file.path.stat().st_size, self._rejects.count, 0
        notes: Counter[FieldNote] = Counter()
        with open_lines(file.path) as (lines, blocks, bytes_read):
            header = read_header(lines, required=file.table.required)
            file, types = self._with_facility(file, header, types)
            table = file.table
            columns = columns_to_fill(file, header.names, types, zone_is_told=self._writing.zone is not None)
            self._cursor.execute(_statement(f"stage_{table.name}", table))
            copied = copy_file(
                lines,
                blocks,
                header=header,
                loaded=table.columns,
                columns=columns,
                writing=self._writing,
                most=ROWS_AT_ONCE,
            )
            with closing(_ahead(copied)) as pieces:
                for piece in pieces:
                    self._stage(file, piece)
                    read += piece.read
                    notes += piece.notes
                    if self._progress:
                        self._progress(table.name, bytes_read(), size)
        settled = self._settle(file, header)
        rejected = self._rejects.count - rejected_before
        if read and read == rejected and not settled.differing_rows:
            reason, times = self._rejects.most_frequent(file.path.name)
            raise NothingLoaded(
                f"{file.path}: none of its {read:,} rows can be loaded, and nothing was loaded: {reason} ({times:,} rows); "
                f"each row, with its reason, is in {self._rejects.path}."
            )
        return TableLoad(
            table=table.name,
            read=read,
            loaded=settled.inserted,
            already_there=settled.already_there,
            rejected=rejected,
            ignored_columns=tuple(name for name in header.names if name not in table.columns),
            updated=settled.updated,
            changes=settled.changes,
            differing_rows=settled.differing_rows,
            differing=settled.differing,
            beside=settled.beside,
            separator=SEPARATORS[header.separator],
            notes=dict(notes),
        )

    def _with_facility(
        self, file: File, header: Header, types: Mapping[str, ColumnType]
    ) -> tuple[File, Mapping[str, ColumnType]]:
        """The file and its table's types, where visits were made before there were facilities.

        They are given the column by a file that has it; by another, they stay as they are.
        """
        table = file.table
        if table.of_job is not None or "facility" not in set(table.columns) - set(types):
            return file, types
        if "facility" not in header.names:
            return file._replace(table=table.without("facility")), types
        self._cursor.execute(_statement("widen_visits"))
        return file, _types(self._cursor, table)

    def _stage(self, file: File, piece: Copied) -> None:
        """Copy the rows that can be read to the temporary table; write the others to the reject file."""
        self._rejects.add(file.path.name, piece.rejected)
        with _refusal_explained(file):
            copying = _statement(f"copy_{file.table.name}", file.table)
            self._cursor.copy_expert(copying, io.BytesIO(piece.text), size=_SENT_AT_ONCE)

    def _settle(self, file: File, header: Header) -> _Settled:
        """Insert the staged rows, or update by them; refuse those whose key is taken."""
        table, cursor, given = file.table, self._cursor, {"given": list(header.names)}
        cursor.execute(_statement(f"compare_{table.name}", table, header.names), given)
        differing: list[str] = []
        beside = 0
        if table.unique:
            cursor.execute(_statement(f"refuse_taken_{table.name}", table), {"update": self._update})
            refused = cursor.fetchall()
            differing = [differs for _, differs, _ in refused if differs]
            reasons = {line: _taken(table.key, differs, first) for line, differs, first in refused}
            self._rejects.add(file.path.name, _rows_on(file, reasons))
        elif table.of_job is None and not self._update:
            beside = cursor.rowcount
        cursor.execute(_statement(f"pass_known_{table.name}", table), given)
        already_there, updated = cursor.rowcount, 0
        changes: Counter[str] = Counter()
        with _refusal_explained(file):
            if self._update:
                cursor.execute(_statement(f"update_{table.name}", table, header.names), given)
                for differs, rows in cursor.fetchall():
                    updated += rows
                    changes.update(dict.fromkeys(differs.split(", "), rows))
            cursor.execute(_statement(f"insert_{table.name}", table, header.names))
        return _Settled(
            already_there=already_there,
            updated=updated,
            changes=changes,
            differing_rows=len(differing),
            differing=tuple(dict.fromkeys(name for each in differing for name in each.split(", "))),
            beside=beside,
            inserted=cursor.rowcount,
        )


def _ahead(pieces: Iterator[Copied]) -> Generator[Copied]:
    """The pieces; each is made by another thread while the one before is used."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        coming = thread.submit(next, pieces, None)
        while (piece := coming.result()) is not None:
            coming = thread.submit(next, pieces, None)
            yield piece


def _taken(key: str, differs: str | None, first_line: int) -> tuple[str]:
    """Why a row is refused: its key is there with other values, or on an earlier line."""
    if differs:
        return (f"{key} is already there with another {differs}",)
    return (f"{key} is already on line {first_line}",)


def _rows_on(file: File, reasons: Mapping[int, tuple[str]]) -> Iterator[Rejected]:
    """The rows on the lines in `reasons`, with their reasons; the file is read again for them."""
    if not reasons:
        return
    with open_lines(file.path) as (lines, _, _):
        header = read_header(lines, required=file.table.required)
        for row in read_rows(lines, header=header, loaded=file.table.columns):
            if row.line in reasons:
                yield Rejected(row.line, reasons[row.line], row.text)


@contextmanager
def _refusal_explained(file: File) -> Iterator[None]:
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
