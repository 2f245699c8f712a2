"""Registering model versions; enabling jobs, and installing what they need: views, a first model."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection
from pathlib import Path

from scorer import __version__
from scorer.config import shipped_root
from scorer.database import schema
from scorer.database.access.facilities import list_views_past_facilities
from scorer.database.connection import Database
from scorer.database.session import Session
from scorer.database.store.models import (
    admit_first_model,
    count_models,
    read_model,
    register_model,
    write_card,
)
from scorer.database.store.runs import lock_installs, switch_job
from scorer.database.store.status import list_switches
from scorer.errors import DatabaseUnavailable, StatementFailed, UserError
from scorer.jobs.enabling import enabled_by_default, enabled_jobs, not_enabled
from scorer.jobs.job import Job, folder_of, job_names, load_job
from scorer.jobs.publication import seen_by
from scorer.log import events
from scorer.log.logger import say
from scorer.registry.artefacts import store_bytes
from scorer.registry.cards import CARD, read_card
from scorer.registry.manifest import ARTEFACT, Manifest, find_version, read_manifest

_log = logging.getLogger(__name__)


def install_jobs(*, database: Database) -> list[str]:
    """Create each enabled job's reporting views and admit its first model. Returns the jobs' names.

    A job that cannot be read, or whose views cannot be made, stops no other: raises UserError with what each lacks once all are done.
    The first model goes into production only where the job never had a model; later ones need an approver. Acts as the schema's owner.
    Raises UserError where a job cannot be installed, once all others are.
    """
    session = Session(database.as_owner())
    refused: list[str] = []
    try:
        with session.transaction():
            names = _enabled(session, jobs_dir=database.settings.jobs_dir)
        for name in names:
            try:
                job = load_job(name, jobs_dir=database.settings.jobs_dir)
                with session.transaction():
                    _install(job, session)
            except DatabaseUnavailable:
                raise
            except (UserError, StatementFailed) as error:
                refused.append(f"job {name}: {error}")
    finally:
        session.close()
    if refused:
        raise UserError(" ".join(refused) if len(refused) > 1 else refused[0].partition(": ")[2])
    return list(names)


def enable_job(name: str, *, database: Database) -> bool:
    """Install a job and have it run from now on. Returns whether it was disabled before.

    Acts as the schema's owner. Raises UserError where there is no such job, or it cannot be installed; then nothing has changed.
    """
    jobs_dir = database.settings.jobs_dir
    job = load_job(name, jobs_dir=jobs_dir)
    session = Session(database.as_owner())
    try:
        with session.transaction():
            _install(job, session)
            return switch_job(session, name, enabled=True, by_default=enabled_by_default(name, jobs_dir=jobs_dir))
    finally:
        session.close()


def disable_job(name: str, *, database: Database) -> bool:
    """Have a job run no more, and take nothing away. Returns whether it was enabled before.

    Acts as the login, which needs the rights of the owner or of an approver. Raises UserError where there is no such job.
    """
    jobs_dir = database.settings.jobs_dir
    folder_of(name, jobs_dir=jobs_dir)
    session = Session(database.as_login())
    try:
        with session.transaction():
            return switch_job(session, name, enabled=False, by_default=enabled_by_default(name, jobs_dir=jobs_dir))
    finally:
        session.close()


def require_enabled(name: str, *, database: Database) -> None:
    """Check that a job is enabled, where its files are here.

    Raises UserError where it is not, or the schema is not at head.
    """
    session = Session(database.as_worker())
    try:
        with session.transaction(keep=False):
            schema.require_head_of(session)
            jobs_dir = database.settings.jobs_dir
            if name in job_names(jobs_dir) and name not in _enabled(session, jobs_dir=jobs_dir):
                raise UserError(f"Job {name} is not run: {not_enabled(name)}.")
    finally:
        session.close()


def _enabled(session: Session, *, jobs_dir: Path | None) -> tuple[str, ...]:
    """The names of the enabled jobs."""
    return enabled_jobs(list_switches(session), jobs_dir=jobs_dir)


def _install(job: Job, session: Session) -> None:
    """Create a job's reporting views and admit its first model, within a transaction."""
    lock_installs(session)
    if "views" in job.statements:
        session.run_script(job.statements["views"], where=f"The script views of job {job.name}")
    _require_facilities_kept(job, session)
    if job.first_model is not None and count_models(session, job.name) == 0:
        _admit_first(job, job.first_model, session)


def _require_facilities_kept(job: Job, session: Session) -> None:
    """Raise UserError where a view would show a job's rows to those who may not see their facility."""
    if seen_by(job.text, facility=job.features.facility_attribute) is None:
        return
    if past := list_views_past_facilities(session, job.name):
        view, table = past[0]
        raise UserError(
            f"Job {job.name} publishes its facility, and the view reporting.{view} reads scorer.{table}, past who may see which facility; "
            "have it read views of reporting alone."
        )


def grant_source(*, database: Database, jobs: Collection[str] | None = None) -> dict[str, str | None]:
    """Run the grants of `jobs` as the login. Returns, by job, None or why it failed.

    Where `jobs` is None, they are those of all enabled jobs.
    """
    done: dict[str, str | None] = {}
    for name in _granted(database) if jobs is None else jobs:
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


def _granted(database: Database) -> tuple[str, ...]:
    """The names of the enabled jobs, as this login sees them.

    Where it may not, or there is no schema yet, those that are enabled by default.
    """
    session, jobs_dir = Session(database.as_login()), database.settings.jobs_dir
    try:
        with session.transaction():
            return _enabled(session, jobs_dir=jobs_dir)
    except (UserError, StatementFailed):
        return enabled_jobs({}, jobs_dir=jobs_dir)
    finally:
        session.close()


def _admit_first(job: Job, model_version: str, session: Session) -> None:
    """Put the model that came with a job into production, with the card beside it, if there is one."""
    folder = model_folder(job, model_version)
    register(job, folder, session)
    if (folder / CARD).exists():
        card = read_card(folder / CARD, read_model(session, job.name, model_version))
        write_card(session, job.name, model_version, card=card)
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
