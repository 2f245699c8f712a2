"""TODO."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from scorer.database.session import Session
from scorer.database.statements import statement, without_comments


def list_table_sizes(session: Session, tables: list[str]) -> dict[str, int]:
    """About how many rows each of our tables has that is there."""
    return {row.table_name: row.rows for row in session.all("list_table_sizes", table_names=tables)}


PORTION = 5000  # rows that go in one transaction


def hold_upkeep(session: Session) -> bool:
    """Whether this session now is the one that keeps the database in shape; it stays so until it ends."""
    return bool(session.one("hold_upkeep").held)


def make_partitions(session: Session, *, months: int) -> list[str]:
    """Have partitions of this month and `months` after it; the names of those that were missing."""
    return [row.part for row in session.all("make_partitions", months=months)]


def list_stale_statistics(session: Session) -> list[str]:
    """Our tables of which the planner knows too little."""
    return [row.relname for row in session.all("list_stale_statistics")]


def refresh_statistics(session: Session, table: str) -> None:
    """Have statistics of a table taken."""
    session.one("refresh_statistics", table_name=table)


def list_expired_partitions(session: Session, *, keep: timedelta) -> list[Any]:
    """The ledger's partitions whose time is over, the oldest first."""
    return list(session.all("list_expired_partitions", keep=keep))


def list_left_over(session: Session) -> list[Any]:
    """Partitions that are half detached, and tables that were to be dropped."""
    return list(session.all("list_left_over"))


def unlink_from_partition(session: Session, table: str, *, begins_at: str, ends_at: str) -> int:
    """How many rows of the table, a portion at the most, point into a partition no more."""
    query = statement("unlink_from_partition").replace("{target}", table)
    row = session.execute(query, {"begins_at": begins_at, "ends_at": ends_at, "portion": PORTION}).one()
    return int(row.rows)


def prune(session: Session, table: str, *, keep: timedelta) -> int:
    """How many rows of the table, a portion at the most, are gone."""
    query = _about("prune", table)
    return int(session.execute(query, {"keep": keep, "portion": PORTION}).one().rows)


def count_prunable(session: Session, table: str, *, keep: timedelta) -> int:
    """How many rows of the table `prune` would take away in all, as the others stand."""
    return int(session.execute(_about("count_prunable", table), {"keep": keep}).one().rows)


def _about(name: str, table: str) -> str:
    rows = without_comments(statement(f"retention/{table}"))
    return statement(name).replace("{target}", table).replace("{rows}", rows)


def mark_for_dropping(session: Session, *, part: str) -> None:
    """Mark a partition as one to be dropped once it is detached."""
    session.alone(_about_table("mark_for_dropping", part=part))


def detach_partition(session: Session, *, ledger: str, part: str) -> None:
    """Detach a partition, without waiting for those who read the others."""
    session.alone(_about_table("detach_partition", ledger=ledger, part=part))


def finish_detaching(session: Session, *, ledger: str, part: str) -> None:
    """Finish a detaching that was broken off."""
    session.alone(_about_table("finish_detaching", ledger=ledger, part=part))


def mark_detached(session: Session, *, part: str) -> None:
    """Mark a table that was a partition as detached, to be kept."""
    session.alone(_about_table("mark_detached", part=part))


def drop_partition(session: Session, *, part: str) -> None:
    """Drop a table that was a partition."""
    session.alone(_about_table("drop_partition", part=part))


def _about_table(name: str, **names: str) -> str:
    return without_comments(statement(name)).format(**names)
