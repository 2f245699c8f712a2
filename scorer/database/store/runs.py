"""The database's side of ours: one method per statement in sql/engine/, rows in, values out.

All methods work inside `transaction()`. A test holds methods and files to each other and prepares each statement on the migrated
schema.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from scorer import __version__
from scorer.database.error_messages import sentences
from scorer.database.session import Session, only_named
from scorer.database.statements import statement, without_comments
from scorer.jobs.job import Job
from scorer.types.enums import Trigger
from scorer.types.values import Counts, Run

_ONE_BY_ONE = "OFFSET 0"  # in enqueue_due.sql


# A run


def begin_run(
    session: Session,
    job: Job,
    *,
    model_version: str,
    trigger: Trigger,
    as_of: datetime | None,
    as_known_at: datetime | None = None,
    scheduled_for: datetime | None = None,
) -> Run:
    """A new run, as of a time (now by the database's clock, where none is given), by what the database knew then, or `as_known_at`."""
    row = session.one(
        "begin_run",
        job=job.name,
        job_version=job.version,
        model_version=model_version,
        trigger=trigger.value,
        as_of=as_of,
        as_known_at=as_known_at,
        scheduled_for=scheduled_for,
        scorer_version=__version__,
    )
    return Run(
        run_id=row.run_id,
        job=job.name,
        trigger=trigger,
        status="running",
        as_of=row.as_of,
        started_at=row.started_at,
        finished_at=None,
        counts=Counts(),
    )


def make_current_partition(session: Session) -> None:
    """Have the ledger's partitions of this month; in a transaction of its own, since others wait for one that is made."""
    session.do("make_current_partition")


def hold_run(session: Session, run_id: int) -> bool:
    """Whether this session now holds the run: nobody else carries it."""
    return bool(session.one("hold_run", run_id=run_id).held)


def release_run(session: Session, run_id: int) -> None:
    """Give the run back."""
    session.one("release_run", run_id=run_id)


def list_unfinished_runs(session: Session, job: Job) -> list[Run]:
    """The runs of a job that are not marked as ended, oldest first."""
    return [
        Run(
            run_id=row.run_id,
            job=job.name,
            trigger=Trigger(row.trigger),
            status="running",
            as_of=row.as_of,
            started_at=row.started_at,
            finished_at=None,
            counts=Counts(),
        )
        for row in session.all("list_unfinished_runs", job=job.name)
    ]


def resume_run(session: Session, run_id: int) -> None:
    """Count one more process that goes on with this run."""
    session.do("resume_run", run_id=run_id)


def enqueue_due(
    session: Session,
    job: Job,
    run: Run,
    *,
    model_versions: Sequence[str],
    limit: int | None,
    kept: bool = True,
    as_known_at: datetime | None = None,
    sweep: bool = True,
    entity_ids: str = "{}",
) -> int:
    """How many entities are due, now waiting; where the run is not `kept`, apart from the work of other runs.

    Each is judged by what was recorded up to `as_known_at`; up to its own as-of time, where that is None. `model_versions` are those
    that the run publishes scores of: what they refused as of the end of a settled record is not due again. Looked at is everyone in a
    `sweep`; else whoever the job's statement finds, and those of `entity_ids`, an array as text.
    """
    query = without_comments(statement("enqueue_due"))
    if sweep:  # everyone's outcome is looked at: better all at once
        query = query.replace(_ONE_BY_ONE, "")
    query = query.replace("{due}", without_comments(job.statements["due"]))
    parameters = {
        **job.parameters,
        "run_id": run.run_id,
        "queue": job.name if kept else f"{job.name}/{run.run_id}",
        "job": job.name,
        "output": job.output,
        "max_entities": limit,
        "as_of": run.as_of,
        "as_known_at": as_known_at,
        "job_version": job.version,
        "model_versions": list(model_versions),
        "sweep": sweep,
        "entity_ids": entity_ids,
        "swept": sweep and limit is None and as_known_at is None,
    }
    where = f"The statement due of job {job.name}"
    with sentences(where=where):
        row = session.execute(query, only_named(query, parameters, where=where)).one()
    return int(row.eligible)


def wait_for_answers(session: Session, job: Job) -> None:
    """Wait until no answer to a request is under way; none begins before this transaction ends."""
    session.one("wait_for_answers", job=job.name)


def count_waiting(session: Session, run_id: int) -> int:
    """How many entities of the run still wait."""
    return int(session.one("count_waiting", run_id=run_id).waiting)


def is_waiting(session: Session, run_id: int) -> bool:
    """Whether any does."""
    return bool(session.one("is_waiting", run_id=run_id).waiting)


def count_carried(session: Session, run_id: int) -> int:
    """How many entities of the run have ended."""
    return int(session.one("count_carried", run_id=run_id).carried)


def give_up_work(session: Session, run_id: int) -> None:
    """Leave the rest of the run's work to the next run."""
    session.do("give_up_work", run_id=run_id)


def end_run(session: Session, run_id: int, *, error: str | None = None) -> None:
    """Mark the run succeeded, or failed with `error`, if nothing of it waits; the database refuses a success that does not balance."""
    session.do("end_run", run_id=run_id, error=error)


def read_run(session: Session, run_id: int) -> Run:
    """The run as its row stands."""
    row = session.one("read_run", run_id=run_id)
    counts = {name: getattr(row, name) for name in Counts.__dataclass_fields__}
    return Run(
        run_id=row.run_id,
        job=row.job,
        trigger=Trigger(row.trigger),
        status=row.status,
        as_of=row.as_of,
        started_at=row.started_at,
        finished_at=row.finished_at,
        counts=Counts(**counts),
        error=row.error,
    )


# A batch


# Jobs and models


def lock_installs(session: Session) -> None:
    """Wait until no other process installs jobs; held until the transaction ends."""
    session.do("lock_installs")


def register_job_version(session: Session, job: Job) -> None:
    """Keep the job as its files stand."""
    session.do(
        "register_job_version",
        job=job.name,
        job_version=job.version,
        definition=json.dumps(job.definition),
    )


# Views for people


def find_recent_sweep(session: Session, job: Job, *, begun_since: datetime, as_of_since: datetime) -> bool:
    """Whether a run of this job version has looked at everyone, one that began and was as of no earlier than these."""
    row = session.one(
        "find_recent_sweep",
        job=job.name,
        job_version=job.version,
        begun_since=begun_since,
        as_of_since=as_of_since,
    )
    return bool(row.swept)


def list_unsettled(session: Session, job: Job, *, model_versions: tuple[str, ...]) -> str:
    """Whom a run looks at however long ago the record ended, as the text of an array."""
    row = session.one(
        "list_unsettled",
        job=job.name,
        output=job.output,
        job_version=job.version,
        model_versions=list(model_versions),
    )
    return str(row.entity_ids)


def list_orphans(session: Session, job: Job) -> list[str]:
    """Entities that do not exist, as far as that is known and was not mended."""
    return [row.entity_id for row in session.all("list_orphans", job=job.name)]


def is_run_held(session: Session, run_id: int) -> bool:
    """Whether a living process carries the run."""
    return bool(session.one("is_run_held", run_id=run_id).held)
