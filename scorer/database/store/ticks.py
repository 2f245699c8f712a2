"""What a daemon records: ticks, breakers, its own heartbeat.

Every function works within a transaction of the session.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scorer import __version__
from scorer.database.session import Session
from scorer.types.values import Tick


@dataclass(frozen=True, slots=True)
class Breaker:
    """How often a job's runs failed in a row; once the breaker is open, when the job is tried again."""

    failures: int
    reason: str
    last_failed_at: datetime
    opened_at: datetime | None
    next_try_at: datetime | None

    def is_open(self, now: datetime) -> bool:
        """Whether the job is not to be run now; failures that a wrong clock dated in the future do not count."""
        return self.next_try_at is not None and self.last_failed_at <= now < self.next_try_at


def read_clock(session: Session) -> datetime:
    """Now by the database's clock, whenever the transaction began."""
    moment: datetime = session.one("read_clock").now
    return moment


def last_tick(session: Session, job: str) -> tuple[datetime | None, str | None]:
    """The newest settled tick of a job, and the schedule that it was of; None where there is none.

    Ticks that a wrong clock settled in the future do not count.
    """
    rows = session.all("last_tick", job=job)
    return (rows[0].scheduled_for, rows[0].schedule) if rows else (None, None)


def hold_schedule(session: Session, job: str) -> bool:
    """Hold the job's schedule for this transaction. Returns False where another is beginning a run by it."""
    return bool(session.one("hold_schedule", job=job).held)


def is_tick_open(session: Session, job: str, tick: datetime) -> bool:
    """Whether a tick is not settled yet."""
    return bool(session.one("is_tick_open", job=job, scheduled_for=tick).is_open)


def has_tick(session: Session, job: str, tick: datetime) -> bool:
    """Whether a tick was ever settled, whatever the clock said then."""
    return bool(session.one("has_tick", job=job, scheduled_for=tick).has_tick)


def record_tick(session: Session, job: str, tick: Tick, *, run_id: int) -> None:
    """Record that a tick set off this run."""
    session.do(
        "record_tick",
        job=job,
        scheduled_for=tick.scheduled_for,
        outcome=tick.outcome,
        reason=tick.reason,
        schedule=tick.schedule,
        run_id=run_id,
        recorded_by=tick.recorded_by,
    )


def miss_ticks(
    session: Session, job: str, ticks: Sequence[datetime], *, reason: str, schedule: str, recorded_by: str
) -> int:
    """Record `ticks` as missed. Returns how many of them were not settled before."""
    rows = session.all(
        "miss_ticks", job=job, scheduled_for=list(ticks), reason=reason, schedule=schedule, recorded_by=recorded_by
    )
    return len(rows)


def read_breaker(session: Session, job: str) -> Breaker | None:
    """The job's breaker; None where its last run did not fail."""
    rows = session.all("read_breaker", job=job)
    return Breaker(**rows[0]._asdict()) if rows else None


def count_failure(session: Session, job: str, *, reason: str, now: datetime, limit: int, pause: timedelta) -> Breaker:
    """Count a failed run; at `limit` the breaker opens until `pause` has passed. Returns the breaker."""
    counted = session.one("count_failure", job=job, reason=reason, now=now, limit=limit, pause=pause)
    return Breaker(**counted._asdict())


def close_breaker(session: Session, job: str) -> Breaker | None:
    """Close the job's breaker. Returns what it was; None where there was none."""
    rows = session.all("close_breaker", job=job)
    return Breaker(**rows[0]._asdict()) if rows else None


def record_heartbeat(session: Session, daemon: str, *, ready: bool, detail: str, jobs: Sequence[str] | None) -> None:
    """Record that this daemon lives and runs `jobs` (None: not known yet).

    The daemons that have not been seen for a day are deleted.
    """
    session.do(
        "record_heartbeat",
        daemon=daemon,
        ready=ready,
        detail=detail,
        jobs=None if jobs is None else list(jobs),
        version=__version__,
    )


def remove_daemon(session: Session, daemon: str) -> None:
    """Delete the row of this daemon, which stops."""
    session.do("remove_daemon", daemon=daemon)
