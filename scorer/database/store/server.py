"""The server: its load, its WAL position, its locks and plans.

Every function works within a transaction of the session.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from scorer.database.session import Session
from scorer.database.statements import statement
from scorer.jobs.sql_text import without_comments
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


_SCANNED = 512 << 20  # bytes: a larger table is read by its key, or not at all


def read_written(session: Session, *, entity_id: str) -> list[Mapping[str, Any]] | None:
    """The rows of the hospital's tables that this transaction wrote, by column.

    None where they cannot be read back: the table is large, and its key is not `entity_id`.
    """
    rows: list[Mapping[str, Any]] = []
    for table in session.all("list_written_tables"):
        condition, parameters = "true", {}
        if table.bytes > _SCANNED:
            if not _may_be(entity_id, table.key_type):
                return None
            condition, parameters = (
                f"w.{table.key_column} = CAST(:entity_id AS {table.key_type})",
                {"entity_id": entity_id},
            )
        query = without_comments(statement("read_written")).format(relation=table.relation, condition=condition)
        rows += [row.document for row in session.execute(query, parameters)]
    return rows


def _may_be(entity_id: str, key_type: str | None) -> bool:
    """Whether an entity can be a key of that type."""
    if key_type in {"bigint", "integer"}:
        return re.fullmatch(r"-?\d{1,9}", entity_id) is not None
    return key_type in {"text", "character varying"}


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


def explain_statement(session: Session, query: str, parameters: Mapping[str, Any], *, form: str) -> list[Any]:
    """The plan of a statement, which is not run: its lines (`form` TEXT), or one document (JSON)."""
    text = statement("explain_statement").replace("{format}", form).replace("{query}", query)
    return [row[0] for row in session.execute(text, parameters)]
