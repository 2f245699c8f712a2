"""All that a report shows, read from the reporting views: once for all jobs, and given out job by job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

from scorer.database.reporting.activity import (
    FailedRun,
    Load,
    RequestSum,
    RunSum,
    StepSeconds,
    TickSum,
    list_failed_runs,
    sum_load,
    sum_requests,
    sum_runs,
    sum_step_seconds,
    sum_ticks,
)
from scorer.database.reporting.models import (
    Alert,
    Change,
    LiveFigure,
    MovedFeature,
    list_alerts_between,
    list_changes,
    list_live_figures,
    list_moved_features,
)
from scorer.database.reporting.scores import (
    BandSum,
    Moves,
    Refused,
    Validity,
    sum_bands,
    sum_moves,
    sum_quarantine,
    sum_validity,
)
from scorer.database.reporting.standing import Asked, Standing, Views, list_standing
from scorer.errors import UserError
from scorer.monitoring.report.period import Period

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True)
class OfJob:
    """All that a report shows of a job."""

    job: str
    period: Period
    known_until: datetime
    standing: Standing
    runs: Sequence[RunSum]
    failed_runs: Sequence[FailedRun]
    ticks: Sequence[TickSum]
    load: Sequence[Load]
    steps: Sequence[StepSeconds]
    requests: Sequence[RequestSum]
    bands: Sequence[BandSum]
    moves: Sequence[Moves]
    validity: Validity | None
    refused: Sequence[Refused]
    features: Sequence[MovedFeature]
    live: Sequence[LiveFigure]
    changes: Sequence[Change]
    alerts: Sequence[Alert]

    def ticks_that(self, outcome: str) -> int:
        """How many ticks went so: ran, late or missed."""
        return sum(each.ticks for each in self.ticks if each.outcome == outcome)

    def came_to(self, name: str) -> int:
        """What the runs came to, all together: a count of theirs, by its name."""
        return sum(getattr(each, name) for each in self.runs)

    @property
    def held(self) -> int:
        """How many entities rules hold at most: one that two rules hold counts for each."""
        return sum(each.open_entities for each in self.refused if each.action == "quarantine")


def read(views: Views, period: Period, *, jobs: Sequence[str] | None, entities: bool) -> list[OfJob]:
    """Read all that a report shows. Raises UserError where a job is not known, or there is none."""
    asked = Asked(
        since=period.since, until=period.until, step=period.step, jobs=jobs, run_id=period.run_id, entities=entities
    )
    standing = list_standing(views, asked)
    _require_known(jobs, standing)
    # Beyond the newest moment that is known nothing counts: a day that goes on is told as far as it has come.
    known_until = min([period.until, *(each.last_known_at for each in standing if each.last_known_at is not None)])
    known_until = max(known_until, period.since)
    of: dict[str, Callable[[str], Any]] = {
        "runs": _by_job(sum_runs(views, asked)),
        "failed_runs": _by_job(list_failed_runs(views, asked)),
        "ticks": _by_job(sum_ticks(views, asked)),
        "load": _by_job(sum_load(views, asked)),
        "steps": _by_job(sum_step_seconds(views, asked)),
        "requests": _by_job(sum_requests(views, asked)),
        "bands": _by_job(sum_bands(views, asked)),
        "moves": _by_job(sum_moves(views, asked)),
        "refused": _by_job(sum_quarantine(views, asked)),
        "features": _by_job(list_moved_features(views, asked)),
        "live": _by_job(list_live_figures(views, asked)),
        "changes": _by_job(list_changes(views, asked)),
        "alerts": _by_job(list_alerts_between(views, asked)),
    }
    validity = {each.job: each for each in sum_validity(views, replace(asked, until=known_until))}
    return [
        OfJob(
            job=each.job,
            period=period,
            known_until=known_until,
            standing=each,
            validity=validity.get(each.job),
            **{name: rows_of(each.job) for name, rows_of in of.items()},
        )
        for each in standing
    ]


def _by_job(rows: Sequence[_Row]) -> Callable[[str], tuple[_Row, ...]]:
    found: dict[str, list[_Row]] = {}
    for row in rows:
        found.setdefault(row.job, []).append(row)  # type: ignore[attr-defined]
    return lambda job: tuple(found.get(job, ()))


def _require_known(jobs: Sequence[str] | None, standing: Sequence[Standing]) -> None:
    known = [each.job for each in standing]
    unknown = [job for job in jobs or () if job not in known]
    if unknown:
        raise UserError(f'This database knows no job "{unknown[0]}"; it knows {", ".join(known) or "none yet"}.')
    if not known:
        raise UserError("No job has ever run here, so there is nothing to report; `scorer run JOB` runs one.")
