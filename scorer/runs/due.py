"""Whom a run looks at: everyone, or whoever may have become due since a run looked at everyone.

The first run of a job version sweeps, and the first of each night. Every other run costs by what may be due, and not by history, where the
job's due.sql tells the two apart. What only a sweep finds, that statement says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from scorer.database.session import Session
from scorer.database.statements import names_parameter
from scorer.database.store.chores import newest
from scorer.database.store.runs import find_recent_sweep, list_unsettled
from scorer.jobs.job import Job
from scorer.jobs.schedule import Schedule
from scorer.types.values import Run

_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Look:
    """Everyone is looked at where it is a `sweep`; else whoever the job's statement finds, and `entity_ids`, an array as text."""

    sweep: bool
    entity_ids: str = "{}"


EVERYONE = Look(sweep=True)


def look_of(
    session: Session, job: Job, run: Run, *, model_versions: tuple[str, ...], nightly: Schedule | None = None
) -> Look:
    """Whom a run that has just begun looks at; everyone, where no schedule says when it is night."""
    if nightly is None or not names_parameter(job.statements["due"], "sweep"):
        return EVERYONE
    if not find_recent_sweep(
        session,
        job,
        begun_since=_night_before(run.started_at, nightly),
        as_of_since=_night_before(run.as_of, nightly),
    ):
        return EVERYONE
    return Look(sweep=False, entity_ids=list_unsettled(session, job, model_versions=model_versions))


def _night_before(moment: datetime, nightly: Schedule) -> datetime:
    return newest(nightly, moment) or moment - _A_DAY
