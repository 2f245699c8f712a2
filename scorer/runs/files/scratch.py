"""Where deliveries are scored: a database of the embedded PostgreSQL, for this process alone.

It is dropped at the end. It has the schema, the job and its source tables, which hold one delivery at a time. A delivery is scored as
`run --dry-run` scores: in a transaction that is rolled back, so that none finds anything of another. What a killed process leaves, the next
one drops.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from scorer.config import Settings
from scorer.database import schema
from scorer.database.connecting import plain_session
from scorer.database.connection import Database
from scorer.database.embedded.server import Server
from scorer.database.session import Session, engine
from scorer.database.source.files.csv_dialect import PLAIN, Writing
from scorer.database.source.load import Delivery, load_delivery, make_tables
from scorer.database.source.load_tables import File
from scorer.database.store.batches import claim_work, finish_work
from scorer.database.store.models import count_models
from scorer.database.store.runs import make_current_partition
from scorer.database.store.server import list_unused_databases
from scorer.errors import UserError
from scorer.jobs.folder.tables import SourceTable
from scorer.jobs.job import Job
from scorer.registry import registration
from scorer.registry.artefacts import open_production, production_version
from scorer.registry.model import LoadedModel
from scorer.runs.due import enqueue
from scorer.scoring.batch import BatchResult
from scorer.scoring.opening import Pipeline, open_pipeline
from scorer.scoring.pipeline import score_batch
from scorer.scoring.timing import StepTimer
from scorer.types.enums import Trigger
from scorer.types.values import Counts

PREFIX = "scorer_files_"
_LOCK = "scratch.lock"


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a delivery's entities, as of which time.

    `delivery` and `orphans` are what is known of those without an outcome.
    """

    as_of: datetime | None
    result: BatchResult
    delivery: Delivery
    orphans: tuple[tuple[str, int], ...]


class Scratch:
    """The database, open for one job; used by one thread."""

    def __init__(self, job: Job, database: Database, *, keeper: Any, tables: Sequence[SourceTable]) -> None:
        self.job, self._database, self._keeper, self._tables = job, database, keeper, tables
        self._pipeline: Pipeline | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a pipeline."""
        return self._pipeline is not None

    @property
    def pipeline(self) -> Pipeline:
        """What scores."""
        assert self._pipeline is not None, "not open"
        return self._pipeline

    def open(self, model: LoadedModel | None) -> None:
        """Open the pipeline with a model; with the one that came with the job where there is none."""
        self._pipeline = open_pipeline(self.job, database=self._database, model=model)

    def close(self) -> None:
        """End its sessions."""
        if self._pipeline is not None:
            self._pipeline.close()

    def judge(
        self,
        files: Sequence[File],
        *,
        rejects: Path,
        as_of: datetime | None = None,
        alone: bool = False,
        writing: Writing = PLAIN,
    ) -> Judged:
        """Load a delivery's files and score what they hold.

        It is as of a time, or of the delivery's own where that is None. Where one is `alone`, its visits are made of its observations.
        Raises UserError where the files cannot be loaded, or a rule stops the run.
        """
        ended = as_of is None if alone else None
        delivery = load_delivery(
            files,
            connection=self._keeper,
            rejects=rejects,
            writing=writing,
            job_tables=self._tables,
            ended=ended,
            planned=self.job.planned,
        )
        moment = as_of or delivery.newest
        if moment is None:  # no row has a time
            return Judged(None, BatchResult(counts=Counts()), delivery, self._orphans())
        pipeline, result = self.pipeline, BatchResult(counts=Counts())
        with pipeline.session.transaction(keep=False):
            run, _ = enqueue(pipeline, as_of=moment, limit=None, trigger=Trigger.MANUAL, kept=False)
            while items := claim_work(pipeline.session, self.job, run, size=pipeline.batch_size):
                result += score_batch(pipeline, run, items, steps=StepTimer())
                finish_work(pipeline.session, items)
        return Judged(moment, result, delivery, self._orphans())

    def _orphans(self) -> tuple[tuple[str, int], ...]:
        return tuple(self.pipeline.source.orphans(self.job, sweep=True, known=[]))


@contextmanager
def opened_scratch(job: Job, *, server: Server, settings: Settings, tables: Sequence[SourceTable]) -> Iterator[Scratch]:
    """Within it there is a database with all that the job needs, but for an open pipeline.

    Raises UserError where it cannot be made.
    """
    plain = replace(settings, database_url=None, owner_database_url=None, read_url=None)
    name = f"{PREFIX}{os.getpid()}"
    database = Database(server.url_of(name), plain)
    with _alone(settings.home_dir):
        _drop_left(server, plain)
        server.drop_database(name)  # of a process of the same number, before the machine was started again
        server.make_database(name)
        keeper = plain_session(database, application_name="scorer files")  # shows the next process that it is in use
    scratch = Scratch(job, database, keeper=keeper, tables=tables)
    try:
        _furnish(scratch, database, keeper, tables)
        yield scratch
    finally:
        scratch.close()
        keeper.close()
        server.drop_database(name)
        with _alone(settings.home_dir):  # those in which a dead process's last statement had gone on as this one began
            _drop_left(server, plain)


def _furnish(scratch: Scratch, database: Database, keeper: Any, tables: Sequence[SourceTable]) -> None:
    """Make the schema, the source tables and the job in the database, with the worker's grants."""
    owner = engine(database.as_login())
    schema.upgrade(owner)
    owner.dispose()
    make_tables(keeper, tables)
    registration.enable_job(scratch.job.name, database=database)
    refused = registration.grant_source(database=database, jobs=[scratch.job.name]).get(scratch.job.name)
    if refused is not None:
        raise UserError(refused)
    with closing(Session(database.as_worker())) as session, session.transaction():
        make_current_partition(session)


def _drop_left(server: Server, settings: Settings) -> None:
    """Drop the databases of processes that are gone."""
    with closing(Session(Database(server.url, settings).as_login())) as session, session.transaction(keep=False):
        left = list_unused_databases(session, prefix=PREFIX)
    for name in left:
        server.drop_database(name)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Within it no other process drops or makes such a database.

    It could take a new one, which nobody uses yet, for one that was left.
    """
    lock = os.open(home / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


class Models:
    """Which model scores: the one that is in production in the database in use.

    Where the job never had one there, it is None.
    """

    def __init__(self, job: Job, database: Database) -> None:
        self._job, self._database = job, database
        self._version: str | None = None
        self.model: LoadedModel | None = None

    def changed(self) -> bool:
        """Look which model is in production, and load it if it is another. Returns whether it was.

        Raises UserError where the job has models there, and none is in production.
        """
        found = engine(self._database.as_login())
        try:
            if schema.state(found).revision is None:
                return False
            schema.require_head(found)
        finally:
            found.dispose()
        with closing(Session(self._database.as_worker())) as session, session.transaction(keep=False):
            if count_models(session, self._job.name) == 0:
                return False
            version = production_version(self._job, session)
            if version == self._version:
                return False
            self.model = open_production(self._job, session, settings=self._database.settings)
        self._version = version
        return True
