"""A job's example as it arrives: its rows moved in time, two thirds there from the beginning, the others hour by hour, some of them late.

Nothing here knows a job: tables.toml says which tables and columns there are, and which of them are times. All times of an example are
moved by the same span, so that its newest come at the end. The last third of each table's rows, by their own times, arrive spread evenly
over the time to live, each no sooner than it happened: where an example spans years, they arrive late. What `recorded_at` says is then the
arrival. The dirt is that of the example; a row with a value that its column cannot take is left out, as `scorer load` rejects it.
"""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2

from scorer.jobs.folder.tables import SourceTable, read_tables

TIMES = ("timestamptz", "timestamp", "date")
NEWEST = 0.98  # the quantile of all times that counts as the newest: a few are dirt, or lie ahead
ARRIVING = 3  # one row in so many arrives while the job lives


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a source table, moved in time, and when it arrives."""

    arrives_at: datetime
    table: SourceTable
    values: dict[str, Any]


def moment_of(value: str) -> datetime | None:
    """The time that a field says; None where it says none."""
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def rows_in(folder: Path, table: SourceTable) -> Iterator[dict[str, str]]:
    """The rows of a table's file."""
    plain, packed = folder / f"{table.name}.csv", folder / f"{table.name}.csv.gz"
    text = plain.read_bytes() if plain.exists() else gzip.decompress(packed.read_bytes())
    yield from csv.DictReader(io.StringIO(text.decode("utf-8"), newline=""))


class Arrivals:
    """The rows of a job's example, in the order of their arrival between `began` and `until`."""

    def __init__(self, job: str, *, jobs_dir: Path, began: datetime, until: datetime) -> None:
        folder = jobs_dir / "sql" / job / "example"
        found = [
            (table, list(rows_in(folder, table)))
            for table in read_tables(job, jobs_dir=jobs_dir)
            if any((folder / f"{table.name}{kind}").exists() for kind in (".csv", ".csv.gz"))
        ]
        times = sorted(
            moment
            for table, rows in found
            for row in rows
            for column in self._time_columns(table)
            if (moment := moment_of(row.get(column, ""))) is not None and moment.year < 2100
        )
        span = until - times[int(NEWEST * (len(times) - 1))] if times else timedelta(0)
        self._rows: list[Row] = []
        for table, rows in found:
            self._rows += self._arriving(
                table, [self._moved(table, row, span) for row in rows], began=began, until=until
            )
        self._rows.sort(key=lambda row: row.arrives_at)
        self._next = 0

    def __len__(self) -> int:
        return len(self._rows)

    def arrive(self, connection: Any, *, now: datetime) -> int:
        """Insert what has arrived by now. Returns how many rows that were."""
        before = self._next
        with connection.cursor() as cursor:
            while self._next < len(self._rows) and self._rows[self._next].arrives_at <= now:
                row = self._rows[self._next]
                names, places = ", ".join(row.values), ", ".join(["%s"] * len(row.values))
                try:
                    cursor.execute(f"INSERT INTO {row.table.table} ({names}) VALUES ({places})", [*row.values.values()])
                except psycopg2.errors.UndefinedTable:
                    break  # a mishap; it arrives once the table is back
                except (psycopg2.DataError, psycopg2.IntegrityError):
                    pass  # `scorer load` rejects it
                self._next += 1
        return self._next - before

    @staticmethod
    def _time_columns(table: SourceTable) -> list[str]:
        return [name for name, kind in table.columns.items() if kind in TIMES]

    def _moved(self, table: SourceTable, row: dict[str, str], span: timedelta) -> dict[str, Any]:
        values: dict[str, Any] = {name: row[name] or None for name in table.columns if name in row}
        for column in self._time_columns(table):
            moment = moment_of(row.get(column, ""))
            if moment is not None:
                try:
                    moved: datetime | date = moment + span
                except OverflowError:
                    continue  # a placeholder such as 9999-12-31
                values[column] = (
                    moved.date() if table.columns[column] == "date" and isinstance(moved, datetime) else moved
                )
        return values

    def _arriving(
        self, table: SourceTable, rows: list[dict[str, Any]], *, began: datetime, until: datetime
    ) -> Iterator[Row]:
        columns = self._time_columns(table)

        def happened(values: dict[str, Any]) -> datetime:
            known = [as_moment(values[name]) for name in columns if isinstance(values.get(name), date)]
            return max((each for each in known if each <= until), default=began)

        rows.sort(key=happened)
        first = len(rows) - len(rows) // ARRIVING if columns else len(rows)
        for place, values in enumerate(rows):
            arrives = began
            if place >= first:
                share = (place - first + 1) / (len(rows) - first)
                arrives = max(began + share * (until - began), happened(values))
                if isinstance(values.get("recorded_at"), datetime):
                    values["recorded_at"] = max(arrives, values["recorded_at"])
            yield Row(arrives, table, values)


def as_moment(value: date) -> datetime:
    """The time, or the beginning of the day, in UTC."""
    return value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)
