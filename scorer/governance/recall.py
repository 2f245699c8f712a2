"""Recalls: scores entered in error are taken back, all that are alike in one transaction, and made anew.

A recalled score stays in the ledger, marked. Its entity has no score until it is judged again, and is RECALLED; an earlier score does not
come back, since it was followed because something had changed. Whatever scores shares a lock that a recall has alone, so that no batch in
hand can bring in a score of the kind that was just recalled.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from scorer.database import schema
from scorer.database.connection import Database, Target
from scorer.database.session import Session, engine
from scorer.database.store import ledger
from scorer.errors import DatabaseUnavailable, UserError
from scorer.jobs.job import Job

# A recall waits for the batches in hand; so long, while further ones wait for it.
_PATIENCE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Criteria:
    """Which scores of a job to recall: those that fit all that is not None; the span is scored_from <= scored_at < scored_until."""

    model_version: str | None = None
    job_version: str | None = None
    scored_from: datetime | None = None
    scored_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recall:
    """A recall and what has become of it: `counts` by band before and after, `entities` with their bands, each as rows to show."""

    event: Mapping[str, Any]
    counts: Sequence[Mapping[str, Any]]
    entities: Sequence[Mapping[str, Any]]

    @property
    def waiting(self) -> int:
        """Entities that are not judged again yet."""
        return sum(row["entities"] for row in self.counts if row["to_status"] == "RECALLED")

    @property
    def unsettled(self) -> int:
        """Entities whose band changed, or that are not judged again yet."""
        same: int = sum(
            row["entities"]
            for row in self.counts
            if row["to_band"] == row["from_band"] and row["to_status"] == "SCORED"
        )
        return int(self.event["entities"]) - same

    @property
    def in_source(self) -> int:
        """Entities whose row in the hospital's own table is still to be put right."""
        return sum(row["in_source"] for row in self.counts)

    def as_json(self) -> dict[str, Any]:
        """The same, as the command line prints it."""
        return {
            **self.event,
            "waiting": self.waiting,
            "in_source": self.in_source,
            "by_band": list(self.counts),
            "by_entity": list(self.entities),
        }


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
        return _read(session, recall_id, max_rows=max_rows)


def follow(recall_id: int, *, database: Database, max_rows: int | None = None) -> Recall:
    """What has become of a recall by now. Raises UserError where there is none of that number."""
    with closing(Session(_target(database))) as session, session.transaction():
        return _read(session, recall_id, max_rows=max_rows)


def take_back(job: Job, *, database: Database) -> int | None:
    """How many rows of the job's own table still bear a recalled score, those that could be having been emptied; None where this login
    may not do that, and it is left to the service."""
    store = Session(database.as_worker())
    try:
        with closing(store), store.transaction():
            return ledger.take_back(store, job)
    except DatabaseUnavailable:
        raise
    except UserError:
        return None


def _target(database: Database) -> Target:
    target = database.as_login()
    schema.require_head(engine(target))
    return replace(target, lock_timeout=max(target.lock_timeout, _PATIENCE))


def recall_scores(session: Session, job: str, criteria: Criteria, *, why: str, anyway: bool, trial: bool) -> int:
    """The key of the recall."""
    row = session.one("recall_scores", job=job, why=why, anyway=anyway, trial=trial, **asdict(criteria))
    return int(row.recall_id)


def _read(session: Session, recall_id: int, *, max_rows: int | None) -> Recall:
    events = session.shown("read_recall", recall_id=recall_id)
    if not events:
        raise UserError(f"There is no recall {recall_id}; reporting.recall_events has those there are.")
    return Recall(
        event=events[0],
        counts=session.shown("count_recalled", recall_id=recall_id),
        entities=session.shown("list_recalled", recall_id=recall_id, max_rows=max_rows),
    )
