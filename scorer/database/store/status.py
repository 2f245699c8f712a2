"""What `scorer status` and the metrics read: where the jobs stand, and what was done since."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from scorer.database.readonly_session import ReadOnlySession

if TYPE_CHECKING:  # `scorer status` waits for no SQLAlchemy
    from scorer.database.session import Session


@dataclass(frozen=True, slots=True)
class JobHealth:
    """Where a job stands: its row of reporting.health and its last run; ages are by the database's clock."""

    job: str
    ready: bool
    model_version: str | None
    run_id: int | None
    status: str | None
    as_of: datetime | None
    started_at: datetime | None
    finished_at: datetime | None
    eligible: int | None
    scored: int | None
    unchanged: int | None
    quarantined: int | None
    insufficient: int | None
    indeterminate: int | None
    failed: int | None
    error: str | None
    last_success_at: datetime | None
    last_tick_at: datetime | None
    last_tick: str | None
    missed_last_day: int
    last_missed_at: datetime | None
    failures: int
    breaker_opened_at: datetime | None
    breaker_next_try_at: datetime | None
    breaker_reason: str | None
    backlog: int
    backlog_seconds: float
    requests_waiting: int
    requests_seconds: float
    write_backs_waiting: int
    write_backs_seconds: float
    take_backs_waiting: int
    take_backs_seconds: float
    flags: Mapping[str, Mapping[str, Any]] | None
    read_at: datetime


@dataclass(frozen=True, slots=True)
class ScoreCounts:
    """How many scores of a job are valid, expire within the hour or are stale; how many entities are held."""

    job: str
    valid: int
    expiring: int
    stale: int
    held: int


@dataclass(frozen=True, slots=True)
class ValidScores:
    """What a job's valid scores are like.

    Ages are in seconds since the as-of time: on average, and of the oldest. `mean` is None where there are fewer than 20; `bands` counts
    them by risk band, None where the job has none.
    """

    job: str
    age_seconds: float
    oldest_seconds: float
    mean: float | None
    bands: Mapping[str, int] | None


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """What the newest checkup found of a job's model in production; None where it had too little to go by.

    `live` are its live figures, `own` those of its manifest, by the names that the job's task has for them; `due`: for training.
    """

    job: str
    worst_psi: float | None
    score_psi: float | None
    live: Mapping[str, float] | None
    own: Mapping[str, float] | None
    due: bool


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon's row; `alive`: it was seen within the last minute.

    `jobs` are those that it runs; None where it does not say.
    """

    daemon: str
    version: str
    started_at: datetime
    beat_at: datetime
    ready: bool
    alive: bool
    detail: str
    jobs: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Newest:
    """The keys of the newest run and batch, 0 where there is none, and of the runs that have not ended."""

    run_id: int
    running: frozenset[int]
    batch_id: int


@dataclass(frozen=True, slots=True)
class RunSeen:
    """What the metrics need of a run."""

    run_id: int
    job: str
    trigger: str
    status: str


@dataclass(frozen=True, slots=True)
class BatchSeen:
    """What the metrics need of a committed batch; `seconds` are by step of the pipeline."""

    batch_id: int
    run_id: int
    job: str
    scored: int
    unchanged: int
    quarantined: int
    insufficient: int
    indeterminate: int
    failed: int
    observations_read: int
    observations_dropped: int
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class RuleFailures:
    """How many rows broke a rule."""

    job: str
    suite: str
    rule: str
    unexpected: int


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that was answered, and after how many seconds."""

    job: str
    seconds: float


def read_revision(session: ReadOnlySession) -> str | None:
    """The revision of the schema; None where there is no schema."""
    rows = session.all("find_revision")
    if not rows or not rows[0].is_there:
        return None
    revision: str | None = session.all("read_revision")[0].revision
    return revision


def list_health(session: ReadOnlySession) -> list[JobHealth]:
    """Where each job of the database stands, by name."""
    return [JobHealth(**row._asdict()) for row in session.all("list_health")]


def list_switches(session: ReadOnlySession | Session) -> dict[str, bool]:
    """By name, whether each job that was ever enabled or disabled is enabled."""
    return {row.job: row.enabled for row in session.all("list_switches")}


def list_missing_tables(session: ReadOnlySession, tables: Sequence[tuple[str, str]]) -> list[str]:
    """Those of `tables`, each a schema and a name, that the database does not have, as schema.name."""
    if not tables:
        return []
    schemas, names = (list(each) for each in zip(*tables, strict=True))
    rows = session.all("list_missing_tables", schemas=schemas, names=names)
    return [f"{row.table_schema}.{row.table_name}" for row in rows]


def count_scores(session: ReadOnlySession) -> list[ScoreCounts]:
    """Count the current scores of each job, in some 0.3 s for a million: a look whose cost grows."""
    return [ScoreCounts(**row._asdict()) for row in session.all("count_scores")]


def describe_scores(session: ReadOnlySession) -> list[ValidScores]:
    """What the valid scores of each job are like that has any; its cost grows as that of `count_scores`."""
    return [ValidScores(**row._asdict()) for row in session.all("describe_scores")]


def list_checkups(session: ReadOnlySession) -> list[ModelCheck]:
    """What was last found of each job's model in production, by name of the job."""
    return [ModelCheck(**row._asdict()) for row in session.all("list_checkups")]


def list_daemons(session: ReadOnlySession) -> list[Daemon]:
    """The daemons seen within the last day, by name."""
    return [Daemon(**row._asdict()) for row in session.all("list_daemons")]


def newest_ids(session: ReadOnlySession) -> Newest:
    """The newest keys, from which the metrics count."""
    (row,) = session.all("newest_ids")
    return Newest(run_id=row.run_id, running=frozenset(row.running), batch_id=row.batch_id)


def runs_since(session: ReadOnlySession, newest: int, *, open_ids: Collection[int]) -> list[RunSeen]:
    """The runs that are newer than the key `newest`, and those of the keys `open_ids`, ended or not."""
    return [RunSeen(**row._asdict()) for row in session.all("runs_since", newest=newest, open_ids=list(open_ids))]


def batches_since(session: ReadOnlySession, newest: int, *, open_ids: Collection[int]) -> list[BatchSeen]:
    """The batches that are newer than the key `newest`, and those of the keys `open_ids`."""
    return [BatchSeen(**row._asdict()) for row in session.all("batches_since", newest=newest, open_ids=list(open_ids))]


def rule_failures(
    session: ReadOnlySession, batches: Sequence[BatchSeen], *, stopped_runs: Collection[int]
) -> list[RuleFailures]:
    """How many rows broke each rule in these batches, and in the rolled back batch of each stopped run."""
    rows = session.all(
        "rule_failures",
        batch_ids=[batch.batch_id for batch in batches],
        of_runs=sorted({batch.run_id for batch in batches}),
        stopped_runs=list(stopped_runs),
    )
    return [RuleFailures(**row._asdict()) for row in rows]


def answered_requests(session: ReadOnlySession, *, run_ids: Collection[int]) -> list[Answered]:
    """The requests that these runs answered."""
    return [Answered(**row._asdict()) for row in session.all("answered_requests", run_ids=list(run_ids))]


def band_counts(session: Session, job: str) -> list[Mapping[str, Any]]:
    """How many entities are in each status and band, as rows to show."""
    return session.shown("band_counts", job=job)


def open_findings(session: Session, job: str) -> list[Mapping[str, Any]]:
    """The open findings by rule, as rows to show."""
    return session.shown("open_findings", job=job)
