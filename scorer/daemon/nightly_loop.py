"""A loop that does each job's chores once a night, on whichever daemon is first.

The night's tick is found by the database's clock. A night that passed while no daemon ran is made up for when one starts, once; of
several such nights only the newest. A chore that fails is not tried again before the next night. One
that the database keeps from its end, or whose process dies, is tried three times; the others go on meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from scorer.config import Settings
from scorer.daemon.chores import CHORES, Chore
from scorer.daemon.loop import Loop
from scorer.daemon.outage import Outage
from scorer.database.connection import Database
from scorer.database.session import Session, process_name
from scorer.database.store import chores as nights
from scorer.database.store.ticks import read_clock
from scorer.errors import DatabaseUnavailable, Stopping, UserError
from scorer.jobs.job import Job
from scorer.log import events
from scorer.log.logger import say

_log = logging.getLogger(__name__)
_LONGEST_WAIT = timedelta(minutes=1)
_ATTEMPTS = 3
_NEVER_ENDED = f"It was begun {_ATTEMPTS} times and never came to its end: its process died, or lost the database."


class NightlyLoop(Loop):
    """Does the chores of the jobs it knows, once a night."""

    def __init__(
        self,
        jobs: Iterable[Job],
        *,
        database: Database,
        outage: Outage | None = None,
        chores: tuple[Chore, ...] = CHORES,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        """`clock` stands for the database's clock, where it is given."""
        super().__init__("nightly", database=database, outage=outage)
        self._jobs = tuple(jobs)
        self._chores = chores
        self._clock = clock
        self._changed: tuple[tuple[Job, ...], Settings] | None = None
        self._began: datetime | None = None
        self._open()

    def _open(self) -> None:
        """Have a session in the manners of the settings."""
        self._session = Session(self.database.as_worker())

    def close(self) -> None:
        """End the loop's session, and so give back what it holds."""
        self._session.close()

    def reload(self, jobs: Iterable[Job], *, settings: Settings) -> None:
        """Know these jobs, and keep to these settings, from the next turn on."""
        self._changed = tuple(jobs), settings
        self.wake()

    def step(self) -> float:
        """Do the chores of the newest night, where they are not done; seconds until the next look."""
        self._take_up()
        schedule = nights.nightly(self.settings)
        now = self._now()
        self._began = min(self._began or now, now)
        night = nights.newest(schedule, now)
        if night is not None:
            for job in self._jobs:
                for chore in self._chores:
                    self._see_to(job, chore, night=night)
        self._told(None)
        until = schedule.next_tick(after=now) - now
        return min(until, _LONGEST_WAIT).total_seconds()

    def _kept_by(self, error: DatabaseUnavailable) -> None:
        """Wait; a database that is gone keeps other loops too, which tell it, and nobody waits for a chore."""

    def _take_up(self) -> None:
        """Take up what a reload has changed."""
        changed, self._changed = self._changed, None
        if changed is not None:
            self._jobs, settings = changed
            self.adopt(settings)
            self.close()
            self._open()

    def _now(self) -> datetime:
        if self._clock is not None:
            return self._clock()
        with self._session.transaction():
            return read_clock(self._session)

    def _see_to(self, job: Job, chore: Chore, *, night: datetime) -> None:
        """Do a job's chore for this night, unless it is done, or somebody does it just now."""
        if self.stopping():
            raise Stopping
        with self._session.transaction():
            last = nights.last_night(self._session, job.name, chore.name)
        if last is None:
            assert self._began is not None
            due = night >= self._began  # where it was never done, nights before this daemon are none
        else:
            due = last.night < night or (last.night == night and last.ended_at is None)
        if not due:
            return
        with self._session.transaction():
            held = nights.hold_chore(self._session, job.name, chore.name)
        if not held:
            return
        try:
            self._do(job, chore, night=night)
        finally:
            # Where the session is gone, so is what it held.
            self._release(job, chore)

    def _release(self, job: Job, chore: Chore) -> None:
        try:
            with self._session.transaction():
                nights.release_chore(self._session, job.name, chore.name)
        except UserError:
            self.close()

    def _do(self, job: Job, chore: Chore, *, night: datetime) -> None:
        with self._session.transaction():
            attempt = nights.begin_chore(self._session, job.name, chore.name, night=night, daemon=process_name())
        if attempt == 0:
            return
        if attempt > _ATTEMPTS:
            self._end(job, chore, night=night, error=_NEVER_ENDED)
            return
        doing = f"{chore.name} of {job.name}"
        self.liveness.beat(doing)

        def stopping() -> bool:
            self.liveness.beat(doing)
            return self.stopping()

        error = None
        try:
            chore.do(job, self.database, stopping)
        except Stopping:
            with self._session.transaction():
                nights.put_off_chore(self._session, job.name, chore.name, night=night)
            raise
        except UserError as failed:
            if isinstance(failed, DatabaseUnavailable) and attempt < _ATTEMPTS:
                return  # it stays begun: whoever looks next does it anew
            error = str(failed)
        except Exception as failed:  # noqa: BLE001 - one chore's bug does not keep the others from being done
            self._bugs.tell(failed, job=job.name)
            self._end(job, chore, night=night, error=f"a bug: {type(failed).__name__}", told=True)
            return
        self._end(job, chore, night=night, error=error)

    def _end(self, job: Job, chore: Chore, *, night: datetime, error: str | None, told: bool = False) -> None:
        with self._session.transaction():
            nights.end_chore(self._session, job.name, chore.name, night=night, error=error)
        if error is not None and not told:
            say(_log, events.CHORE_FAILED, job=job.name, chore=chore.name, error=error)
