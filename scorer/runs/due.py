"""What is due: how a run begins, and which entities it looks at.

The first run of a job version is a sweep, which looks at every entity, and so is the first of each night. Where the job's due.sql tells
the two apart, every other run looks only at what may have become due since, so that it does not cost more with each year of history. What
only a sweep finds is said in that statement.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from scorer.database.session import Session
from scorer.database.store.batches import lock_against_recalls, write_orphans
from scorer.database.store.chores import newest
from scorer.database.store.requests import find_asked
from scorer.database.store.runs import (
    Look,
    begin_run,
    end_looking,
    enqueue_due,
    find_recent_sweep,
    hold_run,
    list_missing,
    list_orphans,
    list_unfinished_runs,
    list_unsettled,
    make_current_partition,
    register_job_version,
    wait_for_answers,
)
from scorer.database.store.ticks import hold_schedule, is_tick_open, miss_ticks, record_tick
from scorer.errors import UserError
from scorer.jobs.job import Job
from scorer.jobs.schedule import Schedule
from scorer.jobs.sql_text import parameters_of
from scorer.log import events
from scorer.log.logger import say
from scorer.scoring.opening import Pipeline
from scorer.scoring.recording import withdraw
from scorer.types.enums import Action, Trigger, Withdrawal
from scorer.types.values import Rejection, Run, Tick

_log = logging.getLogger(__name__)
_A_DAY = timedelta(days=1)


EVERYONE = Look(sweep=True)


def look_of(
    session: Session, job: Job, run: Run, *, model_versions: tuple[str, ...], nightly: Schedule | None = None
) -> Look:
    """Which entities a run that has just begun looks at.

    All, where none has looked at all since the last night, the job's due.sql makes no difference, or there is no schedule of nights.
    """
    if _looks_at_all(session, job, run, nightly=nightly):
        return EVERYONE
    return Look(sweep=False, entity_ids=list_unsettled(session, job, model_versions=model_versions))


def _looks_at_all(session: Session, job: Job, run: Run, *, nightly: Schedule | None) -> bool:
    if nightly is None or "sweep" not in parameters_of(job.statements["due"]):
        return True
    return not find_recent_sweep(
        session,
        job,
        begun_since=_night_before(run.started_at, nightly),
        as_of_since=_night_before(run.as_of, nightly),
    )


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
    """Begin a run in the open transaction, and enqueue what is due. Returns the run, and how many are due.

    Where it will not be `kept`, nothing is written that another run could have to wait for. Raises UserError where a time lies in the
    future, or the job's statements cannot read what was known at another time.
    """
    session, job = pipeline.session, pipeline.job
    _require_known_at(job, as_known_at)
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
    _refuse_the_future(run, as_known_at)
    look = look_of(session, job, run, model_versions=pipeline.publishers, nightly=nightly)
    pipeline.source.prove_kept(proving=look.sweep)
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


def withdraw_gone(pipeline: Pipeline, run: Run, *, nightly: Schedule) -> None:
    """Take back the scores of entities that are gone, once the work of the run is enqueued.

    This has a transaction of its own. Those that the run did not find due are asked for by their keys, as they are when their scores are
    requested.
    """
    session, job = pipeline.session, pipeline.job
    with session.transaction():
        lock_against_recalls(session, job, model_version=pipeline.model_version, run=run)
        missing = list_missing(session, job, run, swept=_looks_at_all(session, job, run, nightly=nightly))
        if not missing:
            return
        there = find_asked(session, job, missing, as_of=run.as_of)
        end_looking(session, job, run, [*there])
        withdraw(session, job, run, reasons={each: Withdrawal.GONE for each in missing if each not in there})


def _require_known_at(job: Job, as_known_at: datetime | None) -> None:
    if as_known_at is not None and "known_ats" not in parameters_of(job.statements["observations"]):
        raise UserError(
            f"The statement observations of job {job.name} does not name :known_ats, so nobody can be read as known at another time "
            "than the as-of time; see the shipped observations.sql for how it is used."
        )


def _refuse_the_future(run: Run, as_known_at: datetime | None) -> None:
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


def begin(
    pipeline: Pipeline,
    *,
    as_of: datetime | None,
    as_known_at: datetime | None,
    limit: int | None,
    trigger: Trigger,
    nightly: Schedule,
) -> Run:
    """Begin a run of what is due, in transactions of its own. Returns the run, which this session holds."""
    session = pipeline.session
    with session.transaction():
        make_current_partition(session)
    with session.transaction():
        run, eligible = enqueue(
            pipeline, as_of=as_of, as_known_at=as_known_at, limit=limit, trigger=trigger, nightly=nightly
        )
        hold_run(session, run.run_id)
    _say_begun(pipeline, run, eligible=eligible)
    return run


def begin_alone(
    pipeline: Pipeline, *, tick: Tick | None, trigger: Trigger, as_of: datetime | None, nightly: Schedule
) -> Run | None:
    """Begin a run and record its tick, in one transaction. Returns the run, which this session holds.

    None where a process is at work on this job, or the tick is settled.
    """
    session, job = pipeline.session, pipeline.job
    with session.transaction():
        make_current_partition(session)
    with session.transaction():
        if not hold_schedule(session, job.name) or list_unfinished_runs(session, job):
            return None
        if tick is not None and not is_tick_open(session, job.name, tick.scheduled_for):
            return None
        scheduled_for = None if tick is None else tick.scheduled_for
        run, eligible = enqueue(
            pipeline, as_of=as_of, limit=None, trigger=trigger, scheduled_for=scheduled_for, nightly=nightly
        )
        hold_run(session, run.run_id)
        if tick is not None:
            record_tick(session, job.name, tick, run_id=run.run_id)
            miss_ticks(
                session,
                job.name,
                tick.missed,
                reason=tick.missed_reason,
                schedule=tick.schedule,
                recorded_by=tick.recorded_by,
            )
    _say_begun(pipeline, run, eligible=eligible)
    return run


def _say_begun(pipeline: Pipeline, run: Run, *, eligible: int) -> None:
    say(
        _log,
        events.RUN_BEGAN,
        run_id=run.run_id,
        job=run.job,
        as_of=run.as_of.isoformat(),
        model_version=pipeline.model.manifest.model_version,
        eligible=eligible,
    )


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
