"""A run: enqueue what is due, drain it with N workers, balance the ledger.

A run whose process died keeps its row and its work. The next run of the job finds it, by the advisory lock that nobody holds, and goes
on with it before it begins its own: nothing is left to clean up by hand.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import joblib
import numpy as np

from scorer import schema
from scorer.config import Settings
from scorer.connection import Target, engine
from scorer.errors import DatabaseUnavailable, RunStopped, UserError
from scorer.features import build, feature_names
from scorer.job import Job, shipped_root
from scorer.judgement import add_counts
from scorer.log import say
from scorer.model import ProductionPipeline, find_version
from scorer.pipeline import Line, carry_batch, judge_all
from scorer.source import Source
from scorer.steps import Steps
from scorer.store import Store
from scorer.types import Action, Counts, Rejection, Run, Trigger
from scorer.validation import Suites

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")
Progress = Callable[[int, int], None]
_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended; `run_id` is None for a dry run, of which nothing is kept."""

    run_id: int | None
    job: str
    status: str
    as_of: datetime
    seconds: float
    counts: Counts

    def as_json(self) -> dict[str, Any]:
        """The run as the command line prints it."""
        return {
            "run_id": self.run_id,
            "job": self.job,
            "status": self.status,
            "as_of": self.as_of.isoformat(),
            "seconds": round(self.seconds, 3),
            **asdict(self.counts),
        }


def run_job(
    job: Job,
    *,
    url: str,
    settings: Settings,
    as_of: datetime | None = None,
    limit: int | None = None,
    workers: int = 1,
    trigger: Trigger = Trigger.MANUAL,
    progress: Progress | None = None,
    watch: Callable[[str], None] | None = None,
) -> Ended:
    """Run `job` once, as of a time (now, where none is given). Raises UserError where it stops; its row says why."""
    began = time.monotonic()
    line = open_line(job, url=url, settings=settings)
    worker = _Worker(line=line, settings=settings, url=url, workers=workers, progress=progress, watch=watch)
    try:
        worker.finish_what_others_left()
        run = worker.persevere(lambda: _begin(line, as_of=as_of, limit=limit, trigger=trigger))
        if watch is not None:
            watch("enqueue")
        counts = worker.carry(run)
        # Where the database failed just as a run began, it may have begun all the same.
        worker.finish_what_others_left()
    finally:
        worker.close()
    return Ended(
        run_id=run.run_id,
        job=job.name,
        status="succeeded",
        as_of=run.as_of,
        seconds=time.monotonic() - began,
        counts=counts,
    )


