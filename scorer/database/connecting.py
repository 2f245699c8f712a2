"""Opens a session and gives it its settings: one way for all that psycopg2 reads.

The settings are made once the session is there, not asked for as it is opened: so a pooler by session (pgbouncer with pool_mode =
session) keeps them, and `target_session_attrs` of the URL means what it says. A pooler by transaction loses them without a word, and with
them the role, the refusal of rows that a policy hides, and every timeout: such a session is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg2
import psycopg2.extensions

from scorer.config import url_place
from scorer.database import pooler
from scorer.database.connection import Database, Target, plain_parameters
from scorer.database.error_messages import sqlstate_of, translate_error, unreachable
from scorer.database.statements import statement
from scorer.errors import UserError
from scorer.jobs.sql_text import without_comments

_NOT_ALLOWED, _NO_SUCH_VALUE = "42501", "22023"
_BACKSLASHES = "standard_conforming_strings"


@dataclass(frozen=True, slots=True)
class Setting:
    """A server's setting in a session; `kept` where the database, the login's role or the URL has it so."""

    name: str
    value: str
    kept: bool
    pid: int  # of the server's process that carried the transaction


class Connection(psycopg2.extensions.connection):
    """A session with its settings made."""

    settings: tuple[Setting, ...] = ()
    pooled = False  # whether a pooler stands between

    @property
    def backend(self) -> int:
        """The server's process that the settings were made in."""
        return self.settings[0].pid


def connect(target: Target, *, read_only: bool) -> Connection:
    """Open a session with the settings of `target`.

    Raises DatabaseUnavailable where the server does not answer or refuses it, UserError where the session may not have its role, or
    where a pooler gives each transaction another of the server's sessions.
    """
    with refusals(target):
        connection: Connection = psycopg2.connect(target.dsn, connection_factory=Connection)
        if connection.info.parameter_status(_BACKSLASHES) == "off":
            # The driver looks at this once, as it connects, to quote text by it.
            connection.close()
            options = f"{connection.info.options or ''} -c {_BACKSLASHES}=on"
            connection = psycopg2.connect(target.dsn, options=options, connection_factory=Connection)
    try:
        connection.autocommit = True  # what is set in a transaction is lost with it
        text, asked = settling(target, read_only=read_only)
        with refused_settings(target), connection.cursor() as cursor:
            cursor.execute(f"{searching()};\n{text.replace('$1', '%s')}", (asked,))
            settle(connection, cursor.fetchall())
        connection.autocommit = False
        if connection.pooled:
            pooler.require_own_backend(connection, backend=connection.backend, target=target)
    except BaseException:
        connection.close()
        raise
    return connection


def settle(connection: Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    """Note what the settling statement gave for a session of psycopg2's."""
    connection.settings = tuple(Setting(name, value, kept, pid) for name, kept, value, pid in rows)
    # A pooler tells its clients a number of its own.
    connection.pooled = connection.info.backend_pid != connection.backend


def searching() -> str:
    """The statement that goes before `settling`."""
    return without_comments(statement("search_own_schema"))


def settling(target: Target, *, read_only: bool) -> tuple[str, str]:
    """The statement that makes a session's settings, and its parameter."""
    return without_comments(statement("settle_session")), json.dumps(target.asked(read_only=read_only))


def lost_settings(target: Target) -> tuple[Connection, list[str]]:
    """Open a session, and compare it in two transactions of their own with what it was given.

    Returns it closed, and the names of the settings that it has lost.
    """
    with closing(connect(target, read_only=False)) as connection, connection.cursor() as cursor:
        given = {each.name: each.value for each in connection.settings}
        text = without_comments(statement("list_settings")).replace(":names", "%s")
        lost = set()
        for _ in range(2):
            cursor.execute(text, (list(given),))
            lost |= {name for name, value in cursor.fetchall() if value != given[name]}
            connection.commit()
    return connection, sorted(lost)


@contextmanager
def refusals(target: Target, *more: type[Exception]) -> Iterator[None]:
    """Within it, errors of opening a session become a sentence.

    Raises DatabaseUnavailable for the driver's errors, and those of types `more`.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, (psycopg2.Error, *more)):
            raise
        known = None if sqlstate_of(error) is None else translate_error(error, where="The opening of a session")
        raise known or unreachable(error, target.parameters) from None


@contextmanager
def refused_settings(target: Target, *more: type[Exception]) -> Iterator[None]:
    """Within it, the error of a role that the session may not have becomes a sentence: raises UserError."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, (psycopg2.Error, *more)):
            raise
        if sqlstate_of(error) == _NOT_ALLOWED:
            raise UserError(
                f'A privilege is missing: the login must be able to set role "{target.role}"; GRANT that role to the user of '
                f"{url_place()}."
            ) from None
        if sqlstate_of(error) == _NO_SUCH_VALUE:
            raise UserError(
                f'The database has no role "{target.role}"; run `scorer db upgrade`, which makes scorer\'s roles, or check worker_role and '
                f"{url_place()}."
            ) from None
        raise


def plain_session(database: Database, *, application_name: str) -> Any:
    """Open a psycopg2 connection with the server's own settings, for loading files. Its caller commits.

    Where a policy hides rows of a table from it, the server refuses: else rows would be loaded that are there already.
    Raises DatabaseUnavailable where it cannot be opened.
    """
    parameters = plain_parameters(database) | {"application_name": application_name}
    try:
        connection = psycopg2.connect(psycopg2.extensions.make_dsn(**parameters))
        with connection, connection.cursor() as cursor:
            cursor.execute(without_comments(statement("refuse_hidden_rows")))
    except psycopg2.Error as error:
        raise unreachable(error, parameters) from None
    return connection
