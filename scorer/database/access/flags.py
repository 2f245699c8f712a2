"""Flags: set and cleared by an approver, each time with a reason that is kept, and read.

Every function works within a transaction of the session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from scorer.database.error_messages import sentences
from scorer.database.session import Session
from scorer.types.flags import JobFlags


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether a flag is on for an entity; what it is set to, None where it is not; the entity's place."""

    is_on: bool
    setting: Mapping[str, Any] | None
    bucket: int | None


def set_flag(
    session: Session,
    flag: str,
    *,
    enabled: bool,
    share: Decimal | None = None,
    facilities: Sequence[str] | None = None,
    why: str,
) -> bool:
    """Set a flag on or off; on for all, or for some alone.

    Those are a `share` of the entities, in per cent, the entities of `facilities`, or a share of theirs.
    Returns False where it was so already. Raises UserError where the database refuses it: to all but an approver, without a reason, and
    for a name that no flag can have.
    """
    with sentences():
        return bool(
            session.one(
                "set_flag",
                flag=flag,
                enabled=enabled,
                share=share,
                facilities=None if facilities is None else list(facilities),
                why=why,
            ).changed
        )


def clear_flag(session: Session, flag: str, *, why: str) -> None:
    """Clear a flag. Raises UserError where it is not set, and as `set_flag` does."""
    with sentences():
        session.do("clear_flag", flag=flag, why=why)


def list_flags(session: Session, *, flag: str | None = None, history: bool = False) -> list[Mapping[str, Any]]:
    """The flags that are set, as rows to show; with `history`, every change of them, the newest last."""
    return session.shown("list_flags", flag=flag, history=history)


def check_flag(session: Session, flag: str, *, entity_id: str | None, facility: str | None) -> Checked:
    """Whether a flag is on for an entity of a facility.

    Raises UserError where it is one that nobody knows.
    """
    with sentences():
        return Checked(**session.one("check_flag", flag=flag, entity_id=entity_id, facility=facility)._asdict())


def read_job_flags(session: Session, job: str) -> JobFlags:
    """The flags of a job that are set."""
    return JobFlags.of(job, session.one("read_job_flags", job=job).flags)
