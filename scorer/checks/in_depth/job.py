"""The check of one job, deeper than `scorer check`: each of its statements, and leaks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from scorer.checks.check import check, check_of_job
from scorer.checks.in_depth.leaks import check_leaks
from scorer.checks.in_depth.statements import check_statements
from scorer.checks.installation import installed_jobs
from scorer.checks.result import CheckResult, result_of
from scorer.database.connection import Database
from scorer.database.readonly_session import ReadOnlySession
from scorer.jobs.features import feature_names
from scorer.jobs.job import load_job


def check_in_depth(name: str, *, database: Database) -> Iterator[CheckResult]:
    """Check one job: all that `scorer check` looks at of it, each of its statements, and leaks.

    One without a model in production, as a job that is being written, or without all its tables is checked as far as that goes. Of the
    database, only what does not hold is told.
    """
    for result in check(database=database, among=()):
        if not result.holds:
            yield result
            if result.blocks:
                return
    definition = result_of("definition", lambda: _definition(name, database=database), job=name)
    yield definition
    if not definition.holds:
        return
    with closing(ReadOnlySession(database.as_worker(), patience=database.settings.connect_timeout)) as session:
        (installed,) = (each for each in installed_jobs(session, settings=database.settings) if each.name == name)
    if installed.lacks is not None:
        found = f"not run here: {installed.lacks}"
        yield CheckResult(name=f"job {name}", holds=True, found=found, job=name, runs=False)
    else:
        yield from check_of_job(name, database=database)
    job = load_job(name, jobs_dir=database.settings.jobs_dir)
    yield from check_statements(job, database=database)
    yield from check_leaks(job, database=database)


def _definition(name: str, *, database: Database) -> str:
    job = load_job(name, jobs_dir=database.settings.jobs_dir)
    return f"version {job.version}, {job.task} of each {job.entity}, {len(feature_names(job.features))} features"
