"""Frozen values of database rows: work, outcomes, reasons, rejections, runs, ticks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from scorer.types.enums import Action, ReasonKind, Status, Trigger

Progress = Callable[[int, int], None]  # called with how much is done, and of how much


@dataclass(frozen=True, slots=True)
class Previous:
    """The current outcome of an entity, and what it was computed from."""

    status: Status
    reason: str | None
    as_of: datetime
    input_hash: bytes
    valid_until: datetime | None
    model_version: str | None
    job_version: str
    as_known_at: datetime | None = None  # None: known as of `as_of`

    @property
    def known_at(self) -> datetime:
        """The time up to which recorded rows were used."""
        return self.as_of if self.as_known_at is None else self.as_known_at


@dataclass(frozen=True, slots=True)
class Position:
    """How far a database's write-ahead log was written at a moment.

    A standby that has replayed as far shows all that was committed before.
    """

    cluster: str
    timeline: int
    database: str
    written: str


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A due entity that a batch has claimed; `previous` is its current outcome, if it has one.

    Its inputs are the rows that happened up to `as_of` and were recorded up to `known_at`.
    """

    entity_id: str
    as_of: datetime
    previous: Previous | None = None
    work_id: int | None = None
    as_known_at: datetime | None = None

    @property
    def may_have_score(self) -> bool:
        """Whether the entity has a score, or may: nothing is known of an outcome that a wrong clock has dated."""
        return self.previous is None or self.previous.valid_until is not None

    @property
    def known_at(self) -> datetime:
        """The time up to which recorded rows are used: `as_known_at`, or `as_of` where that is None."""
        return self.as_of if self.as_known_at is None else self.as_known_at


@dataclass(frozen=True, slots=True)
class Standing:
    """A current score, and what it was made of: the hash of its inputs, None where it has left the ledger."""

    item: WorkItem
    input_hash: bytes | None
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rejection:
    """An observation that a rule rejected; or an entity, where `observation_id` is None."""

    entity_id: str
    observation_id: str | None
    rule: str
    action: Action
    column_name: str
    observed: str
    expected: str


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule of a suite found in a batch: counts only, no values."""

    suite: str
    rule: str
    expectation: str
    action: Action
    column_name: str
    judged: int
    unexpected: int
    success: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """A score in the ledger, and the hash of its inputs."""

    entity_id: str
    input_hash: bytes
    score: float


@dataclass(frozen=True, slots=True)
class Reason:
    """What one feature, all others together, or the bias adds to a score.

    Of a probability in log-odds, of several classes to the log-ratio, of a value in its own unit.

    For one feature also its value, what it is made of, and the observation that it comes from, where there is one.
    """

    kind: ReasonKind
    contribution: float
    feature: str | None = None
    value: float | None = None
    code: str | None = None
    attribute: str | None = None
    source: str | None = None
    observation_id: str | None = None
    observation_date: datetime | None = None
    observation_value: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one entity ended: a row of the ledger, with the reasons of its score.

    `model_version` is None where it is the batch's. A `shadow` is recorded beside the published outcome: a challenger's, or the
    score that the flag <job>.scores keeps from being published.
    """

    entity_id: str
    as_of: datetime
    status: Status
    input_hash: bytes
    reason: str | None = None
    score: float | None = None
    risk_band: str | None = None
    label: str | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    valid_until: datetime | None = None
    features: bytes | None = None
    as_known_at: datetime | None = None  # None: known as of `as_of`
    model_version: str | None = None
    shadow: bool = False
    reasons: tuple[Reason, ...] = ()

    def repeats(self, previous: Previous | None, *, model_version: str, job_version: str) -> bool:
        """Whether there is again no score for the same reason, from the same inputs, model and job.

        Such an outcome adds nothing to the ledger and is not written.
        """
        return (
            previous is not None
            and self.status is not Status.SCORED
            and (self.status, self.reason, self.input_hash) == (previous.status, previous.reason, previous.input_hash)
            and (model_version, job_version) == (previous.model_version, previous.job_version)
        )


@dataclass(frozen=True, slots=True)
class Counts:
    """How the due entities of a run or a batch ended; the counts add up to `eligible`."""

    eligible: int = 0
    scored: int = 0
    unchanged: int = 0
    quarantined: int = 0
    insufficient: int = 0
    indeterminate: int = 0
    failed: int = 0

    @property
    def balanced(self) -> bool:
        """Whether each eligible entity has exactly one outcome.

        >>> Counts(eligible=3, scored=2, quarantined=1).balanced
        True
        """
        return self.eligible == (
            self.scored + self.unchanged + self.quarantined + self.insufficient + self.indeterminate + self.failed
        )


@dataclass(frozen=True, slots=True)
class Tick:
    """The tick that sets off a run, and the `missed` ones before it, which have no run of their own."""

    scheduled_for: datetime
    outcome: str
    reason: str | None
    schedule: str
    missed: tuple[datetime, ...]
    missed_reason: str
    recorded_by: str


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a job: a row of scorer.runs."""

    run_id: int
    job: str
    trigger: Trigger
    status: str
    as_of: datetime
    started_at: datetime
    finished_at: datetime | None
    counts: Counts
    error: str | None = None
