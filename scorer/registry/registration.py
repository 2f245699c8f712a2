"""Registering model versions, and installing what a job needs beside the schema: views, a first model."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from scorer import __version__
from scorer.config import shipped_root
from scorer.database.connection import Database
from scorer.database.session import Session
from scorer.database.store.models import admit_first_model, count_models, read_model, register_model
from scorer.database.store.runs import lock_installs
from scorer.errors import DatabaseUnavailable, StatementFailed, UserError
from scorer.jobs.job import Job, job_names, load_job
from scorer.log import events
from scorer.log.logger import say
from scorer.registry.artefacts import store_bytes
from scorer.registry.manifest import ARTEFACT, Manifest, find_version, read_manifest

_log = logging.getLogger(__name__)


def install_jobs(*, database: Database) -> list[str]:
    """Create each job's reporting views and admit its first model. Returns the jobs' names.

    A job that cannot be read, or whose views cannot be made, stops no other: raises UserError with what each lacks once all are done.
    The first model goes into production only where the job never had a model; later ones need an approver. Acts as the schema's owner.
    Raises UserError where a job cannot be installed, once all others are.
    """
    session = Session(database.as_owner())
    names = job_names(database.settings.jobs_dir)
    refused: list[str] = []
    try:
        for name in names:
            try:
                _install(load_job(name, jobs_dir=database.settings.jobs_dir), session)
            except DatabaseUnavailable:
                raise
            except (UserError, StatementFailed) as error:
                refused.append(f"job {name}: {error}")
    finally:
        session.close()
    if refused:
        raise UserError(" ".join(refused) if len(refused) > 1 else refused[0].partition(": ")[2])
    return list(names)


def _install(job: Job, session: Session) -> None:
    """Create a job's reporting views and admit its first model, in one transaction."""
    with session.transaction():
        lock_installs(session)
        if "views" in job.statements:
            session.run_script(job.statements["views"], where=f"The script views of job {job.name}")
        if job.first_model is not None and count_models(session, job.name) == 0:
            _admit_first(job, job.first_model, session)


def grant_source(*, database: Database) -> dict[str, str | None]:
    """Run each job's grants as the login that connects. Returns, by job, None or why it failed."""
    done: dict[str, str | None] = {}
    for name in job_names(database.settings.jobs_dir):
        session = Session(database.as_login())
        try:
            job = load_job(name, jobs_dir=database.settings.jobs_dir)
            if "grants" in job.statements:
                with session.transaction():
                    session.run_script(job.statements["grants"], where=f"The script grants of job {name}")
                done[name] = None
        except (UserError, StatementFailed) as error:
            done[name] = str(error)
        finally:
            session.close()
    return done


def _admit_first(job: Job, model_version: str, session: Session) -> None:
    register(job, model_folder(job, model_version), session)
    why = f"first model of the job, shipped with scorer {__version__}"
    admit_first_model(session, job.name, model_version, why=why)
    say(_log, events.FIRST_MODEL, job=job.name, model_version=model_version)


def model_folder(job: Job, model_version: str) -> Path:
    """Find the folder of a version that came with a job, a site's or a shipped one."""
    folders = (job.model_folder.parent, shipped_root() / "models")
    known = "is the first_model of job.toml, but"
    return find_version(job.name, model_version, folders=folders, known=known, cure="there")


def register(job: Job, folder: Path, session: Session, *, stored: bool = False) -> Manifest:
    """Register the version in `folder` as a candidate, without unpickling it. Returns its manifest.

    With `stored`, the database keeps its bytes too, also where it was registered before. Raises UserError where the folder is not that of
    a version of this job, or another is registered under its name.
    """
    manifest = read_manifest(folder)
    artefact = folder / ARTEFACT
    try:
        found = hashlib.sha256(artefact.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(f"The model file {artefact} cannot be read: {error.strerror}.") from error
    if found != manifest.sha256:
        raise UserError(f"The model file in {folder} is not the one that its manifest names; put the right one back.")
    if manifest.job != job.name:
        raise UserError(f"The model in {folder} is one of job {manifest.job}, not of {job.name}.")
    if manifest.model_version != folder.name:
        raise UserError(
            f"The model in {folder} is version {manifest.model_version}; name its folder so, for that is how it is found."
        )
    version = manifest.model_version
    is_new = register_model(session, job.name, model_version=version, sha256=found, manifest=manifest.content)
    registered = read_model(session, job.name, version)
    if (registered.sha256, registered.manifest) != (found, manifest.content):
        raise UserError(f"Another model {version} of {job.name} is registered already; train it under another name.")
    if not is_new and (registered.stored or not stored):
        raise UserError(
            f"Model {version} of {job.name} is registered already; see `scorer model show {job.name} {version}`."
        )
    if stored:
        store_bytes(folder, registered, session)
    return manifest
