"""The database's side of ours: one method per statement in sql/engine/, rows in, values out.

All methods work inside `transaction()`. A test holds methods and files to each other and prepares each statement on the migrated
schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from scorer.database.array_literals import texts, wholes
from scorer.database.connection import sentences
from scorer.database.copy_format import documents, flag, moment, number, raw, text, whole, word
from scorer.database.session import Session, only_named
from scorer.database.statements import statement, without_comments
from scorer.errors import UserError
from scorer.jobs.job import Job
from scorer.types.enums import Status, Trigger
from scorer.types.values import Counts, Outcome, Previous, Published, Reason, Rejection, RuleResult, Run, WorkItem
from scorer.version import __version__

# Enough for a hundred entities that are scored again and again, at a cost that a batch does not feel.
_RECENT_SCORES = 2000
_ONE_BY_ONE = "OFFSET 0"  # in enqueue_due.sql
_WAITING_AT_ONCE = 5000  # rows passed over earlier that a batch tries again


class Store(Session):
    """A session that carries runs."""

    # A run

    def begin_run(
        self,
        job: Job,
        *,
        model_version: str,
        trigger: Trigger,
        as_of: datetime | None,
        as_known_at: datetime | None = None,
        scheduled_for: datetime | None = None,
    ) -> Run:
        """A new run, as of a time (now by the database's clock, where none is given), by what the database knew then, or `as_known_at`."""
        row = self.one(
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

    def make_current_partition(self) -> None:
        """Have the ledger's partitions of this month; in a transaction of its own, since others wait for one that is made."""
        self.do("make_current_partition")

    def hold_run(self, run_id: int) -> bool:
        """Whether this session now holds the run: nobody else carries it."""
        return bool(self.one("hold_run", run_id=run_id).held)

    def release_run(self, run_id: int) -> None:
        """Give the run back."""
        self.one("release_run", run_id=run_id)

    def list_unfinished_runs(self, job: Job) -> list[Run]:
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
            for row in self.all("list_unfinished_runs", job=job.name)
        ]

    def resume_run(self, run_id: int) -> None:
        """Count one more process that goes on with this run."""
        self.do("resume_run", run_id=run_id)

    def enqueue_due(
        self,
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
            row = self.execute(query, only_named(query, parameters, where=where)).one()
        return int(row.eligible)

    def wait_for_answers(self, job: Job) -> None:
        """Wait until no answer to a request is under way; none begins before this transaction ends."""
        self.one("wait_for_answers", job=job.name)

    def count_waiting(self, run_id: int) -> int:
        """How many entities of the run still wait."""
        return int(self.one("count_waiting", run_id=run_id).waiting)

    def is_waiting(self, run_id: int) -> bool:
        """Whether any does."""
        return bool(self.one("is_waiting", run_id=run_id).waiting)

    def count_carried(self, run_id: int) -> int:
        """How many entities of the run have ended."""
        return int(self.one("count_carried", run_id=run_id).carried)

    def give_up_work(self, run_id: int) -> None:
        """Leave the rest of the run's work to the next run."""
        self.do("give_up_work", run_id=run_id)

    def end_run(self, run_id: int, *, error: str | None = None) -> None:
        """Mark the run succeeded, or failed with `error`, if nothing of it waits; the database refuses a success that does not balance."""
        self.do("end_run", run_id=run_id, error=error)

    def read_run(self, run_id: int) -> Run:
        """The run as its row stands."""
        row = self.one("read_run", run_id=run_id)
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

    def lock_against_recalls(self, job: Job, *, model_version: str, run: Run | None) -> None:
        """Keep recalls of the job's scores out until the transaction ends; the first statement of whatever scores.

        Raises UserError where the job version was recalled since `run` (None: one that is still to begin) began.
        """
        self.do(
            "lock_against_recalls",
            job=job.name,
            model_version=model_version,
            job_version=job.version,
            begun_at=None if run is None else run.started_at,
        )

    def claim_work(self, job: Job, run: Run, *, size: int) -> tuple[WorkItem, ...]:
        """Up to `size` due entities, taken by this transaction."""
        self.do("prefer_index_scans")
        rows = self.all("claim_work", run_id=run.run_id, job=job.name, output=job.output, max_items=size)
        self.do("restore_planner")
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

    def finish_work(self, items: Sequence[WorkItem]) -> None:
        """Remove what was claimed, in the same transaction."""
        self.do("finish_work", work_ids=wholes(item.work_id for item in items if item.work_id is not None))

    def recent_scores(self, job: Job, *, model_version: str, look_back: int) -> list[Published]:
        """The newest scores that a model published, newest first, as far as the newest `look_back` rows of the ledger hold them."""
        with sentences():
            rows = self.all(
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

    def next_batch(self) -> int:
        """The key of the batch about to be written."""
        return int(self.one("next_batch").batch_id)

    def create_staged_outcomes(self) -> None:
        """Have somewhere to copy a batch's outcomes to."""
        self.make("create_staged_outcomes")

    def write_outcomes(
        self, job: Job, run: Run, *, batch_id: int, model_version: str, outcomes: Sequence[Outcome]
    ) -> None:
        """Append new outcomes to the ledger and make them current."""
        self.create_staged_outcomes()
        self.copy("copy_outcomes", _outcome_rows(outcomes))
        self.do(
            "write_ledger",
            job=job.name,
            output=job.output,
            task=job.task.value,
            run_id=run.run_id,
            batch_id=batch_id,
            model_version=model_version,
            job_version=job.version,
        )
        self.do(
            "write_current",
            job=job.name,
            output=job.output,
            model_version=model_version,
            job_version=job.version,
        )
        self._write_reasons(run, outcomes)

    def _write_reasons(self, run: Run, outcomes: Iterable[Outcome]) -> None:
        """Keep the reasons of the scores that have some."""
        fields = [
            _reason_fields(outcome.entity_id, rank, reason)
            for outcome in outcomes
            for rank, reason in enumerate(outcome.reasons, start=1)
        ]
        if fields:
            self.make("create_staged_reasons")
            self.copy("copy_reasons", fields)
            self.do("write_reasons", run_id=run.run_id)

    def write_back(self, job: Job, *, max_waiting: int = _WAITING_AT_ONCE) -> int:
        """How many rows of the hospital's table were passed over, because somebody holds them; the rest bear their scores now.

        Written are the batch's scores, and up to `max_waiting` of those passed over earlier that are not stale.
        """
        if "write_back" not in job.statements:
            return 0
        self.create_staged_outcomes()
        self.make("create_staged_write_back")
        self.do("stage_write_back", job=job.name, output=job.output, max_waiting=max_waiting)
        return int(
            self.one(
                "record_write_backs", job=job.name, written=texts(self._write_staged(job, "write_back"))
            ).passed_over
        )

    def take_back(self, job: Job, *, max_waiting: int = _WAITING_AT_ONCE) -> int:
        """How many rows of the hospital's table still bear a recalled score, because somebody holds them; of the others it is gone."""
        if "take_back" not in job.statements:
            return 0
        self.make("create_staged_take_back")
        self.do("stage_take_back", job=job.name, output=job.output, max_waiting=max_waiting)
        return int(
            self.one("record_take_backs", job=job.name, written=texts(self._write_staged(job, "take_back"))).passed_over
        )

    def _write_staged(self, job: Job, name: str) -> list[str]:
        """Run the job's own statement, from pg_temp.staged_<name> into the hospital's table; the entities that it wrote."""
        where = f"The statement {name} of job {job.name}"
        with sentences(where=where):
            result = self.execute(job.statements[name], {})
        if not result.returns_rows or "entity_id" not in result.keys():  # noqa: SIM118 - a result is no mapping
            raise UserError(
                f"{where} does not return the column 'entity_id', which tells what was written; "
                f"end it with RETURNING and the entity_id of pg_temp.staged_{name}."
            )
        return [str(entity_id) for entity_id in result.scalars("entity_id") if entity_id is not None]

    def write_rejections(self, job: Job, run: Run, *, rejections: Iterable[Rejection], judged: Sequence[str]) -> None:
        """Record what was refused, and close what was open about `judged` entities and was not found again."""
        self._write_findings(job, run, rejections=rejections)
        self.do("resolve_rejections", job=job.name, judged=texts(judged))

    def write_orphans(self, job: Job, run: Run, *, rejections: Iterable[Rejection]) -> None:
        """Record observations of entities that do not exist, and close what was open of them and was not found again."""
        self._write_findings(job, run, rejections=rejections)
        self.do("resolve_orphans", job=job.name)

    def _write_findings(self, job: Job, run: Run, *, rejections: Iterable[Rejection]) -> None:
        self.make("create_staged_rejections")
        if found := [_rejection_fields(each) for each in rejections]:
            self.copy("copy_rejections", found)
            self.do("write_rejections", job=job.name, run_id=run.run_id)

    def record_batch(
        self,
        run: Run,
        *,
        batch_id: int,
        model_version: str,
        worker: str,
        counts: Counts,
        observations_read: int,
        observations_dropped: int,
        unknown_codes: Mapping[str, int],
        seconds: Mapping[str, float],
        shadows: int = 0,
    ) -> None:
        """Record the batch: counts, how many rows of the ledger a challenger made beside, and where the time went."""
        self.do(
            "record_batch",
            batch_id=batch_id,
            run_id=run.run_id,
            model_version=model_version,
            worker=worker,
            shadows=shadows,
            observations_read=observations_read,
            observations_dropped=observations_dropped,
            unknown_codes=json.dumps(unknown_codes),
            seconds=json.dumps({step: round(value, 6) for step, value in seconds.items()}),
            **asdict(counts),
        )

    def record_feature_counts(
        self, run: Run, *, batch_id: int, model_version: str, scores: int, counts: Sequence[int]
    ) -> None:
        """Record how many of the batch's scored rows lie in each bin of the model's baseline."""
        self.do(
            "record_feature_counts",
            batch_id=batch_id,
            run_id=run.run_id,
            job=run.job,
            model_version=model_version,
            scores=scores,
            counts=wholes(counts),
        )

    def record_validation(self, run: Run, *, batch_id: int | None, results: Sequence[RuleResult]) -> None:
        """Record what each rule found in a batch."""
        self.do(
            "record_validation",
            run_id=run.run_id,
            batch_id=batch_id,
            results=json.dumps([asdict(result) for result in results]),
        )

    # Jobs and models

    def lock_installs(self) -> None:
        """Wait until no other process installs jobs; held until the transaction ends."""
        self.do("lock_installs")

    def register_job_version(self, job: Job) -> None:
        """Keep the job as its files stand."""
        self.do(
            "register_job_version",
            job=job.name,
            job_version=job.version,
            definition=json.dumps(job.definition),
        )

    def register_model(self, job: str, *, model_version: str, sha256: str, manifest: Mapping[str, Any]) -> bool:
        """Whether the version was registered just now, as a candidate; False where it was there before."""
        return bool(
            self.all(
                "register_model",
                job=job,
                model_version=model_version,
                sha256=sha256,
                manifest=json.dumps(manifest),
            )
        )

    def move_model(self, job: str, *, model_version: str, status: str, why: str) -> None:
        """Move a model version to a status; the database refuses a step that is not allowed."""
        self.do("move_model", job=job, model_version=model_version, status=status, why=why)

    def production_model(self, job: str) -> tuple[str, str] | None:
        """Version and SHA-256 of the model in production, if there is one."""
        rows = self.all("production_model", job=job)
        return (rows[0].model_version, rows[0].sha256) if rows else None

    def count_models(self, job: str) -> int:
        """How many versions of a job's model are registered."""
        return int(self.one("count_models", job=job).registered)

    def list_models(self) -> list[Mapping[str, Any]]:
        """The registered models, as rows to show."""
        return self.shown("list_models")

    # Views for people

    def band_counts(self, job: str) -> list[Mapping[str, Any]]:
        """How many entities stand in each status and band, as rows to show."""
        return self.shown("band_counts", job=job)

    def open_findings(self, job: str) -> list[Mapping[str, Any]]:
        """The open findings by rule, as rows to show."""
        return self.shown("open_findings", job=job)

    def describe_session(self) -> Mapping[str, Any]:
        """Server, login and role of this session, as a row to show."""
        return self.shown("describe_session")[0]


def previous_of(row: Any) -> Previous | None:
    """The current outcome of the entity in a row, if it has one."""
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


def _outcome_rows(outcomes: Sequence[Outcome]) -> Iterator[tuple[bytes, ...]]:
    """In the order of sql/engine/ledger/copy_outcomes.sql."""
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
    """In the order of sql/engine/ledger/copy_reasons.sql."""
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


def _rejection_fields(rejection: Rejection) -> tuple[bytes, ...]:
    """In the order of sql/engine/batches/copy_rejections.sql."""
    return (
        text(rejection.entity_id),
        text(rejection.observation_id or ""),
        word(rejection.rule),
        word(rejection.action.value),
        word(rejection.column_name),
        text(rejection.observed),
        text(rejection.expected),
    )
