"""Runs: begun, resumed, ended; the work that is enqueued for them; sweeps; job versions.

Every function works within a transaction of the session.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from scorer import __version__
from scorer.database.encoding import texts
from scorer.database.error_messages import sentences
from scorer.database.session import Session
from scorer.database.statements import only_named, statement
from scorer.errors import UserError
from scorer.jobs.job import Job
from scorer.jobs.publication import seen_by
from scorer.jobs.sql_text import parameters_of, without_comments
from scorer.types.enums import Trigger
from scorer.types.values import Counts, Run, WorkItem

_ONE_BY_ONE = "OFFSET 0"  # in enqueue_due.sql


@dataclass(frozen=True, slots=True)
class Look:
    """Whom a run looks at: in a `sweep` every entity, else who may have become due, and `entity_ids`.

    Which may have become due, the job's own statement says; `entity_ids` is an array as text.
    """

    sweep: bool
    entity_ids: str = "{}"


# A run's life


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
    """Begin a run as of a time, None for now by the database's clock. Returns it.

    It uses what the database knew at `as_known_at`; where that is None, at each entity's as-of time.
    """
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
    """Make the ledger's partitions of this month, where they are missing.

    Call it in a transaction of its own: other sessions wait for a partition that is being made.
    """
    session.do("make_current_partition")


def hold_run(session: Session, run_id: int) -> bool:
    """Hold the run for this session, so that no other carries it. Returns False where another holds it."""
    return bool(session.one("hold_run", run_id=run_id).held)


def release_run(session: Session, run_id: int) -> None:
    """Release the run, which this session holds."""
    session.one("release_run", run_id=run_id)


def list_unfinished_runs(session: Session, job: Job) -> list[Run]:
    """The job's runs that have not ended, oldest first."""
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
    """Record that another process goes on with the run."""
    session.do("resume_run", run_id=run_id)


def enqueue_due(
    session: Session,
    job: Job,
    run: Run,
    *,
    look: Look,
    model_versions: Sequence[str],
    limit: int | None,
    kept: bool = True,
    as_known_at: datetime | None = None,
) -> int:
    """Enqueue the due entities of a look as the run's work, up to `limit`. Returns how many.

    Each will be scored by what was recorded up to `as_known_at`; up to its own as-of time, where that is None. `model_versions` are
    those whose scores the run publishes: what they refused as of the end of a settled record is not due again. The work of a run
    that is not `kept` is apart from that of other runs.
    """
    query = without_comments(statement("enqueue_due"))
    if look.sweep:  # the outcome of every entity is read: better all at once
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
        "sweep": look.sweep,
        "entity_ids": look.entity_ids,
        "swept": look.sweep and limit is None and as_known_at is None,
    }
    where = f"The statement due of job {job.name}"
    with sentences(where=where):
        row = session.execute(query, only_named(query, parameters, where=where)).one()
    return int(row.eligible)


def list_missing(session: Session, job: Job, run: Run, *, swept: bool) -> list[str]:
    """The entities with a score that the run, whose work is enqueued, did not find.

    Some are gone; others have settled. Where it `swept`, they are those that its due statement does not return, however old their score is.
    """
    plain = {"job": job.name, "output": job.output, "as_of": run.as_of}
    if not (swept and "sweep" in parameters_of(job.statements["due"])):
        return [row.entity_id for row in session.all("list_looked_for", **plain)]
    query = statement("list_missing").replace("{due}", without_comments(job.statements["due"]))
    parameters = {**job.parameters, **plain, "sweep": True, "entity_ids": "{}"}
    where = f"The statement due of job {job.name}"
    with sentences(where=where):
        return [row.entity_id for row in session.execute(query, only_named(query, parameters, where=where))]


def end_looking(session: Session, job: Job, run: Run, entity_ids: Sequence[str]) -> None:
    """Stop looking for those of the entities whose score has long been stale: their record has settled."""
    session.do("end_looking", job=job.name, output=job.output, as_of=run.as_of, entity_ids=texts(entity_ids))


