"""The words that database, jobs and program share: one enum per concept, a comment per member."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """How a due entity ended; each ends as exactly one of these."""

    SCORED = "SCORED"  # a new score is in the ledger
    UNCHANGED = "UNCHANGED"  # inputs the same and the score still valid: only counted
    QUARANTINED = "QUARANTINED"  # held by a rule until its inputs or the suite change
    INSUFFICIENT = "INSUFFICIENT"  # fewer observations than the job's minimum
    INDETERMINATE = "INDETERMINATE"  # the model declined, or the flag <job>.scores is off: scored in the shadow alone
    FAILED = "FAILED"  # scoring raised for this entity alone
    RECALLED = (
        "RECALLED"  # of current outcomes only: the score was recalled; the next run that finds the entity makes another
    )


# How an entity can end in a run. The counts of a run and of a batch have these names.
OUTCOMES = tuple(status for status in Status if status is not Status.RECALLED)


class Withdrawal(StrEnum):
    """Why a run takes a current score back."""

    GONE = "gone"  # the source does not give the entity any more
    ATTRIBUTES_CHANGED = "attributes_changed"  # a published attribute, such as the client, is another
    WITHDRAWN = "withdrawn"  # none of the observations of its time is left
    INPUTS_CHANGED = "inputs_changed"  # an observation of its time, or another attribute, is another or not there
    SWITCHED_OFF = "switched_off"  # the flag <job>.scores is off for the entity


class Action(StrEnum):
    """What happens when an expectation is broken."""

    WARN = "warn"  # record it
    DROP = "drop"  # leave the observation out, and record it
    QUARANTINE = "quarantine"  # hold the entity, and record it
    FAIL = "fail"  # stop the run; the batch in hand publishes nothing


class ReasonKind(StrEnum):
    """What a reason is about: one feature, the others, or the bias."""

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
        """Whether a schedule set it off, in time or late; all daemons share the work of such a run."""
        return self in {Trigger.SCHEDULE, Trigger.CATCH_UP}
