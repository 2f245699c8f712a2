"""A loop that answers requests as they come."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable

from scorer.config import Settings
from scorer.daemon.loop import Loop
from scorer.daemon.outage import Outage
from scorer.database.connection import Database
from scorer.database.notifications import Listener
from scorer.errors import DatabaseUnavailable, UserError
from scorer.jobs.job import Job
from scorer.runs.requests import Answers

_SLICE = 0.5  # seconds that it listens, before it sees whether it was woken
_SOON, _LATER = 0.05, 0.2  # seconds until it looks again, at first and at the most, where a request could not be taken


class RequestLoop(Loop):
    """Answers requests as they come: woken by notifications, and by a look every so often for what none told."""

    def __init__(self, jobs: Iterable[Job], *, database: Database, outage: Outage | None = None) -> None:
        super().__init__("requests", database=database, outage=outage)
        self._changed: tuple[tuple[Job, ...], Settings] | None = None
        self._soon = _SOON
        self._lame: str | None = None  # why a job cannot answer
        self._deaf: str | None = None  # why notifications cannot be heard
        self._open(tuple(jobs))

    def _open(self, jobs: tuple[Job, ...]) -> None:
        self._answers = Answers(database=self.database, jobs=jobs)
        self._listener = Listener.for_requests(self.database.as_worker())
        self._looked_at = -math.inf

    def close(self) -> None:
        """End the loop's sessions."""
        self._answers.close()
        self._listener.close()

    def reload(self, jobs: Iterable[Job], *, settings: Settings) -> None:
        """Know these jobs, and keep to these settings, from the next turn on."""
        self._changed = tuple(jobs), settings
        self.wake()

    def step(self) -> float:
        """Answer all that waits; now and then, ask for what has new observations, and refuse what no daemon knows."""
        self._take_up()
        if time.monotonic() - self._looked_at >= self.settings.poll.total_seconds():
            self._look_round()
        while not self.stopping() and self._answers.answer_waiting():
            self.liveness.beat("answering")
        self._told(self._lame or self._deaf)
        return self._until_next()

    def _take_up(self) -> None:
        """Take up what a reload has changed; other settings are the manners of new sessions."""
        changed, self._changed = self._changed, None
        if changed is None:
            return
        jobs, settings = changed
        if settings == self.settings:
            self._answers.reload(jobs)
        else:
            self.close()
            self.adopt(settings)
            self._open(jobs)

    def _look_round(self) -> None:
        # First: where this raises, requests are answered at the next turn all the same.
        self._looked_at = time.monotonic()
        reasons = [
            _why_not(self._answers.warm),
            _why_not(self._answers.ask_for_arrivals),
            _why_not(self._answers.take_back),
        ]
        self._lame = next(filter(None, reasons), None)
        self._answers.refuse_strangers()

    def _until_next(self) -> float:
        """Seconds until the next turn: soon, and then less so, where requests wait that could not be taken this moment."""
        if not self._answers.holds_back:
            self._soon = _SOON
            return self.settings.poll.total_seconds()
        soon, self._soon = self._soon, min(self._soon * 2, _LATER)
        return soon

    def _wait(self, seconds: float) -> None:
        """Until a notification, or the loop is woken, or the time has passed."""
        until, listened = time.monotonic() + seconds, False
        try:
            self._listener.open()
            listened = True
            while not self._wake.is_set() and (left := until - time.monotonic()) > 0:
                if self._listener.hear(min(_SLICE, left)):
                    break
            self._deaf = None
        except UserError as error:
            self._listener.close()
            # A server that is gone is an outage, which the next turn finds out.
            self._deaf = None if isinstance(error, DatabaseUnavailable) else str(error)
            if not listened:  # a session that breaks is looked into at once; one that cannot be had, after a while
                super()._wait(min(seconds, self.settings.retry_first_wait.total_seconds()))
        self._wake.clear()


def _why_not(do: Callable[[], object]) -> str | None:
    """Why it could not be done for a job, as a sentence; None where it was done."""
    try:
        do()
    except DatabaseUnavailable:
        raise
    except UserError as error:
        return str(error)
    return None
