"""The words that the database, the jobs and the program share: one enum per concept, a comment per member."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """How a due entity ended (design: every one ends as exactly one of these)."""

    SCORED = "SCORED"  # a new score is in the ledger
    UNCHANGED = "UNCHANGED"  # inputs the same and the score still valid: only counted
    QUARANTINED = "QUARANTINED"  # held by a rule until its inputs or the suite change
    INSUFFICIENT = "INSUFFICIENT"  # fewer observations than the job's minimum
    INDETERMINATE = "INDETERMINATE"  # the model declines
    FAILED = "FAILED"  # scoring raised for this entity alone
    RECALLED = "RECALLED"  # of what is current alone: the score was recalled, and the next run makes another


# How an entity ends in a run: what the counts of a run and of a batch are named for.
OUTCOMES = tuple(status for status in Status if status is not Status.RECALLED)


class Action(StrEnum):
    """What a broken expectation does."""

    WARN = "warn"  # record it
    DROP = "drop"  # leave the observation out, and record it
    QUARANTINE = "quarantine"  # hold the entity, and record it
    FAIL = "fail"  # stop the run; the batch in hand publishes nothing


class ReasonKind(StrEnum):
    """What a reason of a score is about."""

    FEATURE = "feature"  # one feature
    OTHERS = "others"  # all other features together
    BIAS = "bias"  # what the model says before any feature


class Trigger(StrEnum):
    """What set a run off."""

    SCHEDULE = "schedule"
    MANUAL = "manual"
    REQUEST = "request"
    CATCH_UP = "catch-up"
    BACKFILL = "backfill"

    @property
    def by_schedule(self) -> bool:
        """Whether a schedule set it off, at its tick or after it: such a run's work is shared by all daemons."""
        return self in {Trigger.SCHEDULE, Trigger.CATCH_UP}
