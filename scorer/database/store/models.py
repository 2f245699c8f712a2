"""Model versions with their cards, evidence and bytes; the model in production and its challenger.

Every function works within a transaction of the session.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from scorer.database.error_messages import sentences
from scorer.database.session import Session
from scorer.database.statements import only_named, statement
from scorer.errors import UserError
from scorer.jobs.job import Job
from scorer.jobs.sql_text import without_comments
from scorer.types.values import WorkItem


@dataclass(frozen=True, slots=True)
class Registered:
    """A registered model version; `stored`: the database holds its bytes."""

    job: str
    model_version: str
    status: str
    sha256: str
    manifest: Mapping[str, Any]
    registered_at: datetime
    registered_by: str
    promoted_at: datetime | None
    stored: bool


@dataclass(frozen=True, slots=True)
class Card:
    """A model card as it was written, and which of its fields are empty."""

    content: Mapping[str, Any]
    gaps: tuple[str, ...]
    written_at: datetime
    written_by: str


@dataclass(frozen=True, slots=True)
class Pair:
    """The outcomes of two models for one entity as of the same time: status, score and band of each."""

    entity_id: str
    as_of: datetime
    statuses: tuple[str, str]
    scores: tuple[float | None, float | None]
    bands: tuple[str | None, str | None]


def read_model(session: Session, job: str, model_version: str) -> Registered:
    """The registered version. Raises UserError where it is not registered."""
    rows = session.all("read_model", job=job, model_version=model_version)
    if not rows:
        raise UserError(f"Model {model_version} of {job} is not registered; see `scorer model list`.")
    return Registered(**rows[0]._asdict())


def list_model_events(session: Session, job: str, model_version: str) -> list[Mapping[str, Any]]:
    """The events of a version, oldest first, as rows to show."""
    return session.shown("list_model_events", job=job, model_version=model_version)


# Cards and evidence


def read_card(session: Session, job: str, model_version: str) -> Card | None:
    """The version's newest card; None where none was written."""
    rows = session.all("read_card", job=job, model_version=model_version)
    if not rows:
        return None
    (row,) = rows
    return Card(content=row.card, gaps=tuple(row.gaps or ()), written_at=row.written_at, written_by=row.written_by)


def write_card(session: Session, job: str, model_version: str, *, card: Mapping[str, str]) -> tuple[str, ...]:
    """Write a version's card. Returns the fields that are empty."""
    row = session.one("write_card", job=job, model_version=model_version, card=json.dumps(card))
    return tuple(row.gaps or ())


def list_evidence(session: Session, job: str, model_version: str) -> list[Mapping[str, Any]]:
    """The evidence on a version, newest first, as rows to show."""
    return session.shown("list_evidence", job=job, model_version=model_version)


def record_evidence(
    session: Session,
    model: Registered,
    *,
    kind: str,
    fingerprint: Mapping[str, str],
    host: str,
    result: Mapping[str, Any],
) -> None:
    """Record what a trial of a version found, in the name of the session's login."""
    session.one(
        "record_evidence",
        job=model.job,
        model_version=model.model_version,
        sha256=model.sha256,
        kind=kind,
        fingerprint=json.dumps(fingerprint),
        host=host,
        result=json.dumps(result),
    )


def promotion_lacks(session: Session, job: str, model_version: str, *, tried: bool) -> str | None:
    """What keeps the session's login from promoting a version, or None; a sentence without its stop.

    Where the version is not `tried` yet, it is what keeps the login from trying it: evidence is not required.
    """
    row = session.one("promotion_lacks", job=job, model_version=model_version, tried=tried)
    lack: str | None = row.lack
    return lack


# Production


def admit_first_model(session: Session, job: str, model_version: str, *, why: str) -> None:
    """Put the model shipped with a job into production.

    The database refuses it to all but the owner, and where the job ever had a model in production.
    """
    session.do("admit_first_model", job=job, model_version=model_version, why=why)


def model_before(session: Session, job: str) -> str | None:
    """The version that was in production before the present one; None where there was none."""
    before: str | None = session.one("model_before", job=job).model_version
    return before


