"""Which of the enabled jobs this host runs: those that its settings name, or that have all they need."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.revisions import require_newest
from scorer.database.store.status import JobHealth, list_health, list_missing_tables, list_switches, read_revision
from scorer.errors import UserError
from scorer.jobs.enabling import enabled_jobs, not_enabled
from scorer.jobs.job import Job, job_names, load_scheduled
from scorer.jobs.source_tables import source_tables


@dataclass(frozen=True, slots=True)
class InstalledJob:
    """A job that has files here, or that the settings name.

    `not_run` is why it is not run here, `broken` why it cannot be read; `job` is None where it cannot. `lacks` says which of its tables are
    not there, or that it has no model, also where it is to be run all the same. One that is not `enabled` is not run anywhere.
    """

    name: str
    job: Job | None = None
    not_run: str | None = None
    broken: str | None = None
    lacks: str | None = None
    enabled: bool = True

    def loaded(self) -> Job:
        """The job. Raises UserError where it is broken."""
        if self.job is None or self.broken is not None:
            raise UserError(str(self.broken))
        return self.job


def jobs_here(database: Database) -> tuple[InstalledJob, ...]:
    """Find the jobs that a daemon would run here, by name, broken ones among them.

    Raises UserError where there is none, the schema is not at head, or the database does not answer.
    """
    settings = database.settings
    with closing(ReadOnlySession(database.as_worker(), patience=settings.connect_timeout)) as session:
        require_newest(read_revision(session))
        found = tuple(each for each in installed_jobs(session, settings=settings) if each.not_run is None)
    if not found:
        raise UserError("No job is run here; `scorer job list` says of each why not.")
    return found


def installed_jobs(session: ReadOnlySession, *, settings: Settings) -> tuple[InstalledJob, ...]:
    """Find the jobs, by name, and which of them are run here.

    Raises UserError where the database does not answer.

    Of the enabled jobs, those are run that the option `jobs` names. Where it names none, a job is run if its source tables are there and
    it has a model in production. One that has run in this database before is always run: then a table that is gone is a fault, and no
    reason to leave the job out. Where no job ever ran and no enabled one has all, all are to be run, so that each says what it lacks.
    """
    known = {health.job: health for health in list_health(session)}
    enabled = enabled_jobs(list_switches(session), jobs_dir=settings.jobs_dir)
    names = {*job_names(settings.jobs_dir), *(settings.jobs or ()), *(entry.job for entry in settings.schedules or ())}
    found = [_installed(name, session, settings=settings, health=known.get(name)) for name in sorted(names)]
    found = [each if each.name in enabled else _disabled(each, settings=settings) for each in found]
    is_new = all(health.run_id is None for health in known.values())
    if is_new and settings.jobs is None and all(each.not_run is not None for each in found):
        return tuple(replace(each, not_run=None) if each.enabled else each for each in found)
    return tuple(found)


def _disabled(each: InstalledJob, *, settings: Settings) -> InstalledJob:
    """The job as one that is not enabled; a fault where the option `jobs` names it.

    A name that is no job stays what it is.
    """
    if each.name not in job_names(settings.jobs_dir):
        return each
    named = f"The option jobs names it, but {not_enabled(each.name)}." if each.name in (settings.jobs or ()) else None
    return replace(each, enabled=False, not_run=None if named else not_enabled(each.name), broken=named)


def _installed(name: str, session: ReadOnlySession, *, settings: Settings, health: JobHealth | None) -> InstalledJob:
    there = name in job_names(settings.jobs_dir)
    if there and settings.jobs is not None and name not in settings.jobs:
        return InstalledJob(name, not_run="the option jobs does not name it")
    try:
        job = load_scheduled(name, settings=settings)
    except UserError as error:
        named_by = "jobs" if name in (settings.jobs or ()) else "schedules"
        return InstalledJob(name, broken=str(error) if there else f"The option {named_by} names it: {error}")
    lacks = _lack(job, session, health=health)
    is_run = settings.jobs is not None or (health is not None and health.run_id is not None)
    return InstalledJob(name, job=job, not_run=None if is_run else lacks, lacks=lacks)


def _lack(job: Job, session: ReadOnlySession, *, health: JobHealth | None) -> str | None:
    """What a job lacks to be run here; None where it has all."""
    missing = list_missing_tables(session, source_tables(job))
    if missing:
        tables = "its source table" if len(missing) == 1 else "its source tables"
        return f"{tables} {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not there"
    if health is None or health.model_version is None:
        return f"it has no model in production; see `scorer model list {job.name}` and `scorer model promote`"
    return None
