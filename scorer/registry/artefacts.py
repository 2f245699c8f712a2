"""Where a model version is loaded from: its folder, or the database on a host that lacks the folder.

Either is compared with what was registered before it is opened. Functions that take a session work within its transaction.
"""

from __future__ import annotations

from pathlib import Path

from scorer.config import Settings, shipped_root
from scorer.database.session import Session
from scorer.database.store.models import Registered, production_model, read_artefact, read_model, store_artefact
from scorer.errors import UserError
from scorer.jobs.features import feature_names
from scorer.jobs.job import Job
from scorer.registry.manifest import ARTEFACT, MANIFEST, find_version, manifest_of
from scorer.registry.model import LoadedModel

LARGEST = 128 * 1024 * 1024  # bytes of an artefact that the database keeps


def model_folders(job: Job, settings: Settings) -> tuple[Path, ...]:
    """The folders in which model versions are looked for, in order."""
    return settings.home_dir / "models", job.model_folder.parent, shipped_root() / "models"


def copy_hint(job: Job, folder: Path, settings: Settings) -> str | None:
    """Where hosts look for the version in `folder`, as a sentence; None where it is there."""
    folders = model_folders(job, settings)
    if folder.absolute().parent.parent in folders:
        return None
    return (
        f"Hosts look for it in {folders[0] / job.name / folder.name}: copy it there, or have the database keep it: "
        f"scorer model register {job.name} {folder} --store."
    )


def production_version(job: Job, session: Session) -> str:
    """Read which version is in production. Raises UserError where there is none."""
    found = production_model(session, job.name)
    if found is None:
        raise UserError(
            f"Job {job.name} has no model in production; see `scorer model list` and `scorer model promote`."
        )
    return found[0]


def open_production(
    job: Job, session: Session, *, settings: Settings, loaded: LoadedModel | None = None
) -> LoadedModel:
    """Load and check the model in production, which may be the one that is `loaded`.

    Raises UserError where there is none, or it cannot be loaded on this host.
    """
    registered = read_model(session, job.name, production_version(job, session))
    return open_version(job, registered, session, settings=settings, loaded=loaded)


def open_version(
    job: Job, registered: Registered, session: Session, *, settings: Settings, loaded: LoadedModel | None = None
) -> LoadedModel:
    """Load and check a registered version: from the first folder that has it, else from the database.

    Where the bytes are those of the one that is `loaded`, it is that one.
    Raises UserError, before anything is unpickled, where neither has it, or it is not what was registered.
    """
    version, features = registered.model_version, feature_names(job.features)
    content = _stored_alone(job, registered, session, settings=settings)
    if content is not None:
        manifest = manifest_of(registered.manifest, where=f"The registry's manifest of model {version} of {job.name}")
        return LoadedModel.opened(
            manifest,
            content,
            folder=None,
            sha256=registered.sha256,
            task=job.task,
            features=features,
            loaded=loaded,
        )
    return LoadedModel.load(
        find_version(job.name, version, folders=model_folders(job, settings)),
        sha256=registered.sha256,
        task=job.task,
        features=features,
        registered=registered.manifest,
        loaded=loaded,
    )


def read_bytes(job: Job, registered: Registered, session: Session, *, settings: Settings) -> bytes:
    """The artefact of a registered version, from where `open_version` takes it.

    Raises UserError where it cannot be read.
    """
    content = _stored_alone(job, registered, session, settings=settings)
    if content is not None:
        return content
    path = find_version(job.name, registered.model_version, folders=model_folders(job, settings)) / ARTEFACT
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"The model file {path} cannot be read: {error.strerror}.") from error


def _stored_alone(job: Job, registered: Registered, session: Session, *, settings: Settings) -> bytes | None:
    """The artefact that the database has and no folder here.

    None where a folder has it, or the database does not.
    """
    version, folders = registered.model_version, model_folders(job, settings)
    if not registered.stored or any((each / job.name / version / MANIFEST).exists() for each in folders):
        return None
    content = read_artefact(session, job.name, version)
    assert content is not None, "bytes that are stored are never removed"
    return content


def store_bytes(folder: Path, registered: Registered, session: Session) -> None:
    """Store the artefact in `folder`, that of a registered version, in the database too.

    Raises UserError where it is larger than the database keeps.
    """
    content = (folder / ARTEFACT).read_bytes()
    if len(content) > LARGEST:
        raise UserError(
            f"The model file {folder / ARTEFACT} has {len(content) / 2**20:,.0f} MB, and the database keeps {LARGEST // 2**20} at most; "
            "copy its folder to each host instead."
        )
    store_artefact(session, registered.job, registered.model_version, sha256=registered.sha256, content=content)
