"""When a job is due: a cron expression on the clock of a time zone; [schedule] of job.toml.

Daylight saving is handled as in Debian's cron (by cronsim): a fixed time that the clock skips in spring fires as soon as the gap is over,
one that it repeats in autumn fires once; an hour or minute written with * fires in real time. 0 and 7 are Sunday.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

from scorer.errors import UserError

_FIELDS = 5
_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
}


@dataclass(frozen=True, slots=True)
class Schedule:
    """A cron expression of five fields, and the time zone of its clock."""

    cron: str
    timezone: str

    def __str__(self) -> str:
        return f"{self.cron} {self.timezone}"

    @classmethod
    def of(cls, cron: str, timezone: str, *, where: str) -> Schedule:
        """Read a schedule from its two texts.

        Raises UserError, beginning with `where`, where one of them cannot be read, or the expression never fires.
        """
        made = cls(cron=cron, timezone=timezone)
        try:
            made._zone()
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise UserError(f'{where}: "{timezone}" is no time zone; write one such as Europe/Vienna.') from error
        if len(made._expression().split()) != _FIELDS:
            raise UserError(f'{where}: "{cron}" is not cron\'s five fields; write it as 5 * * * *, or as @hourly.')
        try:
            made.next_tick(after=datetime(2026, 1, 1, tzinfo=UTC))
        except (CronSimError, StopIteration) as error:
            why = str(error).lower() or "it never fires"
            raise UserError(
                f'{where}: "{cron}" is no schedule ({why}); write it as 5 * * * *, or as @hourly.'
            ) from error
        return made

    def next_tick(self, *, after: datetime) -> datetime:
        """The first tick later than `after`, in UTC."""
        return next(self._ticks(after))

    def ticks(self, *, after: datetime, until: datetime) -> Iterator[datetime]:
        """The ticks later than `after` and not later than `until`, oldest first, in UTC."""
        for tick in self._ticks(after):
            if tick > until:
                return
            yield tick

    def _ticks(self, after: datetime) -> Iterator[datetime]:
        for local in CronSim(self._expression(), after.astimezone(self._zone())):
            tick = local.astimezone(UTC)
            # Within the hour that autumn repeats, cronsim begins at the first of the two.
            if tick > after:
                yield tick

    def _expression(self) -> str:
        return _NAMED.get(self.cron.strip().lower(), self.cron)

    def _zone(self) -> tzinfo:
        return UTC if self.timezone == "UTC" else ZoneInfo(self.timezone)
