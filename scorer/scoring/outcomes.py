"""What becomes of the entities of a batch: pure, from what was read, refused and scored to one outcome for each."""

from __future__ import annotations

import itertools
import logging
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import numpy as np

from scorer.jobs.job import Job
from scorer.registry.model import band_names
from scorer.scoring.predictions import Predictions
from scorer.scoring.validation.suites import EntityResult, ObservationResult
from scorer.types.arrays import NO_TIME, Attributes, Booleans, Features, Integers, Observations
from scorer.types.enums import Status
from scorer.types.values import Counts, Outcome, Reason, Rejection, RuleResult, WorkItem

_log = logging.getLogger(__name__)
# Up to here every whole number has a float64 of its own.
_WHOLE = 2**53


@dataclass(frozen=True, slots=True)
class BatchInputs:
    """What was read of `items`, and the hash of it for each."""

    items: tuple[WorkItem, ...]
    hashes: Sequence[bytes]
    observations: Observations
    attributes: Attributes

    @property
    def entity_ids(self) -> list[str]:
        """The entities, in order."""
        return [item.entity_id for item in self.items]

    def without(self, left_out: Sequence[bool]) -> BatchInputs:
        """The same for the items that are not left out."""
        if not any(left_out):
            return self
        kept = ~np.array(left_out, dtype=bool)
        items = tuple(item for item, out in zip(self.items, left_out, strict=True) if not out)
        rows = self.observations.only(kept[self.observations.position])
        place = np.cumsum(kept) - 1
        return BatchInputs(
            items=items,
            hashes=[each for each, out in zip(self.hashes, left_out, strict=True) if not out],
            observations=replace(rows, keys=items, position=place[rows.position]),
            attributes=self.attributes.only(kept),
        )

    def count(self, observations: Observations) -> Integers:
        """How many of `observations` each item has."""
        return np.bincount(observations.position, minlength=len(self.items))


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of some of a batch's items, and, apart from that, what a challenger says of them; parts are added up."""

    counts: Counts
    new_outcomes: tuple[Outcome, ...] = ()
    shadows: tuple[Outcome, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    judged: tuple[str, ...] = ()
    results: tuple[RuleResult, ...] = ()
    observations_read: int = 0
    observations_dropped: int = 0
    unknown_codes: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: BatchResult) -> BatchResult:
        """Both parts as one."""
        return BatchResult(
            counts=add_counts(self.counts, other.counts),
            new_outcomes=self.new_outcomes + other.new_outcomes,
            shadows=self.shadows + other.shadows,
            rejections=self.rejections + other.rejections,
            judged=self.judged + other.judged,
            results=self.results + other.results,
            observations_read=self.observations_read + other.observations_read,
            observations_dropped=self.observations_dropped + other.observations_dropped,
            unknown_codes=Counter(self.unknown_codes) + Counter(other.unknown_codes),
        )


def add_counts(one: Counts, other: Counts) -> Counts:
    """The counts of both."""
    return Counts(**{name: getattr(one, name) + getattr(other, name) for name in Counts.__dataclass_fields__})


def _first_of_its_end(item: WorkItem, *, as_of: datetime) -> bool:
    """Whether the record has ended before `as_of`, and the current outcome is not as of that end, or knew less."""
    previous = item.previous
    if previous is None or item.as_of >= as_of:
        return False
    return previous.as_of != item.as_of or previous.known_at < item.known_at


