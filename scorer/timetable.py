"""The daemon's side of the database: ticks, breakers, its own heartbeat. Each method works inside the transaction of its session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from scorer.session import Session
from scorer.version import __version__


@dataclass(frozen=True, slots=True)
class Breaker:
    """How often a job's runs failed in a row, and, where that opened its breaker, when it is tried again."""

    failures: int
    reason: str
    opened_at: datetime | None
    next_try_at: datetime | None


class Timetable:
    """What is written down of ticks and daemons, in a session that others may share."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def read_clock(self) -> datetime:
        """Now, by the database's clock, whatever the transaction's own time."""
        moment: datetime = self._session.one("read_clock").now
        return moment

    def last_tick(self, job: str) -> datetime | None:
        """The newest tick of a job that was settled, if any was."""
        moment: datetime | None = self._session.one("last_tick", job=job).scheduled_for
        return moment

    def hold_schedule(self, job: str) -> bool:
        """Whether this session now holds the job's schedule: no other daemon runs its ticks."""
        return bool(self._session.one("hold_schedule", job=job).held)

    def release_schedule(self, job: str) -> None:
        """Give the schedule back."""
        self._session.one("release_schedule", job=job)

    def record_tick(
        self, job: str, tick: datetime, *, outcome: str, reason: str | None, run_id: int, recorded_by: str
    ) -> bool:
        """Whether the tick was recorded just now, as set off by this run; False where it was settled before."""
        return bool(
            self._session.all(
                "record_tick",
                job=job,
                scheduled_for=tick,
                outcome=outcome,
                reason=reason,
                run_id=run_id,
                recorded_by=recorded_by,
            )
        )

    def miss_ticks(self, job: str, ticks: Sequence[datetime], *, reason: str, recorded_by: str) -> int:
        """How many of `ticks` are recorded just now as missed."""
        rows = self._session.all(
            "miss_ticks", job=job, scheduled_for=list(ticks), reason=reason, recorded_by=recorded_by
        )
        return len(rows)

    def read_breaker(self, job: str) -> Breaker | None:
        """The job's breaker, where its last run failed."""
        rows = self._session.all("read_breaker", job=job)
        return Breaker(*rows[0]) if rows else None

    def count_failure(self, job: str, *, reason: str, limit: int, pause: timedelta) -> Breaker:
        """The job's breaker, one more run having failed: open from `limit` failures on, until `pause` has passed."""
        return Breaker(*self._session.one("count_failure", job=job, reason=reason, limit=limit, pause=pause))

    def close_breaker(self, job: str) -> Breaker | None:
        """The breaker that the job had; it has none now."""
        rows = self._session.all("close_breaker", job=job)
        return Breaker(*rows[0]) if rows else None

    def beat(self, daemon: str, *, ready: bool, detail: str) -> None:
        """Say that this daemon lives, and forget those that have not been seen for a day."""
        self._session.do("beat", daemon=daemon, ready=ready, detail=detail, version=__version__)

    def leave(self, daemon: str) -> None:
        """Take this daemon's row away: it stops."""
        self._session.do("leave", daemon=daemon)
