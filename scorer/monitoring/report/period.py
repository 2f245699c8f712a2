"""The time that a report is of: a day, a week, or that of a run; and the steps in which it is shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from scorer.database.reporting.standing import Span
from scorer.errors import UserError

_DAY, _WEEK = timedelta(days=1), timedelta(days=7)
_LONG = timedelta(days=2)  # from which on a time is shown by days


@dataclass(frozen=True, slots=True)
class Period:
    """A time, called `name` for people; `run_id`, where it is that of one run."""

    since: datetime
    until: datetime
    name: str
    run_id: int | None = None

    @property
    def step(self) -> str:
        """What it is shown by: hour or day."""
        return "day" if self.until - self.since > _LONG else "hour"

    @property
    def steps(self) -> tuple[datetime, ...]:
        """The first moment of each step, the first step being that which `since` is in."""
        width = _DAY if self.step == "day" else timedelta(hours=1)
        first = self.since.replace(minute=0, second=0, microsecond=0)
        if self.step == "day":
            first = first.replace(hour=0)
        count = -((first - self.until) // width)
        return tuple(first + width * place for place in range(count))

    def place(self, moment: datetime) -> float:
        """Where a moment lies among the steps: 0 at the beginning of the first.

        >>> week = week_of("2026-W48")
        >>> week.place(datetime(2026, 11, 24, 12, tzinfo=UTC))
        1.5
        """
        width = _DAY if self.step == "day" else timedelta(hours=1)
        return (moment - self.steps[0]) / width


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=UTC)


def day_of(text: str) -> Period:
    """A day, in UTC. Raises UserError where the text is none.

    >>> day_of("2026-11-28").until
    datetime.datetime(2026, 11, 29, 0, 0, tzinfo=datetime.timezone.utc)
    """
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        raise UserError(f'--day: "{text}" is not a day; write it as 2026-11-28.') from None
    return Period(_midnight(day), _midnight(day) + _DAY, f"{day:%A, %-d %B %Y}")


def week_of(text: str) -> Period:
    """A week as ISO 8601 numbers them, from Monday on, in UTC. Raises UserError where the text is none.

    >>> week_of("2026-W48").since
    datetime.datetime(2026, 11, 23, 0, 0, tzinfo=datetime.timezone.utc)
    """
    match = re.fullmatch(r"([0-9]{4})-?W([0-9]{1,2})", text)
    try:
        monday = date.fromisocalendar(int(match[1]), int(match[2]), 1) if match else None
    except ValueError:
        monday = None
    if monday is None:
        raise UserError(f'--week: "{text}" is not a week; write it as 2026-W48.')
    return Period(_midnight(monday), _midnight(monday) + _WEEK, f"Week {int(text[-2:].strip('W'))} of {text[:4]}")


def week_until(last: date) -> Period:
    """The seven days of which this is the last.

    >>> week_until(date(2026, 11, 29)).name
    '23 November to 29 November 2026'
    """
    first = last - _WEEK + _DAY
    return Period(_midnight(first), _midnight(last) + _DAY, f"{first:%-d %B} to {last:%-d %B %Y}")


def span_of(run_id: int, span: Span, *, now: datetime) -> Period:
    """The time of a run; of one that goes on, until `now`."""
    until = span.finished_at or now
    return Period(
        span.started_at,
        until + timedelta(milliseconds=1),
        f"Run {run_id}, {span.started_at:%-d %B %Y %H:%M:%S} to {until:%H:%M:%S} UTC",
        run_id,
    )
