"""Upkeep of our tables as they grow: partitions ahead, statistics, and the end of retention.

Each step is a short transaction of its own, and finds by itself what is left to do: after a crash, or where a lock is not granted in
time, the next upkeep goes on. A daemon makes partitions and takes statistics, as the worker; no statement that it may run deletes a row.
The rest is for a login that may act as the owner.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from scorer.database.connection import Database
from scorer.database.session import Session
from scorer.database.store import partitions
from scorer.database.store.partitions import (
    count_prunable,
    hold_upkeep,
    list_expired_partitions,
    list_left_over,
    list_stale_statistics,
    make_partitions,
    prune,
    refresh_statistics,
    unlink_from_partition,
)
from scorer.database.upkeep.retention import TABLES, Retention
from scorer.errors import DatabaseUnavailable, StatementFailed, Stopping, UserError
from scorer.jobs.job import Job
from scorer.log import events
from scorer.log.logger import say

_log = logging.getLogger(__name__)
_POINTERS = ("recalls", "requests", "replays")
# A request that is answered by an old score meanwhile points into the partition again.
_TRIES = 3


@dataclass(frozen=True, slots=True)
class Done:
    """Something that was done (in a dry run: would be), or was left, and why.

    `deed` is made, statistics, detached, dropped, pruned or left; `rows` is how many rows, exact where pruned, None where not known.
    """

    deed: str
    table: str
    rows: int | None = None
    why: str | None = None

    def sentence(self, *, dry_run: bool) -> str:
        """One line to show.

        >>> Done("pruned", "ticks", rows=3).sentence(dry_run=True)
        'Would prune 3 rows of ticks.'
        """
        past, would = {
            "made": ("Made partition", "make partition"),
            "statistics": ("Took statistics of", "take statistics of"),
            "detached": ("Detached", "detach"),
            "dropped": ("Dropped", "drop"),
            "pruned": (f"Pruned {self.rows} rows of", f"prune {self.rows} rows of"),
            "left": ("Left", "leave"),
        }[self.deed]
        about = f", about {self.rows} rows" if self.rows and self.deed in {"detached", "dropped"} else ""
        return f"{f'Would {would}' if dry_run else past} {self.table}{about}{f': {self.why}' if self.why else ''}."


Report = Callable[[Done], None]


def nightly_upkeep(job: Job, database: Database, stopping: Callable[[], bool]) -> None:
    """Make partitions ahead and take stale statistics: a nightly chore.

    It is done for each job, and does the same whatever the job: the first of a night finds all there is to do. Raises Stopping where
    the daemon stops meanwhile.
    """
    del job
    made: list[str] = []
    with closing(Session(database.as_worker())) as session:
        with session.transaction():
            made += make_partitions(session, months=database.settings.partitions_ahead)
        if made:
            say(_log, events.PARTITIONS_MADE, partitions=" ".join(made))
        for table in _stale(session):
            if stopping():
                raise Stopping
            with session.transaction():
                refresh_statistics(session, table)


def maintain(database: Database, *, dry_run: bool, report: Report) -> None:
    """Do all the upkeep that is due; in a dry run, find what it would be. `report` is called with each.

    Raises UserError where the settings keep too little, the login may not act as the owner, or another upkeep is at work.
    """
    retention = Retention.of(database.settings)
    with closing(Session(database.as_owner())) as session:
        with session.transaction():
            if not hold_upkeep(session):
                raise UserError("Another `scorer maintain` is at work in this database; wait until it has ended.")
        upkeep = _Upkeep(session, retention, dry_run=dry_run, report=report)
        upkeep.finish_what_was_begun()
        upkeep.make_partitions(database.settings.partitions_ahead)
        upkeep.end_partitions()
        upkeep.prune_all()
        upkeep.refresh_statistics()


class _Upkeep:
    def __init__(self, session: Session, retention: Retention, *, dry_run: bool, report: Report) -> None:
        self._session = session
        self._retention = retention
        self._dry_run = dry_run
        self._report = report
        self._held = False  # whether a partition is half detached, which must end before another begins

    def finish_what_was_begun(self) -> None:
        with self._session.transaction():
            left_over = list_left_over(self._session)
        for each in left_over:
            self._held |= not self._try(each.part, partial(self.finish_detaching, each.ledger, each.part))

    def finish_detaching(self, ledger: str | None, part: str) -> None:
        if ledger is not None:
            self._alone(partitions.finish_detaching, ledger=ledger, part=part)
            self._report(Done("detached", part))
            with self._session.transaction():
                to_drop = [each.part for each in list_left_over(self._session) if each.ledger is None]
            if part not in to_drop:
                return
        if not self._drops:  # it was marked for dropping under other settings
            self.mark_detached(part)
            return
        self.drop_partition(part)
        self._report(Done("dropped", part))

    @property
    def _drops(self) -> bool:
        return self._retention.ledger is not None and self._retention.drop

    def mark_detached(self, part: str) -> None:
        self._alone(partitions.mark_detached, part=part)

    def drop_partition(self, part: str) -> None:
        self._alone(partitions.drop_partition, part=part)

    def make_partitions(self, months: int) -> None:
        def make() -> None:
            with self._session.transaction(keep=not self._dry_run):
                made = make_partitions(self._session, months=months)
            for partition in made:
                self._report(Done("made", partition))

        self._try("the partitions ahead", make)

    def end_partitions(self) -> None:
        """Detach or drop the expired partitions of the ledger; none before an older one that must stay."""
        if self._retention.ledger is None or self._held:
            return
        with self._session.transaction():
            expired = list_expired_partitions(self._session, keep=self._retention.ledger)
        held: set[str] = set()
        for each in expired:
            if each.ends_at in held:
                continue
            why = _in_the_way(each)
            if why is not None:
                held.add(each.ends_at)  # so that the partition of its reasons stays too
                self._report(Done("left", each.part, rows=each.rows, why=why))
            elif self._dry_run:
                self._report(Done("dropped" if self._retention.drop else "detached", each.part, rows=each.rows))
            elif not self._try(each.part, partial(self._end, each)):
                return

    def _end(self, each: Any) -> None:
        if self._drops:
            self._alone(partitions.mark_for_dropping, part=each.part)
        else:
            self.mark_detached(each.part)
        for attempt in range(1, _TRIES + 1):
            if each.ledger == "scores":
                self._unlink(each)
            try:
                self._alone(partitions.detach_partition, ledger=each.ledger, part=each.part)
            except StatementFailed:
                if attempt == _TRIES:
                    raise
            else:
                break
        if self._drops:
            self.drop_partition(each.part)
        self._report(Done("dropped" if self._retention.drop else "detached", each.part, rows=each.rows))

    def _unlink(self, each: Any) -> None:
        for table in _POINTERS:
            while True:
                with self._session.transaction():
                    rows = unlink_from_partition(self._session, table, begins_at=each.begins_at, ends_at=each.ends_at)
                if rows < partitions.PORTION:
                    break

    def prune_all(self) -> None:
        for name, tables in TABLES.items():
            for table in tables:
                self._try(table, partial(self._prune, table, self._retention.classes[name]))

    def _prune(self, table: str, keep: timedelta) -> None:
        rows = 0
        try:
            if self._dry_run:
                with self._session.transaction():
                    rows = count_prunable(self._session, table, keep=keep)
                return
            while True:
                with self._session.transaction():
                    portion = prune(self._session, table, keep=keep)
                rows += portion
                if portion < partitions.PORTION:
                    return
        finally:
            if rows:
                self._report(Done("pruned", table, rows=rows))

    def refresh_statistics(self) -> None:
        for table in _stale(self._session):
            self._try(table, partial(self._refresh, table))

    def _refresh(self, table: str) -> None:
        if not self._dry_run:
            with self._session.transaction():
                refresh_statistics(self._session, table)
        self._report(Done("statistics", table))

    def _try(self, table: str, do: Callable[[], None]) -> bool:
        """Do it. Returns False where a lock was not granted in time, which is reported; the rest goes on."""
        try:
            do()
        except DatabaseUnavailable as error:
            if not error.answers:
                raise
            self._report(Done("left", table, why="others hold it, and the next upkeep goes on"))
            return False
        return True

    def _alone(self, act: Callable[..., None], **names: str) -> None:
        """Do `act` with a partition; in a dry run, nothing."""
        if not self._dry_run:
            act(self._session, **names)


def _in_the_way(expired: Any) -> str | None:
    """Why a partition must stay although it has expired; None where it need not."""
    if expired.unfinished_run is not None:
        return f"run {expired.unfinished_run} of it is not ended"
    if expired.still_valid:
        return f"{expired.still_valid} scores of it are current and valid"
    return None


def _stale(session: Session) -> list[str]:
    with session.transaction():
        return list_stale_statistics(session)
