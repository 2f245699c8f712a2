"""Alarms above a threshold: sensitivity, PPV, utility, lead time before the event, load of alerts.

An alarm is an entity at an as-of time with a score above the threshold; a row without a score has no alarm. Figures about outcomes rest on
rows whose outcome is known, up to `dt_late` after the event; the load of alerts rests on all rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scorer.evaluation.utility import best_alarms, gain_and_best
from scorer.jobs.evaluation import Utility
from scorer.tasks.bootstrap import Figure, quantiles, quotient, ratio
from scorer.tasks.task import Judged
from scorer.types.arrays import Booleans, Floats, Integers, Texts

_MEDIAN_AND_QUARTILES = (0.5, 0.25, 0.75)


@dataclass(frozen=True, slots=True)
class Rows:
    """Entities at as-of times, sorted by entity and time; arrays (n,).

    `entity` and `client` are indices among the entities and the clients. `score` is NaN where there is none, `label` 0, 1 or NaN where the
    outcome is unknown. `hours` is the as-of time less the event's, in hours, NaN without an event. `days` is how long a row stands for.
    Of another task than a binary one, `label` is as the task has it, `score` the number that its bands are by, and `published` (n, k) all
    that is published. `facility` (n,) is None where the job names none.
    """

    entity: Integers
    client: Integers
    score: Floats
    label: Floats
    hours: Floats
    days: float
    published: Floats | None = None
    facility: Texts | None = None

    @property
    def judged(self) -> Judged:
        """What is published, with label and client."""
        return Judged(self.score if self.published is None else self.published, self.label, self.client)

    @property
    def with_event(self) -> Booleans:
        """Which rows (n,) tell of the event: by its time, or, where the job gives none, by their label."""
        found: Booleans = ~np.isnan(self.hours) | (self.label == 1)
        return found

    def __len__(self) -> int:
        """Rows."""
        return len(self.entity)

    def only(self, kept: Booleans) -> Rows:
        """The rows where `kept` (n,) is True."""
        return Rows(
            entity=self.entity[kept],
            client=self.client[kept],
            score=self.score[kept],
            label=self.label[kept],
            hours=self.hours[kept],
            days=self.days,
            published=None if self.published is None else self.published[kept],
            facility=None if self.facility is None else self.facility[kept],
        )

    def counted(self, spec: Utility | None) -> Rows:
        """The rows whose outcome is known and, with a utility, whose event is not past its `dt_late`."""
        if spec is None:
            return self.only(~np.isnan(self.label))
        with np.errstate(invalid="ignore"):
            return self.only(~np.isnan(self.label) & ~(self.hours > spec.dt_late))


def alert_load(rows: Rows, weights: Floats, *, threshold: float | Floats) -> dict[str, Figure]:
    """The load of alerts above `threshold`, one or each row's (n,), under each of `weights` (d, clients).

    `alarms_per_entity_day`; `new_alarms_per_entity_day`, those that do not follow an alarm in the entity's row before;
    `entities_alarmed_per_100`, entities with at least one alarm.
    """
    alarm = _above(rows.score, threshold)
    same = np.append(False, rows.entity[1:] == rows.entity[:-1])
    begun = alarm & ~(same & np.append(False, alarm[:-1]))
    days = np.full(len(rows), rows.days)
    first = ~same
    alarmed = _any(alarm, rows.entity)
    return {
        "alarms_per_entity_day": ratio(alarm, days, rows.client, weights),
        "new_alarms_per_entity_day": ratio(begun, days, rows.client, weights),
        "entities_alarmed_per_100": ratio(100.0 * (alarmed & first), first, rows.client, weights),
    }


def consequences(
    counted: Rows,
    weights: Floats,
    *,
    threshold: float | Floats,
    spec: Utility | None,
    positive: Booleans | None = None,
) -> dict[str, Figure]:
    """How alarms above `threshold` agree with the outcomes, under each of `weights` (d, clients).

    The threshold is one, or each row's (n,).
    `counted` are rows as Rows.counted gives them; `positive` (n,) says of which rows an alarm is right, where that is not the label. By
    row: `sensitivity`, `specificity` and `ppv`. With a utility, the normalised `utility`, and by entity: `entities_foreseen`, of those with
    rows in the window of their event, the share with an alarm from `dt_early` up to the event; `entities_caught`, the same up to `dt_late`;
    `entities_left_alone`, of those without the event, the share that never has an alarm; and the hours from the first alarm in the window
    to the event: `lead_hours_median`, `lead_hours_lower`, `lead_hours_upper`.
    """
    alarm, client = _above(counted.score, threshold), counted.client
    if positive is None:
        positive = counted.label == 1
    by_row = {
        "sensitivity": ratio(alarm & positive, positive, client, weights),
        "specificity": ratio(~alarm & ~positive, ~positive, client, weights),
        "ppv": ratio(alarm & positive, alarm, client, weights),
    }
    if spec is None:
        return by_row
    gain, best = gain_and_best(counted.hours, ~np.isnan(counted.hours), spec)
    return {
        "utility": ratio(gain * alarm, best, client, weights),
        **by_row,
        **_by_entity(counted, alarm, weights, spec=spec),
    }


def utility_by_threshold(counted: Rows, *, spec: Utility) -> tuple[Floats, Floats]:
    """Thresholds (t,), rising, and the normalised utility (t,) of alarming at or above each.

    The utility is NaN where no event can be foreseen.
    """
    gain, best = gain_and_best(counted.hours, ~np.isnan(counted.hours), spec)
    scored = ~np.isnan(counted.score)
    order = np.argsort(-counted.score[scored], kind="stable")
    descending = counted.score[scored][order]
    last_of_equals = np.append(descending[1:] != descending[:-1], True)[: len(descending)]
    whole = quotient(np.cumsum(gain[scored][order]), np.full(len(order), best.sum()))
    return descending[last_of_equals][::-1], whole[last_of_equals][::-1]


def _by_entity(counted: Rows, alarm: Booleans, weights: Floats, *, spec: Utility) -> dict[str, Figure]:
    """The figures by entity. Each entity is counted at its first row."""
    first = np.append(True, counted.entity[1:] != counted.entity[:-1])[: len(counted)]
    client = counted.client
    in_window = best_alarms(counted.hours, ~np.isnan(counted.hours), spec)
    with np.errstate(invalid="ignore"):
        before = in_window & (counted.hours <= 0)
    has_window = _any(in_window, counted.entity) & first
    caught = _any(alarm & in_window, counted.entity) & first
    foreseen = _any(alarm & before, counted.entity) & first
    without = np.isnan(counted.hours) & first
    alone = without & ~_any(alarm, counted.entity)
    earliest = alarm & in_window
    place = np.flatnonzero(earliest)
    place = place[np.append(True, counted.entity[place][1:] != counted.entity[place][:-1])[: len(place)]]
    median, lower, upper = quantiles(-counted.hours[place], client[place], weights, at=_MEDIAN_AND_QUARTILES)
    return {
        "entities_foreseen": ratio(foreseen, has_window, client, weights),
        "entities_caught": ratio(caught, has_window, client, weights),
        "entities_left_alone": ratio(alone, without, client, weights),
        "lead_hours_median": median,
        "lead_hours_lower": lower,
        "lead_hours_upper": upper,
    }


def _above(score: Floats, threshold: float | Floats) -> Booleans:
    with np.errstate(invalid="ignore"):
        above: Booleans = score > threshold
    return above


def _any(rows: Booleans, entity: Integers) -> Booleans:
    """Per row (n,): whether `rows` (n,) is True in any row of the same entity."""
    if not len(rows):
        return rows
    found: Booleans = (np.bincount(entity, weights=rows) > 0)[entity]
    return found
