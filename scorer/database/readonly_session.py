"""A read-only session whose every wait has an end, whatever happens to the server or the network.

libpq waits for a stopped server, or through a cut network, for as long as the kernel does. Here every wait ends by our own clock; then
the session is closed, and the next statement opens a new one.
"""

from __future__ import annotations

import time
from collections import namedtuple
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import psycopg2

from scorer.config import url_place
from scorer.database.connecting import Connection, refusals, refused_settings, searching, settle, settling
from scorer.database.connection import Target, answers
from scorer.database.error_messages import sentences
from scorer.database.statements import statement
from scorer.errors import DatabaseUnavailable


class ReadOnlySession:
    """One read-only session with `target`; opened when first used, and anew after `close` or a failure."""

    def __init__(self, target: Target, *, patience: timedelta) -> None:
        self._target = replace(target, statement_timeout=min(patience, target.statement_timeout))
        self._patience = patience
        self._connection: Any = None
        self._renew = False

    def renew(self) -> None:
        """Have the next statement open a new session; for any thread."""
        self._renew = True

    def close(self) -> None:
        """End the session."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def all(self, name: str, **parameters: Any) -> Sequence[Any]:
        """Run the statement called `name`. Returns its rows as named tuples, none where it gives none.

        Raises DatabaseUnavailable where they have not come within the session's patience.
        """
        deadline = time.monotonic() + self._patience.total_seconds()
        if self._renew:
            self._renew = False
            self.close()
        try:
            with sentences():
                return self._read(statement(name), parameters, deadline=deadline)
        except BaseException:
            self.close()
            raise

    def _read(self, query: str, parameters: dict[str, Any], *, deadline: float) -> Sequence[Any]:
        if self._connection is None:
            self._connection = self._opened(deadline)
        cursor = self._connection.cursor()
        cursor.execute(query, parameters)
        self._wait(self._connection, deadline)
        if cursor.description is None:
            return ()
        row = _row_type(tuple(column.name for column in cursor.description))
        return [row(*values) for values in cursor.fetchall()]

    def _opened(self, deadline: float) -> Any:
        """Open a session with its settings made."""
        with refusals(self._target):
            connection = psycopg2.connect(self._target.dsn, connection_factory=Connection, async_=True)
            self._wait(connection, deadline)
        text, asked = settling(self._target, read_only=True)
        with refused_settings(self._target):
            cursor = connection.cursor()
            cursor.execute(f"{searching()};\n{text.replace('$1', '%s')}", (asked,))
            self._wait(connection, deadline)
            settle(connection, cursor.fetchall())
        return connection

    def _wait(self, connection: Any, deadline: float) -> None:
        """Wait until the connection is ready for the next step. Raises DatabaseUnavailable at the deadline."""
        if not answers(connection, deadline=deadline):
            raise DatabaseUnavailable(
                f"The database did not answer within {self._patience.total_seconds():g} s; see what the server does, "
                f"or check {url_place()}."
            )


@cache
def _row_type(columns: tuple[str, ...]) -> Any:
    return namedtuple("Row", columns)
