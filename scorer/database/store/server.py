"""What a session sees of the server round it: the load of others, and how far its log is written. Both within a transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from scorer.database.session import Session
from scorer.types.values import Position


def read_server_load(session: Session) -> ServerLoad:
    """What others, and we, do in the database just now."""
    return ServerLoad(**session.shown("read_server_load")[0])


def mark_position(session: Session) -> Position:
    """How far the log is written, once this transaction, which is to be one of its own, is committed."""
    row = session.one("mark_position")
    return Position(cluster=str(row.cluster), timeline=row.timeline, database=row.database, written=row.written)


def is_run_held(session: Session, run_id: int) -> bool:
    """Whether a living process carries the run."""
    return bool(session.one("is_run_held", run_id=run_id).held)


@dataclass(frozen=True, slots=True)
class ServerLoad:
    """What others, and we, do in the database just now; None for what may not be seen."""

    active_sessions: int | None
    replication_lag: int | None  # bytes that the standby farthest behind has yet to replay
    lock_waits: int | None
    longest_transaction: timedelta | None


def describe_session(session: Session) -> Mapping[str, Any]:
    """Server, login and role of this session, as a row to show."""
    return session.shown("describe_session")[0]
