"""A lane that answers requests as they come."""

from __future__ import annotations

import time
from collections.abc import Iterable

from scorer.answers import Answers
from scorer.config import Settings
from scorer.connection import Target
from scorer.errors import DatabaseUnavailable, UserError
from scorer.job import Job
from scorer.lanes import Lane
from scorer.listening import Listener
from scorer.outage import Outage

_SLICE = 0.5  # seconds that it listens, before it sees whether it was woken


class RequestLane(Lane):
    """Answers requests as they come: woken by notifications, and by a look every so often for what none told."""

    def __init__(self, jobs: Iterable[Job], *, url: str, settings: Settings, outage: Outage | None = None) -> None:
        super().__init__("requests", settings=settings, outage=outage)
        self._answers = Answers(url=url, settings=settings, jobs=jobs)
        self._listener = Listener.for_requests(Target.of(url, settings, role=settings.worker_role))
        self._jobs: tuple[Job, ...] | None = None
        self._looked_at = 0.0

    def close(self) -> None:
        """End the lane's sessions."""
        self._answers.close()
        self._listener.close()

    def reload(self, jobs: Iterable[Job], *, settings: Settings) -> None:
        """Know these jobs from the next turn on."""
        self.settings = settings
        self._jobs = tuple(jobs)
        self.wake()

    def turn(self) -> float:
        """Answer all that waits; now and then, ask for what has new observations, and refuse what no daemon knows."""
        jobs, self._jobs = self._jobs, None
        if jobs is not None:
            self._answers.reload(jobs)
        if time.monotonic() - self._looked_at >= self.settings.poll.total_seconds():
            self._warm()
            self._answers.ask_for_arrivals()
            self._answers.refuse_strangers()
            self._looked_at = time.monotonic()
        while not self.stopping() and self._answers.answer_waiting():
            self.pulse.beat("answering")
        return self.settings.poll.total_seconds()

    def _warm(self) -> None:
        try:
            self._answers.warm()
        except DatabaseUnavailable:
            raise
        except UserError as error:
            self._told(str(error))  # the other jobs are answered all the same
        else:
            self._told(None)

    def _wait(self, seconds: float) -> None:
        """Until a notification, or the lane is woken, or the time has passed."""
        until, listened = time.monotonic() + seconds, self._listener.listens
        try:
            while not self._wake.is_set() and time.monotonic() < until:
                if self._listener.hear(min(_SLICE, seconds)):
                    break
        except DatabaseUnavailable:
            self._listener.close()
            if not listened:  # a session that breaks is looked into at once; one that cannot be had, after a while
                super()._wait(min(seconds, self.settings.retry_first_wait.total_seconds()))
        self._wake.clear()
