"""What was done in a time: runs, ticks, batches and requests; what went on lately."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from scorer.database.reporting.standing import Asked, Views


@dataclass(frozen=True, slots=True)
class RunSum:
    """What the runs of a job, trigger and step of time came to."""

    job: str
    trigger: str
    at: datetime
    runs: int
    succeeded: int
    failed_runs: int
    going_on: int
    eligible: int
    scored: int
    unchanged: int
    quarantined: int
    insufficient: int
    indeterminate: int
    failed: int
    unbalanced: int
    longest_seconds: float
    seconds: float


@dataclass(frozen=True, slots=True)
class FailedRun:
    """A run that failed, and why."""

    job: str
    run_id: int
    trigger: str
    started_at: datetime
    error: str | None


@dataclass(frozen=True, slots=True)
class TickSum:
    """How many ticks of a job went so, for such a reason, the first and the last of them."""

    job: str
    outcome: str
    reason: str | None
    ticks: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Load:
    """What the batches of a job and step of time read, and how long they took."""

    job: str
    at: datetime
    batches: int
    observations_read: int
    observations_dropped: int
    seconds: float
    longest_seconds: float


@dataclass(frozen=True, slots=True)
class StepSeconds:
    """How long a step of the line took, all batches of a job together."""

    job: str
    step: str
    seconds: float


@dataclass(frozen=True, slots=True)
class RequestSum:
    """What became of the requests of a job and step of time (None: of all).

    Latencies are of those of one entity that were answered.
    """

    job: str
    at: datetime | None
    done: int
    refused: int
    cancelled: int
    expired: int
    waiting: int
    half_ms: float | None
    most_ms: float | None
    longest_ms: float | None


@dataclass(frozen=True, slots=True)
class NewestRun:
    """One of a job's newest runs."""

    job: str
    run_id: int
    trigger: str
    status: str
    started_at: datetime
    finished_at: datetime | None
    eligible: int
    scored: int
    error: str | None


def sum_runs(views: Views, asked: Asked) -> list[RunSum]:
    """What runs came to, by job, trigger and step of time."""
    return [RunSum(**row._asdict()) for row in views.all("sum_runs", **asked.by_step)]


def list_failed_runs(views: Views, asked: Asked) -> list[FailedRun]:
    """The newest runs of each job that failed."""
    return [FailedRun(**row._asdict()) for row in views.all("list_failed_runs", **asked.of_runs)]


def sum_ticks(views: Views, asked: Asked) -> list[TickSum]:
    """How ticks went, by job, outcome and reason."""
    return [TickSum(**row._asdict()) for row in views.all("sum_ticks", **asked.of_runs)]


def sum_load(views: Views, asked: Asked) -> list[Load]:
    """What batches read and took, by job and step of time."""
    return [Load(**row._asdict()) for row in views.all("sum_load", **asked.by_step)]


def sum_step_seconds(views: Views, asked: Asked) -> list[StepSeconds]:
    """How long each step of the line took, by job."""
    return [StepSeconds(**row._asdict()) for row in views.all("sum_step_seconds", **asked.of_runs)]


def sum_requests(views: Views, asked: Asked) -> list[RequestSum]:
    """What became of requests, by job, and by job and step of time."""
    return [RequestSum(**row._asdict()) for row in views.all("sum_requests", **asked.by_step)]


def list_newest_runs(views: Views) -> list[NewestRun]:
    """The newest runs of each job."""
    return [NewestRun(**row._asdict()) for row in views.all("list_newest_runs")]
