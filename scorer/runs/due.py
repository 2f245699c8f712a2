"""Whom a run looks at: everyone, or whoever may have become due since a run looked at everyone.

The first run of a job version sweeps, and the first of each night. Every other run costs by what may be due, and not by history, where the
job's due.sql tells the two apart. What only a sweep finds, that statement says.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from scorer.database.session import Session
from scorer.database.statements import names_parameter
from scorer.database.store.batches import write_orphans
from scorer.database.store.chores import newest
from scorer.database.store.runs import (
    Look,
    begin_run,
    enqueue_due,
    find_recent_sweep,
    list_orphans,
    list_unsettled,
    register_job_version,
    wait_for_answers,
)
from scorer.errors import UserError
from scorer.jobs.job import Job
from scorer.jobs.schedule import Schedule
from scorer.scoring.pipeline import Pipeline
from scorer.types.enums import Action, Trigger
from scorer.types.values import Rejection, Run

_A_DAY = timedelta(days=1)


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


def enqueue(
    pipeline: Pipeline,
    *,
    as_of: datetime | None,
    limit: int | None,
    trigger: Trigger,
    as_known_at: datetime | None = None,
    scheduled_for: datetime | None = None,
    nightly: Schedule | None = None,
    kept: bool = True,
) -> tuple[Run, int]:
    """A new run and how many entities are due in it, in the transaction that is open.

    It looks at everyone, but where a run has done that since the night before, by the schedule of nights. Where it will not be `kept`,
    nothing is written that another run could have to wait for.
    """
    session, job = pipeline.session, pipeline.job
    if as_known_at is not None and not names_parameter(job.statements["observations"], "known_ats"):
        raise UserError(
            f"The statement observations of job {job.name} does not name :known_ats, so nobody can be read as known at another time "
            "than the as-of time; see the shipped observations.sql for how it is used."
        )
    if kept:
        register_job_version(session, job)
    run = begin_run(
        session,
        job,
        model_version=pipeline.model.manifest.model_version,
        trigger=trigger,
        as_of=as_of,
        as_known_at=as_known_at,
        scheduled_for=scheduled_for,
    )
    if run.as_of > run.started_at:
        raise UserError(
            f"The as-of time {run.as_of.isoformat()} lies in the future: the database's clock says "
            f"{run.started_at.isoformat()}; a score as of then would stand in the way of all until then."
        )
    if as_known_at is not None and as_known_at > run.started_at:
        raise UserError(
            f"The time {as_known_at.isoformat()} to be known at lies in the future: the database's clock says "
            f"{run.started_at.isoformat()}; what will be recorded by then is not known."
        )
    look = look_of(session, job, run, model_versions=pipeline.publishers, nightly=nightly)
    eligible = enqueue_due(
        session,
        job,
        run,
        look=look,
        model_versions=pipeline.publishers,
        limit=limit,
        kept=kept,
        as_known_at=as_known_at,
    )
    if kept and "orphans" in job.statements:
        found = pipeline.source.orphans(job, sweep=look.sweep, known=list_orphans(session, job))
        write_orphans(session, job, run, rejections=[_orphan(*each) for each in found])
    if kept:
        wait_for_answers(session, job)  # last: no answer begins before the run's work is there to be seen
    return run, eligible


def _orphan(entity_id: str, observations: int) -> Rejection:
    return Rejection(
        entity_id=entity_id,
        observation_id=None,
        rule="entity_exists",
        action=Action.DROP,
        column_name="entity_id",
        observed=f"{observations} observations of an entity that does not exist",
        expected="observations of entities that exist",
    )
