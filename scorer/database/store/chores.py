"""Nightly chores: which night's are done, by which daemon, and how they ended.

Every function of a session works within its transaction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from scorer.config import Settings
from scorer.database.session import Session
from scorer.jobs.schedule import Schedule

_LOOKS = (2, 40, 400)  # days: a schedule may fire every minute, or skip months


@dataclass(frozen=True, slots=True)
class Night:
    """The newest night whose chore was begun; `ended_at` is None while it runs, or if its process died."""

    night: datetime
    ended_at: datetime | None


def last_night(session: Session, job: str, chore: str) -> Night | None:
    """The newest night of the chore, not counting any in the future; None before the first."""
    rows = session.all("last_night", job=job, chore=chore)
    return Night(**rows[0]._asdict()) if rows else None


def hold_chore(session: Session, job: str, chore: str) -> bool:
    """Hold the chore until `release_chore` or the session's end. Returns False where another holds it."""
    return bool(session.one("hold_chore", job=job, chore=chore).held)


def release_chore(session: Session, job: str, chore: str) -> None:
    """Release the chore, which this session holds."""
    session.do("release_chore", job=job, chore=chore)


def begin_chore(session: Session, job: str, chore: str, *, night: datetime, daemon: str) -> int:
    """Record that this night's chore begins. Returns how often it has begun; 0 where it has ended already."""
    rows = session.all("begin_chore", job=job, chore=chore, night=night, daemon=daemon)
    return int(rows[0].attempts) if rows else 0


def put_off_chore(session: Session, job: str, chore: str, *, night: datetime) -> None:
    """Leave this night's chore to the next daemon that looks, as if it had not been tried."""
    session.do("put_off_chore", job=job, chore=chore, night=night)


def end_chore(session: Session, job: str, chore: str, *, night: datetime, error: str | None) -> None:
    """Record that this night's chore is done, or with `error` why it failed."""
    session.do("end_chore", job=job, chore=chore, night=night, error=error)


def nightly(settings: Settings) -> Schedule:
    """When the chores of a night are due. Raises UserError where the option cannot be read."""
    return Schedule.of(settings.nightly, str(UTC), where="nightly")


def newest(schedule: Schedule, now: datetime) -> datetime | None:
    """The schedule's newest tick up to `now`; None where there was none within a year."""
    for days in _LOOKS:
        ticks = list(schedule.ticks(after=now - timedelta(days=days), until=now))
        if ticks:
            return ticks[-1]
    return None