def roll_back_model(session: Session, job: str, *, model_version: str, why: str) -> None:
    """Put `model_version`, which was in production before, back there; the present one is archived."""
    session.do("roll_back_model", job=job, model_version=model_version, why=why)


# Bytes


def store_artefact(session: Session, job: str, model_version: str, *, sha256: str, content: bytes) -> None:
    """Store a version's bytes; the database refuses others than those registered."""
    session.do("store_artefact", job=job, model_version=model_version, sha256=sha256, content=content)


def read_artefact(session: Session, job: str, model_version: str) -> bytes | None:
    """A version's bytes; None where the database does not have them."""
    rows = session.all("read_artefact", job=job, model_version=model_version)
    return bytes(rows[0].content) if rows else None


# Comparisons


def list_current(session: Session, job: Job, *, as_of: datetime, limit: int | None) -> tuple[WorkItem, ...]:
    """The entities that may be scored as of a time, due or not; at random, where there is a `limit`."""
    query = statement("list_current").replace("{due}", without_comments(job.statements["due"]))
    where = f"The statement due of job {job.name}"
    # Settled entities are left out, so the statement need not look for any.
    parameters = {"max_entities": limit, "as_of": as_of, "sweep": False, "entity_ids": "{}", **job.parameters}
    with sentences(where=where):
        rows = session.execute(query, only_named(query, parameters, where=where)).all()
    return tuple(WorkItem(entity_id=row.entity_id, as_of=row.as_of) for row in rows)


def list_pairs(
    session: Session, job: Job, *, one: str, other: str, since: timedelta, now: datetime, limit: int | None
) -> list[Pair]:
    """The outcomes of two models for the same entities and times, in the ledger since `now - since`."""
    rows = session.all(
        "list_pairs",
        job=job.name,
        output=job.output,
        one=one,
        other=other,
        since=now - since,
        max_pairs=limit,
    )
    return [
        Pair(
            entity_id=row.entity_id,
            as_of=row.as_of,
            statuses=(row.one_status, row.other_status),
            scores=(row.one_score, row.other_score),
            bands=(row.one_band, row.other_band),
        )
        for row in rows
    ]


def register_model(session: Session, job: str, *, model_version: str, sha256: str, manifest: Mapping[str, Any]) -> bool:
    """Register a version as a candidate. Returns False where it is registered already."""
    return bool(
        session.all(
            "register_model",
            job=job,
            model_version=model_version,
            sha256=sha256,
            manifest=json.dumps(manifest),
        )
    )


def move_model(session: Session, job: str, *, model_version: str, status: str, why: str) -> None:
    """Move a model version to a status; the database refuses a step that is not allowed."""
    session.do("move_model", job=job, model_version=model_version, status=status, why=why)


class Production(NamedTuple):
    """The model in production, and what the job's flags are set to, by name; None where none is."""

    model_version: str
    sha256: str
    flags: Mapping[str, Mapping[str, Any]] | None


def production_model(session: Session, job: str) -> Production | None:
    """The model in production, with the job's flags; None where there is none."""
    rows = session.all("production_model", job=job)
    return Production(**rows[0]._asdict()) if rows else None


def count_models(session: Session, job: str) -> int:
    """How many versions of a job's model are registered."""
    return int(session.one("count_models", job=job).registered)


def list_models(session: Session) -> list[Mapping[str, Any]]:
    """The registered models, as rows to show."""
    return session.shown("list_models")


@dataclass(frozen=True, slots=True)
class Challenge:
    """A challenge that stands: the version that scores beside production."""

    model_version: str
    started_at: datetime
    started_by: str
    why: str


def read_challenge(session: Session, job: str) -> Challenge | None:
    """The job's challenge; None where none stands."""
    rows = session.all("read_challenge", job=job)
    return Challenge(**rows[0]._asdict()) if rows else None


def start_challenge(session: Session, job: str, *, model_version: str, why: str) -> None:
    """Let a version in staging score beside production; the database refuses any other, and a second one."""
    session.do("start_challenge", job=job, model_version=model_version, why=why)


def stop_challenge(session: Session, job: str, *, why: str) -> bool:
    """Stop the job's challenge. Returns False where none stood."""
    return bool(session.one("stop_challenge", job=job, why=why).stopped)
