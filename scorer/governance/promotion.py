"""Promotion of a model version: verified, run in the shadow, and moved with that evidence."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.database.session import Session
from scorer.database.store.models import (
    Registered,
    model_before,
    move_model,
    production_model,
    promotion_lacks,
    read_model,
    record_evidence,
    roll_back_model,
)
from scorer.errors import UserError
from scorer.governance.comparison import Migration, agreement, migration
from scorer.governance.shadow import Beside, shadow_run
from scorer.jobs.job import Job
from scorer.registry.artefacts import open_version
from scorer.registry.manifest import libraries, unlike_libraries
from scorer.types.values import Progress


@dataclass(frozen=True, slots=True)
class Verified:
    """What loading a version on this host shows.

    The number of its features and golden vectors (0: none), their largest difference, and the libraries that differ.
    """

    features: int
    golden: int
    difference: float | None
    unlike: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Promoted:
    """A promotion: the version replaced (None: production was empty), and the entities that change band.

    `beats_naive` is whether its training found it better than the naive forecast, None where its manifest does not say.
    """

    replaced: str | None
    migration: Migration
    verified: Verified
    beats_naive: bool | None = None


def verify(job: Job, registered: Registered, session: Session, *, settings: Settings) -> Verified:
    """Load a version on this host, inside the session's transaction, and compare it with the registry.

    Raises UserError where its bytes, features or golden vectors are not those registered.
    """
    model = open_version(job, registered, session, settings=settings)
    golden = model.manifest.golden
    return Verified(
        features=len(model.manifest.features),
        golden=0 if golden is None else len(golden.scores),
        difference=model.golden_difference(),
        unlike=tuple(unlike_libraries(model.manifest.libraries)),
    )


def require_admissible(registered: Registered, verified: Verified) -> None:
    """Check that a version can be promoted from this host.

    Raises UserError where it has no golden vectors, or was fitted with other libraries than those installed.
    """
    named = f"Model {registered.model_version} of {registered.job}"
    if verified.unlike:
        raise UserError(
            f"{named} was fitted with {', '.join(verified.unlike)}; promote it where its libraries are, or train it again with these."
        )
    if not verified.golden:
        raise UserError(
            f"{named} has no golden vectors in its manifest, so nobody can tell whether it scores here as it should; train it again."
        )


def promote(
    job: Job, model_version: str, *, why: str, database: Database, progress: Progress | None = None
) -> Promoted:
    """Put a version into production, in the name of the connected login.

    It is verified and run in the shadow of the present one; both are recorded as evidence in the transaction that moves it, which the
    database refuses where they do not suffice. Raises UserError where anything is missing; then nothing has changed.
    """
    session = Session(database.as_login())
    try:
        with session.transaction():
            registered = read_model(session, job.name, model_version)
            _require_ready(registered, session)
            verified = verify(job, registered, session, settings=database.settings)
        require_admissible(registered, verified)
        beside = shadow_run(job, model_version, database=database, progress=progress)
        moved = migration(beside.pairs, bands=band_order(job))
        _require_entities(job, moved)
        with session.transaction():
            _record(registered, verified, beside, moved, session)
            if read_model(session, job.name, model_version).status != "staging":
                move_model(session, job.name, model_version=model_version, status="staging", why=why)
            move_model(session, job.name, model_version=model_version, status="production", why=why)
    finally:
        session.close()
    beats_naive = registered.manifest.get("naive", {}).get("beaten")
    return Promoted(replaced=beside.one, migration=moved, verified=verified, beats_naive=beats_naive)


def roll_back(job: Job, *, why: str, database: Database) -> tuple[str | None, str]:
    """Bring the version that was in production before back there.

    Returns the version that left production (None: it was empty), and the one that is back. Raises UserError where there was none before,
    or it cannot be loaded here; then nothing has changed.
    """
    session = Session(database.as_login())
    try:
        with session.transaction():
            before = model_before(session, job.name)
            if before is None:
                raise UserError(
                    f"No other model of {job.name} was in production before: there is nothing to go back to."
                )
            verify(job, read_model(session, job.name, before), session, settings=database.settings)
        with session.transaction():
            present = production_model(session, job.name)
            roll_back_model(session, job.name, model_version=before, why=why)
    finally:
        session.close()
    return (present[0] if present else None), before


def band_order(job: Job) -> tuple[str, ...]:
    """The job's bands, highest first; empty where it has none."""
    return () if job.bands is None else (*(name for name, _ in job.bands.limits), job.bands.lowest)


def _require_ready(registered: Registered, session: Session) -> None:
    """Check what the database would refuse anyway, before time is spent on a shadow run."""
    named = f"Model {registered.model_version} of {registered.job}"
    if registered.status == "production":
        raise UserError(f"{named} is in production already.")
    lack = promotion_lacks(session, registered.job, registered.model_version, tried=False)
    if lack is not None:
        raise UserError(f"{lack[:1].upper()}{lack[1:]}.")


def _require_entities(job: Job, moved: Migration) -> None:
    if not moved.entities:
        raise UserError(
            f"There is no {job.entity} to score just now, so a shadow run shows nothing; promote when there is, for nobody could tell what "
            "the model would do."
        )


def _record(registered: Registered, verified: Verified, beside: Beside, moved: Migration, session: Session) -> None:
    signed: dict[str, Any] = {"fingerprint": libraries(), "host": platform.node()}
    result = {"rows": verified.golden, "max_difference": verified.difference}
    record_evidence(session, registered, kind="golden", result=result, **signed)
    record_evidence(session, registered, kind="shadow", result=shadow_result(beside, moved, at=beside.as_of), **signed)


def shadow_result(beside: Beside, moved: Migration, *, at: datetime) -> dict[str, Any]:
    """A shadow run as JSON, in counts alone: no entity is named."""
    return {
        "production": beside.one,
        "as_of": at.isoformat(),
        **moved.as_json(),
        "agreement": None if beside.one is None else agreement(beside.pairs),
    }
