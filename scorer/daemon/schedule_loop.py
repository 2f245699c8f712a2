"""A loop that keeps one job's schedule.

It asks the database what its clock says and which ticks are settled, so that it does not matter which of several daemons wakes first, nor
what this machine's clock says. It holds nothing between steps: a daemon that dies leaves nothing but a run, for the next step of any
daemon to go on with.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from scorer.config import Settings
from scorer.daemon.loop import Loop
from scorer.daemon.outage import Outage
from scorer.database.connection import Database
from scorer.database.session import Session, process_name
from scorer.database.store.runs import hold_run, is_waiting, list_unfinished_runs, release_run
from scorer.database.store.ticks import (
    Breaker,
    count_failure,
    has_tick,
    last_tick,
    miss_ticks,
    read_breaker,
    read_clock,
)
from scorer.errors import DatabaseBusy, DatabaseUnavailable, Stopping, UserError
from scorer.jobs.job import Job
from scorer.log import events
from scorer.log.logger import say
from scorer.runs.run import run_tick, share_runs
from scorer.runs.worker import Hooks
from scorer.runs.write_backs import WriteBacks
from scorer.scoring.opening import CarriedOver
from scorer.types.enums import Trigger
from scorer.types.values import Tick

_log = logging.getLogger(__name__)
_NO_DAEMON = "no daemon was running"
_WENT_BACK = "it had run, and the database was put back to a time before it"
_FROM_NOW = datetime.max.replace(tzinfo=UTC)  # the floor of a schedule that has just changed, until the clock is read


class ScheduleLoop(Loop):
    """Keeps one job's schedule: settles its ticks, and runs it once for those that are due."""

    def __init__(
        self, job: Job, *, database: Database, outage: Outage | None = None, clock: Callable[[], datetime] | None = None
    ) -> None:
        """`clock` stands for the database's clock and for the runs' as-of time, where it is given."""
        super().__init__(job.name, database=database, outage=outage)
        self.job = job
        self.next_tick: datetime | None = None
        self._clock = clock
        self._session = Session(database.as_worker())
        self._write_backs = WriteBacks(job, self._session)
        self._carried = CarriedOver(kept_rows=self.settings.kept_rows)
        self._began: datetime | None = None  # ticks before this one passed without us
        self._floor: datetime | None = None  # ticks before this one are not of the schedule as it stands
        self._hindrance = _NO_DAEMON
        self._settled: datetime | None = None  # the newest tick that we saw settled
        self._gone: datetime | None = None  # the newest that was settled in what a restore took away
        self._try_now = False  # after a reload, which may be because something was corrected

    def close(self) -> None:
        """End the loop's session."""
        self._session.close()

    def adopt_job(self, job: Job, *, settings: Settings) -> None:
        """Keep the job's schedule, by these settings, from now on; it has no ticks before now."""
        if job.schedule != self.job.schedule:
            self._floor = _FROM_NOW
        if settings.kept_rows != self.settings.kept_rows:
            self._carried = CarriedOver(kept_rows=settings.kept_rows)
        self.adopt(settings)
        self.job, self._write_backs.job, self._try_now = job, job, True
        self.wake()

    def _say_hindered(self, reason: str) -> None:
        say(_log, events.JOB_HINDERED, job=self.job.name, reason=reason)

    def _say_freed(self) -> None:
        say(_log, events.JOB_FREED, job=self.job.name)

    def step(self) -> float:
        """Settle the ticks that are due by the database's clock. Returns the seconds until the next step."""
        try:
            # First: a recalled score is taken out of the hospital's table though the job cannot score.
            self._write_backs.look(stopping=self.stopping)
            self._settle()
        except DatabaseUnavailable as error:
            self._hindrance = (
                f"the database could not do it just then (SQLSTATE {error.sqlstate})"
                if error.answers
                else "the database was not there"
            )
            raise
        now = self._now()
        self.next_tick = self.job.schedule.next_tick(after=now)
        return min(self.settings.poll.total_seconds(), (self.next_tick - now).total_seconds())

    def _settle(self) -> None:
        """Do what the due ticks, the job's breaker, and runs that were left or can be shared, ask for."""
        now, due, breaker = self._look()
        opened = breaker is not None and breaker.opened_at is not None
        if breaker is not None and breaker.is_open(now) and not self._try_now:
            self._pass_over(due, reason=f"its breaker is open: {breaker.reason}")
        elif due or opened:
            self._try_now = False
            self._fire(now, due, half_open=opened)
        else:
            if self._is_left():
                self._help()
            if breaker is None:
                self._report(None)
            self._hindrance = "the service stood still"

    def _now(self) -> datetime:
        if self._clock is not None:
            return self._clock()
        with self._session.transaction():
            return read_clock(self._session)

    def _look(self) -> tuple[datetime, list[datetime], Breaker | None]:
        """Return the time, the ticks that are due and not settled, and the job's breaker."""
        now = self._now()
        last, kept, breaker = self._read()
        if self._lacks_settled(last, now=now):
            self._session.close()  # which may lead to a server that others have left
            last, kept, breaker = self._read()
            if self._lacks_settled(last, now=now):
                self._say_gone(last)
        self._settled = last
        self._began = min(self._began or now, now)
        if self._floor is None and kept != str(self.job.schedule):
            # A job that has never run by this schedule begins with the first tick that comes.
            self._floor = now
        self._floor = None if self._floor is None else min(self._floor, now)
        after = max(filter(None, (last, self._floor)))
        return now, list(self.job.schedule.ticks(after=min(after, now), until=now)), breaker

    def _read(self) -> tuple[datetime | None, str | None, Breaker | None]:
        """Return the newest settled tick, the schedule that it was of, and the job's breaker."""
        with self._session.transaction():
            last, kept = last_tick(self._session, self.job.name)
            return last, kept, read_breaker(self._session, self.job.name)

    def _lacks_settled(self, last: datetime | None, *, now: datetime) -> bool:
        """Whether the database lacks a tick that we saw settled, and that has passed by its clock."""
        settled = self._settled
        if settled is None or settled > now or (last is not None and last >= settled):
            return False
        # One that was settled by a clock that has been put right since counts no more, and is there all the same.
        with self._session.transaction():
            return not has_tick(self._session, self.job.name, settled)

    def _say_gone(self, last: datetime | None) -> None:
        assert self._settled is not None
        self._gone = self._settled
        newest = "none" if last is None else last.isoformat()
        say(_log, events.DATABASE_WENT_BACK, job=self.job.name, before=self._settled.isoformat(), newest=newest)

    def _is_left(self) -> bool:
        """Whether a run has lost its process, or work waits that this one can share."""
        with self._session.transaction():
            for run in list_unfinished_runs(self._session, self.job):
                if hold_run(self._session, run.run_id):
                    release_run(self._session, run.run_id)
                    return True
                if run.trigger.by_schedule and is_waiting(self._session, run.run_id):
                    return True
        return False

    def _help(self) -> None:
        """Go on with runs that have lost their process, and share the work of those that others carry."""
        try:
            share_runs(self.job, database=self.database, hooks=Hooks(watch=self.liveness.beat, stopping=self.stopping))
        except (DatabaseUnavailable, Stopping):
            raise
        except DatabaseBusy:
            pass  # the run was ended, with the reason; the next tick tries again
        except Exception as error:  # noqa: BLE001 - the edge of a run
            self._fail(error, begun=True)

    def _fire(self, now: datetime, due: list[datetime], *, half_open: bool) -> None:
        """Run the job once for all ticks that are due; where it fails, count that."""
        tick = self._tick(now, due) if due else None
        begun = False

        def watch(step: str) -> None:
            nonlocal begun
            begun = True
            self.liveness.beat(step)

        if half_open:
            say(_log, events.BREAKER_HALF_OPEN, job=self.job.name)
        try:
            ended = run_tick(
                self.job,
                database=self.database,
                tick=tick,
                trigger=Trigger.SCHEDULE if tick and (tick.outcome, tick.missed) == ("ran", ()) else Trigger.CATCH_UP,
                as_of=None if self._clock is None else now,
                hooks=Hooks(watch=watch, stopping=self.stopping, quiet=half_open),
                carried=self._carried,
            )
        except (DatabaseUnavailable, Stopping):
            raise
        except DatabaseBusy:
            return  # the run was ended, with the reason; the next tick tries again
        except Exception as error:  # noqa: BLE001 - the edge of a run
            self._fail(error, begun=begun)
            return
        if ended is not None:
            self._report(None)
            self._settled = tick.scheduled_for if tick is not None else self._settled
        self._say_settled(tick, now=now, ran=ended is not None)

    def _tick(self, now: datetime, due: list[datetime]) -> Tick:
        """The newest of the ticks that are due, which the run is for, and those before it, which are missed."""
        *missed, newest = due
        late = now - newest > self.settings.late_after
        return Tick(
            scheduled_for=newest,
            outcome="late" if late else "ran",
            reason=self._why(newest) if late else None,
            schedule=str(self.job.schedule),
            missed=tuple(missed),
            missed_reason=self._why(missed[-1]) if missed else "",
            recorded_by=process_name(),
        )

    def _why(self, tick: datetime) -> str:
        """Why nothing was done at the time of a tick that has passed."""
        if self._gone is not None and tick <= self._gone:
            return _WENT_BACK
        return _NO_DAEMON if self._began is None or tick < self._began else self._hindrance

    def _say_settled(self, tick: Tick | None, *, now: datetime, ran: bool) -> None:
        if not ran:
            self._hindrance = "another run of the job was still going"
            return
        self._hindrance = f"the run before it took until after {self._now():%H:%M:%S} UTC"
        if tick is not None and tick.missed:
            say(
                _log,
                events.TICKS_MISSED,
                job=self.job.name,
                ticks=len(tick.missed),
                first=tick.missed[0].isoformat(),
                last=tick.missed[-1].isoformat(),
                reason=tick.missed_reason,
            )
        if tick is not None and tick.outcome == "late":
            say(
                _log,
                events.TICK_LATE,
                job=self.job.name,
                scheduled_for=tick.scheduled_for.isoformat(),
                seconds=round((now - tick.scheduled_for).total_seconds()),
                reason=tick.reason,
            )

    def _pass_over(self, due: list[datetime], *, reason: str) -> None:
        """Record ticks as missed; what keeps the job from running was logged when that began."""
        if due:
            with self._session.transaction():
                miss_ticks(
                    self._session,
                    self.job.name,
                    due,
                    reason=reason,
                    schedule=str(self.job.schedule),
                    recorded_by=process_name(),
                )

    def _fail(self, error: Exception, *, begun: bool) -> None:
        """Count the failure of a run.

        Where no run could begin here, raise it instead: another daemon may be able to begin one, so the ticks stay open.
        """
        reason = str(error) if isinstance(error, UserError) else f"a bug: {type(error).__name__}"
        if not begun:
            self._hindrance = reason
            raise error
        self._count_failure(reason)
        self.liveness.reason = reason
        if not isinstance(error, UserError):
            raise error

    def _count_failure(self, reason: str) -> None:
        """Count one more failure in a row; where that opens the breaker, log it."""
        now = self._now()
        with self._session.transaction():
            before = read_breaker(self._session, self.job.name)
            breaker = count_failure(
                self._session,
                self.job.name,
                reason=reason,
                now=now,
                limit=self.settings.breaker_failures,
                pause=_pause(self.settings, failures=1 if before is None else before.failures + 1),
            )
        if breaker.next_try_at is not None and (before is None or before.opened_at is None):
            say(
                _log,
                events.BREAKER_OPENED,
                job=self.job.name,
                failures=breaker.failures,
                retry_at=breaker.next_try_at.isoformat(),
                error=reason,
            )


def _pause(settings: Settings, *, failures: int) -> timedelta:
    """How long a job that failed so often is left alone: twice as long each time, and an hour at most."""
    doublings = min(max(failures - settings.breaker_failures, 0), 16)
    return min(settings.breaker_pause * (1 << doublings), max(settings.breaker_pause, timedelta(hours=1)))
