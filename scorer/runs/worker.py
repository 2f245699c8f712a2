"""Carries a run to its end: alone or with further processes, through failures of the database.

A run whose process died keeps its row and its work. The next run of the job finds it, by the advisory lock that nobody holds, and goes
on with it: nothing is left to clean up by hand.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from functools import partial
from typing import TypeVar

from scorer.database.connection import Database
from scorer.database.session import Session
from scorer.database.store.batches import record_validation
from scorer.database.store.ledger import take_back, write_back
from scorer.database.store.runs import (
    count_carried,
    count_waiting,
    end_run,
    give_up_work,
    hold_run,
    is_run_held,
    is_waiting,
    list_unfinished_runs,
    read_run,
    register_job_version,
    release_run,
    resume_run,
)
from scorer.database.store.server import ServerLoad, mark_position, read_server_load
from scorer.database.store.ticks import close_breaker
from scorer.errors import DatabaseBusy, DatabaseUnavailable, RunStopped, Stopping, UserError
from scorer.jobs.job import Job
from scorer.log import events
from scorer.log.logger import configure, say
from scorer.runs.neighbour import Governor, Neighbour
from scorer.runs.processes import WorkerLost, WorkerProcesses
from scorer.runs.remote import RemoteTask, remote_task_of, settings_here, why_not, with_remote_workers
from scorer.runs.threads import WorkerThreads, libraries_on_one_thread
from scorer.scoring.opening import Pipeline, open_pipeline
from scorer.scoring.pipeline import ModelChanged, carry_batch
from scorer.types.values import Counts, Run

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")
Progress = Callable[[int, int], None]
_POLL_SECONDS = 0.2
_COLLECTED_AFTER = (100_000, 20, 20)
_PROMOTIONS = 5  # within one batch, before that is somebody's mistake
_OPENING = threading.Lock()  # Great Expectations' parts, and a model that is loaded, are not for two threads at once


class Worker:
    """Carries a run to its end, through failures of the database."""

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        database: Database,
        workers: int = 1,
        progress: Progress | None = None,
        watch: Callable[[str], None] | None = None,
        stopping: Callable[[], bool] = lambda: False,
        quiet: bool = False,
    ) -> None:
        """`watch` is told the name of each step as it ends; `quiet` leaves a failure to whoever calls to tell."""
        # A batch makes and frees a hundred thousand objects, none of them in a circle: Python need not look for circles so often.
        gc.set_threshold(*_COLLECTED_AFTER)
        self.pipeline, self.database, self.workers = pipeline, database, workers
        self.progress, self.watch, self.stopping, self.quiet = progress, watch, stopping, quiet
        self.governor = Governor(Neighbour.of(database.settings), look=self._read_server_load, pause=self._rest)
        self._followed: int | None = None

    def close(self) -> None:
        """End the line's sessions."""
        self.pipeline.close()

    def help_others(self) -> None:
        """Carry batches of the scheduled runs that other processes have begun, until none is left to claim."""
        session = self.pipeline.session
        with session.transaction():
            unfinished = list_unfinished_runs(session, self.pipeline.job)
        for run in unfinished:
            if run.trigger.by_schedule:
                while not self.stopping() and self.carry_one(run) is not None:
                    pass

    def finish_what_others_left(self) -> None:
        """Go on with the runs of this job whose processes have died."""
        session, job = self.pipeline.session, self.pipeline.job

        def take() -> list[Run]:
            with session.transaction():
                register_job_version(session, job)  # what is left is judged by the job as it stands now
                held = [run for run in list_unfinished_runs(session, job) if hold_run(session, run.run_id)]
                # One that was let go of between the two statements has ended by now.
                left = [run for run in held if read_run(session, run.run_id).status == "running"]
                for run in held:
                    if run in left:
                        resume_run(session, run.run_id)
                    else:
                        release_run(session, run.run_id)
                return left

        for run in self.persevere(take):
            say(_log, events.RUN_RESUMED, run_id=run.run_id, job=run.job)
            self.carry(run)

    def carry(self, run: Run) -> Counts:
        """Drain the run's work and mark it succeeded, or failed with the reason, which is raised."""
        try:
            self._drain(run)
            counts = self.persevere(lambda: self._finish(run), run=run)
        except Stopping:
            say(_log, events.RUN_LEFT, run_id=run.run_id, job=run.job)
            raise
        except Exception as error:
            self._give_up(run, error)
            raise
        say(_log, events.RUN_SUCCEEDED, run_id=run.run_id, job=run.job, **asdict(counts))
        return counts

    def _drain(self, run: Run) -> None:
        total = self.persevere(lambda: self._count_waiting(run), run=run)
        tell = self._progress_of(run, total=total)
        if total <= self.pipeline.batch_size:
            self._drain_here(run, tell=tell)
        elif self.workers > 1 or self.database.settings.backend == "dask":
            self._drain_with_others(run, total=total, tell=tell)
            self._drain_here(run, tell=tell)
        elif not self._may_read_ahead:
            self._drain_here(run, tell=tell)
        else:
            # The database is as busy with a batch as this process is: with two in hand, neither waits for the other.
            with WorkerThreads(1, _drain_in_thread, self.pipeline, run, self.database) as second:
                # Half a batch first: out of step, one reads while the other judges and writes.
                half = max(-(-self.pipeline.batch_size // 2), self.pipeline.suites.pool_rows)
                self._drain_here(run, tell=lambda: self._hear(second, run, seconds=0, tell=tell), first=half)
                second.dismiss()  # nothing is left to claim; what it gives back is carried at the run's end
                while second.working:
                    self._hear(second, run, tell=tell)

    @property
    def _may_read_ahead(self) -> bool:
        """Whether a second hand may carry batches: not beside others who need the database, nor twice after a standby.

        Nor where batches are so small that the suite judges them with those before: each is to see all of these.
        """
        pipeline = self.pipeline
        return pipeline.batch_size >= pipeline.suites.pool_rows and not (
            self.governor.needed or pipeline.source.has_standby
        )

    def _drain_here(self, run: Run, *, tell: Callable[[], None], first: int | None = None) -> None:
        """Carry batches, the `first` of that size, until none is left to claim."""
        self._stop_if_asked()
        carry = partial(self.carry_one, run, size=first)
        while self.persevere(carry, run=run) is not None:
            tell()
            self._stop_if_asked()
            carry = partial(self.carry_one, run)

    def _progress_of(self, run: Run, *, total: int) -> Callable[[], None]:
        """What tells how far the run has come, whoever carries its batches."""
        progress = self.progress
        if progress is None:
            return lambda: None

        def carried() -> int:
            with self.pipeline.session.transaction():
                return count_carried(self.pipeline.session, run.run_id)

        before = self.persevere(carried, run=run)
        return lambda: progress(self.persevere(carried, run=run) - before, total)

    def carry_one(self, run: Run, *, size: int | None = None) -> Counts | None:
        """Carry one batch, no larger than the database's other users let it be; None where nothing was left to claim."""
        self._follow(run)
        size = size or self.pipeline.batch_size
        if self.governor.needed and self._is_waiting(run):
            size = self.governor.batch_size(run, full=size)
        return self._carry_by_production(run, size=size)

    def _carry_by_production(self, run: Run, *, size: int) -> Counts | None:
        """Carry one batch by the model that is in production, whichever that has become since the batch before."""
        for _ in range(_PROMOTIONS):
            try:
                return carry_batch(replace(self.pipeline, batch_size=size), run, watch=self.watch)
            except ModelChanged:
                self._adopt(run)
        raise UserError(f"Other models of {run.job} went into production as fast as they were loaded; run it again.")

    def _adopt(self, run: Run) -> None:
        """Open the line anew, with the model now in production, in the sessions that hold the run."""
        with _OPENING:
            opened = open_pipeline(self.pipeline.job, database=self.database)
        opened.close()
        self.pipeline = replace(
            opened, session=self.pipeline.session, source=self.pipeline.source, at_a_time=self.pipeline.at_a_time
        )
        say(
            _log,
            events.MODEL_ADOPTED,
            run_id=run.run_id,
            job=run.job,
            model_version=self.pipeline.model.manifest.model_version,
        )

    def _follow(self, run: Run) -> None:
        """Have the standby, where one is read, come as far as the primary is by now, before the first batch of a run."""
        if self.pipeline.source.has_standby and self._followed != run.run_id:
            with self.pipeline.session.transaction():
                position = mark_position(self.pipeline.session)
            self.pipeline.source.follow(position)
            self._followed = run.run_id

    def _read_server_load(self) -> ServerLoad:
        with self.pipeline.session.transaction():
            return read_server_load(self.pipeline.session)

    def _rest(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._stop_if_asked()
            self._told("wait")  # whoever waits in good order is alive
            time.sleep(min(left, _POLL_SECONDS))

    def _stop_if_asked(self) -> None:
        if self.stopping():
            raise Stopping

    def _count_waiting(self, run: Run) -> int:
        with self.pipeline.session.transaction():
            return count_waiting(self.pipeline.session, run.run_id)

    def _is_waiting(self, run: Run) -> bool:
        with self.pipeline.session.transaction():
            return is_waiting(self.pipeline.session, run.run_id)

    def _drain_with_others(self, run: Run, *, total: int, tell: Callable[[], None]) -> None:
        """Let others carry the run's batches; what one that dies leaves behind is for whoever called."""
        count = min(self.workers, -(-total // self.pipeline.batch_size))
        if self.database.settings.backend == "dask":
            self._drain_with_cluster(run, count=count, tell=tell)
            return
        told = (run, self.database)
        level = _log.getEffectiveLevel()
        in_threads = self.database.settings.backend == "threads"
        with (
            WorkerThreads(count, _drain_in_thread, self.pipeline, *told)
            if in_threads
            else WorkerProcesses(count, _drain_alone, self.pipeline.job, *told, level)
        ) as workers:
            while workers.working:
                self._hear(workers, run, tell=tell)
                if self.stopping():
                    workers.dismiss()

    def _drain_with_cluster(self, run: Run, *, count: int, tell: Callable[[], None]) -> None:
        """Carry the run's batches beside a cluster's workers, who carry theirs: where it is busy, or gone, nothing waits for it."""
        task = self.persevere(lambda: remote_task_of(self.pipeline.job, self.pipeline.session), run=run)
        with with_remote_workers(_drain_away, task, run, count=count, settings=self.database.settings):
            self._stop_if_asked()
            while self.persevere(lambda: self.carry_one(run), run=run) is not None:
                tell()
                self._stop_if_asked()

    def _hear(
        self,
        workers: WorkerProcesses | WorkerThreads,
        run: Run,
        *,
        tell: Callable[[], None],
        seconds: float = _POLL_SECONDS,
    ) -> None:
        """Pass on what the crew does, for so long; where it has lost a member, or the database under one, dismiss it."""
        until = time.monotonic() + seconds
        try:
            while workers.working:
                left = max(until - time.monotonic(), 0.0)
                for step in workers.hear(left):
                    self._told(step)
                if left == 0.0:
                    break
        except (WorkerLost, DatabaseUnavailable) as error:
            if not workers.dismissed:
                say(_log, events.WORKERS_LOST, run_id=run.run_id, job=run.job, error=type(error).__name__)
            workers.dismiss()
        tell()

    def _told(self, step: str) -> None:
        if self.watch is not None:
            self.watch(step)

    def _finish(self, run: Run) -> Counts:
        """Wait for what other workers still hold, mark the run succeeded, and write back once more what somebody held."""
        session = self.pipeline.session
        while True:
            with session.transaction():
                end_run(session, run.run_id)
                found = read_run(session, run.run_id)
                # Last, as in a batch: the hospital's rows are held for the length of a commit.
                passed_over = _write_back(session, self.pipeline.job) if found.status == "succeeded" else 0
                breaker = close_breaker(session, run.job) if found.status == "succeeded" else None
            if found.status != "running":
                self._release(run)
                break
            # What another worker held has come back, if that worker died.
            if self._carry_by_production(run, size=self.pipeline.batch_size) is None:
                self._rest(_POLL_SECONDS)
        if found.status != "succeeded":
            raise UserError(f"Run {run.run_id} was ended by another process: {found.status}, {found.error}")
        if breaker is not None and breaker.opened_at is not None:
            say(_log, events.BREAKER_CLOSED, job=run.job, run_id=run.run_id)
        if passed_over:
            say(_log, events.WRITE_BACK_HELD, run_id=run.run_id, job=run.job, rows=passed_over)
        return found.counts

    def _give_up(self, run: Run, error: Exception) -> None:
        """Write into the run's row why it failed; where the database is gone too, the next run goes on with it."""
        if isinstance(error, DatabaseUnavailable) and not error.answers:
            say(_log, events.RUN_LEFT, run_id=run.run_id, job=run.job)
            return
        sentence = str(error) if isinstance(error, UserError) else f"a bug: {type(error).__name__}"
        results = error.results if isinstance(error, RunStopped) else ()

        def fail() -> None:
            with self.pipeline.session.transaction():
                give_up_work(self.pipeline.session, run.run_id)
                end_run(self.pipeline.session, run.run_id, error=sentence)
                record_validation(self.pipeline.session, run, batch_id=None, results=results)
            self._release(run)

        self.persevere(fail, run=run)
        if not self.quiet and not isinstance(error, DatabaseBusy):  # that was told when it gave way
            say(_log, events.RUN_FAILED, run_id=run.run_id, job=run.job, error=sentence)

    def _release(self, run: Run) -> None:
        """Let go of the run, once all can see how it ended: whoever holds a run that still seems to be running goes on with it."""
        with self.pipeline.session.transaction():
            release_run(self.pipeline.session, run.run_id)

    def persevere(self, action: Callable[[], _Result], *, run: Run | None = None) -> _Result:
        """What `action` gives; tried again, in new sessions and after a wait, where the database fails under it."""
        for wait in self.database.settings.retry_waits:
            try:
                return action()
            except DatabaseUnavailable as error:
                say(_log, events.DATABASE_RETRIED, seconds=round(wait, 1), sqlstate=error.sqlstate)
            self.close()
            self._rest(wait)
            self._hold_again(run)
        return action()

    def _hold_again(self, run: Run | None) -> None:
        """Take the run's lock in the new session; the old one lost it."""
        if run is None:
            return
        try:
            with self.pipeline.session.transaction():
                hold_run(self.pipeline.session, run.run_id)
        except DatabaseUnavailable:
            self.close()


def _write_back(session: Session, job: Job) -> int:
    """How many rows of the hospital's table were passed over: to be written, or to have a recalled score taken out of them."""
    return write_back(session, job) + take_back(session, job)


def _drain_alone(
    job: Job,
    run: Run,
    database: Database,
    level: int,
    tell: Callable[[str], None],
    stopping: Callable[[], bool],
    /,
) -> None:
    """What each further process does: carry batches until none is left, or it is to stop."""
    configure(level=level, log_format=database.settings.log_format)  # a new process has no log of its own
    pipeline = open_pipeline(job, database=database)
    worker = Worker(pipeline, database=database, watch=tell, stopping=stopping)
    try:
        while not stopping() and worker.persevere(lambda: worker.carry_one(run)) is not None:
            pass
    finally:
        worker.close()


def _drain_in_thread(
    pipeline: Pipeline,
    run: Run,
    database: Database,
    tell: Callable[[str], None],
    stopping: Callable[[], bool],
    /,
) -> None:
    """The same for each further thread, on a line with sessions of its own."""
    worker = Worker(
        pipeline.with_own_sessions(database),
        database=database,
        watch=tell,
        stopping=stopping,
    )
    try:
        while not stopping() and worker.persevere(lambda: worker.carry_one(run)) is not None:
            pass
    finally:
        worker.close()


def _drain_away(task: RemoteTask, run_id: int) -> str | None:
    """What each worker of a cluster does, by its own settings: carry batches until none is left; else, why it could not."""

    def drain() -> None:
        here = settings_here(task)
        with _OPENING:
            pipeline = open_pipeline(here.job, database=here.database)
        worker = Worker(pipeline, database=here.database)

        def carry() -> Counts | None:
            """One batch; None where none is left, or whoever began the run has stopped, or died, and so holds it no more."""
            with worker.pipeline.session.transaction():
                run, held = read_run(worker.pipeline.session, run_id), is_run_held(worker.pipeline.session, run_id)
            return worker.carry_one(run) if held else None

        try:
            # What stops the run is for whoever called to meet, and to tell.
            with suppress(RunStopped, DatabaseBusy), libraries_on_one_thread():
                while worker.persevere(carry) is not None:
                    pass
        finally:
            worker.close()

    return why_not(drain)
