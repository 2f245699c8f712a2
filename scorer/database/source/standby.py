"""The standby of `read_url`: whether it has come far enough to be read instead of the primary."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from scorer.database.connecting import connect
from scorer.database.connection import Database, Target
from scorer.database.source.arrow_session import ArrowSession
from scorer.errors import UserError
from scorer.types.values import Position

_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _Lack:
    """Why a standby may not be read, and whether waiting could change it."""

    why: str
    may_pass: bool = True


@dataclass(frozen=True, slots=True)
class Standby:
    """A session with the standby, and how long a reader waits for it to come up to a position."""

    session: ArrowSession
    lag_limit: timedelta

    @classmethod
    def of(cls, database: Database) -> Self | None:
        """The standby that the settings name, read in the worker's role; None where they name none."""
        settings = database.settings
        if settings.read_url is None:
            return None
        target = Target.of(settings.read_url, settings, role=settings.worker_role)
        return cls(session=ArrowSession(target), lag_limit=settings.read_lag_limit)

    def beside(self) -> Self:
        """The same standby, with a session of its own."""
        return type(self)(session=ArrowSession(self.session.target), lag_limit=self.lag_limit)

    def lack(self, position: Position) -> str | None:
        """What keeps the standby from being read at `position`; None where nothing does.

        Waits up to the lag limit for the standby to come so far. Raises UserError where it is another database, or stands behind a
        pooler by transaction; DatabaseUnavailable where it does not answer.
        """
        connect(self.session.target, read_only=True).close()
        until = time.monotonic() + self.lag_limit.total_seconds()
        while (lack := self._lack_now(position)) is not None and lack.may_pass and time.monotonic() < until:
            time.sleep(_POLL_SECONDS)
        return None if lack is None else lack.why

    def _lack_now(self, position: Position) -> _Lack | None:
        found = self.session.replayed(position)
        if (found["cluster"], found["database"]) != (position.cluster, position.database):
            raise UserError(
                "read_url leads to another database than database_url, not to a standby of it; mend it, or unset it to read where all "
                "else is."
            )
        if not found["standby"]:
            return _Lack("the server of read_url is no standby, or is one no more", may_pass=False)
        if found["timeline"] != position.timeline:
            return _Lack("the standby follows another timeline than the primary is on", may_pass=False)
        if found["behind"] is None or found["behind"] > 0:
            return _Lack(
                f"the standby lacks {found['behind'] or 0} bytes that the primary had written when the run began"
            )
        return None
