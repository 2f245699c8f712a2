"""Facilities granted to logins: given, taken again, listed; views that would show a row past them.

Every function works within a transaction of the session.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scorer.database.session import Session


def grant_facilities(
    session: Session, login: str, *, facilities: Sequence[str] | None, job: str | None, is_new: bool
) -> int:
    """Have a login see facilities (None: all) of a job (None: of all).

    Returns how many it did not see by such a grant before. The database refuses a login that is not there, a job that publishes no
    facility, and a facility that nothing is of, unless `is_new`.
    """
    row = session.one(
        "grant_facilities",
        login=login,
        facilities=None if facilities is None else list(facilities),
        job=job,
        is_new=is_new,
    )
    return int(row.granted)


def revoke_facilities(
    session: Session, login: str, *, facilities: Sequence[str] | None, every: bool, job: str | None
) -> int:
    """Take facilities (None: all that was granted), or the right to see `every` one, from a login.

    Returns how many grants that were. The database refuses it where nothing of the kind was granted.
    """
    row = session.one(
        "revoke_facilities",
        login=login,
        facilities=None if facilities is None else list(facilities),
        every=every,
        job=job,
    )
    return int(row.revoked)


def list_facilities(session: Session) -> list[Mapping[str, Any]]:
    """What is granted to whom, as rows to show.

    Where the login may not see all, it is what is granted to itself.
    """
    return session.shown("list_facilities")


def list_views_past_facilities(session: Session, job: str) -> list[tuple[str, str]]:
    """The views of reporting that would show rows of a job whatever their facility.

    Each comes with the table that it reads.
    """
    return [(row.view_name, row.table_name) for row in session.all("list_views_past_facilities", job=job)]
