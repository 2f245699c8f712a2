"""Bugs that recur with every step of a loop: each is logged once, and then at most once an hour."""

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
_PAUSE = timedelta(hours=1)  # between two reports of one bug
_MOST = 1000  # bugs that are remembered


class BugReports:
    """Which bugs of a part of the service were logged, and when; used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reported_at: dict[tuple[object, ...], float] = {}

    def report(self, error: BaseException, *, job: str) -> bool:
        """Log the bug, unless the same one was logged within the hour. Returns whether it was logged.

        The same is one of the same job and type, raised at the same place.
        """
        bug, now = (job, *_identity_of(error)), time.monotonic()
        with self._lock:
            reported_at = self._reported_at.get(bug)
            if reported_at is not None and now - reported_at < _PAUSE.total_seconds():
                return False
            if len(self._reported_at) >= _MOST:
                self._reported_at.clear()
            self._reported_at[bug] = now
        say(_log, events.BUG, raised=error, job=job)
        return True


def _identity_of(error: BaseException) -> tuple[object, ...]:
    """What makes two errors the same bug: type and place; of a failed statement also its text.

    All statements are raised at one place, and the text tells one from another.
    """
    places = traceback.extract_tb(error.__traceback__)
    place = (places[-1].filename, places[-1].lineno) if places else ()
    return type(error), place, str(error) if isinstance(error, StatementFailed) else None
