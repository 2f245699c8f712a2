"""What must hold before scoring may start; `scorer check` and the daemon's start are this code."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import closing

from scorer.checks.hosts import check_cluster, check_neighbours, check_standby
from scorer.checks.job import check_job
from scorer.checks.leaks import check_leaks
from scorer.checks.result import CheckResult, result_of
from scorer.checks.server import check_schema, check_server
from scorer.checks.statements import check_statements
from scorer.database.connection import Database
from scorer.database.session import Session
from scorer.database.store.chores import nightly
from scorer.database.store.models import production_model
from scorer.jobs.features import feature_names
from scorer.jobs.job import job_names, load_job
from scorer.runs.neighbour import Neighbour


def check(*, database: Database, among: Collection[str] | None = None) -> Iterator[CheckResult]:
    """Check each thing that must hold, in order; it ends with a database that cannot be worked with.

    Of the jobs, all, or those `among` these names.
    """
    target, settings = database.as_worker(), database.settings
    for name, look in (("database", check_server), ("schema", check_schema)):
        result = result_of(name, lambda look=look: look(target))  # type: ignore[misc]
        yield result
        if not result.holds:
            return
    if settings.read_url is not None:
        yield result_of("standby", lambda: check_standby(target, database=database))
    if Neighbour.of(settings).limited:
        yield result_of("neighbours", lambda: check_neighbours(target, settings=settings))
    if settings.backend == "dask":
        yield result_of("cluster", lambda: check_cluster(settings))
    schedule = result_of("nightly", lambda: str(nightly(settings)))
    if not schedule.holds:
        yield schedule
    for name in job_names(settings.jobs_dir) if among is None else among:
        yield result_of(f"job {name}", lambda name=name: check_job(name, database=database), job=name)  # type: ignore[misc]


def check_one(name: str, *, database: Database) -> Iterator[CheckResult]:
    """Check one job: what must hold of it, and, deeper than `check`, each of its statements, and leaks.

    A job without a model in production, as one that is being written, is checked without.
    """
    without_model: list[str] = []
    for result in check(database=database, among=[name]):
        if result.name == f"job {name}" and not _has_model(name, database=database):
            without_model.append(result.found)
        elif result.job == name or not result.holds:
            yield result
        if not result.holds and result.name in {"database", "schema"}:
            return
    definition = result_of("definition", lambda: _definition(name, database=database), job=name)
    yield definition
    if definition.holds:
        if without_model:
            train = f"none is in production yet: scorer train {name} --full, then scorer model promote"
            yield CheckResult(name="model", holds=True, found=train, blocks=False, job=name)
        job = load_job(name, jobs_dir=database.settings.jobs_dir)
        yield from check_statements(job, database=database)
        yield from check_leaks(job, database=database)


def _definition(name: str, *, database: Database) -> str:
    job = load_job(name, jobs_dir=database.settings.jobs_dir)
    return f"version {job.version}, {job.task} of each {job.entity}, {len(feature_names(job.features))} features"


def _has_model(name: str, *, database: Database) -> bool:
    with closing(Session(database.as_worker())) as session, session.transaction(keep=False):
        return production_model(session, name) is not None
