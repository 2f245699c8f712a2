"""Frozen values: what travels between the steps of the line, with columns of arrays named in one place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from scorer.types.enums import Action, ReasonKind, Status, Trigger

Progress = Callable[[int, int], None]  # called with how much is done, and of how much


@dataclass(frozen=True, slots=True)
class Previous:
    """What the current outcome of an entity rests on."""

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
        """The moment whose recorded knowledge was judged."""
        return self.as_of if self.as_known_at is None else self.as_known_at


@dataclass(frozen=True, slots=True)
class Position:
    """How far a database's log was written at a moment: a standby that has replayed so far shows all that was committed before it."""

    cluster: str
    timeline: int
    database: str
    written: str


@dataclass(frozen=True, slots=True)
class WorkItem:
    """A due entity, taken; `previous` is its current outcome, if it has one.

    Used is what happened up to `as_of` and was recorded up to `known_at`, which is the same moment unless `as_known_at` says another.
    """

    entity_id: str
    as_of: datetime
    previous: Previous | None = None
    work_id: int | None = None
    as_known_at: datetime | None = None

    @property
    def known_at(self) -> datetime:
        """The moment whose recorded knowledge is used."""
        return self.as_of if self.as_known_at is None else self.as_known_at


@dataclass(frozen=True, slots=True)
class Rejection:
    """A refused observation (or, where `observation_id` is None, entity), and the rule that refused it."""

    entity_id: str
    observation_id: str | None
    rule: str
    action: Action
    column_name: str
    observed: str
    expected: str


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule of a suite found in one batch: counts, no values."""

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
    """A score that the ledger holds, and the inputs that it rests on."""

    entity_id: str
    input_hash: bytes
    score: float


@dataclass(frozen=True, slots=True)
class Reason:
    """What one feature, all others together, or the model before any feature adds to the log-odds of a score.

    Of a feature: its value, what it is made of, and the observation that it comes from, where there is one.
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
    """How one entity ended, with all that a ledger row holds of it, and the score's reasons.

    `model_version` is None where it is that of the batch. A `shadow` is what a challenger says beside what is published.
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
        """Whether it says again why there is no score, by the same inputs, model and job: nothing new to write."""
        return (
            previous is not None
            and self.status is not Status.SCORED
            and (self.status, self.reason, self.input_hash) == (previous.status, previous.reason, previous.input_hash)
            and (model_version, job_version) == (previous.model_version, previous.job_version)
        )


@dataclass(frozen=True, slots=True)
class Counts:
    """How the due entities of a run or a batch ended; they add up to `eligible`."""

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
    """An expected firing that a run is set off by, and the `missed` ones before it, that no run will be set off by."""

    scheduled_for: datetime
    outcome: str
    reason: str | None
    schedule: str
    missed: tuple[datetime, ...]
    missed_reason: str
    recorded_by: str


@dataclass(frozen=True, slots=True)
class Run:
    """One firing of a job, as its row in scorer.runs stands."""

    run_id: int
    job: str
    trigger: Trigger
    status: str
    as_of: datetime
    started_at: datetime
    finished_at: datetime | None
    counts: Counts
    error: str | None = None
