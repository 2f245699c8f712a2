"""Recalls: scores published in error are withdrawn, all of one kind in one transaction, and replaced.

A recalled score stays in the ledger, marked. Its entity is RECALLED and has no score until it is scored again; an earlier score does not
come back, since it was replaced for a reason. Scoring shares a lock that a recall takes exclusively, so that no batch in hand can add a
score of the kind just recalled.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import timedelta

from scorer.database import schema
from scorer.database.connection import Database, Target
from scorer.database.session import Session, engine
from scorer.database.store import ledger
from scorer.database.store.replays import Criteria, Recall, read_recall, recall_scores
from scorer.errors import DatabaseUnavailable, UserError
from scorer.jobs.job import Job

# How long a recall waits for the batches in hand; further batches wait for it meanwhile.
_PATIENCE = timedelta(minutes=2)


def recall(
    job: str,
    criteria: Criteria,
    *,
    why: str,
    database: Database,
    anyway: bool = False,
    kept: bool = True,
    max_rows: int | None = None,
) -> Recall:
    """Recall the scores that meet `criteria`, in one transaction, which is rolled back unless `kept`.

    Acts as the database's own login, which needs the role scorer_approver. Raises UserError where no score meets the criteria, criteria or
    reason are not valid, or, unless `anyway`, the replacements would be of the same kind.
    """
    with closing(Session(_target(database))) as session, session.transaction(keep=kept):
        recall_id = recall_scores(session, job, criteria, why=why, anyway=anyway, trial=not kept)
        return read_recall(session, recall_id, max_rows=max_rows)


def follow(recall_id: int, *, database: Database, max_rows: int | None = None) -> Recall:
    """Read how far a recall has come. Raises UserError where there is none of that number."""
    with closing(Session(_target(database))) as session, session.transaction():
        return read_recall(session, recall_id, max_rows=max_rows)


def take_back(job: Job, *, database: Database) -> int | None:
    """Empty the recalled scores in the hospital's table. Returns how many rows still show one.

    None where this login may not do that; then the service does it.
    """
    session = Session(database.as_worker())
    try:
        with closing(session), session.transaction():
            return ledger.take_back(session, job)
    except DatabaseUnavailable:
        raise
    except UserError:
        return None


def _target(database: Database) -> Target:
    target = database.as_login()
    schema.require_head(engine(target))
    return replace(target, lock_timeout=max(target.lock_timeout, _PATIENCE))
