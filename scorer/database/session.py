"""A session with the database: transactions, and the statements of sql/engine/ by their names."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from scorer.database import pooler
from scorer.database.connecting import Connection, connect
from scorer.database.connection import Target
from scorer.database.encoding import copied
from scorer.database.error_messages import TEMPORARY_TABLE, sentences
from scorer.database.statements import for_psycopg2, statement
from scorer.jobs.sql_text import BESIDE, pieces_of

_COPY_BYTES = 1 << 20  # sent to the server at once
_ROWS = 1000  # of a stream, fetched at once
_WITHOUT_PARAMETERS = {"no_parameters": True}  # a percent sign is none of the driver's marks then


def process_name() -> str:
    """This process as our rows name it: its host and its number there."""
    return f"{socket.gethostname()}/{os.getpid()}"


def engine(target: Target) -> sa.Engine:
    """An engine that opens a connection when one is asked for, and keeps none."""
    return sa.create_engine(
        "postgresql+psycopg2://",
        creator=lambda: connect(target, read_only=False),
        poolclass=sa.NullPool,
        hide_parameters=True,
        use_native_hstore=False,  # would look in each new session for a type that we do not use
    )


class Session:
    """One session with the database; opened when first used, and anew after `close`.

    All methods but `close`, `transaction` and `alone` work within `transaction()`.
    """

    def __init__(self, target: Target) -> None:
        self._engine = engine(target)
        self._session: sa.Connection | None = None
        self._made: set[str] = set()

    def close(self) -> None:
        """End the session; an open transaction is rolled back."""
        session, self._session = self._session, None
        self._made.clear()
        if session is not None:
            session.invalidate()
            session.close()

    @contextmanager
    def transaction(self, *, keep: bool = True) -> Iterator[None]:
        """Within it a transaction: committed at its end (rolled back if not `keep`), rolled back on any error."""
        with sentences():
            if self._session is None:
                self._session = self._engine.connect()
            try:
                with self._session.begin() as transaction:
                    self._require_own_backend()
                    yield
                    if not keep:
                        transaction.rollback()
                        self._made.clear()
            except BaseException:
                self._made.clear()
                raise

    def _require_own_backend(self) -> None:
        """Behind a pooler, see that the transaction has the session that the settings were made in."""
        assert self._session is not None
        connection = self._session.connection.driver_connection
        if isinstance(connection, Connection) and connection.pooled:
            pooler.require_same_backend(connection, backend=connection.backend)

    def do(self, name: str, **parameters: Any) -> None:
        """Run the statement called `name`."""
        self.execute(statement(name), parameters)

    def make(self, name: str) -> None:
        """Run the statement called `name`, which makes a temporary table, unless this session has."""
        if name not in self._made:
            with sentences(where=TEMPORARY_TABLE):
                self.do(name)
            self._made.add(name)

    def one(self, name: str, **parameters: Any) -> Any:
        """Run the statement called `name`. Returns its one row."""
        return self.execute(statement(name), parameters).one()

    def all(self, name: str, **parameters: Any) -> Sequence[Any]:
        """Run the statement called `name`. Returns its rows."""
        return self.execute(statement(name), parameters).all()

    def shown(self, name: str, **parameters: Any) -> list[Mapping[str, Any]]:
        """Run the statement called `name`. Returns its rows by the names of their columns, to show."""
        return [dict(row._mapping) for row in self.all(name, **parameters)]  # noqa: SLF001 - SQLAlchemy's documented name

    def stream(self, name: str, **parameters: Any) -> Iterator[Any]:
        """Run the statement called `name`. Gives its rows as they come, by a cursor of the server's."""
        assert self._session is not None, "outside a transaction"
        text, named = for_psycopg2(statement(name))
        options = {"stream_results": True, "yield_per": _ROWS}
        yield from self._session.exec_driver_sql(
            text, {each: parameters[each] for each in named}, execution_options=options
        )

    def copy(self, name: str, rows: Iterable[Sequence[bytes]]) -> None:
        """Copy `rows` of binary fields (see encoding.py) into the table of the COPY statement called `name`."""
        assert self._session is not None, "outside a transaction"
        cursor = self._session.connection.cursor()
        try:
            cursor.copy_expert(statement(name), io.BytesIO(copied(rows)), _COPY_BYTES)
        finally:
            cursor.close()

    def alone(self, query: str) -> None:
        """Run a statement outside any transaction, on a connection of its own."""
        with sentences(), self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(query, execution_options=_WITHOUT_PARAMETERS)

    def execute(self, query: str, parameters: Mapping[str, Any]) -> sa.CursorResult[Any]:
        """Run a statement with named parameters. Returns its result."""
        assert self._session is not None, "outside a transaction"
        text, named = for_psycopg2(query)
        if named:
            return self._session.exec_driver_sql(text, {name: parameters[name] for name in named})
        return self._session.exec_driver_sql(text, execution_options=_WITHOUT_PARAMETERS)

    def run_script(self, script: str, *, where: str = "A script") -> None:
        """Run several statements without parameters (a job's views and grants); `where` names them in errors."""
        assert self._session is not None, "outside a transaction"
        if any(piece.kind not in BESIDE for piece in pieces_of(script)):  # the driver refuses to send nothing
            with sentences(where=where):
                self._session.exec_driver_sql(script, execution_options=_WITHOUT_PARAMETERS)
