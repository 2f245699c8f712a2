"""What a job needs in the database beside the schema: its own reporting views, and a first model."""

from __future__ import annotations

import hashlib
import logging

from scorer import events
from scorer.config import Settings
from scorer.connection import Target
from scorer.errors import UserError
from scorer.job import Job, job_names, load_job, shipped_root
from scorer.log import say
from scorer.model import ARTEFACT, find_version, read_manifest
from scorer.store import Store
from scorer.version import __version__

_log = logging.getLogger(__name__)


def install_jobs(*, url: str, settings: Settings) -> list[str]:
    """Make each job's reporting views, and put its first model into production where none was ever registered; the jobs' names.

    Acts as the owner of the schema. A later model gets into production by an approver alone.
    """
    store = Store(Target.of(url, settings, role="scorer_owner"))
    names = job_names(settings.jobs_dir)
    try:
        for name in names:
            job = load_job(name, jobs_dir=settings.jobs_dir)
            with store.transaction():
                store.one_install_at_a_time()
                if "views" in job.statements:
                    store.run_script(job.statements["views"])
                if job.first_model is not None and store.count_models(job.name) == 0:
                    _admit_first(job, job.first_model, store)
    finally:
        store.close()
    return list(names)


def grant_source(*, url: str, settings: Settings) -> dict[str, str | None]:
    """Let the worker read and write what each job's grants say, as whoever is connected; by job, None or why it could not be done."""
    done: dict[str, str | None] = {}
    for name in job_names(settings.jobs_dir):
        job = load_job(name, jobs_dir=settings.jobs_dir)
        if "grants" in job.statements:
            store = Store(Target.of(url, settings, role=None))
            try:
                with store.transaction():
                    store.run_script(job.statements["grants"])
                done[name] = None
            except UserError as error:
                done[name] = str(error)
            finally:
                store.close()
    return done


def _admit_first(job: Job, model_version: str, store: Store) -> None:
    register(job, model_version, store)
    why = f"first model of the job, shipped with scorer {__version__}"
    for status in ("staging", "production"):
        store.move_model(job.name, model_version=model_version, status=status, why=why)
    say(_log, events.FIRST_MODEL, job=job.name, model_version=model_version)


def register(job: Job, model_version: str, store: Store) -> None:
    """Register the version in the job's model folder as a candidate, if its artefact is the one that its manifest names."""
    folder = find_version(job.name, model_version, folders=(job.model_folder.parent, shipped_root() / "models"))
    manifest = read_manifest(folder)
    found = hashlib.sha256((folder / ARTEFACT).read_bytes()).hexdigest()
    if found != manifest.sha256:
        raise UserError(f"The model file in {folder} is not the one that its manifest names; put the right one back.")
    store.register_model(
        job.name, model_version=manifest.model_version, sha256=manifest.sha256, manifest=manifest.content
    )
