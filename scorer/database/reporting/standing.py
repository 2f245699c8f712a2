"""What a page is asked about, and where each job stands by what the database holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from scorer.errors import UserError


class Views(Protocol):
    """A session that reads the reporting views."""

    def all(self, name: str, **parameters: Any) -> Sequence[Any]:
        """Run the statement called `name`. Returns its rows as named tuples."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a report is asked about: jobs (None: all), a time, perhaps one run alone.

    `step` is hour or day.

    `entities`: whether ids of entities are to be told.
    """

    since: datetime
    until: datetime
    step: str
    jobs: Sequence[str] | None = None
    run_id: int | None = None
    entities: bool = False

    @property
    def of_jobs(self) -> dict[str, Any]:
        """The parameters of statements about jobs and a time."""
        return {"jobs": None if self.jobs is None else list(self.jobs), "since": self.since, "until": self.until}

    @property
    def of_runs(self) -> dict[str, Any]:
        """The parameters of statements about runs."""
        return {**self.of_jobs, "run_id": self.run_id}

    @property
    def by_step(self) -> dict[str, Any]:
        """The parameters of statements that give a row for each step of time."""
        return {**self.of_runs, "step": self.step}


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a job stands; `last_known_at` is the newest moment that a run or a tick of any job told of."""

    job: str
    model_version: str | None
    backlog: int
    backlog_since: datetime | None
    requests_waiting: int
    requests_since: datetime | None
    write_backs_waiting: int
    write_backs_since: datetime | None
    take_backs_waiting: int
    take_backs_since: datetime | None
    failures: int
    breaker_opened_at: datetime | None
    breaker_reason: str | None
    last_known_at: datetime | None


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when a run lasted, and of which job it is; no end: it goes on."""

    job: str
    started_at: datetime
    finished_at: datetime | None


_NEEDED = ("batches", "published_scores", "feature_counts", "baselines", "daemons")


def open_snapshot(views: Views) -> None:
    """Have all that is read from here on be of one moment, until `views` are closed."""
    views.all("open_snapshot")


def require_views(views: Views, *, needed: Sequence[str] = _NEEDED) -> None:
    """Raises UserError where the schema lacks one of the views `needed`: those of a page."""
    lacking = [row.name for row in views.all("list_lacking_views", names=list(needed))]
    if lacking:
        raise UserError(f"The schema has no view reporting.{lacking[0]}; run `scorer db upgrade`.")


def read_own_clock(views: Views) -> datetime:
    """The database's clock."""
    (row,) = views.all("read_own_clock")
    at: datetime = row.at
    return at


def read_span(views: Views, run_id: int) -> Span:
    """When a run was. Raises UserError where there is none of that number."""
    rows = views.all("read_span", run_id=run_id)
    if not rows:
        raise UserError(f"There is no run {run_id}; the view reporting.runs lists those there are.")
    return Span(**rows[0]._asdict())


def list_standing(views: Views, asked: Asked) -> list[Standing]:
    """Where each job stands, by name."""
    rows = views.all("list_standing", jobs=asked.of_jobs["jobs"], until=asked.until)
    return [Standing(**row._asdict()) for row in rows]
