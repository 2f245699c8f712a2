"""The check of a job: its folder, its model, and each of its statements against this database."""

from __future__ import annotations

from datetime import UTC, datetime

from scorer.checks.recording import recorded_late
from scorer.config import Settings
from scorer.database.connection import Database
from scorer.database.store.batches import claim_work
from scorer.database.store.chores import nightly
from scorer.database.store.ledger import take_back, write_back, write_outcomes
from scorer.database.store.requests import find_asked
from scorer.jobs.job import Job, load_scheduled
from scorer.runs.due import enqueue
from scorer.scoring.opening import open_pipeline
from scorer.types.enums import Trigger

_TICKS_SHOWN = 3
_SAMPLE = 20  # entities that are read


def check_job(name: str, *, database: Database) -> str:
    """Open the job and run its statements. Returns its versions and next ticks.

    All happens in a transaction that is rolled back. Raises UserError or StatementFailed where one of them does not hold.
    """
    job = load_scheduled(name, settings=database.settings)
    pipeline = open_pipeline(job, database=database)
    try:
        with pipeline.session.transaction(keep=False):
            run, _ = enqueue(
                pipeline, as_of=None, limit=_SAMPLE, trigger=Trigger.MANUAL, nightly=nightly(Settings()), kept=False
            )
            # What a statement gives shows only where it gives rows.
            sample = claim_work(pipeline.session, job, run, size=_SAMPLE)
            pipeline.source.observations(job, sample)
            pipeline.source.attributes(job, sample)
            late = recorded_late(pipeline, sample)
            find_asked(pipeline.session, job, [item.entity_id for item in sample], as_of=run.as_of)
            write_outcomes(
                pipeline.session, job, run, batch_id=0, model_version=pipeline.model.manifest.model_version, outcomes=()
            )
            write_back(pipeline.session, job, max_waiting=0)
            take_back(pipeline.session, job, max_waiting=0)
    finally:
        pipeline.close()
    found = f"version {job.version}, model {pipeline.model.manifest.model_version}, {_schedule(job)}"
    return found if late is None else f"{found}. {late}"


def _schedule(job: Job) -> str:
    ticks = [datetime.now(UTC)]
    for _ in range(_TICKS_SHOWN):
        ticks.append(job.schedule.next_tick(after=ticks[-1]))
    shown = ", ".join(f"{tick:%Y-%m-%d %H:%M}" for tick in ticks[1:])
    return f"schedule {job.schedule.cron} {job.schedule.timezone}: next {shown} UTC"
