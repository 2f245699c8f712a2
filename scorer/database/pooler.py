"""Whether a pooler leaves a session of ours one session of the server's for as long as it lasts."""

from __future__ import annotations

import time
from typing import Any

import psycopg2

from scorer.config import url_place
from scorer.database.connection import Target, answers
from scorer.database.error_messages import unreachable
from scorer.database.statements import statement
from scorer.errors import DatabaseUnavailable, UserError

_OTHERS = 3  # sessions that are opened beside, to be given what the first has let go of
_PATIENCE = 10.0  # seconds for each of them
_PROVEN = 60.0  # seconds for which what was found of a URL holds
_found_at: dict[str, float] = {}


def require_own_backend(connection: Any, *, backend: int, target: Target) -> None:
    """Raise UserError where others are given the server's process `backend`, by a pooler.

    It is the one that made this session's settings. What was found of the same URL a moment ago counts.
    """
    if time.monotonic() - _found_at.get(target.url, -_PROVEN) < _PROVEN:
        return
    others: list[Any] = []
    try:
        for _ in range(_OTHERS):
            others.append(psycopg2.connect(target.dsn, async_=True))
            # Its transaction stays open, and so keeps what it was given.
            if _held_by(others[-1]) == backend:
                raise _by_transaction()
        require_same_backend(connection, backend=backend)
    except psycopg2.Error as error:
        raise unreachable(error, target.parameters) from None
    finally:
        for other in others:
            other.close()
    _found_at[target.url] = time.monotonic()


def require_same_backend(connection: Any, *, backend: int) -> None:
    """Raise UserError where the transaction is not carried by the server's process `backend`."""
    with connection.cursor() as cursor:
        cursor.execute(statement("name_backend"))
        ((pid,),) = cursor.fetchall()
    if pid != backend:
        raise _by_transaction()


def _by_transaction() -> UserError:
    return UserError(
        "A pooler (pgbouncer, say) stands before the database and gives each transaction, or each statement, another of the server's "
        "sessions, so that role, row_security and timeouts are lost; set its pool_mode = session for scorer's database or user, or have "
        f"{url_place()} lead to the server itself."
    )


def _held_by(other: Any) -> int:
    """Begin a transaction, once the session is open. Returns the server's process that carries it."""
    deadline = time.monotonic() + _PATIENCE
    _wait(other, deadline)
    try:
        cursor = other.cursor()
        cursor.execute(statement("hold_backend"))
        _wait(other, deadline)
        ((pid,),) = cursor.fetchall()
    except psycopg2.Error:  # pool_mode = statement: no transaction at all
        raise _by_transaction() from None
    return int(pid)


def _wait(other: Any, deadline: float) -> None:
    if not answers(other, deadline=deadline):
        raise DatabaseUnavailable(
            "A pooler stands before the database and has no session free, so that it cannot be seen whether it keeps a session's "
            f"settings; raise its pool_size (or default_pool_size) by {_OTHERS}, or have {url_place()} lead to the server itself."
        )
