"""A job's scores as FHIR resources, and which transactions may hold more of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from scorer.database.connection import APPLICATION
from scorer.database.reporting.standing import Views
from scorer.database.session import Session

RECALLED = "entered-in-error"


@dataclass(frozen=True, slots=True)
class RiskAssessment:
    """A score as a resource, in JSON; where that is None, `lacks` says for want of what."""

    resource: str | None
    lacks: str | None
    status: str


@dataclass(frozen=True, slots=True)
class InHand:
    """A transaction that goes on, in the server process `pid`; `scores`: it holds, or waits for, the lock of those that score."""

    transaction: str
    pid: int
    scores: bool


def list_risk_assessments(
    session: Session, job: str, *, since: datetime | None, until: datetime
) -> Iterator[RiskAssessment]:
    """The resources of scores that were made or recalled from `since` on (None: ever) and before `until`, as they come."""
    for row in session.stream("list_risk_assessments", job=job, since=since, until=until):
        yield RiskAssessment(**row._mapping)  # noqa: SLF001 - SQLAlchemy's documented name


def list_transactions_in_hand(views: Views, job: str) -> list[InHand]:
    """The transactions in hand that may hold scores or recalls of the job that nobody sees yet."""
    rows = views.all("list_transactions_in_hand", job=job, application=APPLICATION)
    return [InHand(row.transaction, row.pid, row.scores) for row in rows]
