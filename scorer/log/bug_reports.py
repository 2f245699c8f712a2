"""Bugs that come again with every turn of a loop: told once, and then no more often than once an hour each."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from datetime import timedelta

from scorer.errors import StatementFailed
from scorer.log import events
from scorer.log.logger import say

_log = logging.getLogger(__name__)
_AGAIN = timedelta(hours=1)
_KEPT = 1000  # kinds of bugs that are remembered


class BugReports:
    """What was told of the bugs of one part of the service; used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told_at: dict[tuple[object, ...], float] = {}

    def tell(self, error: BaseException, *, job: str) -> bool:
        """Whether the bug is told now: it was not, within the hour, of this job, of this kind and raised at this place."""
        kind, now = (job, *_kind_of(error)), time.monotonic()
        with self._lock:
            told_at = self._told_at.get(kind)
            if told_at is not None and now - told_at < _AGAIN.total_seconds():
                return False
            if len(self._told_at) >= _KEPT:
                self._told_at.clear()
            self._told_at[kind] = now
        say(_log, events.BUG, raised=error, job=job)
        return True


def _kind_of(error: BaseException) -> tuple[object, ...]:
    """Its type and where it was raised; of a statement, also what the server said of it, since all are raised at one place."""
    places = traceback.extract_tb(error.__traceback__)
    place = (places[-1].filename, places[-1].lineno) if places else ()
    return type(error), place, str(error) if isinstance(error, StatementFailed) else None
