"""What a command prints: what went wrong, numbers and times, tables, JSON, and a progress bar."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields as fields_of
from datetime import datetime
from typing import Any, NoReturn

import click

from scorer import __version__
from scorer.log import events, logger
from scorer.log.logger import say

_log = logging.getLogger(__name__)
EXIT_BUG = 70
_WIDE = 160  # columns of a line where stdout is no terminal


# What went wrong


def print_refusal(sentence: str) -> None:
    """Write one sentence to stderr; an event like all others where the log is read by a program."""
    if logger.read_by_people():
        click.echo(f"scorer: {sentence}", err=True)
    else:
        say(_log, events.REFUSED, error=sentence)


def print_bug(bug: Exception) -> None:
    """Write the traceback to stderr; an event where the log is read by a program."""
    if logger.read_by_people():
        click.echo(logger.traceback_of(bug), err=True)
        click.echo(f"scorer: this is a bug in scorer {__version__}; please report it with the lines above.", err=True)
    else:
        say(_log, events.BUG, raised=bug, version=__version__)


# Numbers and times


def shown_number(value: float | None, form: str = ".3f", *, none: str = "") -> str:
    """The number in the format `form`; `none` where there is no value.

    >>> shown_number(0.12345), shown_number(1234567.0, ".6g"), shown_number(None, none="unknown")
    ('0.123', '1.23457e+06', 'unknown')
    """
    return none if value is None else f"{value:{form}}"


def shown_interval(low: float | None, high: float | None, form: str = ".3f", *, none: str = "") -> str:
    """The interval from `low` to `high`, each as `shown_number` shows it.

    >>> shown_interval(0.7, 0.75), shown_interval(0.7, None, ".1f", none="unknown")
    ('0.700 to 0.750', '0.7 to unknown')
    """
    return f"{shown_number(low, form, none=none)} to {shown_number(high, form, none=none)}"


def shown_time(moment: datetime, *, to_the_second: bool = False) -> str:
    """The time, which is to be in UTC, to the minute or to the second.

    >>> shown_time(datetime.fromisoformat("2025-06-01T12:30:05Z"))
    '2025-06-01 12:30Z'
    """
    return f"{moment:%Y-%m-%d %H:%M:%SZ}" if to_the_second else f"{moment:%Y-%m-%d %H:%MZ}"


# What is shown anew


_LOOKS = 0.2  # seconds between looks at the size of the terminal


def show_anew(read: Callable[[], Callable[[int], str]], *, every: float) -> None:
    """Show a text anew every so many seconds, until Ctrl-C.

    `read` gives what makes the text for a width in columns. On a terminal the text stands in one place, and is laid out anew where that is
    resized; elsewhere each is printed below the one before, until nobody reads any more. A read that took long is followed by a longer
    pause: the database is to be looked at, not to be kept busy.
    """
    try:
        if sys.stdout.isatty():
            _show_in_place(read, every=every)
        else:
            _show_below(read, every=every)
    except KeyboardInterrupt:
        pass  # which is how this ends
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # what Python writes out at its end has a place to go


def _pause(began: float, *, every: float) -> float:
    return max(every, 20 * (time.monotonic() - began))


def _show_below(read: Callable[[], Callable[[int], str]], *, every: float) -> NoReturn:
    while True:
        began = time.monotonic()
        click.echo(f"{read()(_WIDE)}\n")
        time.sleep(_pause(began, every=every))


def _show_in_place(read: Callable[[], Callable[[int], str]], *, every: float) -> NoReturn:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console()

    def fitted(made: Callable[[int], str]) -> Text:
        lines = made(console.width).splitlines()
        if len(lines) > console.height:
            hidden = len(lines) - console.height + 1
            lines = [*lines[: console.height - 1], f"... {hidden} more lines: make the window taller"]
        return Text("\n".join(lines), no_wrap=True, overflow="crop")

    pause = every
    made = read()  # before the terminal is taken, so that what is wrong at the first is said as by every command
    with Live(fitted(made), console=console, screen=True, auto_refresh=False) as live:
        began, size = time.monotonic(), console.size
        while True:
            while time.monotonic() - began < pause:
                time.sleep(min(_LOOKS, pause))
                if console.size != size:
                    size = console.size
                    live.update(fitted(made), refresh=True)
            began = time.monotonic()
            made = read()
            pause = _pause(began, every=every)
            live.update(fitted(made), refresh=True)


# Tables and JSON


def print_json(value: Mapping[str, Any]) -> None:
    """Print `value` as one JSON object on stdout."""
    click.echo(json.dumps(value, default=lambda each: each.isoformat() if isinstance(each, datetime) else str(each)))


def screen_width() -> int:
    """Columns of the terminal; 160 where stdout is no terminal, so that lines are not wrapped."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _WIDE


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table on stdout, with columns of numbers aligned to the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    numbers = [all(isinstance(row[place], int | float) for row in rows) for place in range(len(header))]
    for name, right in zip(header, numbers, strict=True):
        table.add_column(name, justify="right" if right else "left")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    Console(width=None if sys.stdout.isatty() else _WIDE).print(table)


