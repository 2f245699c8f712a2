"""Replays and recalls: past scores made again, and scores entered in error.

Every function works within a transaction of the session.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from scorer import __version__
from scorer.database.session import Session
from scorer.errors import UserError
from scorer.types.enums import Status

_WRITTEN_OUT = 16  # digits of a number that JSON, as it is written here, writes out
_LOOK_BACK = 100_000  # ledger rows that a sample is drawn from


class Part(StrEnum):
    """What a past score is made again from."""

    VECTOR = "vector"  # the feature vector that the ledger keeps
    SOURCE = "source"  # the hospital's tables, as known then


class ReplayVerdict(StrEnum):
    """How a replayed score compares with the past one."""

    IDENTICAL = "IDENTICAL"  # to the last bit
    DIFFERS = "DIFFERS"
    NOT_REPLAYABLE = "NOT REPLAYABLE"  # what it was made with, or of, is gone


@dataclass(frozen=True, slots=True)
class Past:
    """A past score: a row of the ledger.

    `flags` are those of the job as its batch read them; None where none was set, or it is not known.
    """

    score_id: int
    job: str
    entity_id: str
    status: Status
    reason: str | None
    score: float | None
    risk_band: str | None
    label: str | None
    outputs: Mapping[str, Any]
    attributes: Mapping[str, Any]
    as_of: datetime
    as_known_at: datetime
    input_hash: bytes
    features: bytes | None
    model_version: str | None
    job_version: str
    shadow: bool
    flags: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """A part of a past score, replayed; `difference` is the new score less the past, if there are both.

    `inputs_changed`: the source holds other rows of that time by now; None where they were not read. `alarming`: the same inputs gave
    another result, so that the program is at fault, and not a correction of the inputs.
    """

    score_id: int
    part: Part
    verdict: ReplayVerdict
    difference: float | None = None
    why: str | None = None
    inputs_changed: bool | None = None
    alarming: bool = False


def draw_scores(session: Session, *, job: str | None, since: datetime | None, size: int) -> list[int]:
    """Draw `size` rows of the ledger at random; None is any job, any time. Returns their keys."""
    rows = session.all("draw_scores", job=job, since=since, max_scores=size, look_back=_LOOK_BACK)
    return [row.score_id for row in rows]


def read_past_scores(session: Session, score_ids: Sequence[int]) -> list[Past]:
    """The past scores of these keys. Raises UserError where one does not exist."""
    rows = session.all("read_past_scores", score_ids=list(score_ids))
    missing = set(score_ids) - {row.score_id for row in rows}
    if missing:
        raise UserError(f"There is no score {min(missing)} in the ledger; reporting.score_history has those there are.")
    return [
        Past(
            **{
                **row._mapping,  # noqa: SLF001 - SQLAlchemy's documented name
                "status": Status(row.status),
                "input_hash": bytes(row.input_hash),
                "features": None if row.features is None else bytes(row.features),
            }
        )
        for row in rows
    ]


def read_job_version(session: Session, job: str, job_version: str) -> Mapping[str, Any]:
    """A job's definition as of that version. Raises UserError where the database does not have it."""
    rows = session.all("read_job_version", job=job, job_version=job_version)
    if not rows:
        raise UserError(f"Version {job_version} of job {job} is not in the database.")
    definition: Mapping[str, Any] = json.loads(rows[0].definition, parse_int=_as_written)
    return definition


def find_job_versions(session: Session, beginning: str) -> list[tuple[str, str]]:
    """The versions of jobs that begin so: each with its job, newest first."""
    return [(row.job, row.job_version) for row in session.all("find_job_versions", beginning=beginning)]


def _as_written(digits: str) -> int | float:
    """A whole number as the file had it: the database writes out what the file has as 1e+20, say.

    >>> _as_written("350"), _as_written("100000000000000000000")
    (350, 1e+20)
    """
    return float(digits) if len(digits.lstrip("-")) > _WRITTEN_OUT else int(digits)


def record_replays(session: Session, replays: Sequence[Replayed]) -> None:
    """Record what became of each replayed score."""
    session.do(
        "record_replays", replays=json.dumps([asdict(replayed) for replayed in replays]), scorer_version=__version__
    )


@dataclass(frozen=True, slots=True)
class Criteria:
    """Which scores of a job to recall: those that match everything that is not None.

    The span is scored_from <= scored_at < scored_until.
    """

    model_version: str | None = None
    job_version: str | None = None
    scored_from: datetime | None = None
    scored_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recall:
    """A recall and what has become of it since, as rows to show.

    `counts` are by band before and after, `entities` have their bands.
    """

    event: Mapping[str, Any]
    counts: Sequence[Mapping[str, Any]]
    entities: Sequence[Mapping[str, Any]]

    @property
    def waiting(self) -> int:
        """How many entities are not scored again yet."""
        return sum(row["entities"] for row in self.counts if row["to_status"] == "RECALLED")

    @property
    def unsettled(self) -> int:
        """How many entities have another band now, or are not scored again yet."""
        same: int = sum(
            row["entities"]
            for row in self.counts
            if row["to_band"] == row["from_band"] and row["to_status"] == "SCORED"
        )
        return int(self.event["entities"]) - same

    @property
    def in_source(self) -> int:
        """How many entities still have the recalled score in the hospital's own table."""
        return sum(row["in_source"] for row in self.counts)

    def as_json(self) -> dict[str, Any]:
        """The recall as the command line prints it."""
        return {
            **self.event,
            "waiting": self.waiting,
            "in_source": self.in_source,
            "by_band": list(self.counts),
            "by_entity": list(self.entities),
        }


def recall_scores(session: Session, job: str, criteria: Criteria, *, why: str, anyway: bool, trial: bool) -> int:
    """Recall the scores that match, and request others in their place. Returns the recall's key.

    `anyway`: even where the new scores would be made the same way. A `trial` cannot be committed.
    """
    row = session.one("recall_scores", job=job, why=why, anyway=anyway, trial=trial, **asdict(criteria))
    return int(row.recall_id)


def read_recall(session: Session, recall_id: int, *, max_rows: int | None) -> Recall:
    """The recall with counts and up to `max_rows` entities. Raises UserError where it does not exist."""
    events = session.shown("read_recall", recall_id=recall_id)
    if not events:
        raise UserError(f"There is no recall {recall_id}; reporting.recall_events has those there are.")
    return Recall(
        event=events[0],
        counts=session.shown("count_recalled", recall_id=recall_id),
        entities=session.shown("list_recalled", recall_id=recall_id, max_rows=max_rows),
    )
