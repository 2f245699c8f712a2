"""What a batch goes in with, and what comes out: its items with what was read of them, and its result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from scorer.database.source.reader import Source, microseconds
from scorer.jobs.job import Job
from scorer.scoring.input_hash import input_hashes
from scorer.types.arrays import Attributes, Integers, Observations
from scorer.types.flags import JobFlags, Switch, as_named
from scorer.types.values import Counts, Outcome, Rejection, RuleResult, WorkItem


@dataclass(frozen=True, slots=True)
class BatchInputs:
    """The items of a batch, what was read of them, and the hash of it for each.

    Each item stands for one entity; arrays of shape (entities,) and lists are in the order of `items`.
    """

    items: tuple[WorkItem, ...]
    hashes: Sequence[bytes]
    observations: Observations
    attributes: Attributes

    @classmethod
    def read(cls, source: Source, job: Job, items: tuple[WorkItem, ...]) -> BatchInputs:
        """Read the observations and attributes of `items`. Returns them with a hash for each item."""
        observations, attributes = source.observations(job, items), source.attributes(job, items)
        return cls(items, input_hashes(observations, attributes), observations, attributes)

    @property
    def as_of(self) -> Integers:
        """The as-of time of each entity, (entities,), in microseconds since 1970-01-01 UTC."""
        return np.array([microseconds(item.as_of) for item in self.items], dtype=np.int64)

    @property
    def entity_ids(self) -> list[str]:
        """The entities, in order."""
        return [item.entity_id for item in self.items]

    def without(self, left_out: Sequence[bool]) -> BatchInputs:
        """The same for the items that are not left out; `left_out` has a flag for each item."""
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

    def off(self, flags: JobFlags, switch: Switch, *, job: Job) -> list[bool]:
        """For each item, whether a flag of the job is off for it."""
        if flags.setting(switch) is None:
            return [False] * len(self.items)
        return flags.off(switch, self.entity_ids, facilities=self._facilities(job))

    def _facilities(self, job: Job) -> list[str | None]:
        """The facility of each item, as the job publishes it; None where it publishes none."""
        name, nothing = job.features.facility_attribute, [None] * len(self.items)
        if name not in job.published:
            return [*nothing]
        if name in self.attributes.texts:
            return [as_named(text) for text in self.attributes.texts[name]]
        numbers = self.attributes.numbers[name].tolist() if name in self.attributes.numbers else nothing
        return [as_named(number) for number in numbers]

    def count(self, observations: Observations) -> Integers:
        """How many of `observations` each item has, (entities,)."""
        return np.bincount(observations.position, minlength=len(self.items))


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch, or of a part of it; parts are added.

    `shadows` are the outcomes beside those that are published: a challenger's, and the scores that
    a flag keeps from being published. `validated` are the entities whose earlier
    rejections these `rejections` replace. `doubtful` are the items that ended without a score while an earlier one stands, or may;
    `switched_off` are the entities of those for which the job's scores are off.
    """

    counts: Counts
    new_outcomes: tuple[Outcome, ...] = ()
    shadows: tuple[Outcome, ...] = ()
    doubtful: tuple[WorkItem, ...] = ()
    switched_off: tuple[str, ...] = ()
    rejections: tuple[Rejection, ...] = ()
    validated: tuple[str, ...] = ()
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
            doubtful=self.doubtful + other.doubtful,
            switched_off=self.switched_off + other.switched_off,
            rejections=self.rejections + other.rejections,
            validated=self.validated + other.validated,
            results=self.results + other.results,
            observations_read=self.observations_read + other.observations_read,
            observations_dropped=self.observations_dropped + other.observations_dropped,
            unknown_codes=Counter(self.unknown_codes) + Counter(other.unknown_codes),
        )


def add_counts(one: Counts, other: Counts) -> Counts:
    """The sums of the counts of both."""
    return Counts(**{name: getattr(one, name) + getattr(other, name) for name in Counts.__dataclass_fields__})
