"""Whether the database can be worked with, as all loops of a daemon know it together.

Two things keep loops from their work: the database is gone, which is logged at once; or it answers, but each try ends in a lock that
another session does not let go of (or in a deadlock, or the like), which is logged once it has lasted for a minute. That it is over is
logged as well.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta

from scorer.errors import DatabaseUnavailable
from scorer.log import events
from scorer.log.logger import say

_log = logging.getLogger(__name__)
_PATIENCE = timedelta(minutes=1)  # with a database that answers


class Outage:
    """Begins with the first loop that the database keeps from its work, and ends when there is none left."""

    def __init__(self, *, patience: timedelta = _PATIENCE) -> None:
        """`patience`: how long tries at a database that answers may fail before that is logged."""
        self._patience = patience.total_seconds()
        self._lock = threading.Lock()
        self._without: set[str] = set()  # the loops that are without a database, by name
        self.servers = 0  # that were left so far, because they only read
        self._began_at: float | None = None
        self._was_there = False  # the database; until it was, the service says why it cannot start
        self._tried_since: dict[str, float] = {}  # by loop: since when its tries fail, though the database answers
        self._blocked: dict[str, float] = {}  # those of them of which it was logged

    @property
    def lasts(self) -> bool:
        """Whether a loop is kept from its work just now because the database is gone."""
        return self._began_at is not None

    def leave_server(self) -> None:
        """Note that the server only reads: each loop opens new sessions at its next step.

        A loop that reads alone would not notice: a primary that was left standing after a switchover goes on answering it.
        """
        with self._lock:
            self.servers += 1

    def blocks(self, loop: str, error: DatabaseUnavailable) -> bool:
        """Note that the database keeps a loop from its work.

        Returns whether it answers, and has let the loop do nothing for longer than the patience.
        """
        if error.answers:
            return self._answers_in_vain(loop, error)
        if not self._was_there:
            return False
        with self._lock:
            begins = self._began_at is None
            self._without.add(loop)
            if begins:
                self._began_at = time.monotonic()
        if begins:
            say(_log, events.DATABASE_LOST, sqlstate=error.sqlstate, error=str(error))
        return False

    def _answers_in_vain(self, loop: str, error: DatabaseUnavailable) -> bool:
        with self._lock:
            since = self._tried_since.setdefault(loop, time.monotonic())
            seconds = time.monotonic() - since
            if seconds < self._patience:
                return False
            begins = not self._blocked
            self._blocked[loop] = since
        if begins:
            say(
                _log,
                events.WORK_BLOCKED,
                part=loop,
                seconds=round(seconds),
                sqlstate=error.sqlstate,
                error=str(error),
            )
        return True

    def lets_go(self, loop: str) -> None:
        """Note that a loop took a step to its end."""
        self._was_there = True
        if (seconds := self.forget(loop)) is not None:
            say(_log, events.DATABASE_BACK, seconds=round(seconds))

    def forget(self, loop: str) -> float | None:
        """Note that a loop is kept from nothing any more.

        Returns how many seconds the outage lasted; None where this does not end one.
        """
        with self._lock:
            self._tried_since.pop(loop, None)
            since = self._blocked.pop(loop, None)
            flows_again = since is not None and not self._blocked
            self._without.discard(loop)
            seconds = None
            if self._began_at is not None and not self._without:
                seconds = time.monotonic() - self._began_at
                self._began_at = None
        if since is not None and flows_again:
            say(_log, events.WORK_FLOWS_AGAIN, part=loop, seconds=round(time.monotonic() - since))
        return seconds
