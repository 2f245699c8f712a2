"""Whether an entity's current outcome still stands, so that nothing new is judged."""

from __future__ import annotations

from scorer.jobs.job import DueAgain, Job
from scorer.types.enums import Status
from scorer.types.values import Previous, Run, WorkItem


def is_unchanged(item: WorkItem, input_hash: bytes, *, run: Run, job: Job, model_version: str) -> bool:
    """Whether the item's score stands: its inputs are those that were scored, and the score is still valid.

    A score of an entity whose record has ended (its as-of time is before the run's) is made once, as of that end, and stands whatever
    becomes of model and job; so does a score as of the same moment by the same model and job. A score as of a later moment, made by another
    run while this one waited for it, is never followed by one as of an earlier.

    Whatever its status, an outcome is never followed by one that knew less, be that as of a later moment; what was recalled has no such
    claim. Nor has, where no moment to be known at was asked for, what was judged before the record had ended, or held or refused, over the
    outcome as of that end: nothing else would be made as of it.
    """
    previous = item.previous
    if previous is None:
        return False
    if _would_go_back(item, previous, run=run):
        return True
    if previous.status is not Status.SCORED:
        return False
    same_inputs = previous.input_hash == input_hash
    if item.as_of < run.as_of:
        return same_inputs and previous.as_of == item.as_of
    if (previous.model_version, previous.job_version) != (model_version, job.version):
        return False
    if previous.as_of == item.as_of:
        return same_inputs
    valid = previous.valid_until is not None and previous.valid_until > item.as_of
    match job.due_again:
        case DueAgain.CHANGE:
            return valid and same_inputs
        case DueAgain.EXPIRY:
            return valid
        case DueAgain.EVERY_RUN:
            return False


def _would_go_back(item: WorkItem, previous: Previous, *, run: Run) -> bool:
    """Whether the item would be judged by less knowledge, or a score be followed by one as of an earlier moment."""
    if previous.status is Status.SCORED and (previous.as_of, previous.known_at) > (item.as_of, item.known_at):
        return True
    of_its_end = item.as_known_at is None and item.as_of < run.as_of
    return previous.known_at > item.known_at and previous.status is not Status.RECALLED and not of_its_end
