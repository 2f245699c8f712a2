"""The status of jobs and daemons, for `scorer status`: read, as JSON, and as text for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from scorer.checks.installation import InstalledJob, installed_jobs
from scorer.config import Settings
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.revisions import require_newest
from scorer.database.store.status import (
    Daemon,
    JobHealth,
    ScoreCounts,
    count_scores,
    list_daemons,
    list_health,
    read_revision,
)
from scorer.errors import UserError
from scorer.types.flags import JobFlags

_LABEL = 12  # columns of a line's label
_NARROWEST = 40  # columns of a line at least


@dataclass(frozen=True, slots=True)
class NextRun:
    """When a job is to run next; `hindered` is why that is unknown."""

    cron: str | None
    timezone: str | None
    next_tick_at: datetime | None
    hindered: str | None


@dataclass(frozen=True, slots=True)
class JobStatus:
    """The status of a job; `health` is None where the database does not know the job yet.

    `not_run` is why the job is not run by this installation, None where it is.
    """

    job: str
    health: JobHealth | None
    scores: ScoreCounts
    planned: NextRun
    not_run: str | None = None


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """The status of all jobs and daemons, at the time `at` of the database's clock."""

    at: datetime
    jobs: tuple[JobStatus, ...]
    daemons: tuple[Daemon, ...]


def read_status(session: ReadOnlySession, *, settings: Settings) -> ServiceStatus:
    """Read the status of every job that is enabled here or that the database knows, and of the daemons.

    Raises UserError where the schema is not at head, or the database does not answer.
    """
    require_newest(read_revision(session))
    known = {health.job: health for health in list_health(session)}
    counted = {counts.job: counts for counts in count_scores(session)}
    at = next((health.read_at for health in known.values()), datetime.now(UTC))
    here = {each.name: each for each in installed_jobs(session, settings=settings)}
    return ServiceStatus(
        at=at,
        jobs=tuple(
            JobStatus(
                job=name,
                health=known.get(name),
                scores=counted.get(name, ScoreCounts(name, 0, 0, 0, 0)),
                planned=_planned(here[name], after=at) if name in here else _without("its files are not here"),
                not_run=here[name].not_run if name in here else None,
            )
            for name in sorted({*known, *(name for name, each in here.items() if each.enabled or each.broken)})
        ),
        daemons=tuple(list_daemons(session)),
    )


def _without(hindered: str) -> NextRun:
    return NextRun(cron=None, timezone=None, next_tick_at=None, hindered=hindered)


def _planned(installed: InstalledJob, *, after: datetime) -> NextRun:
    """The job's next tick by its schedule."""
    if installed.not_run is not None or installed.job is None:
        return _without(installed.broken or f"not run here: {installed.not_run}")
    schedule = installed.job.schedule
    return NextRun(
        cron=schedule.cron, timezone=schedule.timezone, next_tick_at=schedule.next_tick(after=after), hindered=None
    )


# For programs


def as_json(status: ServiceStatus) -> dict[str, Any]:
    """The status as a JSON object: a list of jobs and one of daemons."""
    return {
        "at": status.at,
        "jobs": [_job_as_json(job) for job in status.jobs],
        "daemons": [asdict(daemon) for daemon in status.daemons],
    }


def _job_as_json(status: JobStatus) -> Mapping[str, Any]:
    """A job as JSON, all its fields on one level; a job that the database does not know has 0 and null."""
    fields = JobHealth.__dataclass_fields__
    counts = {"missed_last_day", "failures", "backlog", "backlog_seconds", "requests_waiting", "requests_seconds"}
    counts |= {"write_backs_waiting", "write_backs_seconds", "take_backs_waiting", "take_backs_seconds"}
    nothing = {name: 0 if name in counts else None for name in fields} | {"ready": False}
    health = nothing if status.health is None else asdict(status.health)
    return {**health, **asdict(status.scores), **asdict(status.planned), "not_run": status.not_run, "job": status.job}


# For people


def as_text(status: ServiceStatus, *, width: int) -> str:
    """The status as text: a block of lines for each job, and one for the daemons; wrapped to `width`."""
    blocks = [_job_lines(job) for job in status.jobs]
    blocks.append(_daemon_lines(status))
    return "\n\n".join("\n".join(_laid_out(block, width=width)) for block in blocks)


class Watched:
    """The status, looked at again and again.

    Where a look fails, the newest is shown with why, and the next is awaited.
    """

    def __init__(self, read: Callable[[], ServiceStatus]) -> None:
        self._read = read
        self._newest: ServiceStatus | None = None

    def look(self) -> Callable[[int], str]:
        """Look once. Returns what makes the text for a width. Raises UserError where the first look fails."""
        try:
            newest = self._newest = self._read()
        except UserError as error:
            if self._newest is None:
                raise
            known, why = self._newest, str(error)
            return lambda width: f"As it was at {_time(known.at)}: {why}\n\n{as_text(known, width=width)}"
        return lambda width: f"{_time(newest.at)}\n\n{as_text(newest, width=width)}"


