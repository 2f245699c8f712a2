"""What was published in a time: bands, moves, validity; and what was refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from scorer.database.reporting.standing import Asked, Views


@dataclass(frozen=True, slots=True)
class BandSum:
    """How many scores of a job and step of time were published in a band.

    `highest` is the largest score of the band in the whole time, to put bands in order; no page shows it.
    """

    job: str
    at: datetime
    band: str
    scores: int
    highest: float | None


@dataclass(frozen=True, slots=True)
class Moves:
    """How many entities went from one band to another, and some of them where they were asked for."""

    job: str
    from_band: str
    to_band: str
    moves: int
    entities: Sequence[str]


@dataclass(frozen=True, slots=True)
class Validity:
    """How long a job's scores were valid; `bygone` are those past their validity as they were published.

    A gap lies between the end of a score and the next one of the same entity.
    """

    job: str
    scores: int
    bygone: int
    valid_seconds: float
    gap_seconds: float
    gaps: int
    longest_gap_seconds: float
    valid_at_end: int
    expired_unfollowed: int
    half_seconds: float | None


@dataclass(frozen=True, slots=True)
class Refused:
    """What a rule refused: open by now, come and gone in the time.

    `entities` are some of them, where they were asked for.
    """

    job: str
    rule: str
    action: str
    expected: str
    open_findings: int
    open_entities: int
    came: int
    went: int
    open_since: datetime | None
    entities: Sequence[str]


def sum_bands(views: Views, asked: Asked) -> list[BandSum]:
    """How many scores were published, by job, step of time and band."""
    return [BandSum(**row._asdict()) for row in views.all("sum_bands", **asked.by_step)]


def sum_moves(views: Views, asked: Asked) -> list[Moves]:
    """Who moved between bands, by job and pair of bands."""
    rows = views.all("sum_moves", **asked.of_runs, entities=asked.entities)
    return [Moves(**row._asdict()) for row in rows]


def sum_validity(views: Views, asked: Asked) -> list[Validity]:
    """How long scores were valid, by job."""
    return [Validity(**row._asdict()) for row in views.all("sum_validity", **asked.of_jobs)]


def sum_quarantine(views: Views, asked: Asked) -> list[Refused]:
    """What was refused, by job and rule."""
    rows = views.all("sum_quarantine", **asked.of_jobs, entities=asked.entities)
    return [Refused(**row._asdict()) for row in rows]
