"""What must hold before scoring may start; `scorer check` and the daemon's start are this code."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import closing

from scorer.checks.hosts import check_cluster, check_neighbours, check_reports, check_standby
from scorer.checks.installation import InstalledJob, installed_jobs
from scorer.checks.job import check_job
from scorer.checks.result import CheckResult, result_of
from scorer.checks.server import (
    check_encoding,
    check_schema,
    check_server,
    check_sessions,
    check_temporary_tables,
)
from scorer.checks.times import check_times
from scorer.checks.triggers import check_triggers
from scorer.checks.units import check_values
from scorer.database.connection import Database
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.store.chores import nightly
from scorer.errors import UserError
from scorer.log import events
from scorer.log.logger import say
from scorer.runs.neighbour import Neighbour

_log = logging.getLogger(__name__)


def _times(name: str, job: str, *, database: Database) -> Iterator[CheckResult]:
    yield result_of(name, lambda: check_times(job, database=database), job=job)


def _triggers(name: str, job: str, *, database: Database) -> Iterator[CheckResult]:
    yield result_of(name, lambda: check_triggers(job, database=database), job=job, blocks=False)


def _values(_name: str, job: str, *, database: Database) -> Iterator[CheckResult]:
    yield from check_values(job, database=database)


# What else is looked at of each job: how its line's name ends, and whether the job must not run where it does not hold.
_OF_A_JOB: tuple[tuple[str, Callable[..., Iterator[CheckResult]], bool], ...] = (
    ("times", _times, True),
    ("triggers", _triggers, False),
    ("units", _values, False),
)


def check(*, database: Database, among: Collection[str] | None = None) -> Iterator[CheckResult]:
    """Check each thing that must hold, in order; it ends with a database that cannot be worked with.

    Where `among` is given, nothing but the database and these jobs.
    """
    target, settings = database.as_worker(), database.settings
    for name, look in (("database", check_server), ("schema", check_schema)):
        result = result_of(name, lambda look=look: look(target))  # type: ignore[misc]
        yield result
        if not result.holds:
            return
    yield result_of("temporary tables", lambda: check_temporary_tables(target))
    encoding = result_of("encoding", lambda: check_encoding(target), blocks=False)
    if not encoding.holds:
        yield encoding
    if among is None:
        yield from _check_surroundings(database)
    try:
        with closing(ReadOnlySession(target, patience=settings.connect_timeout)) as session:
            jobs = installed_jobs(session, settings=settings)
    except UserError as error:
        yield CheckResult(name="jobs", holds=False, found=str(error))
        return
    if among is None:
        run = len([each for each in jobs if each.not_run is None])
        yield result_of("sessions", lambda: check_sessions(target, jobs=run, workers=settings.workers), blocks=False)
    for each in jobs:
        # Of a job that is not enabled nothing is told, unless the settings name it.
        if (each.enabled or each.broken is not None) and (among is None or each.name in among):
            yield from _check_installed(each, database=database)


def _check_surroundings(database: Database) -> Iterator[CheckResult]:
    """Check what runs use beside the database.

    A standby that is behind does not block: they read the primary then.
    """
    target, settings = database.as_worker(), database.settings
    if settings.read_url is not None:
        yield result_of("standby", lambda: check_standby(target, database=database), blocks=False)
    if Neighbour.of(settings).limited:
        yield result_of("neighbours", lambda: check_neighbours(target, settings=settings))
    if settings.backend == "dask":
        yield result_of("cluster", lambda: check_cluster(settings))
    if settings.report_dir is not None:
        yield result_of("report", lambda: check_reports(database), blocks=False)
    schedule = result_of("nightly", lambda: str(nightly(settings)))
    if not schedule.holds:
        yield schedule


def _check_installed(each: InstalledJob, *, database: Database) -> Iterator[CheckResult]:
    name = f"job {each.name}"
    if each.not_run is not None:
        yield CheckResult(name=name, holds=True, found=f"not run here: {each.not_run}", job=each.name, runs=False)
        return
    if each.broken is not None:
        yield CheckResult(name=name, holds=False, found=each.broken, job=each.name)
        return
    yield from check_of_job(each.name, database=database)


def check_of_job(name: str, *, database: Database) -> Iterator[CheckResult]:
    """The checks of a job, a line each; what several find alike is told once: a broken folder, say."""
    told = set()
    for result in _of_job(name, database=database):
        if result.holds or result.found not in told:
            yield result
        told.add(result.found)


def _of_job(job: str, *, database: Database) -> Iterator[CheckResult]:
    """Where the job itself does not hold, only what else keeps it from being run is told."""
    of_job = list(_without_bugs(check_job(job, database=database), job=job, name=f"job {job}", blocks=True))
    yield from of_job
    is_sound = of_job[0].holds
    for suffix, look, blocks in _OF_A_JOB:
        if is_sound or blocks:
            name = f"job {job} {suffix}"
            for found in _without_bugs(look(name, job, database=database), job=job, name=name, blocks=blocks):
                if is_sound or not found.holds:
                    yield found


def _without_bugs(results: Iterator[CheckResult], *, job: str, name: str, blocks: bool) -> Iterator[CheckResult]:
    """The results, and one more where a bug of ours ends them.

    This is the edge of a job: the others are checked all the same. A bug in a check that does not block keeps no job from being run.
    """
    try:
        yield from results
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told with its traceback
        say(_log, events.BUG, raised=error, job=job)
        yield CheckResult(name=name, holds=False, found=f"a bug: {type(error).__name__}", blocks=blocks, job=job)
