"""A lane that writes down that the daemon lives, and tells when the database goes and comes back."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from scorer import events
from scorer.config import Settings
from scorer.connection import Target
from scorer.errors import DatabaseUnavailable, UserError
from scorer.glance import Glance
from scorer.lanes import Lane, daemon_name
from scorer.log import say
from scorer.session import Session
from scorer.timetable import Timetable
from scorer.watch import JobHealth, Watch

_log = logging.getLogger(__name__)
_BEAT = timedelta(seconds=5)


class HeartLane(Lane):
    """Writes down every few seconds that this daemon lives, and tells when the database goes and comes back."""

    def __init__(self, *, url: str, settings: Settings) -> None:
        super().__init__("heart", settings=settings)
        target = Target.of(url, settings, role=settings.worker_role)
        self._session = Session(replace(target, statement_timeout=_BEAT, lock_timeout=_BEAT))
        self._watch = Watch(Glance(target, patience=_BEAT))
        self._ready, self._detail = False, "starting"
        self._lost_at: float | None = None
        self.summary = ""

    def tell(self, *, ready: bool, detail: str) -> None:
        """Write this down at the next beat."""
        self._ready, self._detail = ready, detail

    def close(self) -> None:
        """Take this daemon's row away, if it can be done, and end the sessions."""
        with suppress(UserError), self._session.transaction():
            Timetable(self._session).leave(daemon_name())
        self._session.close()
        self._watch.close()

    def turn(self) -> float:
        """One beat."""
        try:
            with self._session.transaction():
                Timetable(self._session).beat(daemon_name(), ready=self._ready, detail=self._detail)
            self.summary = _summary(self._watch.list_health())
        except DatabaseUnavailable as error:
            self._session.close()
            if self._lost_at is None:
                self._lost_at = time.monotonic()
                say(_log, events.DATABASE_LOST, sqlstate=error.sqlstate)
            self.pulse.hindered = "the database does not answer"
        else:
            if self._lost_at is not None:
                say(_log, events.DATABASE_BACK, seconds=round(time.monotonic() - self._lost_at))
            self._lost_at = self.pulse.hindered = None
        return _BEAT.total_seconds()


def _summary(jobs: Iterable[JobHealth]) -> str:
    """Last run and backlog, for `systemctl status`."""
    known = [job for job in jobs if job.finished_at is not None]
    last = max(known, key=lambda job: job.finished_at or job.read_at, default=None)
    waiting = f"backlog {sum(job.backlog for job in jobs)}, requests {sum(job.requests_waiting for job in jobs)}"
    if last is None:
        return waiting
    return f"last run {last.run_id} ({last.job}) {last.status} {last.finished_at:%H:%M} UTC; {waiting}"
