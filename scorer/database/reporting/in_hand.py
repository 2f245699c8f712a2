"""Transactions in hand, which may hold what nobody sees yet."""

from __future__ import annotations

from dataclasses import dataclass

from scorer.database.connection import APPLICATION
from scorer.database.reporting.standing import Views


@dataclass(frozen=True, slots=True)
class InHand:
    """A transaction that goes on, in the server process `pid`.

    `scores`: it holds, or waits for, the lock of those that score.
    """

    transaction: str
    pid: int
    scores: bool


def list_transactions_in_hand(views: Views, job: str) -> list[InHand]:
    """The transactions in hand that may hold scores or recalls of the job that nobody sees yet."""
    rows = views.all("list_transactions_in_hand", job=job, application=APPLICATION)
    return [InHand(row.transaction, row.pid, row.scores) for row in rows]
