"""A loop that does each job's chores once a night, on the daemon that comes first.

Then comes the night's report, where one is wanted.

The night's tick is found by the database's clock. A night that passed while no daemon ran is made up for when one starts, once; of
several such nights only the newest. A chore that fails is not tried again before the next night. One that the database keeps from its
end, or whose process dies, is tried three times; the others go on meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from scorer.daemon.loop import Loop
from scorer.daemon.nightly_report import NightlyReport
from scorer.daemon.outage import Outage
from scorer.database.connection import Database
from scorer.database.session import Session, process_name
from scorer.database.store.chores import (
    begin_chore,
    end_chore,
    hold_chore,
    last_night,
    newest,
    nightly,
    put_off_chore,
    release_chore,
)
from scorer.database.store.ticks import read_clock
from scorer.database.upkeep.maintenance import nightly_upkeep
from scorer.errors import DatabaseUnavailable, Stopping, UserError
from scorer.governance.replay import replay_by_lot
from scorer.jobs.job import Job
from scorer.log import events
from scorer.log.logger import say
from scorer.monitoring.checkup import nightly_checkup

_log = logging.getLogger(__name__)
_LONGEST_WAIT = timedelta(minutes=1)
_ATTEMPTS = 3
_NEVER_ENDED = f"It was begun {_ATTEMPTS} times and never came to its end: its process died, or lost the database."


@dataclass(frozen=True, slots=True)
class Chore:
    """What the daemon does for each job once a night, by its name in scorer.chores.

    `do` is called with the job, the database, and a function that it is to call every few seconds: whether to stop. Then it raises
    Stopping, and another daemon begins anew; so a chore may be begun twice for one night. It opens sessions of its own.
    """

    name: str
    do: Callable[[Job, Database, Callable[[], bool]], None]


CHORES: tuple[Chore, ...] = (
    Chore("upkeep", nightly_upkeep),
    Chore("checkup", nightly_checkup),
    Chore("replay", replay_by_lot),
)


class NightlyLoop(Loop):
    """Does the chores of the jobs it knows, one after the other, once a night."""

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
        super().__init__("nightly", database=database, jobs=jobs, outage=outage)
        self._chores = chores
        self._clock = clock
        self._began: datetime | None = None
        self._pages = NightlyReport()
        self._open()

    def _open(self) -> None:
        self._session = Session(self.database.as_worker())

    def close(self) -> None:
        """End the loop's session, and so release what it holds."""
        self._session.close()

    def step(self) -> float:
        """Do the chores of the newest night that are not done. Returns the seconds until the next look."""
        self._take_up_reload()
        schedule = nightly(self.settings)
        now = self._now()
        self._began = min(self._began or now, now)
        night = newest(schedule, now)
        if night is not None:
            for job in self.jobs:
                for chore in self._chores:
                    self._see_to(job, chore, night=night)
            self._see_to_report(night)
        self._report(None)
        until = schedule.next_tick(after=now) - now
        return min(until, _LONGEST_WAIT).total_seconds()

    def _blocked_by(self, error: DatabaseUnavailable) -> None:
        """Wait: a database that is gone blocks other loops too, which log it, and a chore can wait."""

    def _now(self) -> datetime:
        if self._clock is not None:
            return self._clock()
        with self._session.transaction():
            return read_clock(self._session)

    def _see_to(self, job: Job, chore: Chore, *, night: datetime) -> None:
        """Do a job's chore for this night, unless it is done, or another daemon is doing it."""
        if self.stopping():
            raise Stopping
        with self._session.transaction():
            last = last_night(self._session, job.name, chore.name)
        if last is None:
            assert self._began is not None
            due = night >= self._began  # where it was never done, nights before this daemon are none
        else:
            due = last.night < night or (last.night == night and last.ended_at is None)
        if not due:
            return
        with self._session.transaction():
            held = hold_chore(self._session, job.name, chore.name)
        if not held:
            return
        try:
            self._do(job, chore, night=night)
        finally:
            # Where the session is gone, so is what it held.
            self._release(job, chore)

    def _see_to_report(self, night: datetime) -> None:
        """Write the night's report where one is due, and all chores are done.

        Another daemon may be doing them: then it is written later.
        """
        assert self._began is not None
        if not self._pages.is_due(night, began=self._began, settings=self.settings):
            return
        with self._session.transaction():
            last = [last_night(self._session, job.name, chore.name) for job in self.jobs for chore in self._chores]
        if all(each is None or (each.night >= night and each.ended_at is not None) for each in last):
            self.liveness.beat("report")
            self._pages.write(night, database=self.database)

    def _release(self, job: Job, chore: Chore) -> None:
        try:
            with self._session.transaction():
                release_chore(self._session, job.name, chore.name)
        except UserError:
            self.close()

    def _do(self, job: Job, chore: Chore, *, night: datetime) -> None:
        with self._session.transaction():
            attempt = begin_chore(self._session, job.name, chore.name, night=night, daemon=process_name())
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
                put_off_chore(self._session, job.name, chore.name, night=night)
            raise
        except UserError as failed:
            if isinstance(failed, DatabaseUnavailable) and attempt < _ATTEMPTS:
                return  # it stays begun: the next daemon that looks does it anew
            error = str(failed)
        except Exception as failed:  # noqa: BLE001 - one chore's bug does not keep the others from being done
            self._bugs.report(failed, job=job.name)
            self._end(job, chore, night=night, error=f"a bug: {type(failed).__name__}", logged=True)
            return
        self._end(job, chore, night=night, error=error)

    def _end(self, job: Job, chore: Chore, *, night: datetime, error: str | None, logged: bool = False) -> None:
        with self._session.transaction():
            end_chore(self._session, job.name, chore.name, night=night, error=error)
        if error is not None and not logged:
            say(_log, events.CHORE_FAILED, job=job.name, chore=chore.name, error=error)
