"""What must hold before scoring may start; `scorer check` and the daemon's start are this code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from scorer.config import Settings
from scorer.database import schema
from scorer.database.connection import Database, Target
from scorer.database.session import Session, engine
from scorer.database.source.reader import Source
from scorer.database.store.batches import claim_work
from scorer.database.store.chores import nightly
from scorer.database.store.ledger import take_back, write_back, write_outcomes
from scorer.database.store.requests import find_asked
from scorer.database.store.server import describe_session, mark_position, read_server_load
from scorer.errors import StatementFailed, UserError
from scorer.jobs.job import Job, job_names, load_job
from scorer.runs.cluster import Cluster
from scorer.runs.due import enqueue
from scorer.runs.neighbour import Neighbour
from scorer.scoring.opening import open_pipeline
from scorer.types.enums import Trigger

_OLDEST_SERVER = 14
_TICKS_SHOWN = 3
_SAMPLE = 20  # entities that are read for each job


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that must hold: whether it does, and what was found."""

    name: str
    holds: bool
    found: str


def check(*, database: Database) -> Iterator[CheckResult]:
    """Check each thing that must hold, in order; it ends with a database that cannot be worked with."""
    target = database.as_worker()
    for name, look in (("database", _database), ("schema", _schema)):
        result = _result(name, lambda look=look: look(target))  # type: ignore[misc]
        yield result
        if not result.holds:
            return
    if database.settings.read_url is not None:
        yield _result("standby", lambda: _standby(target, database=database))
    if Neighbour.of(database.settings).limited:
        yield _result("neighbours", lambda: _neighbours(target, settings=database.settings))
    if database.settings.backend == "dask":
        yield _result("cluster", lambda: _cluster(database.settings))
    schedule = _result("nightly", lambda: str(nightly(database.settings)))
    if not schedule.holds:
        yield schedule
    for name in job_names(database.settings.jobs_dir):
        yield _result(f"job {name}", lambda name=name: _job(name, database=database))  # type: ignore[misc]


def _result(name: str, look: Callable[[], str]) -> CheckResult:
    try:
        return CheckResult(name=name, holds=True, found=look())
    except (UserError, StatementFailed) as error:
        return CheckResult(name=name, holds=False, found=str(error))


def _database(target: Target) -> str:
    session = Session(target)
    try:
        with session.transaction():
            found = describe_session(session)
    finally:
        session.close()
    if found["major"] < _OLDEST_SERVER:
        raise UserError(f"The server is PostgreSQL {found['version']}; {_OLDEST_SERVER} or newer is needed.")
    return f"PostgreSQL {found['version']}, as {found['login']}, acting as {found['role']}"


def _standby(target: Target, *, database: Database) -> str:
    with closing(Session(target)) as session, closing(Source.of(database)) as source:
        with session.transaction():
            position = mark_position(session)
        lack = source.standby_lack(position)
    if lack is not None:
        raise UserError(f"Observations would be read at the primary: {lack}; mend the standby, or unset read_url.")
    return "has replayed what the primary had written a moment ago"


def _neighbours(target: Target, *, settings: Settings) -> str:
    with closing(Session(target)) as session, session.transaction():
        decision = Neighbour.of(settings).consider(read_server_load(session), size=1)
    why = decision.why
    return "the limits can be seen, and are kept" if why is None else f"runs would give way now: {why}"


def _cluster(settings: Settings) -> str:
    reached = Cluster(settings)
    try:
        with reached as cluster:
            return f"{cluster.workers} workers of {settings.scheduler}, with the packages that are here"
    except UserError as error:
        return f"runs would go on without it now: {error}"


def _schema(target: Target) -> str:
    schema.require_head(engine(target))
    return f"at head, revision {schema.state(engine(target)).head}"


def _job(name: str, *, database: Database) -> str:
    job = load_job(name, jobs_dir=database.settings.jobs_dir)
    pipeline = open_pipeline(job, database=database)
    try:
        with pipeline.session.transaction(keep=False):
            run, _ = enqueue(
                pipeline, as_of=None, limit=_SAMPLE, trigger=Trigger.MANUAL, nightly=nightly(Settings()), kept=False
            )
            # What a statement gives shows only where it gives rows.
            sample = claim_work(pipeline.session, job, run, size=_SAMPLE)
            pipeline.source.observations(job, sample)
            pipeline.source.attributes(job, sample)
            find_asked(pipeline.session, job, [item.entity_id for item in sample], as_of=run.as_of)
            write_outcomes(
                pipeline.session, job, run, batch_id=0, model_version=pipeline.model.manifest.model_version, outcomes=()
            )
            write_back(pipeline.session, job, max_waiting=0)
            take_back(pipeline.session, job, max_waiting=0)
    finally:
        pipeline.close()
    return f"version {job.version}, model {pipeline.model.manifest.model_version}, {_schedule(job)}"


def _schedule(job: Job) -> str:
    ticks = [datetime.now(UTC)]
    for _ in range(_TICKS_SHOWN):
        ticks.append(job.schedule.next_tick(after=ticks[-1]))
    shown = ", ".join(f"{tick:%Y-%m-%d %H:%M}" for tick in ticks[1:])
    return f"schedule {job.schedule.cron} {job.schedule.timezone}: next {shown} UTC"
