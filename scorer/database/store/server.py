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
from scorer.database.statements import statement, without_rows
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


def list_unused_databases(session: Session, *, prefix: str) -> tuple[str, ...]:
    """The server's databases whose names begin so, and that no session is connected to."""
    return tuple(row.name for row in session.all("list_unused_databases", prefix=prefix))


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


@dataclass(frozen=True, slots=True)
class TriggerFunction:
    """A trigger's function that searches where its caller does; `unqualified` are names without a schema."""

    relation: str
    trigger: str
    function: str
    unqualified: tuple[str, ...]


def list_trigger_functions(session: Session, tables: Sequence[str]) -> tuple[TriggerFunction, ...]:
    """The functions without a search_path that an update of these tables (as schema.table) can fire."""
    rows = session.all("list_trigger_functions", tables=list(tables))
    return tuple(TriggerFunction(row.relation, row.trigger, row.function, tuple(row.unqualified)) for row in rows)


def list_event_triggers(session: Session) -> tuple[str, ...]:
    """The event triggers that fire where a temporary table is made: name, event and function."""
    return tuple(f"{row.name} ({row.event}, {row.function}())" for row in session.all("list_event_triggers"))


def create_tried(session: Session) -> None:
    """Make a temporary table. Raises UserError where the database does not let us."""
    session.make("create_tried")


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """How many sessions a login may have; None where nothing limits it."""

    login: int | None  # CONNECTION LIMIT of the login's role
    database: int | None  # and of the database
    server: int  # max_connections without those for superusers


def read_session_limits(session: Session) -> SessionLimits:
    """How many sessions the session's login may have, by its role, the database and the server."""
    return SessionLimits(**session.shown("read_session_limits")[0])


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
    return [row[0] for row in session.execute(text, parameters)]


_WITHOUT_ZONE = 1114  # PostgreSQL's number of the type timestamp without time zone


def give_no_row(session: Session, query: str, parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns of type timestamp without time zone that a statement would return."""
    text = without_rows(query)
    described = session.execute(text, parameters).cursor.description
    return tuple(name for name, type_code, *_ in described if type_code == _WITHOUT_ZONE)


def list_zone_guesses(session: Session, query: str, parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns without a time zone that a statement takes as of its session's, as schema.table.column.

    Call it in a transaction that is rolled back: it makes a temporary function of the statement.
    """
    session.execute(statement("look_into_statement").replace("{statement}", query), parameters)
    return tuple(row.column_name for row in session.all("list_zone_guesses"))
