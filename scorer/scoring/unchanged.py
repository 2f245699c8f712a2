"""Whether a current outcome still stands, or a score is to be made anew or taken back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from scorer.database.source.reader import Source
from scorer.errors import UserError
from scorer.jobs.job import DueAgain, Job
from scorer.jobs.sql_text import parameters_of
from scorer.scoring.batch import BatchInputs
from scorer.scoring.outcomes import published
from scorer.types.enums import Status, Withdrawal
from scorer.types.values import Run, Standing, WorkItem


def known_by_now(items: tuple[WorkItem, ...], *, run: Run, job: Job) -> tuple[WorkItem, ...]:
    """The items, some of them known as of the run's time: where it judges a record's end again.

    Those are the items whose record has ended, and was judged as of that end or of a later moment. The first outcome of an end knows what
    was known at that end; by those that follow, and where the end itself was charted late, what was charted late counts. A known-at time
    that was asked for is kept, and a job whose observations cannot be read like that is left alone.
    """
    if "known_ats" not in parameters_of(job.statements["observations"]):
        return items
    return tuple(
        replace(item, as_known_at=run.as_of)
        if item.as_of < run.as_of
        and item.as_known_at is None
        and item.previous is not None
        and item.previous.as_of >= item.as_of
        else item
        for item in items
    )


def find_unchanged(
    inputs: BatchInputs, *, run: Run, job: Job, publisher_of: Callable[[str], str], off: Sequence[bool] | None = None
) -> list[bool]:
    """For each item, whether its current outcome still stands.

    `publisher_of` gives the model version whose score of an entity is published. `off` says of each item whether the job's scores are off
    for it; where it is not given, of none.
    """
    switched_off = [False] * len(inputs.items) if off is None else off
    return [
        item.previous is not None
        and is_unchanged(
            item, input_hash, run=run, job=job, model_version=None if is_off else publisher_of(item.entity_id)
        )
        for item, input_hash, is_off in zip(inputs.items, inputs.hashes, switched_off, strict=True)
    ]


def is_unchanged(item: WorkItem, input_hash: bytes, *, run: Run, job: Job, model_version: str | None) -> bool:
    """Whether the item's current outcome still stands; the first case that applies decides.

    later moment    yes, if it is a score as of a later moment, or known later as of the same one: no score replaces a later one. But the
                    score of a record's end replaces one as of a later moment, unless that knew more than the run does
    less knowledge  yes, if it knew more than this item may; but not if it was recalled, nor against the outcome of a record's end
    no score        no: an entity that was held, refused, recalled or that failed is tried again
    switched off    no, where no model's scores are published of the entity: `model_version` is None
    ended record    if the inputs are the same and it is as of the record's end, whatever became of model and job
    other model     no, nor if the job has another version
    same moment     if the inputs are the same
    earlier moment  as long as the score is valid, if the job's due_again is expiry, or it is change and the inputs are the same

    A record has ended where the item's as-of time is before the run's. The outcome of its end is made whatever was known before, unless
    a known-at time was asked for, because nothing else will be made as of that end. A score as of a later moment is there where the end was
    charted late, or where another run made it while this one waited for the entity.
    """
    previous = item.previous
    if previous is None:
        return False
    is_score, is_ended = previous.status is Status.SCORED, item.as_of < run.as_of
    is_end = is_ended and item.as_known_at in {None, run.as_of}  # else a known-at time was asked for
    is_later = (
        previous.known_at > run.as_of if is_end else (previous.as_of, previous.known_at) > (item.as_of, item.known_at)
    )
    if is_score and is_later:
        return True
    may_know_less = previous.status is Status.RECALLED or is_end
    if previous.known_at > item.known_at and not may_know_less:
        return True
    if not is_score or model_version is None:
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


def not_on_other_inputs(unchanged: list[bool], inputs: BatchInputs, *, source: Source, job: Job) -> list[bool]:
    """The same as `unchanged`, but false where what a score was made of is not there any more.

    A job whose due_again is expiry makes no new score of what has come since; but what has changed of a score's own inputs ends it.
    """
    if job.due_again is not DueAgain.EXPIRY:
        return unchanged
    standing = [
        Standing(replace(item, as_of=previous.as_of, as_known_at=previous.as_known_at), previous.input_hash, {})
        for item, input_hash, stands in zip(inputs.items, inputs.hashes, unchanged, strict=True)
        if stands and (previous := item.previous) is not None and previous.status is Status.SCORED
        if previous.input_hash != input_hash
    ]
    ended = find_unfounded(standing, source=source, job=job)
    return [stands and item.entity_id not in ended for item, stands in zip(inputs.items, unchanged, strict=True)]


def find_unfounded(standing: Sequence[Standing], *, source: Source, job: Job) -> dict[str, Withdrawal]:
    """Read again what scores were made of, as of their own moments. Returns why some do not stand.

    Those are the scores whose inputs are others by now. What was recorded since is no change.
    """
    if not standing:
        return {}
    try:
        read = BatchInputs.read(source, job, tuple(each.item for each in standing))
    except UserError:
        raise
    except Exception:  # noqa: BLE001 - as in isolation.py: what cannot be read of one entity is its own affair
        if len(standing) == 1:
            return {standing[0].item.entity_id: Withdrawal.INPUTS_CHANGED}
        half = len(standing) // 2
        parts = (standing[:half], standing[half:])
        return {key: why for part in parts for key, why in find_unfounded(part, source=source, job=job).items()}
    left = read.count(read.observations)
    shown = published(job, read.attributes, entities=len(standing))
    return {
        each.item.entity_id: (
            Withdrawal.ATTRIBUTES_CHANGED
            if shown[place] != each.attributes
            else Withdrawal.INPUTS_CHANGED
            if left[place]
            else Withdrawal.WITHDRAWN
        )
        for place, each in enumerate(standing)
        if read.hashes[place] != each.input_hash
    }
