"""A run: enqueue what is due, drain it with N workers, balance the ledger."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from scorer.database.connection import Database
from scorer.database.store import chores
from scorer.database.store.batches import claim_work, finish_work
from scorer.database.store.runs import (
    hold_run,
    list_unfinished_runs,
    make_current_partition,
)
from scorer.database.store.ticks import hold_schedule, is_tick_open, miss_ticks, record_tick
from scorer.errors import DatabaseBusy, RunStopped
from scorer.jobs.job import Job
from scorer.jobs.schedule import Schedule
from scorer.log import events
from scorer.log.logger import say
from scorer.runs.due import enqueue
from scorer.runs.worker import Progress, Worker
from scorer.scoring.batch import add_counts
from scorer.scoring.opening import Pipeline, open_pipeline
from scorer.scoring.pipeline import score_batch
from scorer.scoring.timing import StepTimer
from scorer.types.enums import Trigger
from scorer.types.values import Counts, Run, Tick

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended; `run_id` is None for a dry run, of which nothing is kept."""

    run_id: int | None
    job: str
    status: str
    as_of: datetime
    seconds: float
    counts: Counts
    as_known_at: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """The run as the command line prints it."""
        return {
            "run_id": self.run_id,
            "job": self.job,
            "status": self.status,
            "as_of": self.as_of.isoformat(),
            **({} if self.as_known_at is None else {"as_known_at": self.as_known_at.isoformat()}),
            "seconds": round(self.seconds, 3),
            **asdict(self.counts),
        }


def run_job(
    job: Job,
    *,
    database: Database,
    as_of: datetime | None = None,
    as_known_at: datetime | None = None,
    limit: int | None = None,
    workers: int = 1,
    trigger: Trigger = Trigger.MANUAL,
    progress: Progress | None = None,
    watch: Callable[[str], None] | None = None,
) -> Ended:
    """Run `job` once, as of a time (now, where none is given), by what was recorded up to then, or up to `as_known_at`.

    Raises UserError where it stops; its row says why.
    """
    began = time.monotonic()
    pipeline = open_pipeline(job, database=database)
    worker = Worker(pipeline, database=database, workers=workers, progress=progress, watch=watch)
    try:
        worker.finish_what_others_left()
        nightly = chores.nightly(database.settings)
        run = worker.persevere(
            lambda: _begin(
                pipeline, as_of=as_of, as_known_at=as_known_at, limit=limit, trigger=trigger, nightly=nightly
            )
        )
        return replace(_carried(worker, run, began=began), as_known_at=as_known_at)
    finally:
        worker.close()


def run_tick(
    job: Job,
    *,
    database: Database,
    tick: Tick | None,
    trigger: Trigger,
    as_of: datetime | None = None,
    watch: Callable[[str], None] | None = None,
    stopping: Callable[[], bool] = lambda: False,
    quiet: bool = False,
) -> Ended | None:
    """Run `job` as its schedule wants, once among all daemons; `tick` is recorded with the run's beginning.

    None where another process has the job in hand (some of its batches have been carried here, then) or has settled the tick.
    Raises UserError where it stops, and Stopping where it is asked to. `quiet` leaves a failure to whoever calls to tell.
    """
    began = time.monotonic()
    pipeline = open_pipeline(job, database=database)
    worker = Worker(
        pipeline,
        database=database,
        workers=database.settings.workers,
        watch=watch,
        stopping=stopping,
        quiet=quiet,
    )
    try:
        worker.finish_what_others_left()
        nightly = chores.nightly(database.settings)
        run = worker.persevere(lambda: _begin_alone(pipeline, tick=tick, trigger=trigger, as_of=as_of, nightly=nightly))
        if run is None:
            _help(worker)
            return None
        return _carried(worker, run, began=began)
    finally:
        worker.close()


def _help(worker: Worker) -> None:
    """Carry batches of others' runs; what stops such a run is for its own process to meet, and to tell."""
    with suppress(RunStopped, DatabaseBusy):
        worker.help_others()


def share_runs(
    job: Job,
    *,
    database: Database,
    watch: Callable[[str], None] | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> None:
    """Go on with the job's runs that have lost their process, and carry batches of those that others have begun by the schedule."""
    pipeline = open_pipeline(job, database=database)
    worker = Worker(pipeline, database=database, watch=watch, stopping=stopping)
    try:
        worker.finish_what_others_left()
        _help(worker)
    finally:
        worker.close()


def _carried(worker: Worker, run: Run, *, began: float) -> Ended:
    if worker.watch is not None:
        worker.watch("enqueue")
    counts = worker.carry(run)
    # Where the database failed just as a run began, it may have begun all the same.
    worker.finish_what_others_left()
    return Ended(
        run_id=run.run_id,
        job=run.job,
        status="succeeded",
        as_of=run.as_of,
        seconds=time.monotonic() - began,
        counts=counts,
    )


def dry_run(
    job: Job,
    *,
    database: Database,
    as_of: datetime | None = None,
    as_known_at: datetime | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Ended:
    """What `run_job` would find and judge, in one transaction that is rolled back; nothing is written that a run could wait for."""
    began = time.monotonic()
    pipeline = open_pipeline(job, database=database)
    try:
        with pipeline.session.transaction(keep=False):
            run, eligible = enqueue(
                pipeline,
                as_of=as_of,
                as_known_at=as_known_at,
                limit=limit,
                trigger=Trigger.MANUAL,
                nightly=chores.nightly(database.settings),
                kept=False,
            )
            counts = Counts()
            while items := claim_work(pipeline.session, job, run, size=pipeline.batch_size):
                counts = add_counts(counts, score_batch(pipeline, run, items, steps=StepTimer()).counts)
                finish_work(pipeline.session, items)
                if progress is not None:
                    progress(counts.eligible, eligible)
    finally:
        pipeline.close()
    return Ended(
        run_id=None,
        job=job.name,
        status="dry run",
        as_of=run.as_of,
        seconds=time.monotonic() - began,
        counts=counts,
        as_known_at=as_known_at,
    )


def _begin(
    pipeline: Pipeline,
    *,
    as_of: datetime | None,
    as_known_at: datetime | None,
    limit: int | None,
    trigger: Trigger,
    nightly: Schedule,
) -> Run:
    with pipeline.session.transaction():
        make_current_partition(pipeline.session)
    with pipeline.session.transaction():
        run, eligible = enqueue(
            pipeline, as_of=as_of, as_known_at=as_known_at, limit=limit, trigger=trigger, nightly=nightly
        )
        hold_run(pipeline.session, run.run_id)
    _say_begun(pipeline, run, eligible=eligible)
    return run


def _begin_alone(
    pipeline: Pipeline, *, tick: Tick | None, trigger: Trigger, as_of: datetime | None, nightly: Schedule
) -> Run | None:
    """A new run and its tick, in one transaction; None where a process is at work on this job, or the tick is settled."""
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
