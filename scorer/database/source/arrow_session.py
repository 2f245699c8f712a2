"""One read-only session that gives a statement's rows as Arrow columns, by ADBC over binary COPY.

The driver is called by its own interface. Its DB-API imports pandas and, where that is there, polars, which takes a quarter of a second of
every cold run; and while it waits it takes the main thread's SIGINT for itself, and drops it where the answer comes all the same: a run
that an operator interrupts would go on. Here an interrupt takes effect when the statement returns, by statement_timeout at the latest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import adbc_driver_manager
import adbc_driver_postgresql
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_manager import AdbcConnection, AdbcStatement
from adbc_driver_manager._reader import AdbcRecordBatchReader  # what its DB-API reads by: errors with their SQLSTATE

from scorer.database.connecting import refusals, refused_settings, searching, settling
from scorer.database.connection import Target, columns_uri
from scorer.database.error_messages import NOT_UTF8, refuse_text, sentences, sqlstate_of
from scorer.database.source.arrow_arrays import one_text
from scorer.database.statements import statement
from scorer.errors import UserError
from scorer.types.values import Position

_WRITES = "25006"


# Classes of SQLSTATE that say nothing about the session: cardinality, data, an exception that a function raised.
_OF_DATA = frozenset({"21", "22", "P0"})


class ArrowSession:
    """A read-only session; opened when first used, and anew after `close` or a failure."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._session: _Session | None = None
        self._opening: Future[_Session] | None = None
        self._bound: dict[str, str] = {}

    def open_ahead(self) -> None:
        """Begin to open the session, in a thread: it takes a while, since the driver reads the server's types."""
        if self._session is None and self._opening is None:
            opener = ThreadPoolExecutor(1, thread_name_prefix="opener")
            self._opening = opener.submit(_connect, self.target)
            opener.shutdown(wait=False)

    def _opened(self) -> _Session:
        opening, self._opening = self._opening, None
        return _connect(self.target) if opening is None else opening.result()

    def close(self) -> None:
        """End the session."""
        if self._opening is not None:
            with suppress(UserError, adbc_driver_manager.Error):
                self._session = self._opened()
        session, self._session = self._session, None
        self._bound.clear()
        if session is not None:
            session.close()

    def query(self, query: str, settings: Mapping[str, str], *, where: str) -> pa.Table:
        """Run a statement without parameters after `settings` have been made. Returns its rows as columns.

        A setting that the session has already is not made again. `where` says in an error which statement it was.
        """
        with self._used(where) as session:
            if new := {name: value for name, value in settings.items() if self._bound.get(name) != value}:
                session.read(statement("bind_parameters"), json.dumps(new))
                self._bound |= new
            return _without_padding(session.read(query))

    @contextmanager
    def one_snapshot(self) -> Iterator[None]:
        """Have all queries of the block see the database as of one moment. Where one fails, the session ends.

        Raises UserError where they were not all of one session.
        """
        try:
            with self._used("The snapshot") as session:
                session.commit_each(each=False)
                session.read(statement("begin_snapshot"))
            yield
            if self._session is not session:
                lost = "The session of a snapshot was lost, and what was read is of more moments than one."
                raise UserError(lost)  # noqa: TRY301 - ended as any other
            with self._used("The snapshot"):
                session.commit_each(each=True)
        except BaseException:
            self.close()
            raise

    def replayed(self, position: Position) -> Mapping[str, Any]:
        """How far the server is from `position`: the columns of sql/engine/server/replayed_position.sql."""
        with self._used("The standby's position") as session:
            (row,) = session.read(statement("replayed_position"), position.written).to_pylist()
            return dict(row)

    @contextmanager
    def _used(self, where: str) -> Iterator[_Session]:
        with sentences(adbc_driver_manager.Error, where=where):
            if self._session is None:
                self._session = self._opened()
            try:
                yield self._session
            except adbc_driver_manager.Error as error:
                # What the data did, the session outlives: a batch that is halved over it would open it anew hundreds of times.
                if (sqlstate_of(error) or "")[:2] not in _OF_DATA:
                    self.close()
                if sqlstate_of(error) == NOT_UTF8:
                    raise refuse_text(where=where, encoding=self._encoding()) from None
                if sqlstate_of(error) == _WRITES:
                    raise UserError(
                        f"{where} would write, and is run in a read-only session; have it, and the functions that it calls, only read."
                    ) from None
                raise

    def _encoding(self) -> str:
        """The encoding of the database's text."""
        assert self._session is not None
        return str(self._session.read(statement("read_encoding"))["encoding"][0].as_py())


def _without_padding(table: pa.Table) -> pa.Table:
    """The table without the blanks that fill up a char(n): in SQL they do not count either."""
    for place, field in enumerate(table.schema):
        if (field.metadata or {}).get(b"POSTGRESQL:type") == b"bpchar":
            table = table.set_column(place, field, pc.utf8_rtrim(table[place], characters=" "))
    return table


class _Session:
    """A session of the driver's: each statement a transaction of its own, unless it is told otherwise."""

    def __init__(self, uri: str) -> None:
        self._database = adbc_driver_postgresql.connect(uri)
        try:
            self._connection = AdbcConnection(self._database)
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        self._connection.close()
        self._database.close()

    def commit_each(self, *, each: bool) -> None:
        """Whether each statement is a transaction of its own from now on; the one that is open is committed."""
        self._connection.set_autocommit(each)

    def read(self, query: str, parameter: str | None = None) -> pa.Table:
        """Run a statement, with a text for its $1 where one is given. Returns its rows."""
        with AdbcStatement(self._connection) as running:
            running.set_sql_query(query)
            running.prepare()
            if parameter is not None:
                running.bind(one_text(parameter))
            rows, _ = running.execute_query()
            return AdbcRecordBatchReader._import_from_c(rows.address).read_all()  # noqa: SLF001 - as its DB-API does


def _connect(target: Target) -> _Session:
    """Open a session with its settings made."""
    with refusals(target, adbc_driver_manager.Error):
        session = _Session(columns_uri(target))
    try:
        with refused_settings(target, adbc_driver_manager.Error):
            session.read(searching())
            text, asked = settling(target, read_only=True)
            session.read(text, asked)
    except BaseException:
        session.close()
        raise
    return session
