"""The registry's side of the database: versions, their cards, evidence and bytes. Each method works inside a transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from scorer.database.connection import sentences
from scorer.database.session import Session, only_named
from scorer.database.statements import statement, without_comments
from scorer.errors import UserError
from scorer.jobs.job import Job
from scorer.types.values import WorkItem


@dataclass(frozen=True, slots=True)
class Registered:
    """A model version as the registry knows it; `stored`: the database holds its bytes."""

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
    """A model card that was set, and which of its fields nobody has filled."""

    content: Mapping[str, Any]
    gaps: tuple[str, ...]
    written_at: datetime
    written_by: str


@dataclass(frozen=True, slots=True)
class Pair:
    """What two models said of one entity as of the same time: status, score and band of each."""

    entity_id: str
    as_of: datetime
    statuses: tuple[str, str]
    scores: tuple[float | None, float | None]
    bands: tuple[str | None, str | None]


class Shelf:
    """What is written down of models, in a session that others may share."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def read_model(self, job: str, model_version: str) -> Registered:
        """The version. Raises UserError where it is not registered."""
        rows = self._session.all("read_model", job=job, model_version=model_version)
        if not rows:
            raise UserError(f"Model {model_version} of {job} is not registered; see `scorer model list`.")
        return Registered(**rows[0]._mapping)  # noqa: SLF001 - SQLAlchemy's documented name

    def list_model_events(self, job: str, model_version: str) -> list[Mapping[str, Any]]:
        """What happened to a version, oldest first, as rows to show."""
        return self._session.shown("list_model_events", job=job, model_version=model_version)

    # What admits it

    def read_card(self, job: str, model_version: str) -> Card | None:
        """The card in force, where one was ever set."""
        rows = self._session.all("read_card", job=job, model_version=model_version)
        if not rows:
            return None
        (row,) = rows
        return Card(content=row.card, gaps=tuple(row.gaps or ()), written_at=row.written_at, written_by=row.written_by)

    def write_card(self, job: str, model_version: str, *, card: Mapping[str, str]) -> tuple[str, ...]:
        """Set a version's card; the fields that nobody has filled."""
        row = self._session.one("write_card", job=job, model_version=model_version, card=json.dumps(card))
        return tuple(row.gaps or ())

    def list_evidence(self, job: str, model_version: str) -> list[Mapping[str, Any]]:
        """What was found when a version was tried, newest first, as rows to show."""
        return self._session.shown("list_evidence", job=job, model_version=model_version)

    def record_evidence(
        self,
        model: Registered,
        *,
        kind: str,
        fingerprint: Mapping[str, str],
        host: str,
        result: Mapping[str, Any],
    ) -> None:
        """Record what a trial of a version found, in the name of whoever is connected."""
        self._session.one(
            "record_evidence",
            job=model.job,
            model_version=model.model_version,
            sha256=model.sha256,
            kind=kind,
            fingerprint=json.dumps(fingerprint),
            host=host,
            result=json.dumps(result),
        )

    def promotion_lacks(self, job: str, model_version: str, *, tried: bool) -> str | None:
        """What keeps whoever is connected from promoting a version, as a sentence without its stop.

        Where it is not `tried` yet, what keeps him from trying to: evidence is not asked for.
        """
        row = self._session.one("promotion_lacks", job=job, model_version=model_version, tried=tried)
        lack: str | None = row.lack
        return lack

    # How it moves

    def admit_first_model(self, job: str, model_version: str, *, why: str) -> None:
        """Put the model shipped with a job into production; the database refuses it to all but the owner, and where there was ever one."""
        self._session.do("admit_first_model", job=job, model_version=model_version, why=why)

    def model_before(self, job: str) -> str | None:
        """The version that was in production before the present one."""
        before: str | None = self._session.one("model_before", job=job).model_version
        return before

    def roll_back_model(self, job: str, *, model_version: str, why: str) -> None:
        """Bring `model_version`, which was in production before, back there; the present one is archived."""
        self._session.do("roll_back_model", job=job, model_version=model_version, why=why)

    # Its bytes

    def store_artefact(self, job: str, model_version: str, *, sha256: str, content: bytes) -> None:
        """Keep a version's bytes; the database refuses others than those registered."""
        self._session.do("store_artefact", job=job, model_version=model_version, sha256=sha256, content=content)

    def read_artefact(self, job: str, model_version: str) -> bytes | None:
        """A version's bytes, where the database keeps them."""
        rows = self._session.all("read_artefact", job=job, model_version=model_version)
        return bytes(rows[0].content) if rows else None

    # Whom it scores

    def list_current(self, job: Job, *, as_of: datetime, limit: int | None) -> tuple[WorkItem, ...]:
        """The entities that may be scored as of a time, whether or not they are due; of many, `limit` by lot."""
        query = statement("list_current").replace("{due}", without_comments(job.statements["due"]))
        where = f"The statement due of job {job.name}"
        # Whoever is settled is left out, so nobody has to look for him.
        parameters = {"max_entities": limit, "as_of": as_of, "sweep": False, "entity_ids": "{}", **job.parameters}
        with sentences(where=where):
            rows = self._session.execute(query, only_named(query, parameters, where=where)).all()
        return tuple(WorkItem(entity_id=row.entity_id, as_of=row.as_of) for row in rows)

    def list_pairs(
        self, job: Job, *, one: str, other: str, since: timedelta, now: datetime, limit: int | None
    ) -> list[Pair]:
        """What two models said of the same entities, by the ledger of the time `since` before `now`."""
        rows = self._session.all(
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
