"""Requests: scores asked for on demand, taken, answered, refused, cancelled or expired.

A request is of one entity, or of a cohort in one row. Every function works within a transaction of the session.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from scorer.database.error_messages import sentences
from scorer.database.session import Session
from scorer.database.statements import only_named, statement
from scorer.database.store.batches import previous_of
from scorer.jobs.job import Job
from scorer.jobs.sql_text import without_comments
from scorer.types.values import Counts, Run, WorkItem


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, or an entity of a cohort, that was taken, and as of which moment it is to be answered."""

    request_id: int
    entity_id: str
    as_of: datetime
    of_cohort: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """How an entity of a cohort ended: its outcome, or ABSENT or REFUSED with the reason."""

    entity_id: str
    outcome: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken of a job, and what is held, since another session answers for the entity.

    Held are keys of requests, or entities of a cohort. `blocked`: a run is making its work visible at this moment, so that none could be
    taken. `cohort_waits`: where requests of one entity were looked for, a cohort waits besides.
    """

    asked: tuple[Asked, ...]
    held: tuple[int | str, ...] = ()
    blocked: bool = False
    cohort_waits: bool = False


# Answering


def list_asked_jobs(session: Session, jobs: Collection[str]) -> list[str]:
    """Those of `jobs` that have waiting requests, the most urgent and oldest first."""
    return [row.job for row in session.all("list_asked_jobs", jobs=list(jobs))]


def take_requests(session: Session, job: Job, *, max_requests: int, passed_over: Collection[int] = ()) -> Taken:
    """Take waiting requests of one entity each, for this transaction, except those passed over.

    A request whose entity another session answers for is not taken.
    """
    rows = session.all("take_requests", job=job.name, passed_over=list(passed_over), max_requests=max_requests)
    return Taken(
        asked=tuple(
            Asked(request_id=row.request_id, entity_id=row.entity_id, as_of=row.as_of)
            for row in rows
            if row.ours and row.request_id is not None
        ),
        held=tuple(row.request_id for row in rows if not row.ours and row.request_id is not None),
        blocked=any(row.request_id is None and not row.ours for row in rows),
        cohort_waits=any(row.request_id is None and row.ours for row in rows),
    )


def take_members(session: Session, job: Job, *, max_entities: int, passed_over: Collection[str] = ()) -> Taken:
    """Take entities of the job's most urgent waiting cohort, except those passed over."""
    rows = session.all("take_members", job=job.name, passed_over=list(passed_over), max_entities=max_entities)
    return Taken(
        asked=tuple(
            Asked(request_id=row.request_id, entity_id=row.entity_id, as_of=row.as_of, of_cohort=True)
            for row in rows
            if row.ours
        ),
        held=tuple(row.entity_id for row in rows if not row.ours and row.request_id is not None),
        blocked=any(row.request_id is None for row in rows),
    )


def find_asked(session: Session, job: Job, entity_ids: Sequence[str], *, as_of: datetime) -> dict[str, datetime]:
    """Those of the entities that exist, each with the moment as of which it is to be scored."""
    name = "requested" if "requested" in job.statements else "due"
    query = statement("find_asked").replace("{asked}", without_comments(job.statements[name]))
    parameters = {"entity_ids": list(entity_ids), "as_of": as_of, "sweep": False, **job.parameters}
    where = f"The statement {name} of job {job.name}"
    with sentences(where=where):
        rows = session.execute(query, only_named(query, parameters, where=where)).all()
    return {row.entity_id: row.as_of for row in rows}


def hold_asked(session: Session, job: Job, entities: Mapping[str, datetime]) -> tuple[WorkItem, ...]:
    """Hold the entities for this transaction, without those that a worker is scoring. Returns those held."""
    rows = session.all(
        "hold_asked",
        job=job.name,
        output=job.output,
        entity_ids=list(entities),
        as_ofs=list(entities.values()),
    )
    return tuple(WorkItem(entity_id=row.entity_id, as_of=row.as_of, previous=previous_of(row)) for row in rows)


def acknowledge_requests(session: Session, job: Job, run: Run, answers: Sequence[tuple[Asked, str]]) -> int:
    """Answer requests, each with its entity's outcome. Returns how many expired instead, being late."""
    rows = session.all(
        "acknowledge_requests",
        job=job.name,
        output=job.output,
        run_id=run.run_id,
        request_ids=[asked.request_id for asked, _ in answers],
        entity_ids=[asked.entity_id for asked, _ in answers],
        outcomes=[outcome for _, outcome in answers],
    )
    return sum(row.status == "expired" for row in rows)


