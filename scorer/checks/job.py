"""The check of a job: its folder, its model, and each of its statements against this database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from scorer.checks.recording import recorded_late
from scorer.checks.result import CheckResult, result_of
from scorer.checks.sample import Sample, tell_sample, try_sample
from scorer.checks.write_back import Rounded, check_write_back
from scorer.config import Settings
from scorer.database.access.flags import read_job_flags
from scorer.database.connection import Database
from scorer.database.store.batches import claim_work
from scorer.database.store.chores import nightly
from scorer.database.store.ledger import take_back, write_back, write_outcomes
from scorer.database.store.requests import find_asked
from scorer.jobs.job import Job, load_scheduled
from scorer.runs.due import enqueue
from scorer.scoring.opening import Pipeline, open_pipeline
from scorer.types.enums import Trigger

_TICKS_SHOWN = 3
_SAMPLE = 20  # entities that are read


def check_job(name: str, *, database: Database) -> Iterator[CheckResult]:
    """Open the job and run its statements for some entities: does it hold, do their data, does write-back.

    All happens in transactions that are rolled back. What the data of single entities lack keeps nobody else from being scored, and
    blocks nothing.
    """
    opened: list[tuple[Pipeline, Sample]] = []

    def look() -> str:
        job = load_scheduled(name, settings=database.settings)
        pipeline = open_pipeline(job, database=database)
        opened.append((pipeline, Sample()))
        sample, late = _run_statements(pipeline)
        opened[0] = pipeline, sample
        found = f"version {job.version}, model {pipeline.model.manifest.model_version}, {_schedule(job)}"
        return found if late is None else f"{found}. {late}"

    try:
        of_job = result_of(f"job {name}", look, job=name)
        yield of_job
        if of_job.holds:
            ((pipeline, sample),) = opened
            yield result_of(f"job {name} data", lambda: tell_sample(sample), job=name, blocks=False)
            yield from _flags(pipeline)
            if "write_back" in pipeline.job.statements:
                yield _write_back(pipeline, sample)
    finally:
        for pipeline, _ in opened:
            pipeline.close()


def _flags(pipeline: Pipeline) -> Iterator[CheckResult]:
    """What of the job is switched off, or on for some alone: a decision, and no fault.

    Nothing where all is on.
    """
    with pipeline.session.transaction():
        restricted = read_job_flags(pipeline.session, pipeline.job.name).restricted
    if restricted is not None:
        name = pipeline.job.name
        yield CheckResult(
            f"job {name} flags", holds=True, found=f"{restricted}; see `scorer flag list`", blocks=False, job=name
        )


def _run_statements(pipeline: Pipeline) -> tuple[Sample, str | None]:
    """Run each of the job's statements, and roll back.

    Returns what became of a sample, and a sentence where its observations were recorded too late for it.
    """
    job = pipeline.job
    with pipeline.session.transaction(keep=False):
        run, _ = enqueue(
            pipeline, as_of=None, limit=_SAMPLE, trigger=Trigger.MANUAL, nightly=nightly(Settings()), kept=False
        )
        # What a statement gives shows only where it gives rows.
        items = claim_work(pipeline.session, job, run, size=_SAMPLE)
        sample = try_sample(pipeline, run, items)
        late = recorded_late(pipeline, items)
        find_asked(pipeline.session, job, [item.entity_id for item in items], as_of=run.as_of)
        write_outcomes(
            pipeline.session, job, run, batch_id=0, model_version=pipeline.model.manifest.model_version, outcomes=()
        )
        write_back(pipeline.session, job, max_waiting=0)
        take_back(pipeline.session, job, max_waiting=0)
    return sample, late


def _write_back(pipeline: Pipeline, sample: Sample) -> CheckResult:
    job, what = pipeline.job, f"job {pipeline.job.name} write-back"
    rounded: list[str] = []

    def look() -> str:
        try:
            return check_write_back(pipeline.session, job, entity_ids=sample.entity_ids, labels=sample.labels)
        except Rounded as found:
            rounded.append(str(found))
            raise

    result = result_of(what, look, job=job.name)
    return replace(result, blocks=not rounded)


def _schedule(job: Job) -> str:
    ticks = [datetime.now(UTC)]
    for _ in range(_TICKS_SHOWN):
        ticks.append(job.schedule.next_tick(after=ticks[-1]))
    shown = ", ".join(f"{tick:%Y-%m-%d %H:%M}" for tick in ticks[1:])
    return f"schedule {job.schedule.cron} {job.schedule.timezone}: next {shown} UTC"
