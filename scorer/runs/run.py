"""A run: what is due is enqueued, carried by workers, and accounted for.

A run whose process died keeps its row and its work. The next run of the job finds it, by the advisory lock that no session holds any more,
and goes on with it: nothing is left to clean up by hand.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from scorer.database.connection import Database
from scorer.database.store.batches import claim_work, finish_work, record_validation
from scorer.database.store.chores import nightly
from scorer.database.store.runs import (
    end_run,
    give_up_work,
    hold_run,
    list_unfinished_runs,
    read_run,
    register_job_version,
    release_run,
    resume_run,
)
from scorer.database.store.ticks import close_breaker
from scorer.errors import DatabaseBusy, DatabaseUnavailable, RunStopped, Stopping, UserError
from scorer.jobs.job import Job
from scorer.log import events
from scorer.log.logger import say
from scorer.runs.due import begin, begin_alone, enqueue, withdraw_gone
from scorer.runs.parallel import drain
from scorer.runs.worker import NO_HOOKS, Hooks, Worker
from scorer.runs.write_backs import Tried, say_expired, write_waiting
from scorer.scoring.batch import add_counts
from scorer.scoring.opening import CarriedOver, open_pipeline
from scorer.scoring.pipeline import score_batch
from scorer.scoring.timing import StepTimer
from scorer.types.enums import Trigger
from scorer.types.values import Counts, Progress, Run, Tick

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
    hooks: Hooks = NO_HOOKS,
) -> Ended:
    """Run `job` once, as of a time (now, where none is given). Returns how it ended.

    It knows what was recorded up to that time, or up to `as_known_at`. Raises UserError where it stops; its row says why.
    """
    began = time.monotonic()
    pipeline = open_pipeline(job, database=database)
    worker = Worker(pipeline, database=database, workers=workers, hooks=hooks)
    try:
        _finish_what_others_left(worker)
        nights = nightly(database.settings)
        run = worker.with_retries(
            lambda: begin(pipeline, as_of=as_of, as_known_at=as_known_at, limit=limit, trigger=trigger, nightly=nights)
        )
        return replace(_carry_to_its_end(worker, run, began=began), as_known_at=as_known_at)
    finally:
        worker.close()


def run_tick(
    job: Job,
    *,
    database: Database,
    tick: Tick | None,
    trigger: Trigger,
    as_of: datetime | None = None,
    hooks: Hooks = NO_HOOKS,
    carried: CarriedOver | None = None,
) -> Ended | None:
    """Run `job` for its schedule, once among all daemons; `tick` is recorded as the run begins.

    `carried` is what the daemon keeps from run to run.
    Returns how it ended; None where another process has settled the tick, or has a run of the job in hand, of which this one has then
    carried some batches. Raises UserError where the run stops, and Stopping where it is asked to.
    """
    began = time.monotonic()
    pipeline = open_pipeline(job, database=database, carried=carried)
    worker = Worker(pipeline, database=database, workers=database.settings.workers, hooks=hooks)
    try:
        _finish_what_others_left(worker)
        nights = nightly(database.settings)
        run = worker.with_retries(
            lambda: begin_alone(pipeline, tick=tick, trigger=trigger, as_of=as_of, nightly=nights)
        )
        if run is None:
            _help(worker)
            return None
        return _carry_to_its_end(worker, run, began=began)
    finally:
        worker.close()


def share_runs(job: Job, *, database: Database, hooks: Hooks = NO_HOOKS) -> None:
    """Go on with runs of the job whose process died, and carry batches of others' scheduled runs."""
    worker = Worker(open_pipeline(job, database=database), database=database, hooks=hooks)
    try:
        _finish_what_others_left(worker)
        _help(worker)
    finally:
        worker.close()


def dry_run(
    job: Job,
    *,
    database: Database,
    as_of: datetime | None = None,
    as_known_at: datetime | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Ended:
    """Score what `run_job` would, in one transaction that is rolled back. Returns how it ended.

    It writes nothing that a run could have to wait for.
    """
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
                nightly=nightly(database.settings),
                kept=False,
            )
            counts, ready = Counts(), pipeline.for_batch() or pipeline
            while items := claim_work(pipeline.session, job, run, size=pipeline.batch_size):
                counts = add_counts(counts, score_batch(ready, run, items, steps=StepTimer()).counts)
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


def _help(worker: Worker) -> None:
    """Carry batches of others' runs; what stops such a run is met, and logged, by its own process."""
    with suppress(RunStopped, DatabaseBusy):
        worker.help_others()


