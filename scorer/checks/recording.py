"""Whether a job's observations were recorded so late that its scores find none of them.

A hospital that loads its history has the time of loading in recorded_at. As of a time before that nothing was known, and every visit of
the past ends as insufficient: that is right, and seldom what was meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from scorer.database.connection import Database
from scorer.database.store.batches import claim_work
from scorer.database.store.chores import nightly
from scorer.jobs.job import Job
from scorer.jobs.sql_text import parameters_of
from scorer.runs.due import enqueue
from scorer.scoring.opening import Pipeline, open_pipeline
from scorer.types.enums import Trigger
from scorer.types.values import WorkItem

_SAMPLE = 20  # entities that are read


def look_for_late_recording(job: Job, *, database: Database, as_of: datetime | None) -> str | None:
    """Look at some of the entities that a run would find due as of a time.

    Returns a sentence where most of them lack the observations that were recorded later; None elsewhere. Nothing is written.
    """
    pipeline = open_pipeline(job, database=database)
    try:
        with pipeline.session.transaction(keep=False):
            nights = nightly(database.settings)
            run, _ = enqueue(pipeline, as_of=as_of, limit=_SAMPLE, trigger=Trigger.MANUAL, nightly=nights, kept=False)
            return recorded_late(pipeline, claim_work(pipeline.session, job, run, size=_SAMPLE))
    finally:
        pipeline.close()


def recorded_late(pipeline: Pipeline, items: Sequence[WorkItem]) -> str | None:
    """A sentence where most of `items` are insufficient only because of when rows were recorded."""
    job = pipeline.job
    if not items or "known_ats" not in parameters_of(job.statements["observations"]):
        return None
    now = datetime.now(UTC)
    then, by_now = (
        _observations(pipeline, each) for each in (items, [replace(item, as_known_at=now) for item in items])
    )
    late = int(np.count_nonzero((then < job.min_observations) & (by_now >= job.min_observations)))
    if 2 * late <= len(items):
        return None
    return (
        f"{late} of {len(items)} entities of job {job.name} that were looked at have observations, but these were recorded after the time "
        "as of which the entity is scored, and so are not used; where a load has put its own time into recorded_at, put the time of each "
        "observation there (or NULL), or run with --as-known-at and a time after the load."
    )


def _observations(pipeline: Pipeline, items: Sequence[WorkItem]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """How many observations each of `items` has: (items,)."""
    position = pipeline.source.observations(pipeline.job, items).position
    return np.bincount(position, minlength=len(items)).astype(np.int64)
