"""One read-only session that gives a statement's rows as Arrow columns, by ADBC over binary COPY."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import adbc_driver_manager
import adbc_driver_postgresql.dbapi
import pyarrow as pa
import pyarrow.compute as pc
from adbc_driver_manager import dbapi

from scorer.database.connecting import refusals, refused_settings, searching, settling
from scorer.database.connection import Target, columns_uri
from scorer.database.error_messages import NOT_UTF8, refuse_text, sentences, sqlstate_of
from scorer.database.statements import statement
from scorer.errors import UserError
from scorer.types.values import Position

_WRITES = "25006"


def _uninterrupted(function: Callable[..., Any], args: Any, kwargs: Any, _: object) -> Any:
    """Call the function. An interrupt takes effect when it returns, by statement_timeout at the latest."""
    return function(*args, **kwargs)


# The driver takes the main thread's SIGINT for itself while it waits, and drops it where the answer comes all the same: a run that an
# operator interrupts would go on.
if hasattr(dbapi, "_blocking_call"):
    setattr(dbapi, "_blocking_call", _uninterrupted)  # noqa: B010 - the driver's types do not name it


# Classes of SQLSTATE that say nothing about the session: cardinality, data, an exception that a function raised.
_OF_DATA = frozenset({"21", "22", "P0"})


class ArrowSession:
    """A read-only session; opened when first used, and anew after `close` or a failure."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._session: dbapi.Connection | None = None
        self._opening: Future[dbapi.Connection] | None = None
        self._bound: dict[str, str] = {}

    def open_ahead(self) -> None:
        """Begin to open the session, in a thread: it takes a while, since the driver reads the server's types."""
        if self._session is None and self._opening is None:
            opener = ThreadPoolExecutor(1, thread_name_prefix="opener")
            self._opening = opener.submit(_connect, self.target)
            opener.shutdown(wait=False)

    def _opened(self) -> dbapi.Connection:
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
        with self._cursor(where) as cursor:
            if new := {name: value for name, value in settings.items() if self._bound.get(name) != value}:
                cursor.execute(statement("bind_parameters"), (json.dumps(new),))
                cursor.fetchall()
                self._bound |= new
            cursor.execute(query)
            return _without_padding(cursor.fetch_arrow_table())

    @contextmanager
    def one_snapshot(self) -> Iterator[None]:
        """Have all queries of the block see the database as of one moment. Where one fails, the session ends.

        Raises UserError where they were not all of one session.
        """
        try:
            with self._cursor("The snapshot") as cursor:
                session = self._session
                assert session is not None
                session.adbc_connection.set_autocommit(False)
                cursor.execute(statement("begin_snapshot"))
            yield
            if self._session is not session:
                lost = "The session of a snapshot was lost, and what was read is of more moments than one."
                raise UserError(lost)  # noqa: TRY301 - ended as any other
            with self._cursor("The snapshot"):
                session.adbc_connection.set_autocommit(True)
        except BaseException:
            self.close()
            raise

    def replayed(self, position: Position) -> Mapping[str, Any]:
        """How far the server is from `position`: the columns of sql/engine/server/replayed_position.sql."""
        with self._cursor("The standby's position") as cursor:
            cursor.execute(statement("replayed_position"), (position.written,))
            (row,) = cursor.fetch_arrow_table().to_pylist()
            return dict(row)

    @contextmanager
    def _cursor(self, where: str) -> Iterator[dbapi.Cursor]:
        with sentences(adbc_driver_manager.Error, where=where):
            if self._session is None:
                self._session = self._opened()
            try:
                with self._session.cursor() as cursor:
                    yield cursor
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
        with self._session.cursor() as cursor:
            cursor.execute(statement("read_encoding"))
            return str(cursor.fetch_arrow_table()["encoding"][0].as_py())


def _without_padding(table: pa.Table) -> pa.Table:
    """The table without the blanks that fill up a char(n): in SQL they do not count either."""
    for place, field in enumerate(table.schema):
        if (field.metadata or {}).get(b"POSTGRESQL:type") == b"bpchar":
            table = table.set_column(place, field, pc.utf8_rtrim(table[place], characters=" "))
    return table


def _connect(target: Target) -> dbapi.Connection:
    """Open a session with its settings made."""
    with refusals(target, adbc_driver_manager.Error):
        session: dbapi.Connection = adbc_driver_postgresql.dbapi.connect(columns_uri(target), autocommit=True)
    try:
        with refused_settings(target, adbc_driver_manager.Error), session.cursor() as cursor:
            cursor.execute(searching())
            text, asked = settling(target, read_only=True)
            cursor.execute(text, (asked,))
            cursor.fetchall()
    except BaseException:
        session.close()
        raise
    return session