def outcomes_of(
    known: BatchInputs,
    *,
    job: Job,
    as_of: datetime,
    matrix: Features,
    held: Mapping[int, str],
    wanted: Booleans,
    said: Predictions,
    verdicts: tuple[ObservationResult, EntityResult, EntityResult],
    unchanged: int,
    model_version: str,
    reasons: Mapping[int, tuple[Reason, ...]] = MappingProxyType({}),
    shadow: Predictions | None = None,
) -> BatchResult:
    """One outcome for each of `known`; what is `said` is of the `wanted`, in order, and so are `reasons` and what a `shadow` says beside.

    `model_version` judged those of whom nothing is said. What says the same again is not new, but for the first time as of the end of a
    record that has ended before the run's `as_of`: once it is settled, that is what tells that it was judged as of there.
    """
    seen, _, published = verdicts
    used = np.bincount(known.observations.position[seen.usable], minlength=len(known.items)).tolist()
    place_of_score = (np.cumsum(wanted) - 1).tolist()
    values = said.scores.score.tolist()
    bands = band_names(job.bands, said.scores.score)
    labels = said.scores.labels
    vectors = matrix.values.astype("<f8", copy=False)
    attributes = _published(job, known.attributes, entities=len(known.items))
    outcomes = []
    for place, (item, input_hash) in enumerate(zip(known.items, known.hashes, strict=True)):
        plain = {
            "entity_id": item.entity_id,
            "as_of": item.as_of,
            "input_hash": input_hash,
            "attributes": attributes[place],
            "features": vectors[place].tobytes(),
            "as_known_at": item.as_known_at,
        }
        score_place = place_of_score[place]
        if place in held:
            outcome = Outcome(**plain, status=Status.QUARANTINED, reason=held[place])
        elif not wanted[place]:
            reason = f"{used[place]} usable observations, {job.min_observations} needed"
            outcome = Outcome(**plain, status=Status.INSUFFICIENT, reason=reason)
        elif score_place in published.held:
            by = said.by[score_place]
            outcome = Outcome(**plain, status=Status.QUARANTINED, reason=published.held[score_place], model_version=by)
        elif values[score_place] != values[score_place]:
            outcome = Outcome(**plain, **said.silence(score_place))
        else:
            outcome = Outcome(
                **plain,
                status=Status.SCORED,
                outputs=said.outputs(score_place),
                model_version=said.by[score_place],
                score=values[score_place],
                risk_band=bands[score_place],
                label=labels[score_place] if labels else None,
                valid_until=item.as_of + job.valid_for,
                reasons=reasons.get(score_place, ()),
            )
        outcomes.append(outcome)
    statuses = Counter(outcome.status for outcome in outcomes)
    is_new = [
        item.previous is None
        or not outcome.repeats(
            item.previous, model_version=outcome.model_version or model_version, job_version=job.version
        )
        or _first_of_its_end(item, as_of=as_of)
        for item, outcome in zip(known.items, outcomes, strict=True)
    ]
    new = tuple(itertools.compress(outcomes, is_new))
    return BatchResult(
        counts=Counts(
            eligible=len(outcomes) + unchanged,
            scored=statuses[Status.SCORED],
            unchanged=unchanged,
            quarantined=statuses[Status.QUARANTINED],
            insufficient=statuses[Status.INSUFFICIENT],
            indeterminate=statuses[Status.INDETERMINATE],
        ),
        new_outcomes=new,
        shadows=() if shadow is None else _shadows(new, shadow, known, job=job, wanted=wanted),
        rejections=tuple(each for verdict in verdicts for each in verdict.rejections),
        judged=tuple(known.entity_ids),
        results=tuple(each for verdict in verdicts for each in verdict.results),
        observations_read=len(known.observations),
        observations_dropped=int((~seen.usable).sum()),
        unknown_codes=seen.unknown_codes,
    )


def _shadows(
    published: Sequence[Outcome], shadow: Predictions, known: BatchInputs, *, job: Job, wanted: Booleans
) -> tuple[Outcome, ...]:
    """What the `shadow` says of those of the `wanted` whose outcome is `published` now."""
    new = {outcome.entity_id: outcome for outcome in published}
    values = shadow.scores.score.tolist()
    bands = band_names(job.bands, shadow.scores.score)
    labels = shadow.scores.labels
    outcomes = []
    for place, item in enumerate(itertools.compress(known.items, wanted.tolist())):
        beside = new.get(item.entity_id)
        if beside is None:
            continue
        plain = replace(
            beside,
            status=Status.INDETERMINATE,
            score=None,
            risk_band=None,
            label=None,
            valid_until=None,
            reasons=(),
            shadow=True,
        )
        if values[place] != values[place]:
            outcomes.append(replace(plain, **shadow.silence(place)))
        else:
            outcomes.append(
                replace(
                    plain,
                    status=Status.SCORED,
                    reason=None,
                    score=values[place],
                    risk_band=bands[place],
                    label=labels[place] if labels else None,
                    outputs=shadow.outputs(place),
                    valid_until=item.as_of + job.valid_for,
                    model_version=shadow.by[place],
                )
            )
    return tuple(outcomes)


def _published(job: Job, attributes: Attributes, *, entities: int) -> list[dict[str, Any]]:
    """The attributes that the job publishes, of each entity."""
    columns = [_plain(name, attributes) for name in job.published]
    if not columns:
        return [{} for _ in range(entities)]
    return [dict(zip(job.published, values, strict=True)) for values in zip(*columns, strict=True)]


def _plain(name: str, attributes: Attributes) -> list[str | int | float | None]:
    """An attribute of each entity, as JSON holds it."""
    if name in attributes.texts:
        return [None if text is None else str(text) for text in attributes.texts[name]]
    if name in attributes.numbers:
        return [_plain_number(number) for number in attributes.numbers[name].tolist()]
    return [_plain_time(moment) for moment in attributes.times[name].tolist()]


def _plain_number(number: float) -> int | float | None:
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) <= _WHOLE else number


def _plain_time(moment: int) -> str | None:
    return None if moment == NO_TIME else datetime.fromtimestamp(moment / 1e6, tz=UTC).isoformat()
