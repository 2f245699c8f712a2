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
    """Begins with the first lane that the database keeps from its work, and ends when there is none left."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: set[str] = set()  # from their work, by the name of the lane
        self._began_at: float | None = None
        self._was_there = False  # the database; until it was, the service says why it cannot start

    @property
    def lasts(self) -> bool:
        """Whether a lane is kept from its work just now."""
        return self._began_at is not None

    def keeps(self, lane: str, error: DatabaseUnavailable) -> None:
        """The database keeps a lane from its work, unless it answers and merely could not do it now."""
        if error.answers or not self._was_there:
            return
        with self._lock:
            begins = self._began_at is None
            self._kept.add(lane)
            if begins:
                self._began_at = time.monotonic()
        if begins:
            say(_log, events.DATABASE_LOST, sqlstate=error.sqlstate, error=str(error))

    def lets_go(self, lane: str) -> None:
        """A lane took its turn to its end."""
        self._was_there = True
        if (seconds := self.forget(lane)) is not None:
            say(_log, events.DATABASE_BACK, seconds=round(seconds))

    def forget(self, lane: str) -> float | None:
        """A lane has nothing to do any more; how long the outage lasted, where it ends with this."""
        with self._lock:
            self._kept.discard(lane)
            if self._began_at is None or self._kept:
                return None
            seconds = time.monotonic() - self._began_at
            self._began_at = None
            return seconds