def _laid_out(lines: Iterable[tuple[str, str]], *, width: int) -> Iterator[str]:
    """The lines, each a label and a text, with texts wrapped beside their labels."""
    for label, text in lines:
        yield textwrap.fill(
            text,
            max(width, _NARROWEST),
            initial_indent=f"{label:{_LABEL}}",
            subsequent_indent=" " * _LABEL,
            break_on_hyphens=False,
            break_long_words=False,
        )


def _job_lines(status: JobStatus) -> Iterator[tuple[str, str]]:
    health, scores, planned = status.health, status.scores, status.planned
    if status.not_run is not None:
        yield "job", f"{status.job}: not run here: {status.not_run}"
        return
    if health is None:
        yield "job", f"{status.job}: it has never run here"
        yield "next run", _next_run(planned)
        return
    yield "job", f"{status.job}: {_readiness(health)}"
    yield "last run", _last_run(health)
    if health.error:
        yield "error", health.error
    yield "next run", _next_run(planned)
    yield "ticks", _ticks(health)
    if health.breaker_opened_at is not None:
        yield (
            "breaker",
            f"open since {_time(health.breaker_opened_at)}, {_counted(health.failures, 'failure')} in a row: {health.breaker_reason}",
        )
        yield "", f"It is tried again at {_time(health.breaker_next_try_at)}."
    elif health.failures:
        yield "breaker", f"closed; {_counted(health.failures, 'failure')} in a row"
    yield "backlog", _waiting(health.backlog, health.backlog_seconds)
    yield "requests", _waiting(health.requests_waiting, health.requests_seconds)
    yield "write-back", _write_backs(health)
    if restricted := JobFlags.of(status.job, health.flags).restricted:
        yield "flags", f"{restricted}; `scorer flag list` says since when and why"
    yield "scores", f"{scores.valid:,} valid ({scores.expiring:,} expire within the hour), {scores.stale:,} stale"
    yield "quarantine", f"{scores.held:,} held"
    yield "model", health.model_version or "none in production"


def _readiness(health: JobHealth) -> str:
    if health.ready:
        return "ready"
    if health.model_version is None:
        return "not ready, it has no model in production"
    if health.breaker_opened_at is not None:
        return "not ready, its breaker is open"
    return "no daemon at work is ready to run it"


def _last_run(health: JobHealth) -> str:
    if health.run_id is None:
        return "none yet"
    when = f"at {_time(health.finished_at)}" if health.finished_at else f"since {_time(health.started_at)}"
    run = f"{health.run_id} {health.status} {when}"
    if health.status != "succeeded":
        return f"{run}; last success: {_time(health.last_success_at) if health.last_success_at else 'none'}"
    names = ("scored", "unchanged", "quarantined", "insufficient", "indeterminate", "failed")
    ended = ", ".join(f"{getattr(health, name):,} {name}" for name in names if getattr(health, name))
    return f"{run}: {health.eligible:,} eligible{f' ({ended})' if ended else ''}"


def _next_run(planned: NextRun) -> str:
    if planned.next_tick_at is None:
        return f"unknown: {planned.hindered}"
    return f"{_time(planned.next_tick_at)} ({planned.cron}, {planned.timezone})"


def _ticks(health: JobHealth) -> str:
    missed = f"{health.missed_last_day:,} missed within a day"
    return f"{missed}; the last, {_time(health.last_tick_at)}: {health.last_tick}" if health.last_tick_at else missed


def _waiting(number: int, seconds: float) -> str:
    return f"{number:,} waiting, the oldest for {_span(seconds)}" if number else "none"


def _write_backs(health: JobHealth) -> str:
    """How many rows of the hospital's own table wait, and how many of them may show a recalled score."""
    waiting = _waiting(health.write_backs_waiting, health.write_backs_seconds)
    if not health.take_backs_waiting:
        return waiting
    return f"{waiting}; {health.take_backs_waiting:,} may show a recalled score, the oldest for {_span(health.take_backs_seconds)}"


def _daemon_lines(status: ServiceStatus) -> Iterator[tuple[str, str]]:
    if not status.daemons:
        yield "daemons", "none at work: nothing runs by itself"
    for number, daemon in enumerate(status.daemons):
        seen = _span((status.at - daemon.beat_at).total_seconds())
        how = "at work" if daemon.alive else "silent, it died or cannot reach the database"
        runs = f", runs {', '.join(daemon.jobs)}" if daemon.jobs else ""
        yield (
            "" if number else "daemons",
            f"{daemon.daemon} ({daemon.version}): {how}{runs}, seen {seen} ago: {daemon.detail}",
        )


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _time(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def _span(seconds: float) -> str:
    """The span in whole units: days from two days on, otherwise the largest that it fills.

    >>> [_span(3.2), _span(150), _span(7300)]
    ['3 s', '2 min', '2 h']
    """
    whole = max(int(seconds), 0)
    for unit, size in (("days", 172_800), ("h", 3600), ("min", 60)):
        if whole >= size:
            return f"{whole // (86_400 if unit == 'days' else size)} {unit}"
    return f"{whole} s"
