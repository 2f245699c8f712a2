"""The ledger: outcomes with their reasons, which are current, and the scores written back.

Every function works within a transaction of the session.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from scorer.database.encoding import documents, flag, moment, number, raw, text, texts, whole, word
from scorer.database.error_messages import sentences
from scorer.database.session import Session
from scorer.database.store.requests import find_asked
from scorer.errors import UserError
from scorer.jobs.job import Job
from scorer.jobs.sql_text import parameters_of
from scorer.types.enums import ReasonKind, Withdrawal
from scorer.types.flags import NONE_SET, JobFlags, Switch
from scorer.types.values import Outcome, Reason, Run, Standing, WorkItem

WAITING_AT_ONCE = 5000  # rows skipped earlier that a batch tries again
_EVER = datetime(9999, 1, 1, tzinfo=UTC)  # as of then, an entity is there that begins only later


def create_staged_outcomes(session: Session) -> None:
    """Create the temporary table that a batch's outcomes are copied to, unless the session has it."""
    session.make("create_staged_outcomes")


def create_staged_write_back(session: Session) -> None:
    """Create the temporary table that the job's write_back reads, unless the session has it."""
    session.make("create_staged_write_back")


def create_staged_take_back(session: Session) -> None:
    """Create the temporary table that the job's take_back reads, unless the session has it."""
    session.make("create_staged_take_back")


def write_outcomes(
    session: Session, job: Job, run: Run, *, batch_id: int, model_version: str, outcomes: Sequence[Outcome]
) -> None:
    """Append outcomes to the ledger, with their reasons, and make them current."""
    create_staged_outcomes(session)
    session.copy("copy_outcomes", _outcome_rows(outcomes))
    session.do(
        "write_ledger",
        job=job.name,
        output=job.output,
        task=job.task.value,
        run_id=run.run_id,
        batch_id=batch_id,
        model_version=model_version,
        job_version=job.version,
    )
    session.do(
        "write_current",
        job=job.name,
        output=job.output,
        as_of=run.as_of,
        model_version=model_version,
        job_version=job.version,
    )
    _write_reasons(session, run, outcomes)


def read_standing(session: Session, job: Job, entity_ids: Sequence[str]) -> list[Standing]:
    """The current scores of those of the entities that have one, with what they were made of."""
    return [
        Standing(
            item=WorkItem(entity_id=row.entity_id, as_of=row.as_of, as_known_at=row.as_known_at),
            input_hash=None if row.input_hash is None else bytes(row.input_hash),
            attributes=row.attributes,
        )
        for row in session.all("read_standing", job=job.name, output=job.output, entity_ids=texts(entity_ids))
    ]


def withdraw_scores(session: Session, job: Job, reasons: Mapping[str, Withdrawal]) -> int:
    """Take back the current scores of entities, each for its reason. Returns how many had one.

    `take_back` then removes them from the hospital's table. The transaction must keep recalls out (see `lock_against_recalls`).
    """
    return len(
        session.all(
            "withdraw_scores",
            job=job.name,
            output=job.output,
            writes_back="write_back" in job.statements,
            entity_ids=texts([*reasons]),
            reasons=texts([*reasons.values()]),
        )
    )


def _write_reasons(session: Session, run: Run, outcomes: Iterable[Outcome]) -> None:
    """Record the reasons of the scores that have some."""
    fields = [
        _reason_fields(outcome.entity_id, rank, reason)
        for outcome in outcomes
        for rank, reason in enumerate(outcome.reasons, start=1)
    ]
    if fields:
        session.make("create_staged_reasons")
        session.copy("copy_reasons", fields)
        session.do("write_reasons", run_id=run.run_id)


def write_back(session: Session, job: Job, *, max_waiting: int = WAITING_AT_ONCE, flags: JobFlags = NONE_SET) -> int:
    """Write the batch's scores into the hospital's table, skipping locked rows.

    Returns how many rows were skipped; a later batch or run writes them. Up to `max_waiting` rows that were skipped earlier are
    written too; `drop_expired` drops those that are stale by then. Where the `flags` say that nothing is written for an entity, its score
    waits.
    """
    if "write_back" not in job.statements:
        return 0
    create_staged_outcomes(session)
    create_staged_write_back(session)
    setting = flags.setting(Switch.WRITE_BACK)
    session.do(
        "stage_write_back",
        max_waiting=max_waiting,
        setting=None if setting is None else json.dumps(setting),
        **_of_flag(job),
    )
    return int(
        session.one(
            "record_write_backs", job=job.name, written=texts(write_staged(session, job, "write_back"))
        ).passed_over
    )