def _finish_what_others_left(worker: Worker) -> None:
    """Go on with the runs of this job whose processes have died."""
    session, job = worker.pipeline.session, worker.pipeline.job

    def take() -> list[Run]:
        with session.transaction():
            register_job_version(session, job)  # what is left is scored by the job as it stands now
            held = [run for run in list_unfinished_runs(session, job) if hold_run(session, run.run_id)]
            # One that was let go of between the two statements has ended by now.
            left = [run for run in held if read_run(session, run.run_id).status == "running"]
            for run in held:
                if run in left:
                    resume_run(session, run.run_id)
                else:
                    release_run(session, run.run_id)
            return left

    for run in worker.with_retries(take):
        say(_log, events.RUN_RESUMED, run_id=run.run_id, job=run.job)
        _carry(worker, run)


def _carry_to_its_end(worker: Worker, run: Run, *, began: float) -> Ended:
    worker.show("enqueue")
    counts = _carry(worker, run)
    # Where the database failed just as a run began, it may have begun all the same.
    _finish_what_others_left(worker)
    return Ended(
        run_id=run.run_id,
        job=run.job,
        status="succeeded",
        as_of=run.as_of,
        seconds=time.monotonic() - began,
        counts=counts,
    )


def _carry(worker: Worker, run: Run) -> Counts:
    """Carry the run to its end: succeeded, or failed with the reason, which is raised. Returns its counts."""
    nights = nightly(worker.database.settings)
    try:
        worker.with_retries(lambda: withdraw_gone(worker.pipeline, run, nightly=nights), run=run)
        drain(worker, run)
        counts = worker.with_retries(lambda: _finish(worker, run), run=run)
    except Stopping:
        say(_log, events.RUN_LEFT, run_id=run.run_id, job=run.job)
        raise
    except Exception as error:
        _give_up(worker, run, error)
        raise
    say(_log, events.RUN_SUCCEEDED, run_id=run.run_id, job=run.job, **asdict(counts))
    return counts


def _finish(worker: Worker, run: Run) -> Counts:
    """Wait for what other workers hold, mark the run succeeded, and write back what was locked before.

    Returns the run's counts. Raises UserError where another process has ended the run.
    """
    session = worker.pipeline.session
    while True:
        with session.transaction():
            end_run(session, run.run_id)
            found = read_run(session, run.run_id)
            # Last, as in a batch: the hospital's rows are held for the length of a commit.
            tried = write_waiting(session, worker.pipeline.job) if found.status == "succeeded" else Tried(0, 0)
            breaker = close_breaker(session, run.job) if found.status == "succeeded" else None
        if found.status != "running":
            _release(worker, run)
            break
        # What another worker held has come back, if that worker died.
        if worker.carry_exactly(run, size=worker.pipeline.batch_size) is None:
            worker.rest()
    if found.status != "succeeded":
        raise UserError(f"Run {run.run_id} was ended by another process: {found.status}, {found.error}")
    if breaker is not None and breaker.opened_at is not None:
        say(_log, events.BREAKER_CLOSED, job=run.job, run_id=run.run_id)
    if tried.passed_over:
        say(_log, events.WRITE_BACK_HELD, run_id=run.run_id, job=run.job, rows=tried.passed_over)
    say_expired(worker.pipeline.job, tried)
    return found.counts


def _give_up(worker: Worker, run: Run, error: Exception) -> None:
    """Record why the run failed; where the database is gone too, the next run goes on with it."""
    if isinstance(error, DatabaseUnavailable) and not error.answers:
        say(_log, events.RUN_LEFT, run_id=run.run_id, job=run.job)
        return
    sentence = str(error) if isinstance(error, UserError) else f"a bug: {type(error).__name__}"
    results = error.results if isinstance(error, RunStopped) else ()

    def fail() -> None:
        session = worker.pipeline.session
        with session.transaction():
            give_up_work(session, run.run_id)
            end_run(session, run.run_id, error=sentence)
            record_validation(session, run, batch_id=None, results=results)
        _release(worker, run)

    worker.with_retries(fail, run=run)
    if not worker.hooks.quiet and not isinstance(error, DatabaseBusy):  # that was logged when it gave way
        say(_log, events.RUN_FAILED, run_id=run.run_id, job=run.job, error=sentence)


def _release(worker: Worker, run: Run) -> None:
    """Let go of the run, once its end is committed.

    Before that, the next process to hold it would take it for one that was left, and go on with it.
    """
    with worker.pipeline.session.transaction():
        release_run(worker.pipeline.session, run.run_id)
