"""Batches: claimed with SKIP LOCKED, recorded with their counts, rejections and rule results.

Every function works within a transaction of the session.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from scorer.database.encoding import text, texts, wholes, word
from scorer.database.error_messages import sentences
from scorer.database.session import Session
from scorer.jobs.job import Job
from scorer.types.enums import Status
from scorer.types.values import Counts, Previous, Published, Rejection, RuleResult, Run, WorkItem

# Enough for a hundred entities that are scored again and again, at no cost that a batch would show.
_RECENT_SCORES = 2000


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """What is recorded of a batch beside its outcomes.

    `shadows` is how many rows of the ledger stand in the shadow; `seconds` is where the time went, by step; `flags` are those of the job
    that are set.
    """

    model_version: str
    worker: str
    counts: Counts
    observations_read: int = 0
    observations_dropped: int = 0
    unknown_codes: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    shadows: int = 0
    flags: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def lock_against_recalls(session: Session, job: Job, *, model_version: str, run: Run | None) -> None:
    """Keep recalls of the job's scores out until the transaction ends; the first statement of a batch.

    Raises UserError where the job version was recalled since `run` began, and is in force no longer; without `run`, one
    that begins in this transaction, it does not.
    """
    session.do(
        "lock_against_recalls",
        job=job.name,
        model_version=model_version,
        job_version=job.version,
        begun_at=None if run is None else run.started_at,
    )


def claim_work(session: Session, job: Job, run: Run, *, size: int) -> tuple[WorkItem, ...]:
    """Claim up to `size` due entities for this transaction. Returns them with their current outcomes."""
    session.do("prefer_index_scans")
    rows = session.all("claim_work", run_id=run.run_id, job=job.name, output=job.output, max_items=size)
    session.do("restore_planner")
    return tuple(
        WorkItem(
            entity_id=entity_id,
            as_of=as_of,
            work_id=work_id,
            previous=None if status is None else previous_of(row),
            as_known_at=as_known_at,
        )
        for row in rows
        for work_id, entity_id, as_of, as_known_at, status, *_ in (row,)
    )


def finish_work(session: Session, items: Sequence[WorkItem]) -> None:
    """Remove claimed work, in the transaction that claimed it."""
    session.do("finish_work", work_ids=wholes(item.work_id for item in items if item.work_id is not None))


def recent_scores(session: Session, job: Job, *, model_version: str, look_back: int) -> list[Published]:
    """The newest scores of a model, newest first, from the newest `look_back` rows of the ledger."""
    with sentences():
        rows = session.all(
            "recent_scores",
            job=job.name,
            output=job.output,
            model_version=model_version,
            look_back=look_back,
            max_rows=_RECENT_SCORES,
        )
    return [
        Published(entity_id=row.entity_id, input_hash=bytes(row.input_hash), score=float(row.score)) for row in rows
    ]


def next_batch(session: Session) -> int:
    """Draw the key of a new batch. Returns it."""
    return int(session.one("next_batch").batch_id)


def write_rejections(
    session: Session, job: Job, run: Run, *, rejections: Iterable[Rejection], judged: Sequence[str]
) -> None:
    """Record a batch's rejections, and close those of the `judged` entities that were not found again."""
    with _findings_written(session, job, run, rejections=rejections):
        session.do("resolve_rejections", job=job.name, judged=texts(judged))


def write_orphans(session: Session, job: Job, run: Run, *, rejections: Iterable[Rejection]) -> None:
    """Record observations of entities that do not exist, and close the findings that were not made again."""
    with _findings_written(session, job, run, rejections=rejections):
        session.do("resolve_orphans", job=job.name)


@contextmanager
def _findings_written(session: Session, job: Job, run: Run, *, rejections: Iterable[Rejection]) -> Iterator[None]:
    """Record findings; within it, those that are open are compared with them by a hash."""
    session.make("create_staged_rejections")
    found = [_rejection_fields(each) for each in rejections]
    if not found:
        yield
        return
    session.copy("copy_rejections", found)
    session.do("write_rejections", job=job.name, run_id=run.run_id)
    session.do("forbid_nested_loops")
    yield
    session.do("allow_nested_loops")


def record_batch(session: Session, run: Run, record: BatchRecord, *, batch_id: int) -> None:
    """Record a batch of the run: its counts, its model, what was read, and where the time went."""
    session.do(
        "record_batch",
        batch_id=batch_id,
        run_id=run.run_id,
        model_version=record.model_version,
        worker=record.worker,
        shadows=record.shadows,
        observations_read=record.observations_read,
        observations_dropped=record.observations_dropped,
        unknown_codes=json.dumps(record.unknown_codes),
        seconds=json.dumps({step: round(value, 6) for step, value in record.seconds.items()}),
        flags=json.dumps(record.flags) if record.flags else None,
        **asdict(record.counts),
    )


def record_feature_counts(
    session: Session, run: Run, *, batch_id: int, model_version: str, facility: str, scores: int, counts: Sequence[int]
) -> None:
    """Record how many of a facility's scored rows lie in each bin of the model's training data.

    `facility` is empty where the job names none, or it is unknown.
    """
    session.do(
        "record_feature_counts",
        batch_id=batch_id,
        run_id=run.run_id,
        job=run.job,
        model_version=model_version,
        facility=facility,
        scores=scores,
        counts=wholes(counts),
    )


def record_validation(session: Session, run: Run, *, batch_id: int | None, results: Sequence[RuleResult]) -> None:
    """Record what each rule found in a batch; without `batch_id`, in one that was rolled back."""
    session.do(
        "record_validation",
        run_id=run.run_id,
        batch_id=batch_id,
        results=json.dumps([asdict(result) for result in results]),
    )


def previous_of(row: Any) -> Previous | None:
    """The current outcome of the entity that `row` is of; None where it has none."""
    if row.status is None:
        return None
    return Previous(
        status=Status(row.status),
        reason=row.reason,
        as_of=row.status_as_of,
        input_hash=bytes(row.input_hash),
        valid_until=row.valid_until,
        model_version=row.judged_by_model,
        job_version=row.judged_by_job,
        as_known_at=row.status_known_at,
    )


def _rejection_fields(rejection: Rejection) -> tuple[bytes, ...]:
    """The fields of a rejection, in the order of sql/engine/batches/copy_rejections.sql."""
    return (
        text(rejection.entity_id),
        text(rejection.observation_id or ""),
        word(rejection.rule),
        word(rejection.action.value),
        word(rejection.column_name),
        text(rejection.observed),
        word(rejection.expected),
    )
