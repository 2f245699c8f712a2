"""Recalls: scores entered in error are taken back, all that are alike in one transaction, and made anew.

A recalled score stays in the ledger, marked. Its entity has no score until it is judged again, and is RECALLED; an earlier score does not
come back, since it was followed because something had changed. Whatever scores shares a lock that a recall has alone, so that no batch in
hand can bring in a score of the kind that was just recalled.
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

# A recall waits for the batches in hand; so long, while further ones wait for it.
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
    """Recall the scores that fit, in one transaction; where it is not `kept`, only say what that would be.

    Acts as the login of `url`, which needs the role scorer_approver. Raises UserError where nothing fits, the criteria or the reason cannot
    be, or, unless `anyway`, the replacements would be of the same kind.
    """
    with closing(Session(_target(database))) as session, session.transaction(keep=kept):
        recall_id = recall_scores(session, job, criteria, why=why, anyway=anyway, trial=not kept)
        return read_recall(session, recall_id, max_rows=max_rows)


def follow(recall_id: int, *, database: Database, max_rows: int | None = None) -> Recall:
    """What has become of a recall by now. Raises UserError where there is none of that number."""
    with closing(Session(_target(database))) as session, session.transaction():
        return read_recall(session, recall_id, max_rows=max_rows)


def take_back(job: Job, *, database: Database) -> int | None:
    """How many rows of the job's own table still bear a recalled score, those that could be having been emptied; None where this login
    may not do that, and it is left to the service."""
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