def answer_members(session: Session, job: Job, *, request_id: int, endings: Sequence[Ending]) -> bool:
    """Record how entities of a cohort ended. Returns False where the cohort expired instead."""
    rows = session.all(
        "answer_members",
        job=job.name,
        output=job.output,
        request_id=request_id,
        entity_ids=[each.entity_id for each in endings],
        outcomes=[each.outcome for each in endings],
        reasons=[each.reason for each in endings],
    )
    return all(row.status != "expired" for row in rows)


def expire_requests(session: Session) -> dict[str, int]:
    """Mark the requests whose deadline has passed as expired. Returns how many by job."""
    return dict(Counter(row.job for row in session.all("expire_requests")))


def finish_answers(session: Session, run: Run, counts: Counts) -> None:
    """Mark a run that answered requests as succeeded; the database refuses counts that do not balance."""
    session.do("finish_answers", run_id=run.run_id, **asdict(counts))


def refuse_requests(session: Session, request_ids: Sequence[int], *, reason: str) -> int:
    """Refuse those of the requests that still wait. Returns how many."""
    return len(session.all("refuse_requests", request_ids=list(request_ids), reason=reason))


def refuse_strangers(session: Session, jobs: Collection[str], *, patience: timedelta) -> list[tuple[int, str]]:
    """Refuse requests of other jobs than `jobs` that have waited for `patience`. Returns keys and jobs."""
    rows = session.all("refuse_strangers", jobs=list(jobs), patience=patience)
    return [(row.request_id, row.job) for row in rows]


def refuse_left_out(session: Session, left_out: Mapping[str, str], *, patience: timedelta) -> list[tuple[int, str]]:
    """Refuse requests of the jobs `left_out`, each with its reason, that have waited for `patience`.

    A request of a job that another daemon runs stays. Returns keys and jobs.
    """
    rows = session.all("refuse_left_out", jobs=list(left_out), reasons=list(left_out.values()), patience=patience)
    return [(row.request_id, row.job) for row in rows]


def list_strange_jobs(session: Session, jobs: Collection[str], *, patience: timedelta) -> dict[str, int]:
    """Other jobs than `jobs` whose requests have waited for `patience`, with how many requests."""
    rows = session.all("list_strange_jobs", jobs=list(jobs), patience=patience)
    return {row.job: row.requests for row in rows}


def ask_for_arrivals(session: Session, job: Job) -> int:
    """Request scores of entities with enough new observations. Returns how many."""
    rows = session.all(
        "ask_for_arrivals", job=job.name, min_observations=job.min_observations, forget_after=job.valid_for
    )
    return len(rows)


# Asking


def request_score(
    session: Session, job: str, entity_ids: Sequence[str], *, timeout: timedelta | None = None
) -> list[int]:
    """Request a score of each entity, within `timeout` (None: 30 s). Returns the keys, in order."""
    rows = session.all("request_score", job=job, entity_ids=list(entity_ids), timeout=timeout)
    return [row.request_id for row in rows]


def request_cohort(session: Session, job: str, entity_ids: Sequence[str], *, timeout: timedelta | None = None) -> int:
    """Request scores of many entities in one request (None: 30 s for each 1000 begun). Returns its key."""
    return int(session.one("request_cohort", job=job, entity_ids=list(entity_ids), timeout=timeout).request_id)


def find_cohort(session: Session, job: str, predicate: str) -> list[str]:
    """The entities of which the predicate holds in reporting.current_scores, by the login's own rights.

    Raises UserError or StatementFailed where the login may not read them, or the predicate cannot be evaluated.
    """
    where = "The predicate of --where"
    with sentences(where=where):
        rows = session.execute(statement("find_cohort"), {"job": job, "predicate": predicate}).all()
    return [row.entity_id for row in rows]


def list_quotas(session: Session) -> list[Mapping[str, Any]]:
    """The quotas that roles have of their own, as rows to show."""
    return session.shown("list_quotas")


def set_quota(session: Session, role: str, *, per_minute: int | None) -> None:
    """Set how many requests a minute a role may make; None: as without a quota of its own."""
    session.do("set_quota", role=role, per_minute=per_minute)


def is_answered(session: Session, job: str) -> bool:
    """Whether requests of the job are answered by a daemon that is alive; also where there is none at all."""
    return bool(session.one("is_answered", job=job).answered)


def cancel_request(session: Session, request_id: int) -> bool:
    """Cancel a waiting request of this login. Returns False where there is none of that key."""
    return bool(session.one("cancel_request", request_id=request_id).cancelled)


def read_requests(session: Session, request_ids: Sequence[int]) -> list[Mapping[str, Any]]:
    """The requests of these keys, as rows to show."""
    return session.shown("read_requests", request_ids=list(request_ids))
