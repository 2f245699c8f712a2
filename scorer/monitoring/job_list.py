"""The jobs that there are, shipped and the site's own: by which model each runs, or why not."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass

from scorer.checks.installation import InstalledJob, installed_jobs
from scorer.config import Settings, shipped_root
from scorer.database.connection import Database
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.revisions import require_newest
from scorer.database.store.status import JobHealth, list_health, read_revision
from scorer.errors import UserError
from scorer.jobs.job import folder_of, job_names, load_job


@dataclass(frozen=True, slots=True)
class ListedJob:
    """A job: its `origin` (shipped or own), what it scores, and why it does not run, None where it does.

    Task, entity and version are None where its folder cannot be read; the model where there is none, or the database did not tell;
    `enabled` where that did not tell.
    """

    name: str
    origin: str
    task: str | None
    entity: str | None
    job_version: str | None
    model_version: str | None
    why_not: str | None
    enabled: bool | None = None


def list_jobs(settings: Settings, *, database: Database | None) -> list[ListedJob]:
    """All jobs in alphabetical order; without a database, nothing is known of their models."""
    unheard, health, installed = "no database was asked", dict[str, JobHealth](), dict[str, InstalledJob]()
    if database is not None:
        try:
            with closing(ReadOnlySession(database.as_worker(), patience=settings.connect_timeout)) as session:
                require_newest(read_revision(session))
                health = {each.job: each for each in list_health(session)}
                installed = {each.name: each for each in installed_jobs(session, settings=settings)}
        except UserError as error:
            unheard = str(error)
    return [
        _listed(name, settings, known=health.get(name), installed=installed.get(name), unheard=unheard)
        for name in job_names(settings.jobs_dir)
    ]


def _listed(
    name: str, settings: Settings, *, known: JobHealth | None, installed: InstalledJob | None, unheard: str
) -> ListedJob:
    shipped = folder_of(name, jobs_dir=settings.jobs_dir).is_relative_to(shipped_root())
    model = None if known is None else known.model_version
    try:
        job = load_job(name, jobs_dir=settings.jobs_dir)
    except UserError as error:
        return ListedJob(
            name,
            "shipped" if shipped else "own",
            None,
            None,
            None,
            model,
            str(error),
            None if installed is None else installed.enabled,
        )
    return ListedJob(
        name=name,
        origin="shipped" if shipped else "own",
        task=str(job.task),
        entity=job.entity,
        job_version=job.version,
        model_version=model,
        why_not=unheard if installed is None else _why_not(installed, known),
        enabled=None if installed is None else installed.enabled,
    )


def _why_not(installed: InstalledJob, known: JobHealth | None) -> str | None:
    if not installed.enabled:
        return installed.broken or installed.not_run
    if known is not None and known.breaker_opened_at is not None:
        return f"left alone after {known.failures} failed runs: {known.breaker_reason}"
    return installed.broken or installed.not_run or installed.lacks