def dry_run(
    job: Job,
    *,
    url: str,
    settings: Settings,
    as_of: datetime | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Ended:
    """What `run_job` would find and judge, in one transaction that is rolled back; nothing is written that a run could wait for."""
    began = time.monotonic()
    line = open_line(job, url=url, settings=settings)
    try:
        with line.store.transaction(keep=False):
            run, eligible = enqueue(line, as_of=as_of, limit=limit, trigger=Trigger.MANUAL, kept=False)
            counts = Counts()
            while items := line.store.claim_work(job, run, size=line.batch_size):
                counts = add_counts(counts, judge_all(line, run, items, steps=Steps()).counts)
                line.store.finish_work(items)
                if progress is not None:
                    progress(counts.eligible, eligible)
    finally:
        close_line(line)
    return Ended(
        run_id=None,
        job=job.name,
        status="dry run",
        as_of=run.as_of,
        seconds=time.monotonic() - began,
        counts=counts,
    )


def open_line(job: Job, *, url: str, settings: Settings) -> Line:
    """All that a worker needs, checked: schema at head, model in production and unaltered, suites and statements in agreement."""
    target = Target.of(url, settings, role=settings.worker_role)
    schema.require_head(engine(target))
    line = Line(
        job=job,
        store=Store(target),
        source=Source(target),
        suites=Suites(job),
        model=_production_pipeline(job, target, settings=settings),
        worker=f"{socket.gethostname()}/{os.getpid()}",
        batch_size=settings.batch_size or job.batch_size,
    )
    try:
        _require_columns(line)
    except BaseException:
        close_line(line)
        raise
    return line


def close_line(line: Line) -> None:
    """End the line's sessions; it opens new ones when it is used again."""
    line.store.close()
    line.source.close()


def model_folders(job: Job, settings: Settings) -> tuple[Path, ...]:
    """Where the folders of model versions are looked for, in order."""
    return settings.home_dir / "models", job.model_folder.parent, shipped_root() / "models"


def _production_pipeline(job: Job, target: Target, *, settings: Settings) -> ProductionPipeline:
    store = Store(target)
    try:
        with store.transaction():
            found = store.production_model(job.name)
    finally:
        store.close()
    if found is None:
        raise UserError(
            f"Job {job.name} has no model in production; see `scorer model list` and `scorer model promote`."
        )
    model_version, sha256 = found
    folder = find_version(job.name, model_version, folders=model_folders(job, settings))
    return ProductionPipeline.load(folder, sha256=sha256, task=job.task, features=feature_names(job.features))


def _require_columns(line: Line) -> None:
    """Read nobody's observations, to see that statements, definition and suites agree before anything is claimed."""
    job = line.job
    observations = line.source.observations(job, ())
    attributes = line.source.attributes(job, ())
    have = {*attributes.numbers, *attributes.times, *attributes.texts}
    named: list[tuple[str, Collection[str]]] = [
        *((name, attributes.numbers) for name in job.features.numbers),
        *((name, attributes.times) for name in job.features.hours_since),
        *((name, attributes.texts) for name, _ in job.features.categories),
        *((name, have) for name in job.published),
    ]
    for name, there in named:
        if name not in there:
            kind = "give" if name not in have else "give in the type that job.toml needs"
            raise UserError(
                f"The statement attributes of job {job.name} does not {kind} the column {name!r}, which job.toml names."
            )
    matrix = build(observations, attributes, as_of=np.empty(0, np.int64), spec=job.features)
    line.suites.check_columns(observations, attributes, matrix)


def _begin(line: Line, *, as_of: datetime | None, limit: int | None, trigger: Trigger) -> Run:
    with line.store.transaction():
        run, eligible = enqueue(line, as_of=as_of, limit=limit, trigger=trigger)
        line.store.hold_run(run.run_id)
    say(_log, logging.INFO, "Run began", run_id=run.run_id, job=run.job, as_of=run.as_of.isoformat(), eligible=eligible)
    return run


def enqueue(
    line: Line, *, as_of: datetime | None, limit: int | None, trigger: Trigger, kept: bool = True
) -> tuple[Run, int]:
    """A new run and how many entities are due in it, in the transaction that is open.

    Where it will not be `kept`, nothing is written that another run could have to wait for.
    """
    store, job = line.store, line.job
    if kept:
        store.register_job_version(job)
    run = store.begin_run(
        job,
        model_version=line.model.manifest.model_version,
        trigger=trigger,
        as_of=as_of,
    )
    if run.as_of > run.started_at:
        raise UserError(
            f"The as-of time {run.as_of.isoformat()} lies in the future: the database's clock says "
            f"{run.started_at.isoformat()}; a score as of then would stand in the way of all until then."
        )
    eligible = store.enqueue_due(job, run, limit=limit, kept=kept)
    if kept and "orphans" in job.statements:
        store.write_orphans(job, run, rejections=[_orphan(*found) for found in line.source.orphans(job)])
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


@dataclass(slots=True)
class _Worker:
    """Carries a run to its end, through failures of the database."""

    line: Line
    settings: Settings
    url: str
    workers: int
    progress: Progress | None
    watch: Callable[[str], None] | None

    def close(self) -> None:
        close_line(self.line)

    def finish_what_others_left(self) -> None:
        """Go on with the runs of this job whose processes have died."""
        store, job = self.line.store, self.line.job

        def take() -> list[Run]:
            with store.transaction():
                store.register_job_version(job)  # what is left is judged by the job as it stands now
                held = [run for run in store.list_unfinished_runs(job) if store.hold_run(run.run_id)]
                # One that was let go of between the two statements has ended by now.
                left = [run for run in held if store.read_run(run.run_id).status == "running"]
                for run in held:
                    if run in left:
                        store.resume_run(run.run_id)
                    else:
                        store.release_run(run.run_id)
                return left

        for run in self.persevere(take):
            say(_log, logging.WARNING, "Going on with a run whose process died", run_id=run.run_id, job=run.job)
            self.carry(run)

    def carry(self, run: Run) -> Counts:
        """Drain the run's work and mark it succeeded, or failed with the reason, which is raised."""
        try:
            self._drain(run)
            counts = self.persevere(lambda: self._finish(run), run=run)
        except Exception as error:
            self._give_up(run, error)
            raise
        say(_log, logging.INFO, "Run succeeded", run_id=run.run_id, job=run.job, **asdict(counts))
        return counts

    def _drain(self, run: Run) -> None:
        total = self.persevere(lambda: self._count_waiting(run), run=run)
        if self.workers > 1 and total > self.line.batch_size:
            self._drain_with_others(run, total=total)
        done = 0
        while (counts := self.persevere(lambda: carry_batch(self.line, run, watch=self.watch), run=run)) is not None:
            done += counts.eligible
            if self.progress is not None:
                self.progress(done, total)

    def _count_waiting(self, run: Run) -> int:
        with self.line.store.transaction():
            return self.line.store.count_waiting(run.run_id)

    def _drain_with_others(self, run: Run, *, total: int) -> None:
        """Let further processes carry the run's batches; what one that dies leaves behind is for whoever called."""
        with self._shown(run, total=total):
            try:
                joblib.Parallel(n_jobs=self.workers)(
                    joblib.delayed(_drain_alone)(self.line.job, run, url=self.url, settings=self.settings)
                    for _ in range(self.workers)
                )
            except (BrokenProcessPool, DatabaseUnavailable) as error:
                why = type(error).__name__
                say(
                    _log, logging.WARNING, "Going on without further workers", run_id=run.run_id, job=run.job, error=why
                )

    @contextmanager
    def _shown(self, run: Run, *, total: int) -> Iterator[None]:
        """Within it, progress is told from what the database says that waits; nothing depends on it."""
        progress, ended = self.progress, threading.Event()
        if progress is None:
            yield
            return

        def show() -> None:
            store = Store(Target.of(self.url, self.settings, role=self.settings.worker_role))
            while not ended.wait(_POLL_SECONDS):
                with suppress(UserError), store.transaction():
                    progress(total - store.count_waiting(run.run_id), total)
            store.close()

        thread = threading.Thread(target=show, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _finish(self, run: Run) -> Counts:
        """Wait for what other workers still hold, mark the run succeeded, and write back once more what somebody held."""
        store = self.line.store
        while True:
            with store.transaction():
                store.finish_run(run.run_id)
                found = store.read_run(run.run_id)
                # Last, as in a batch: the hospital's rows are held for the length of a commit.
                passed_over = store.write_back(self.line.job) if found.status == "succeeded" else 0
            if found.status != "running":
                self._release(run)
                break
            # What another worker held has come back, if that worker died.
            if carry_batch(self.line, run, watch=self.watch) is None:
                time.sleep(_POLL_SECONDS)
        if found.status != "succeeded":
            raise UserError(f"Run {run.run_id} was ended by another process: {found.status}, {found.error}")
        if passed_over:
            say(
                _log,
                logging.WARNING,
                "Rows that others hold are written back later",
                run_id=run.run_id,
                job=run.job,
                rows=passed_over,
            )
        return found.counts

    def _give_up(self, run: Run, error: Exception) -> None:
        """Write into the run's row why it failed; where the database is gone too, the next run goes on with it."""
        if isinstance(error, DatabaseUnavailable) and not error.answers:
            say(
                _log,
                logging.ERROR,
                "Run left to the next one: the database is not there",
                run_id=run.run_id,
                job=run.job,
            )
            return
        sentence = str(error) if isinstance(error, UserError) else f"a bug: {type(error).__name__}"
        results = error.results if isinstance(error, RunStopped) else ()

        def fail() -> None:
            with self.line.store.transaction():
                self.line.store.give_up_work(run.run_id)
                self.line.store.fail_run(run.run_id, error=sentence)
                self.line.store.record_validation(run, batch_id=None, results=results)
            self._release(run)

        self.persevere(fail, run=run)
        say(_log, logging.ERROR, "Run failed", run_id=run.run_id, job=run.job, error=sentence)

    def _release(self, run: Run) -> None:
        """Let go of the run, once all can see how it ended: whoever holds a run that still seems to be running goes on with it."""
        with self.line.store.transaction():
            self.line.store.release_run(run.run_id)

    def persevere(self, action: Callable[[], _Result], *, run: Run | None = None) -> _Result:
        """What `action` gives; tried again, in new sessions and after a wait, where the database fails under it."""
        for wait in self.settings.retry_waits:
            try:
                return action()
            except DatabaseUnavailable as error:
                say(_log, logging.WARNING, "Waiting for the database", seconds=round(wait, 1), sqlstate=error.sqlstate)
            self.close()
            time.sleep(wait)
            self._hold_again(run)
        return action()

    def _hold_again(self, run: Run | None) -> None:
        """Take the run's lock in the new session; the old one lost it."""
        if run is None:
            return
        try:
            with self.line.store.transaction():
                self.line.store.hold_run(run.run_id)
        except DatabaseUnavailable:
            self.close()


def _drain_alone(job: Job, run: Run, *, url: str, settings: Settings) -> None:
    """What each further process does: carry batches until none is left."""
    line = open_line(job, url=url, settings=settings)
    worker = _Worker(line=line, settings=settings, url=url, workers=1, progress=None, watch=None)
    try:
        while worker.persevere(lambda: carry_batch(line, run)) is not None:
            pass
    finally:
        worker.close()
