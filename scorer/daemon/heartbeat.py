"""A loop that records every few seconds that the daemon lives."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from scorer.daemon.loop import Loop
from scorer.daemon.outage import Outage
from scorer.database.connection import Database
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.session import Session, process_name
from scorer.database.store.status import JobHealth, list_health
from scorer.database.store.ticks import record_heartbeat, remove_daemon
from scorer.errors import UserError
from scorer.log import events
from scorer.log.logger import say

_log = logging.getLogger(__name__)
_BEAT = timedelta(seconds=5)
_A_JUMP = timedelta(minutes=1)


class HeartbeatLoop(Loop):
    """Records every few seconds that this daemon lives, and so finds out when the database goes."""

    def __init__(self, *, database: Database, outage: Outage | None = None) -> None:
        super().__init__("heart", database=database, outage=outage)
        self._open()
        self._ready, self._detail = False, "starting"
        self._run: tuple[str, ...] | None = None
        self.summary = ""
        self._clocks: float | None = None

    def _open(self) -> None:
        target = self.database.as_worker()
        self._session = Session(replace(target, statement_timeout=_BEAT, lock_timeout=_BEAT))
        self._readonly = ReadOnlySession(target, patience=_BEAT)

    def show(self, *, ready: bool, detail: str, jobs: Iterable[str] | None) -> None:
        """Record this at the next beat.

        `jobs` are those that this daemon runs; None where it does not know yet.
        """
        self._ready, self._detail, self._run = ready, detail, None if jobs is None else tuple(jobs)

    def close(self) -> None:
        """End the sessions."""
        self._session.close()
        self._readonly.close()

    def end(self) -> None:
        """Remove this daemon's row, if that can be done, and end the sessions."""
        with suppress(UserError), self._session.transaction():
            remove_daemon(self._session, process_name())
        self.close()

    def step(self) -> float:
        """Record one beat. Returns the seconds until the next."""
        self._take_up_reload()
        jobs = list_health(self._readonly)  # first: it alone waits no longer than its patience for an answer
        self.summary = _summary(jobs)
        self._say_jumps(jobs)
        with self._session.transaction():
            record_heartbeat(self._session, process_name(), ready=self._ready, detail=self._detail, jobs=self._run)
        self._report(None)
        return _BEAT.total_seconds()

    def _say_hindered(self, reason: str) -> None:
        """Log it: without a heartbeat the daemon is not ready."""
        say(_log, events.NOT_READY, reason=reason)

    def _say_freed(self) -> None:
        say(_log, events.READY_AGAIN)

    def _say_jumps(self, jobs: Iterable[JobHealth]) -> None:
        """Log where the database's clock has moved against the steady one."""
        for job in jobs:
            clocks = job.read_at.timestamp() - time.monotonic()
            if self._clocks is not None and abs(clocks - self._clocks) > _A_JUMP.total_seconds():
                say(_log, events.CLOCK_JUMPED, of="the database", seconds=round(clocks - self._clocks))
            self._clocks = clocks
            return


def _summary(jobs: Iterable[JobHealth]) -> str:
    """Last run and backlog, for `systemctl status`."""
    known = [job for job in jobs if job.finished_at is not None]
    last = max(known, key=lambda job: job.finished_at or job.read_at, default=None)
    waiting = f"backlog {sum(job.backlog for job in jobs)}, requests {sum(job.requests_waiting for job in jobs)}"
    if last is None:
        return waiting
    return f"last run {last.run_id} ({last.job}) {last.status} {last.finished_at:%H:%M} UTC; {waiting}"
