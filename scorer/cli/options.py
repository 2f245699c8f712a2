"""What the commands share: common options, the database in use, and sessions with it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scorer.config import Settings, require_readable_url, url_place
from scorer.errors import UserError

if TYPE_CHECKING:
    from scorer.database.connection import Database
    from scorer.database.embedded.server import Server
    from scorer.database.session import Session

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
backend_option = click.option(
    "--backend",
    type=click.Choice(["processes", "threads", "dask"]),
    help="What the workers are: processes or threads of this machine, or those of a Dask cluster; the option backend, where not given.",
)
scheduler_option = click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Of the Dask cluster, such as tls://dask.example:8786; the option scheduler, where not given.",
)


def with_backend(settings: Settings, *, backend: str | None, scheduler: str | None) -> Settings:
    """The settings with the command line's backend and scheduler, where given.

    Raises UserError where there is a scheduler and the backend is not Dask.
    """
    if scheduler is not None and (backend or settings.backend) != "dask":
        raise UserError("--scheduler is for a Dask cluster; add --backend dask.")
    return replace(settings, backend=backend or settings.backend, scheduler=scheduler or settings.scheduler)


_FIRST_YEAR = 1900  # as in due.sql: an earlier time is a mistake


class Moment(click.ParamType[datetime]):
    """The type of an option that is a time with its zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read the time. Returns it in UTC; fails where it cannot be read or has no zone."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f'"{value}" is not a time; write it as 2025-06-01T00:00:00Z', param, ctx)
        if moment.year < _FIRST_YEAR:
            self.fail(
                f'"{value}" lies before {_FIRST_YEAR}, when nothing was recorded; write it as 2025-06-01T00:00:00Z',
                param,
                ctx,
            )
        if moment.tzinfo is None:
            whole = moment.isoformat()
            self.fail(f'"{value}" has no time zone; write it as {whole}Z or {whole}+02:00', param, ctx)
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            self.fail(f'"{value}" lies beyond all calendars; write it as 2025-06-01T00:00:00Z', param, ctx)


def embedded_server(settings: Settings) -> Server:
    """The embedded PostgreSQL. Raises UserError where the settings name another database."""
    from scorer.database.embedded.server import Server

    require_readable_url()
    if settings.database_url is not None:
        raise UserError(f"{url_place()} names the database: that server is not ours to start or stop.")
    return Server.at(settings.home_dir)


def database_url(settings: Settings) -> str:
    """The URL of the database in use.

    Raises UserError where it is that of the embedded PostgreSQL and the server is stopped.
    """
    if settings.database_url is not None:
        return settings.database_url
    server = embedded_server(settings)
    if not server.running():
        raise UserError(
            "The embedded PostgreSQL is not running; `scorer db start` starts it (or set SCORER_DATABASE_URL)."
        )
    return server.url


def database_of(settings: Settings) -> Database:
    """The database in use, with its settings. Raises UserError as `database_url` does."""
    from scorer.database.connection import Database

    return Database(database_url(settings), settings)


def owners_database(settings: Settings) -> Database:
    """The database in use, by the URL of a login that owns the schema where the settings have one.

    Raises UserError as `database_url` does.
    """
    if settings.owner_database_url is None:
        return database_of(settings)
    from scorer.database.connection import Database

    return Database(settings.owner_database_url, settings)


@contextmanager
def opened_session(settings: Settings, *, as_worker: bool) -> Iterator[Session]:
    """Open a Session in one transaction, as the worker or as the login itself.

    The transaction is committed at the end. Raises UserError where the schema is not at head.
    """
    from scorer.database import schema
    from scorer.database.session import Session, engine

    database = database_of(settings)
    target = database.as_worker() if as_worker else database.as_login()
    schema.require_head(engine(target))
    session = Session(target)
    try:
        with session.transaction():
            yield session
    finally:
        session.close()


def program() -> str:
    """What to type to run this program: its name, or its path where the shell does not find the name."""
    return "scorer" if shutil.which("scorer") else sys.argv[0]


def how_to_connect() -> str:
    """What to type to open the database in use with psql."""
    return f'psql "$({program()} db url)"'


def reject_file(settings: Settings, folder: Path) -> Path:
    """The path of a new reject file for the rows of `folder`."""
    return settings.home_dir / "rejects" / f"{folder.name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.csv"
