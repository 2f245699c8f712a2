"""Which version of a job's model challenges the one in production, as the registry has it. Each function works inside a transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from scorer.database.session import Session


@dataclass(frozen=True, slots=True)
class Challenge:
    """The standing challenge of a job."""

    model_version: str
    started_at: datetime
    started_by: str
    why: str


def read_challenge(session: Session, job: str) -> Challenge | None:
    """The job's challenge, if one stands."""
    rows = session.all("read_challenge", job=job)
    return Challenge(*rows[0]) if rows else None


def start_challenge(session: Session, job: str, *, model_version: str, why: str) -> None:
    """Have a version in staging score beside production; the database refuses any other, and a second one."""
    session.do("start_challenge", job=job, model_version=model_version, why=why)


def stop_challenge(session: Session, job: str, *, why: str) -> bool:
    """Whether a challenge stood, and is stopped now."""
    return bool(session.one("stop_challenge", job=job, why=why).stopped)