def sample_due(session: Session, job: Job, *, as_of: datetime, limit: int) -> tuple[WorkItem, ...]:
    """Some of the entities that `due` gives as of a time, as items of work that is not enqueued.

    Raises UserError where a column is of another type than the engine can take.
    """
    query = without_comments(statement("sample_due")).replace("{due}", without_comments(job.statements["due"]))
    where = f"The statement due of job {job.name}"
    parameters = {**job.parameters, "as_of": as_of, "sweep": True, "entity_ids": "{}", "max_entities": limit}
    with sentences(where=where):
        rows = session.execute(query, only_named(query, parameters, where=where)).all()
    for row in rows:
        for column, kind, wanted in (
            ("entity_id", str, "text"),
            ("as_of", datetime, "a timestamptz"),
            ("settled", bool, "a boolean"),
        ):
            if not isinstance(getattr(row, column), kind):
                raise UserError(
                    f"{where} gives {column} as {type(getattr(row, column)).__name__}, where {wanted} is expected; CAST it."
                )
    return tuple(WorkItem(entity_id=row.entity_id, as_of=row.as_of) for row in rows)


def wait_for_answers(session: Session, job: Job) -> None:
    """Wait until no request of the job is being answered; no answer begins before this transaction ends."""
    session.one("wait_for_answers", job=job.name)


def count_waiting(session: Session, run_id: int) -> int:
    """How many entities of the run still wait to be scored."""
    return int(session.one("count_waiting", run_id=run_id).waiting)


def is_waiting(session: Session, run_id: int) -> bool:
    """Whether any entity of the run still waits to be scored."""
    return bool(session.one("is_waiting", run_id=run_id).waiting)


def count_carried(session: Session, run_id: int) -> int:
    """How many entities of the run have their outcome."""
    return int(session.one("count_carried", run_id=run_id).carried)


def give_up_work(session: Session, run_id: int) -> None:
    """Delete the rest of the run's work; its entities stay due for the next run."""
    session.do("give_up_work", run_id=run_id)


def end_run(session: Session, run_id: int, *, error: str | None = None) -> None:
    """Mark the run succeeded, or failed with `error`, unless work of it still waits.

    The database refuses a success whose counts do not balance.
    """
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


# Jobs, and their versions


def lock_installs(session: Session) -> None:
    """Wait until no other process installs jobs; held until the transaction ends."""
    session.do("lock_installs")


def switch_job(session: Session, name: str, *, enabled: bool, by_default: bool) -> bool:
    """Record that a job was enabled or disabled. Returns whether it was the other before.

    `by_default` is whether it is enabled where that was never recorded.
    """
    return bool(session.all("switch_job", job=name, enabled=enabled, by_default=by_default))


def register_job_version(session: Session, job: Job) -> None:
    """Record the job's version with its definition, unless it is recorded already."""
    session.do(
        "register_job_version",
        job=job.name,
        job_version=job.version,
        definition=json.dumps(job.definition),
        facility=seen_by(job.text, facility=job.features.facility_attribute),
    )


# Whom a run looks at


def find_recent_sweep(session: Session, job: Job, *, begun_since: datetime, as_of_since: datetime) -> bool:
    """Whether this job version was swept by a run that began, and was as of, no earlier than these."""
    row = session.one(
        "find_recent_sweep",
        job=job.name,
        job_version=job.version,
        begun_since=begun_since,
        as_of_since=as_of_since,
    )
    return bool(row.swept)


def list_unsettled(session: Session, job: Job, *, model_versions: tuple[str, ...]) -> str:
    """The entities that every run looks at, however long ago their record ended, as the text of an array."""
    row = session.one(
        "list_unsettled",
        job=job.name,
        output=job.output,
        job_version=job.version,
        model_versions=list(model_versions),
    )
    return str(row.entity_ids)


def list_orphans(session: Session, job: Job) -> list[str]:
    """Entities that were found to have observations but not to exist, and are not corrected yet."""
    return [row.entity_id for row in session.all("list_orphans", job=job.name)]


def is_run_held(session: Session, run_id: int) -> bool:
    """Whether a living process carries the run."""
    return bool(session.one("is_run_held", run_id=run_id).held)