def _cell(value: object) -> str:
    """The text of one cell: empty for None."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return shown_time(value, to_the_second=True)
    if isinstance(value, float):
        return shown_number(value)
    return f"{value:,}" if isinstance(value, int) else str(value)


def print_rows(rows: Sequence[Mapping[str, Any]], *, none: str) -> None:
    """Print rows of the database as a table; the sentence `none` where there are no rows."""
    if not rows:
        click.echo(none)
        return
    print_table([name.replace("_", " ") for name in rows[0]], [list(row.values()) for row in rows])


def print_migration(moved: Any, *, one: str | None, other: str, bands: Sequence[str]) -> None:
    """Print how many entities are in which band by two models, one row per band of the first."""
    if one is None:
        click.echo(f"Production is empty: {moved.entities:,} entities were scored by {other} alone.")
    print_table([f"{one or other} \\ {other}", *moved.order, "in all"], moved.table())
    if one is not None:
        rest = moved.moved - moved.up - moved.down
        directions = (
            f": {moved.up:,} to a higher band, {moved.down:,} to a lower one, {rest:,} to or from none" if bands else ""
        )
        click.echo(f"{moved.moved:,} of {moved.entities:,} entities would stand elsewhere{directions}.")


def print_load(report: Any, *, zone: str | None = None) -> None:
    """Print how many rows of each file were loaded or rejected, and what is told of them.

    `zone`: whose clock times without a zone were said to show.
    """
    updated = ("updated",) if any(table.updated for table in report.tables) else ()
    names = ("table", "read", "loaded", *updated, "already_there", "rejected")
    print_rows([{name: getattr(table, name) for name in names} for table in report.tables], none="Nothing was read.")
    for table in report.tables:
        for sentence in _told(table, zone=zone):
            click.echo(sentence)
    if report.rejects is not None:
        click.echo(f"Rejected rows, with line and reason: {report.rejects}")


def _told(table: Any, *, zone: str | None) -> Iterator[str]:
    """A sentence for each thing that a reader of the table's counts should know."""
    if table.separator != "commas":
        yield f"The fields of {table.table} are separated by {table.separator}."
    if table.ignored_columns:
        yield f"Columns of {table.table} that were not loaded: {', '.join(table.ignored_columns)}."
    if table.changes:
        yield f"Updated in {table.table}: {', '.join(f'{name} of {rows:,}' for name, rows in table.changes.items())}."
    if table.beside:
        yield (
            f"{_counted(table.beside, 'row')} of {table.table} stand beside one of the same visit, time and code with another value; "
            "--update replaces it."
        )
    without_zone = sum(fields for told, fields in table.notes.items() if told.note.name == "ZONE")
    if without_zone:
        yield f"{table.table}: {_counted(without_zone, 'time')} without a zone, taken as {zone}."
    for told, fields in table.notes.items():
        where = f"{table.table}: {_counted(fields, 'field')} of {told.column}"
        if told.note.name == "EMPTY":
            yield f"{where} {f'read {told.word}' if told.word else 'blank'}, taken as empty."
        elif told.note.name == "WORD":
            yield f"{where} read {told.word}, loaded as that word; --null {told.word} takes it as empty."
        elif told.note.name == "WALL":
            yield f"{where} without a zone, as the column is."


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def load_as_json(report: Any) -> dict[str, Any]:
    """The report of a load as one JSON object."""
    tables = []
    for table in report.tables:
        notes = [
            {"note": told.note.value, "column": told.column, "word": told.word, "fields": fields}
            for told, fields in table.notes.items()
        ]
        tables.append({each.name: getattr(table, each.name) for each in fields_of(table)} | {"notes": notes})
    return {"tables": tables, "rejects": report.rejects and str(report.rejects)}


def print_run(ended: Mapping[str, Any]) -> None:
    """Print how a run ended."""
    number = f"Run {ended['run_id']}" if ended["run_id"] is not None else "Dry run"
    known = f" as known at {ended['as_known_at']}" if "as_known_at" in ended else ""
    click.echo(
        f"{number} of {ended['job']} as of {ended['as_of']}{known}: {ended['status']} in {ended['seconds']:.1f} s"
    )
    names = ("eligible", "scored", "unchanged", "quarantined", "insufficient", "indeterminate", "failed")
    print_table(names, [[ended[name] for name in names]])


def print_plan(job: Any, planned: Sequence[Any], *, settings: Any) -> None:
    """Print what a run of a job would execute in the database, statement by statement."""
    size = settings.batch_size or job.batch_size
    click.echo(
        f"A run of job {job.name}, on its schedule {job.schedule.cron} ({job.schedule.timezone}), in batches of {size:,}, as "
        f"{settings.worker_role}.\nstatement_timeout {settings.statement_timeout}, lock_timeout {settings.lock_timeout}. "
        "Nothing below was run; rows are the planner's estimates."
    )
    for number, each in enumerate(planned, start=1):
        click.echo(f"\n{number}. {each.name}, {each.when}, at {each.where}. {each.does}")
        click.echo(f"   rows:  {each.rows:,}; in its largest step {each.most_rows:,}")
        click.echo(f"   locks: {', '.join(f'{lock.relation} {lock.mode}' for lock in each.locks) or 'none'}")
        for title, lines in (("statement", each.statement.splitlines()), ("plan", each.plan)):
            click.echo("\n".join([f"   {title}:", *(f"      {line}".rstrip() for line in lines)]))
    click.echo(
        "\nACCESS SHARE is what any SELECT takes, and is in the way of ALTER, DROP and TRUNCATE alone. ROW SHARE and ROW EXCLUSIVE are "
        "what SELECT FOR UPDATE\nand any UPDATE take: they are in each other's way nowhere, and in the way of CREATE INDEX without "
        "CONCURRENTLY. ROW SHARE here locks rows with\nSKIP LOCKED: a row that somebody holds is passed over, and waited for by nobody."
    )


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[..., None] | None]:
    """A progress bar on stderr where that is a terminal. Gives None otherwise."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None)

        def show(done: int, total: int, part: str = "") -> None:
            bar.update(task, completed=done, total=total, description=f"{what} {part}".strip())

        yield show
