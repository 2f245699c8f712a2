"""The server: its load, its WAL position, its locks and plans.

Every function works within a transaction of the session.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from scorer.database.session import Session
from scorer.database.statements import statement
from scorer.types.values import Position


def read_server_load(session: Session) -> ServerLoad:
    """The load of the server at this moment."""
    return ServerLoad(**session.shown("read_server_load")[0])


def mark_position(session: Session) -> Position:
    """Return the primary's WAL position.

    Call it in a transaction of its own: the position covers that once it is committed.
    """
    row = session.one("mark_position")
    return Position(cluster=str(row.cluster), timeline=row.timeline, database=row.database, written=row.written)


@dataclass(frozen=True, slots=True)
class ServerLoad:
    """The load of the server, our own sessions included; None for what this login may not see."""

    active_sessions: int | None
    replication_lag: int | None  # bytes that the standby farthest behind has yet to replay
    lock_waits: int | None
    longest_transaction: timedelta | None


def describe_session(session: Session) -> Mapping[str, Any]:
    """Server, login and role of the session, as a row to show."""
    return session.shown("describe_session")[0]


@dataclass(frozen=True, slots=True)
class TableLock:
    """A lock on a table, held until the transaction ends."""

    relation: str
    mode: str


def set_parameter(session: Session, parameter: str, *, setting: str) -> None:
    """Set a parameter of the server, or a setting that a statement reads, until the transaction ends."""
    session.one("set_parameter", parameter=parameter, setting=setting)


def list_table_locks(session: Session) -> tuple[TableLock, ...]:
    """The locks on tables that the transaction has taken."""
    return tuple(TableLock(row.relation, _in_words(row.mode)) for row in session.all("list_table_locks"))


def _in_words(mode: str) -> str:
    """The mode of a lock as LOCK TABLE and PostgreSQL's documentation name it.

    >>> _in_words("RowExclusiveLock")
    'ROW EXCLUSIVE'
    """
    return re.sub("(?<=[a-z])(?=[A-Z])", " ", mode.removesuffix("Lock")).upper()


@dataclass(frozen=True, slots=True)
class AsItWas:
    """What stands for a table to read it as it was at a moment, in two ways; as_it_was.sql says which."""

    relation: str
    known: str
    settled: str


def as_it_was(
    session: Session, relations: Sequence[str], *, moment: datetime, planned: Sequence[str]
) -> tuple[AsItWas, ...]:
    """How each of these tables is read as it was at the moment.

    Tables without a column of times are left out. Columns that are `planned` are times that were known ahead.
    """
    rows = session.all("as_it_was", relations=list(relations), moment=moment.isoformat(), planned=list(planned))
    return tuple(AsItWas(row.relation, row.known, row.settled) for row in rows)


def explain_statement(session: Session, query: str, parameters: Mapping[str, Any], *, form: str) -> list[Any]:
    """The plan of a statement, which is not run: its lines (`form` TEXT), or one document (JSON)."""
    text = statement("explain_statement").replace("{format}", form).replace("{query}", query)
    named = {name: value for name, value in parameters.items() if re.search(rf"(?<![:\w\\]):{name}\b", text)}
    return [row[0] for row in session.execute(text, named)]
