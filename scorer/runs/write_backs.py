"""What waits to be written into the hospital's table, or taken out: tried, and told when it lasts.

A row waits because a session of the hospital holds it, or because the table takes it from nobody: a trigger that returns NULL, a rule or a
policy. Which of the two it is shows in the locks: a transaction that holds the row from one look to the next has a lock of its table.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from scorer.database.access.flags import read_job_flags
from scorer.database.session import Session
from scorer.database.store.ledger import (
    WAITING_AT_ONCE,
    Waiting,
    drop_expired,
    list_holders,
    read_waiting,
    take_back,
    write_back,
)
from scorer.errors import DatabaseUnavailable, StatementFailed, UserError
from scorer.jobs.job import Job
from scorer.log import events
from scorer.log.logger import say
from scorer.types.flags import NONE_SET

_log = logging.getLogger(__name__)
_PATIENCE = timedelta(minutes=15)
_PATIENCE_WITH_RECALLED = timedelta(minutes=5)
_HELD_FOR = 60.0  # seconds: a transaction that is seen for so long explains that rows wait
_A_FEW = 100  # rows that are tried where the try before wrote none


@dataclass(frozen=True, slots=True)
class Tried:
    """What a try left: how many rows were passed over, and how many stale scores were dropped."""

    passed_over: int
    expired: int


def write_waiting(session: Session, job: Job, *, max_waiting: int = WAITING_AT_ONCE) -> Tried:
    """Take back and write what waits, in the open transaction, waiting for no row. Returns what is left."""
    expired = drop_expired(session, job)
    emptied = take_back(session, job, max_waiting=max_waiting)
    flags = read_job_flags(session, job.name) if "write_back" in job.statements else NONE_SET
    written = write_back(session, job, max_waiting=max_waiting, flags=flags)
    return Tried(passed_over=emptied + written, expired=expired)


def say_expired(job: Job, tried: Tried) -> None:
    """Log that scores were dropped, once that is committed."""
    if tried.expired:
        say(_log, events.WRITE_BACKS_EXPIRED, job=job.name, rows=tried.expired)


class WriteBacks:
    """Looks at what waits for one job; used by one thread, whose session it shares."""

    def __init__(self, job: Job, session: Session, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds."""
        self.job = job
        self._session = session
        self._clock = clock
        self._at_once = WAITING_AT_ONCE
        self._pids: Mapping[str, int | None] = {}
        self._seen: dict[str, float] = {}  # the transactions that hold rows of the table, and since when
        self._looks_since: float | None = None  # when the first look of those in a row found something waiting
        self._told: set[str] = set()

    def look(self, *, stopping: Callable[[], bool]) -> None:
        """Write what waits, as far as the hospital's table takes it; log what has waited for long.

        Where nothing waits, this is one short statement. Raises DatabaseUnavailable where the database is gone.
        """
        with self._session.transaction():
            waiting = read_waiting(self._session, self.job)
        while waiting.entities and not stopping():
            before = waiting
            waiting, refusal = self._try(before)
            self._at_once = WAITING_AT_ONCE if waiting.entities < before.entities else _A_FEW
            if waiting.entities >= before.entities or refusal is not None:
                self._say_long(waiting, refusal=refusal)
                return
        if not waiting.entities:
            self._end()

    def _try(self, before: Waiting) -> tuple[Waiting, str | None]:
        """Try to write. Returns what waits then, and why the database refused it, if it did."""
        now = self._clock()
        try:
            with self._session.transaction():
                tried = write_waiting(self._session, self.job, max_waiting=self._at_once)
                holders = list_holders(self._session)
                waiting = read_waiting(self._session, self.job)
        except (UserError, StatementFailed) as error:
            if isinstance(error, DatabaseUnavailable) and not error.answers:
                raise
            return before, str(error)
        say_expired(self.job, tried)
        self._seen = {holder: self._seen.get(holder, now) for holder in holders}
        self._pids = holders
        return waiting, None

    def _say_long(self, waiting: Waiting, *, refusal: str | None) -> None:
        """Log what has waited for long, with what explains it; once, until it is over."""
        now = self._clock()
        self._looks_since = now if self._looks_since is None else self._looks_since
        if waiting.recalled_seconds > _PATIENCE_WITH_RECALLED.total_seconds():
            self._tell("recalled", waiting, refusal=refusal, now=now)
        if waiting.seconds > _PATIENCE.total_seconds():
            self._tell("waiting", waiting, refusal=refusal, now=now)

    def _tell(self, kind: str, waiting: Waiting, *, refusal: str | None, now: float) -> None:
        assert self._looks_since is not None
        long = [holder for holder, since in self._seen.items() if now - since >= _HELD_FOR]
        if kind in self._told or (not long and refusal is None and now - self._looks_since < _HELD_FOR):
            return
        self._told.add(kind)
        why = refusal or _why(str(self._pids[holder] or "a prepared transaction") for holder in long)
        if kind == "recalled":
            say(
                _log,
                events.TAKE_BACKS_WAIT,
                job=self.job.name,
                rows=waiting.recalled,
                seconds=round(waiting.recalled_seconds),
                reason=why,
            )
        elif long or refusal is not None:
            say(
                _log,
                events.WRITE_BACKS_WAIT,
                job=self.job.name,
                rows=waiting.entities,
                seconds=round(waiting.seconds),
                reason=why,
            )
        else:
            say(
                _log,
                events.WRITE_BACKS_NOT_TAKEN,
                job=self.job.name,
                rows=waiting.entities,
                seconds=round(waiting.seconds),
            )

    def _end(self) -> None:
        """Note that nothing waits any more; log it where it was told that something did."""
        if self._told:
            say(_log, events.WRITE_BACKS_DONE, job=self.job.name)
        self._told.clear()
        self._seen, self._looks_since, self._at_once = {}, None, WAITING_AT_ONCE


def _why(pids: Iterable[str]) -> str:
    named = ", ".join(pids)
    return (
        f"sessions that hold rows of it for long: {named}"
        if named
        else "no lock explains it: a trigger, rule or policy of the table"
    )