def take_back(session: Session, job: Job, *, max_waiting: int = WAITING_AT_ONCE) -> int:
    """Remove recalled scores from the hospital's table, skipping locked rows.

    They go out where the flag <job>.write_back is off, too.
    Returns how many rows were skipped; a later call removes their scores, up to `max_waiting` at once. Entities that the source does not
    give at any time have no row, and do not wait for one.
    """
    if "take_back" not in job.statements:
        return 0
    create_staged_take_back(session)
    staged = [row.entity_id for row in session.all("stage_take_back", max_waiting=max_waiting, **_of_flag(job))]
    written = write_staged(session, job, "take_back")
    left = [*{*staged}.difference(written)]
    there = find_asked(session, job, left, as_of=_EVER) if left else {}
    gone = [each for each in left if each not in there]
    recorded = session.one("record_take_backs", job=job.name, output=job.output, written=texts(written + gone))
    return int(recorded.passed_over)


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many rows of the hospital's table wait for a job, and the oldest for how many seconds.

    `recalled` are those of them that may show a recalled score.
    """

    entities: int
    seconds: float
    recalled: int
    recalled_seconds: float


def read_waiting(session: Session, job: Job) -> Waiting:
    """What waits to be written into the hospital's table, or taken out of it.

    What a flag keeps waiting is not counted.
    """
    return Waiting(**session.one("read_waiting", **_of_flag(job))._asdict())


def drop_expired(session: Session, job: Job) -> int:
    """Drop the scores that became stale while they waited for write-back.

    Returns how many of them no flag kept waiting.
    """
    return len(session.all("drop_expired", **_of_flag(job)))


def _of_flag(job: Job) -> dict[str, str]:
    """Parameters of the statements that ask whether something is written for an entity."""
    return {
        "job": job.name,
        "output": job.output,
        "flag": JobFlags(job.name).name(Switch.WRITE_BACK),
        "facility_attribute": job.features.facility_attribute,
    }


def list_holders(session: Session) -> dict[str, int | None]:
    """Other transactions that may hold rows of the tables this one has written to, with their pids.

    A prepared transaction has none.
    """
    return {row.holder: row.pid for row in session.all("list_holders")}


def stage_probe(session: Session, *, entity_id: str, score: float, risk_band: str | None, label: str | None) -> None:
    """Stage a score that nothing gave, for `write_staged`; the caller rolls the transaction back."""
    create_staged_write_back(session)
    session.do(
        "stage_probe", entity_id=entity_id, score=score, risk_band=risk_band, label=label, as_of=datetime.now(UTC)
    )


def stage_recall(session: Session, *, entity_id: str) -> None:
    """Stage an entity as after a recall, for `write_staged`; the caller rolls the transaction back."""
    create_staged_take_back(session)
    session.do("stage_recall", entity_id=entity_id)


def write_staged(session: Session, job: Job, name: str) -> list[str]:
    """Run the job's own statement, which copies pg_temp.staged_<name> to the hospital's table.

    Returns the entities that it wrote. Raises UserError where the statement does not return entity_id.
    """
    where = f"The statement {name} of job {job.name}"
    for parameter in parameters_of(job.statements[name]):
        raise UserError(
            f"{where} names :{parameter}, but it takes no parameters; see pg_temp.staged_{name} for what it reads."
        )
    with sentences(where=where):
        result = session.execute(job.statements[name], {})
    if not result.returns_rows or "entity_id" not in result.keys():  # noqa: SIM118 - a result is no mapping
        raise UserError(
            f"{where} does not return the column 'entity_id', which tells what was written; "
            f"end it with RETURNING and the entity_id of pg_temp.staged_{name}."
        )
    return [str(entity_id) for entity_id in result.scalars("entity_id") if entity_id is not None]


def _outcome_rows(outcomes: Sequence[Outcome]) -> Iterator[tuple[bytes, ...]]:
    """The fields of each outcome, in the order of sql/engine/ledger/copy_outcomes.sql."""
    outputs = documents([outcome.outputs for outcome in outcomes])
    attributes = documents([outcome.attributes for outcome in outcomes])
    for outcome, of_outputs, of_attributes in zip(outcomes, outputs, attributes, strict=True):
        yield (
            text(outcome.entity_id),
            moment(outcome.as_of),
            word(outcome.status.value),
            raw(outcome.input_hash),
            word(outcome.reason),
            number(outcome.score),
            word(outcome.risk_band),
            word(outcome.label),
            of_outputs,
            of_attributes,
            moment(outcome.valid_until),
            raw(outcome.features),
            moment(outcome.as_known_at),
            word(outcome.model_version),
            flag(outcome.shadow),
        )


def _reason_fields(entity_id: str, rank: int, reason: Reason) -> tuple[bytes, ...]:
    """The fields of a reason, in the order of sql/engine/ledger/copy_reasons.sql."""
    return (
        text(entity_id),
        whole(rank),
        word(reason.kind.value),
        word(reason.feature),
        number(reason.value),
        number(reason.contribution),
        word(reason.code),
        word(reason.attribute),
        text(reason.source),
        text(reason.observation_id),
        moment(reason.observation_date),
        number(reason.observation_value),
    )


def read_explained(session: Session, job: Job, entity_id: str, *, score_id: int | None) -> Any:
    """The score to explain, the current one without `score_id`; columns as in read_explained.sql."""
    return session.one("read_explained", job=job.name, entity_id=entity_id, output=job.output, score_id=score_id)


def list_reasons(session: Session, score_id: int) -> tuple[Reason, ...]:
    """The reasons stored with a score."""
    rows = session.shown("list_reasons", score_id=score_id)
    return tuple(Reason(**{**row, "kind": ReasonKind(row["kind"])}) for row in rows)


@dataclass(frozen=True, slots=True)
class RiskAssessment:
    """A score as a FHIR resource, in JSON; where that is None, `lacks` says for want of what."""

    resource: str | None
    lacks: str | None
    recalled: bool


def list_risk_assessments(
    session: Session, job: Job, *, since: datetime | None, until: datetime
) -> Iterator[RiskAssessment]:
    """The resources of scores made or recalled from `since` (None: ever) to before `until`, as they come."""
    for row in session.stream("list_risk_assessments", job=job.name, since=since, until=until):
        yield RiskAssessment(row.resource, row.lacks, row.recalled)
