"""Drains a run: its batches are carried until none is left, by one worker or by several.

Further workers are threads, processes or those of a Dask cluster. Whatever becomes of them, the first worker carries what is left.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from scorer.database.connection import Database
from scorer.database.store.runs import count_carried, count_waiting, is_run_held, read_run
from scorer.errors import DatabaseBusy, DatabaseUnavailable, RunStopped
from scorer.jobs.job import Job
from scorer.log import events
from scorer.log.logger import configure, say
from scorer.runs.processes import WorkerLost, WorkerProcesses
from scorer.runs.remote import RemoteTask, remote_task_of, settings_here, why_not, with_remote_workers
from scorer.runs.threads import WorkerThreads, libraries_on_one_thread
from scorer.runs.worker import OPENING, Hooks, Worker
from scorer.scoring.opening import Pipeline, open_pipeline
from scorer.types.values import Counts, Run

_log = logging.getLogger(__name__)
_LISTEN_SECONDS = 0.2


def drain(worker: Worker, run: Run) -> None:
    """Carry batches of `run` until none is left to claim, by as many workers as `worker` asks for.

    What a worker that dies leaves behind is carried by `worker`.
    """
    total = worker.with_retries(lambda: _count_waiting(worker, run), run=run)
    report = _progress_of(worker, run, total=total)
    if total <= worker.pipeline.batch_size:
        _drain_alone(worker, run, report=report)
    elif worker.workers > 1 or worker.database.settings.backend == "dask":
        _drain_with_others(worker, run, total=total, report=report)
        _drain_alone(worker, run, report=report)
    elif _may_read_ahead(worker):
        _drain_reading_ahead(worker, run, report=report)
    else:
        _drain_alone(worker, run, report=report)


def _count_waiting(worker: Worker, run: Run) -> int:
    with worker.pipeline.session.transaction():
        return count_waiting(worker.pipeline.session, run.run_id)


def _progress_of(worker: Worker, run: Run, *, total: int) -> Callable[[], None]:
    """What reports how far the run has come, by all who carry its batches."""
    progress = worker.hooks.progress
    if progress is None:
        return lambda: None

    def carried() -> int:
        with worker.pipeline.session.transaction():
            return count_carried(worker.pipeline.session, run.run_id)

    before = worker.with_retries(carried, run=run)
    return lambda: progress(worker.with_retries(carried, run=run) - before, total)


def _drain_alone(worker: Worker, run: Run, *, report: Callable[[], None], first: int | None = None) -> None:
    """Carry batches, the `first` of that size, until none is left to claim."""
    worker.stop_if_asked()
    carry = partial(worker.carry_one, run, size=first)
    while worker.with_retries(carry, run=run) is not None:
        report()
        worker.stop_if_asked()
        carry = partial(worker.carry_one, run)


def _may_read_ahead(worker: Worker) -> bool:
    """Whether a second thread may carry batches.

    Not where limits for the database's other users are set, nor beside a standby, nor where batches are so small that the suite
    validates them together with those before: each is to see all of these.
    """
    pipeline = worker.pipeline
    return pipeline.batch_size >= pipeline.suites.pool_rows and not (
        worker.governor.needed or pipeline.source.has_standby
    )


def _drain_reading_ahead(worker: Worker, run: Run, *, report: Callable[[], None]) -> None:
    """Carry batches in two threads until none is left.

    The database is as busy with a batch as this process is: with two in hand, neither waits for the other.
    """
    with WorkerThreads(1, _drain_in_thread, worker.pipeline, run, worker.database) as second:
        # Half a batch first: out of step, one reads while the other scores and writes.
        half = max(-(-worker.pipeline.batch_size // 2), worker.pipeline.suites.pool_rows)
        _drain_alone(worker, run, report=lambda: _listen(worker, second, run, seconds=0, report=report), first=half)
        second.dismiss()  # nothing is left to claim; what it gives back is carried at the run's end
        while second.working:
            _listen(worker, second, run, report=report)


def _drain_with_others(worker: Worker, run: Run, *, total: int, report: Callable[[], None]) -> None:
    """Have others carry the run's batches; what a worker that dies leaves behind is left to the caller."""
    count = min(worker.workers, -(-total // worker.pipeline.batch_size))
    if worker.database.settings.backend == "dask":
        _drain_with_cluster(worker, run, count=count, report=report)
        return
    in_threads = count if worker.database.settings.backend == "threads" else 1  # which need not start first
    level = _log.getEffectiveLevel()
    with (
        WorkerThreads(in_threads, _drain_in_thread, worker.pipeline, run, worker.database) as here,
        WorkerProcesses(
            count - in_threads, _drain_in_process, worker.pipeline.job, run, worker.database, level
        ) as there,
    ):
        while working := [workers for workers in (here, there) if workers.working]:
            for workers in working:
                seconds = _LISTEN_SECONDS if workers is working[-1] else 0.0
                _listen(worker, workers, run, seconds=seconds, report=report)
                if worker.hooks.stopping():
                    workers.dismiss()


def _drain_with_cluster(worker: Worker, run: Run, *, count: int, report: Callable[[], None]) -> None:
    """Carry batches beside a cluster's workers; nothing waits for a cluster that is busy or gone."""
    task = worker.with_retries(lambda: remote_task_of(worker.pipeline.job, worker.pipeline.session), run=run)
    with with_remote_workers(_drain_away, task, run, count=count, settings=worker.database.settings):
        _drain_alone(worker, run, report=report)


def _listen(
    worker: Worker,
    workers: WorkerProcesses | WorkerThreads,
    run: Run,
    *,
    report: Callable[[], None],
    seconds: float = _LISTEN_SECONDS,
) -> None:
    """Pass on the steps of `workers` for so long; dismiss these where one, or its database, is lost."""
    until = time.monotonic() + seconds
    try:
        while workers.working:
            left = max(until - time.monotonic(), 0.0)
            for step in workers.hear(left):
                worker.show(step)
            if left == 0.0:
                break
    except (WorkerLost, DatabaseUnavailable) as error:
        if not workers.dismissed:
            say(_log, events.WORKERS_LOST, run_id=run.run_id, job=run.job, error=type(error).__name__)
        workers.dismiss()
    report()


# What further workers do


def _drain_in_process(
    job: Job,
    run: Run,
    database: Database,
    level: int,
    show: Callable[[str], None],
    stopping: Callable[[], bool],
    /,
) -> None:
    """Carry batches in a process of its own, until none is left or it is to stop."""
    configure(level=level, log_format=database.settings.log_format)  # a new process has no log of its own
    _drain_further(open_pipeline(job, database=database), run, database, Hooks(watch=show, stopping=stopping))


def _drain_in_thread(
    pipeline: Pipeline,
    run: Run,
    database: Database,
    show: Callable[[str], None],
    stopping: Callable[[], bool],
    /,
) -> None:
    """Carry batches in a thread, by sessions of its own, until none is left or it is to stop."""
    own = pipeline.with_own_sessions(database)
    _drain_further(own, run, database, Hooks(watch=show, stopping=stopping))


def _drain_further(pipeline: Pipeline, run: Run, database: Database, hooks: Hooks) -> None:
    worker = Worker(pipeline, database=database, hooks=hooks)
    try:
        while not hooks.stopping() and worker.with_retries(lambda: worker.carry_one(run)) is not None:
            pass
    finally:
        worker.close()


def _drain_away(task: RemoteTask, run_id: int) -> str | None:
    """Carry batches in a cluster's worker, by its host's settings, until none is left.

    Returns why it could not; None where it did.
    """

    def drain_here() -> None:
        here = settings_here(task)
        with OPENING:
            pipeline = open_pipeline(here.job, database=here.database)
        worker = Worker(pipeline, database=here.database)

        def carry() -> Counts | None:
            """Carry one batch. Returns None where none is left, or where no process holds the run any more."""
            with worker.pipeline.session.transaction():
                run, held = read_run(worker.pipeline.session, run_id), is_run_held(worker.pipeline.session, run_id)
            return worker.carry_one(run) if held else None

        try:
            # What stops the run is met, and logged, by the process that began it.
            with suppress(RunStopped, DatabaseBusy), libraries_on_one_thread():
                while worker.with_retries(carry) is not None:
                    pass
        finally:
            worker.close()

    return why_not(drain_here)
