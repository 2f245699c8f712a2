"""The ledger's partitions, rows past their retention, and the planner's statistics of our tables.

The functions that name a partition to detach or drop are run on a connection of their own; all others work within a
transaction of the session.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from scorer.database.session import Session
from scorer.database.statements import statement
from scorer.jobs.sql_text import without_comments


def list_table_sizes(session: Session, tables: list[str]) -> dict[str, int]:
    """About how many rows each of `tables` has, of those that exist."""
    return {row.table_name: row.rows for row in session.all("list_table_sizes", table_names=tables)}


PORTION = 5000  # rows that are deleted or changed in one transaction


def hold_upkeep(session: Session) -> bool:
    """Hold the upkeep for this session, until it ends. Returns False where another session holds it."""
    return bool(session.one("hold_upkeep").held)


def make_partitions(session: Session, *, months: int) -> list[str]:
    """Make the missing partitions of this month and the `months` after it. Returns their names."""
    return [row.part for row in session.all("make_partitions", months=months)]


def list_stale_statistics(session: Session) -> list[str]:
    """Our tables that have changed too much since they were last analyzed."""
    return [row.relname for row in session.all("list_stale_statistics")]


def refresh_statistics(session: Session, table: str) -> None:
    """Analyze a table."""
    session.one("refresh_statistics", table_name=table)


def list_expired_partitions(session: Session, *, keep: timedelta) -> list[Any]:
    """The ledger's partitions that were kept for longer than `keep`, oldest first."""
    return list(session.all("list_expired_partitions", keep=keep))


def list_left_over(session: Session) -> list[Any]:
    """Partitions that are half detached, and tables that are marked to be dropped."""
    return list(session.all("list_left_over"))


def unlink_from_partition(session: Session, table: str, *, begins_at: str, ends_at: str) -> int:
    """Unlink up to PORTION rows of `table` from a partition of the ledger. Returns how many."""
    query = statement("unlink_from_partition").replace("{target}", table)
    row = session.execute(query, {"begins_at": begins_at, "ends_at": ends_at, "portion": PORTION}).one()
    return int(row.rows)


def prune(session: Session, table: str, *, keep: timedelta) -> int:
    """Delete up to PORTION rows of `table` past their retention. Returns how many."""
    query = _about("prune", table)
    return int(session.execute(query, {"keep": keep, "portion": PORTION}).one().rows)


def count_prunable(session: Session, table: str, *, keep: timedelta) -> int:
    """How many rows of `table` are past their retention, as the other tables stand."""
    return int(session.execute(_about("count_prunable", table), {"keep": keep}).one().rows)


def _about(name: str, table: str) -> str:
    """The statement called `name`, about the rows that retention/<table>.sql finds."""
    rows = without_comments(statement(f"retention/{table}"))
    return statement(name).replace("{target}", table).replace("{rows}", rows)


def mark_for_dropping(session: Session, *, part: str) -> None:
    """Mark a partition as one to be dropped once it is detached."""
    session.alone(_about_table("mark_for_dropping", part=part))


def detach_partition(session: Session, *, ledger: str, part: str) -> None:
    """Detach a partition, without waiting for sessions that read the others."""
    session.alone(_about_table("detach_partition", ledger=ledger, part=part))


def finish_detaching(session: Session, *, ledger: str, part: str) -> None:
    """Finish detaching a partition, where that was interrupted."""
    session.alone(_about_table("finish_detaching", ledger=ledger, part=part))


def mark_detached(session: Session, *, part: str) -> None:
    """Mark a detached partition as one to be kept."""
    session.alone(_about_table("mark_detached", part=part))


def drop_partition(session: Session, *, part: str) -> None:
    """Drop a detached partition."""
    session.alone(_about_table("drop_partition", part=part))


def _about_table(name: str, **names: str) -> str:
    """The statement called `name` with the names of tables in their places."""
    return without_comments(statement(name)).format(**names)
