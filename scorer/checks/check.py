"""What must hold before scoring may start; `scorer check` and the daemon's start are this code."""

from __future__ import annotations

from collections.abc import Iterator

from scorer.checks.hosts import check_cluster, check_neighbours, check_standby
from scorer.checks.job import check_job
from scorer.checks.result import CheckResult, result_of
from scorer.checks.server import check_schema, check_server
from scorer.checks.units import check_values
from scorer.database.connection import Database
from scorer.database.store.chores import nightly
from scorer.jobs.job import job_names
from scorer.runs.neighbour import Neighbour


def check(*, database: Database) -> Iterator[CheckResult]:
    """Check each thing that must hold, in order; it ends with a database that cannot be worked with."""
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
    for name in job_names(settings.jobs_dir):
        result = result_of(f"job {name}", lambda name=name: check_job(name, database=database), job=name)  # type: ignore[misc]
        yield result
        if result.holds:
            yield from check_values(name, database=database)
