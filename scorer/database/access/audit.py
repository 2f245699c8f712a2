"""Acts that no other table records, for reporting.audit."""

from __future__ import annotations

import json
from typing import Any

from scorer.database.session import Session


def record_audit(
    session: Session, action: str, *, job: str | None = None, subject: str | None = None, **detail: Any
) -> None:
    """Record an act of the login, within the session's transaction.

    `subject` is what it was done to, `detail` more of it, in ids and counts.
    """
    session.do("record_audit", action=action, job=job, subject=subject, detail=json.dumps(detail))
