"""A loop that answers requests as they come."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping

from scorer.daemon.loop import Loop
from scorer.daemon.outage import Outage
from scorer.database.connection import Database
from scorer.database.notifications import Listener
from scorer.errors import DatabaseUnavailable, UserError
from scorer.jobs.job import Job
from scorer.runs.requests import RequestAnswering

_SLICE = 0.5  # seconds that it listens, before it sees whether it was woken
_SOON, _LATER = 0.05, 0.2  # seconds until it looks again, at first and at the most, where a request could not be taken


class RequestLoop(Loop):
    """Answers requests as they come: notifications wake it, and now and then it looks without one."""

    def __init__(self, jobs: Iterable[Job], *, database: Database, outage: Outage | None = None) -> None:
        super().__init__("requests", database=database, jobs=jobs, outage=outage)
        self._soon = _SOON
        self._cannot_answer: str | None = None  # why a job cannot
        self._cannot_listen: str | None = None  # why notifications cannot be heard
        self._left_out: Mapping[str, str] = {}  # by name of the job, why it is not run here
        self._open()

    def leave_out(self, jobs: Mapping[str, str]) -> None:
        """Refuse requests of these jobs, each with the reason why it is not run here, from the next look on."""
        self._left_out = dict(jobs)

    def _open(self) -> None:
        self._answering = RequestAnswering(database=self.database, jobs=self.jobs)
        self._listener = Listener.for_requests(self.database.as_worker())
        self._looked_at = -math.inf

    def close(self) -> None:
        """End the loop's sessions."""
        self._answering.close()
        self._listener.close()

    def step(self) -> float:
        """Answer all that waits. Returns the seconds until the next step.

        Now and then, also ask for entities with new observations, and refuse requests of jobs that no daemon knows, or that are late.
        """
        if self._take_up_reload():
            self._answering.reload(self.jobs)
        if time.monotonic() - self._looked_at >= self.settings.poll.total_seconds():
            self._look_round()
        while not self.stopping() and self._answering.answer_waiting():
            self.liveness.beat("answering")
        self._report(self._cannot_answer or self._cannot_listen)
        return self._until_next()

    def _look_round(self) -> None:
        # First: where this raises, requests are answered at the next step all the same.
        self._looked_at = time.monotonic()
        reasons = [
            _why_not(self._answering.warm),
            _why_not(self._answering.ask_for_arrivals),
        ]
        self._cannot_answer = next(filter(None, reasons), None)
        self._answering.refuse_strangers(self._left_out)
        self._answering.expire()

    def _until_next(self) -> float:
        """Seconds until the next step: few, and then more, while requests wait that could not be taken."""
        if not self._answering.holds_back:
            self._soon = _SOON
            return self.settings.poll.total_seconds()
        soon, self._soon = self._soon, min(self._soon * 2, _LATER)
        return soon

    def _wait(self, seconds: float) -> None:
        """Wait for a notification, until the loop is woken or the time has passed."""
        until, listened = time.monotonic() + seconds, False
        try:
            self._listener.open()
            listened = True
            while not self._wake.is_set() and (left := until - time.monotonic()) > 0:
                if self._listener.hear(min(_SLICE, left)):
                    break
            self._cannot_listen = None
        except UserError as error:
            self._listener.close()
            # A server that is gone is an outage, which the next step finds out.
            self._cannot_listen = None if isinstance(error, DatabaseUnavailable) else str(error)
            if not listened:  # a session that breaks is looked into at once; one that cannot be had, after a while
                super()._wait(min(seconds, self.settings.retry_first_wait.total_seconds()))
        self._wake.clear()


def _why_not(do: Callable[[], object]) -> str | None:
    """Do it. Returns why it could not be done for a job, as a sentence; None where it was done."""
    try:
        do()
    except DatabaseUnavailable:
        raise
    except UserError as error:
        return str(error)
    return None
