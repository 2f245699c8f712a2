"""How margins become scores and alarms: of everyone, and of each facility with outcomes enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scorer.errors import UserError
from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.job import Job
from scorer.jobs.publication import Limit
from scorer.registry.bands import limits_of
from scorer.tasks.calibration import best_threshold
from scorer.tasks.task import TaskRules
from scorer.types.arrays import Booleans, Floats, Integers, Texts

# Clients with the event (of a task without one, with a known outcome) from which a facility is calibrated by itself.
ENOUGH = 50


@dataclass(frozen=True, slots=True)
class Calibrations:
    """What turns margins into what is published, and above which scores alarms are worth most.

    `everyone` is for rows of a facility that is not in `by_facility`. There is no `threshold` without a [utility].
    """

    everyone: Mapping[str, Any]
    threshold: Limit | None
    by_facility: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def publish(self, margin: Floats, facility: Texts | None, *, rules: TaskRules) -> Floats:
        """What is published of margins, (n,) or (n, k), each of its `facility` (n,)."""
        published = rules.publish(margin, self.everyone)
        for own, rows in members(facility).items():
            if own in self.by_facility:
                published[rows] = rules.publish(margin[rows], self.by_facility[own])
        return published

    def alarms(self, score: Floats, facility: Texts | None) -> Booleans:
        """Whether each score (n,) exceeds the threshold of its `facility` (n,); none does without one."""
        if self.threshold is None:
            return np.zeros(len(score), dtype=bool)
        with np.errstate(invalid="ignore"):
            return np.asarray(score > limits_of(self.threshold, facility))


def calibrate(
    margin: Floats,
    label: Floats,
    client: Integers,
    *,
    unknown: Floats | None = None,
    gain: Floats | None,
    facility: Texts | None,
    rules: TaskRules,
) -> Calibrations:
    """Calibrate margins, (n,) or (n, k), and choose thresholds by `gain` (n,).

    The margins are of clients that the model has not seen. `unknown` is what they would be if no facility were known, where a facility has
    a fit of its own; by these everyone is calibrated.
    """
    unknown = margin if unknown is None else unknown
    everyone = rules.calibrate(unknown, label, client)
    own = {
        name: rules.calibrate(margin[rows], label[rows], client[rows])
        for name, rows in members(facility).items()
        if suffices(label[rows], client[rows], rules=rules)
    }
    found = Calibrations(everyone, None, own)
    if gain is None:
        return found
    score = rules.score_of(found.publish(margin, facility, rules=rules))
    thresholds = {
        name: best_threshold(score[rows], gain[rows]) for name, rows in members(facility).items() if name in own
    }
    # Of those without one of their own, whose scores are calibrated as everyone's are.
    plain = rules.score_of(rules.publish(unknown, everyone))
    return Calibrations(everyone, Limit(best_threshold(plain, gain), thresholds), own)


def members(facility: Texts | None) -> dict[str, Booleans]:
    """The rows (n,) of each facility, by its name; of rows without one there are none."""
    if facility is None:
        return {}
    names = sorted({each for each in facility.tolist() if each is not None})
    return {name: np.asarray(facility == name, dtype=bool) for name in names}


def of_facility(landmarks: Landmarks, facility: str | None, job: Job) -> Landmarks:
    """The landmarks of a facility; all of them where none is given.

    Raises UserError where the job names no facility, or the landmarks have nobody of it.
    """
    if facility is None:
        return landmarks
    if landmarks.features.facility is None:
        raise UserError(
            f"Job {job.name} does not say which facility a {job.entity} belongs to: set facility in [features] of its job.toml."
        )
    rows = members(landmarks.features.facility)
    if facility not in rows:
        raise UserError(
            f'No {job.entity} of job {job.name} belongs to facility "{facility}"; there are: {", ".join(rows) or "none"}.'
        )
    return landmarks.only(rows[facility])


def suffices(label: Floats, client: Integers, *, rules: TaskRules, clients: int | None = None) -> bool:
    """Whether the labels (n,) say enough by themselves.

    So many `clients` (None: those that a calibration takes) have the event, or, of a task without one, an outcome.
    """
    telling = label == 1 if rules.has_event else np.isfinite(label)
    return rules.lacks(label) is None and len(np.unique(client[telling])) >= (ENOUGH if clients is None else clients)
