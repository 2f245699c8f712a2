"""Whether the database can be worked with, as all lanes of a daemon know it together: told once when it goes, and once when it is back."""

from __future__ import annotations

import logging
import threading
import time

from scorer import events
from scorer.errors import DatabaseUnavailable
from scorer.log import say

_log = logging.getLogger(__name__)


class Outage:
    """Begins with the first lane whose turn the database breaks off, and ends when none is left that it keeps from its work."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: set[str] = set()  # from their work, by the name of the lane
        self._began_at: float | None = None
        self._ended_at = float("-inf")

    @property
    def lasts(self) -> bool:
        """Whether a lane is kept from its work just now."""
        return self._began_at is not None

    def keeps(self, lane: str, error: DatabaseUnavailable, *, sound_at: float) -> None:
        """The database broke off a turn of a lane, whose sessions were sound or new at a time of the steady clock.

        Sessions that the outage before broke, and that are only now found out, are no outage of their own.
        """
        with self._lock:
            begins = self._began_at is None
            if error.answers or (begins and sound_at < self._ended_at):
                return
            self._kept.add(lane)
            if begins:
                self._began_at = time.monotonic()
        if begins:
            say(_log, events.DATABASE_LOST, sqlstate=error.sqlstate, error=str(error))

    def lets_go(self, lane: str) -> None:
        """A lane took its turn to its end, or has ended itself."""
        with self._lock:
            self._kept.discard(lane)
            if self._began_at is None or self._kept:
                return
            seconds = time.monotonic() - self._began_at
            self._began_at, self._ended_at = None, time.monotonic()
        say(_log, events.DATABASE_BACK, seconds=round(seconds))
