"""Whether an entity's current outcome still stands, so that the entity is not scored again."""

from __future__ import annotations

from collections.abc import Callable

from scorer.jobs.job import DueAgain, Job
from scorer.scoring.batch import BatchInputs
from scorer.types.enums import Status
from scorer.types.values import Run, WorkItem


def find_unchanged(inputs: BatchInputs, *, run: Run, job: Job, publisher_of: Callable[[str], str]) -> list[bool]:
    """For each item, whether its current outcome still stands.

    `publisher_of` gives the model version whose score of an entity is published.
    """
    return [
        item.previous is not None
        and is_unchanged(item, input_hash, run=run, job=job, model_version=publisher_of(item.entity_id))
        for item, input_hash in zip(inputs.items, inputs.hashes, strict=True)
    ]


def is_unchanged(item: WorkItem, input_hash: bytes, *, run: Run, job: Job, model_version: str) -> bool:
    """Whether the item's current outcome still stands; the first case that applies decides.

    later moment    yes, if it is a score as of a later moment, or known later as of the same one: no score replaces a later one
    less knowledge  yes, if it knew more than this item may; but not if it was recalled, nor against the outcome of a record's end
    no score        no: an entity that was held, refused, recalled or that failed is tried again
    ended record    if the inputs are the same and it is as of the record's end, whatever became of model and job
    other model     no, nor if the job has another version
    same moment     if the inputs are the same
    earlier moment  as long as the score is valid, if the job's due_again is expiry, or it is change and the inputs are the same

    A record has ended where the item's as-of time is before the run's. The outcome of its end is made whatever was known before, unless
    a known-at time was asked for, because nothing else will be made as of that end. A score as of a later moment is there where another
    run made it while this one waited for the entity.
    """
    previous = item.previous
    if previous is None:
        return False
    is_score, is_ended = previous.status is Status.SCORED, item.as_of < run.as_of
    if is_score and (previous.as_of, previous.known_at) > (item.as_of, item.known_at):
        return True
    may_know_less = previous.status is Status.RECALLED or (is_ended and item.as_known_at is None)
    if previous.known_at > item.known_at and not may_know_less:
        return True
    if not is_score:
        return False
    same_inputs = previous.input_hash == input_hash
    if is_ended:
        return same_inputs and previous.as_of == item.as_of
    if (previous.model_version, previous.job_version) != (model_version, job.version):
        return False
    if previous.as_of == item.as_of:
        return same_inputs
    if job.due_again is DueAgain.EVERY_RUN:
        return False
    is_valid = previous.valid_until is not None and previous.valid_until > item.as_of
    return is_valid and (same_inputs or job.due_again is DueAgain.EXPIRY)
