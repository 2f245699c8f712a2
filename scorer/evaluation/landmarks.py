"""What models are trained and evaluated on: features and outcomes of entities at landmarks.

A landmark is an as-of time at which the entity might have been scored. Each entity is read once, as of its last landmark; at each landmark
the rows known by then are validated and built into features by the same code as in scoring. Where the job's statement does not say since
when a row is known (`known_from`), it is read at each landmark instead: the same features, more slowly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from scorer.database.source.columns import labels
from scorer.database.source.reader import Source, microseconds
from scorer.errors import UserError
from scorer.jobs.features import feature_names
from scorer.jobs.job import Job
from scorer.scoring.features.build import facility_of
from scorer.scoring.input_hash import input_hashes
from scorer.scoring.prepared import Prepared, prepare
from scorer.scoring.timing import StepTimer
from scorer.scoring.validation.suites import Suites
from scorer.tasks.known import task_of
from scorer.types.arrays import NO_TIME, Attributes, Booleans, Features, Floats, Integers, Observations
from scorer.types.values import Progress, WorkItem

_ENTITIES_READ_TOGETHER = 1000
_LANDMARKS_READ_TOGETHER = 10_000
# Observations that are validated and built together, each counted at every landmark that knows it.
_ROWS_BUILT_TOGETHER = 1_000_000
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Landmarks:
    """Entities at landmarks, sorted by entity and time; arrays (n,).

    `label` is as the job's task has it (0 or 1, the code of one of `classes`, a value), NaN where the outcome is unknown. `as_of` and
    `event_at` are microseconds since 1970-01-01 UTC, `event_at` NO_TIME without an event. Where not `scorable`, scoring would have held the
    entity or found too few observations, and the row of `features` is NaN. `read` counts the observations known, `used` those of them that
    passed the suite.
    """

    entity_ids: npt.NDArray[np.object_]
    as_of: Integers
    cohort: npt.NDArray[np.object_]
    label: Floats
    event_at: Integers
    features: Features
    scorable: Booleans
    attributes: Attributes
    read: Integers
    used: Integers
    attrition: Mapping[str, int]
    first: datetime
    last: datetime
    data_sha256: str
    classes: tuple[str, ...] = ()
    data: str | None = None  # a word on outcomes that are not real, such as simulated

    def __len__(self) -> int:
        """Landmarks."""
        return len(self.as_of)

    @property
    def trainable(self) -> Booleans:
        """Which rows (n,) a model can learn from: scorable, and their outcome is known."""
        return self.scorable & ~np.isnan(self.label)

    def only(self, kept: Booleans) -> Landmarks:
        """The rows where `kept` (n,) is True; attrition, span and hash stay those of all.

        All rows are the same object, and no copy.
        """
        if kept.all():
            return self
        return replace(
            self,
            entity_ids=self.entity_ids[kept],
            as_of=self.as_of[kept],
            cohort=self.cohort[kept],
            label=self.label[kept],
            event_at=self.event_at[kept],
            features=self.features.only(kept),
            scorable=self.scorable[kept],
            attributes=self.attributes.only(kept),
            read=self.read[kept],
            used=self.used[kept],
        )

    def without_features(self) -> Landmarks:
        """The same landmarks for figures, which need no feature: of facilities and moments alone."""
        return replace(self, features=replace(self.features, names=(), values=np.empty((len(self), 0))))


def read_landmarks(
    job: Job,
    source: Source,
    *,
    parameters: Mapping[str, str] | None = None,
    between: tuple[datetime | None, datetime | None] = (None, None),
    classes: tuple[str, ...] = (),
    progress: Progress | None = None,
) -> Landmarks:
    """Read the landmarks of `job`, with `parameters` in place of its own where given.

    The `classes` of a multiclass job are those that occur, where neither these nor job.toml says which. Landmarks lie in `between`, from
    the first time to before the second; nothing is read of others. `progress` is called with how many landmarks are done, and of how many.
    Raises UserError where there is none, a label is none of the job's task, or `parameters` has one that the job does not have.
    """
    _require_parameters(job, parameters or {})
    table = source.landmarks(replace(job, parameters={**job.parameters, **(parameters or {})}))
    table = _within(table, *between).sort_by([("entity_id", "ascending"), ("as_of", "ascending")])
    if not table.num_rows:
        raise UserError(f"The statement landmarks of job {job.name} gave no row: there is nothing to train on.")
    rows = _landmark_rows(table, job, classes=classes or job.classes)
    _require_past(job, rows)
    values = np.full((table.num_rows, len(feature_names(job.features))), np.nan)
    scorable = np.zeros(table.num_rows, dtype=bool)
    read, used = np.zeros(table.num_rows, np.int64), np.zeros(table.num_rows, np.int64)
    attributes: list[Attributes] = []
    suites, digest = Suites(job), _Digest(rows)
    for portion in _portions(job, source, rows, digest=digest):
        attributes.append(portion.attributes)
        for part in portion.parts():
            built, place = part.prepared(job, suites), slice(part.start, part.start + len(part.as_of))
            values[place][built.scorable] = built.matrix.values[built.scorable]
            scorable[place], read[place], used[place] = built.scorable, built.read, built.used
        if progress is not None:
            progress(portion.start + len(portion.as_of), table.num_rows)
    known = _joined(attributes)
    return Landmarks(
        entity_ids=rows.entity_ids,
        as_of=rows.as_of,
        cohort=rows.cohort,
        label=rows.label,
        event_at=rows.event_at,
        features=Features(names=feature_names(job.features), values=values, facility=facility_of(known, job.features)),
        scorable=scorable,
        attributes=known,
        read=read,
        used=used,
        attrition=_attrition(rows, scorable=scorable, enough=used >= job.min_observations),
        first=_moment(rows.as_of.min()),
        last=_moment(rows.as_of.max()),
        data_sha256=digest.hexdigest(),
        classes=rows.classes,
    )


def _attrition(rows: _LandmarkRows, *, scorable: Booleans, enough: Booleans) -> dict[str, int]:
    """How many landmarks are left after each step; `enough` (n,) are those with enough observations."""
    unknown = np.isnan(rows.label)
    return {
        "entities": len(np.unique(rows.entity_ids)),
        "landmarks": len(rows.as_of),
        "held": int((~scorable & enough).sum()),
        "insufficient": int((~enough).sum()),
        "scorable": int(scorable.sum()),
        "without outcome": int((scorable & unknown).sum()),
        "trainable": int((scorable & ~unknown).sum()),
    }


def _require_parameters(job: Job, parameters: Mapping[str, str]) -> None:
    for name in parameters:
        if name not in job.parameters:
            raise UserError(
                f'Job {job.name} has no parameter "{name}": its landmarks are those that its statement gives. To have them at steps, put '
                "it into [parameters] of job.toml and use it in landmarks.sql, as the shipped job does."
            )


def _require_past(job: Job, rows: _LandmarkRows) -> None:
    """Raises UserError where the outcome of a moment that is still to come is known."""
    ahead = int(((rows.as_of > microseconds(datetime.now(UTC))) & ~np.isnan(rows.label)).sum())
    if ahead:
        raise UserError(
            f"The statement landmarks of job {job.name} gives {ahead:,} rows whose as_of lies in the future; their outcome cannot be known."
        )


def _within(table: pa.Table, first: datetime | None, end: datetime | None) -> pa.Table:
    as_of = _microseconds(table["as_of"], where="as_of")
    kept = np.ones(len(as_of), dtype=bool)
    if first is not None:
        kept &= as_of >= microseconds(first)
    if end is not None:
        kept &= as_of < microseconds(end)
    return table.filter(pa.array(kept))


@dataclass(frozen=True, slots=True)
class _LandmarkRows:
    """The rows of the job's statement `landmarks`, arrays (n,) as in Landmarks."""

    entity_ids: npt.NDArray[np.object_]
    as_of: Integers
    cohort: npt.NDArray[np.object_]
    label: Floats
    event_at: Integers
    classes: tuple[str, ...]

    def items(self, rows: Integers) -> tuple[WorkItem, ...]:
        """Work items for the landmarks at the indices `rows` (m,)."""
        return tuple(WorkItem(entity_id=self.entity_ids[row], as_of=_moment(self.as_of[row])) for row in rows.tolist())


def _landmark_rows(table: pa.Table, job: Job, *, classes: tuple[str, ...]) -> _LandmarkRows:
    where = f"the statement landmarks of job {job.name}"
    label, known = task_of(job.task, classes=classes).read_labels(labels(table["label"]), where=where)
    return _LandmarkRows(
        entity_ids=np.asarray(table["entity_id"].to_numpy(), dtype=object),
        as_of=_microseconds(table["as_of"], where="as_of"),
        cohort=np.asarray(table["cohort"].to_numpy(), dtype=object).astype(str).astype(object),
        label=label,
        event_at=_microseconds(table["event_at"], where="event_at")
        if "event_at" in table.column_names
        else np.full(table.num_rows, NO_TIME, np.int64),
        classes=known,
    )


def _microseconds(column: pa.ChunkedArray, *, where: str) -> Integers:
    if not pa.types.is_timestamp(column.type) or column.type.tz is None:
        raise UserError(
            f"The column {where} of landmarks is {column.type}, where a timestamp with time zone is expected."
        )
    whole = column.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
    return np.asarray(whole.fill_null(NO_TIME).to_numpy(), dtype=np.int64)


def _moment(microseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + int(microseconds) * _MICROSECOND


@dataclass(frozen=True, slots=True)
class _Part:
    """Consecutive landmarks from index `start` on, each with the observations known by then."""

    start: int
    as_of: Integers
    observations: Observations
    attributes: Attributes

    def prepared(self, job: Job, suites: Suites) -> Prepared:
        """What scoring would have made of it: validated and built as a batch is."""
        return prepare(
            job,
            suites,
            self.observations,
            self.attributes,
            entity_ids=[item.entity_id for item in self.observations.keys],
            as_of=self.as_of,
            steps=StepTimer(),
        )


@dataclass(frozen=True, slots=True)
class _Portion:
    """Landmarks of whole entities, read together.

    `entity` (landmarks,) is each landmark's index among the entities of `observations`.
    """

    start: int
    items: tuple[WorkItem, ...]
    as_of: Integers
    entity: Integers
    observations: Observations
    attributes: Attributes
    read_at_each: bool

    def parts(self) -> Iterator[_Part]:
        """The portion in parts, each landmark with the rows known by then; parts bound the memory used."""
        if self.read_at_each:
            yield _Part(self.start, self.as_of, self.observations, self.attributes)
            return
        begins = np.searchsorted(self.observations.position, np.arange(self.entity[-1] + 2))
        sizes = (begins[1:] - begins[:-1])[self.entity]
        number = np.cumsum(sizes) // _ROWS_BUILT_TOGETHER
        for each in np.unique(number):
            places = np.flatnonzero(number == each)
            yield self._part(places, first=begins[self.entity[places]], size=sizes[places])

    def _part(self, places: Integers, *, first: Integers, size: Integers) -> _Part:
        landmark = np.repeat(np.arange(len(places)), size)
        row = np.arange(len(landmark)) - np.repeat(np.cumsum(size) - size, size) + np.repeat(first, size)
        as_of = self.as_of[places]
        assert self.observations.known_from is not None
        # A row of which it is not recorded since when it is known has NO_TIME, before all times: it is known at each landmark.
        known = self.observations.known_from[row] <= as_of[landmark]
        landmark, row = landmark[known], row[known]
        chosen = np.zeros(len(self.as_of), dtype=bool)
        chosen[places] = True
        observations = replace(
            self.observations.only(row), keys=tuple(self.items[place] for place in places.tolist()), position=landmark
        )
        return _Part(self.start + int(places[0]), as_of, observations, self.attributes.only(chosen))


def _portions(job: Job, source: Source, rows: _LandmarkRows, *, digest: _Digest) -> Iterator[_Portion]:
    """All landmarks, read by entity, or by landmark where the job's statement has no `known_from`."""
    begins = np.flatnonzero(np.concatenate([[True], rows.entity_ids[1:] != rows.entity_ids[:-1]]))
    ends = np.append(begins[1:], len(rows.as_of))
    for first in range(0, len(begins), _ENTITIES_READ_TOGETHER):
        together = slice(first, first + _ENTITIES_READ_TOGETHER)
        observations = source.observations(job, rows.items(ends[together] - 1), known_from=True)
        if observations.known_from is None:
            yield from _at_each(job, source, rows, digest=digest)
            return
        places = np.arange(begins[together][0], ends[together][-1])
        items = rows.items(places)
        attributes = source.attributes(job, items)
        digest.add(observations, attributes, items=items)
        yield _Portion(
            start=int(places[0]),
            items=items,
            as_of=rows.as_of[places],
            entity=np.repeat(np.arange(len(observations.keys)), ends[together] - begins[together]),
            observations=observations,
            attributes=attributes,
            read_at_each=False,
        )


def _at_each(job: Job, source: Source, rows: _LandmarkRows, *, digest: _Digest) -> Iterator[_Portion]:
    """All landmarks, each read by itself."""
    for start in range(0, len(rows.as_of), _LANDMARKS_READ_TOGETHER):
        places = np.arange(start, min(start + _LANDMARKS_READ_TOGETHER, len(rows.as_of)))
        items = rows.items(places)
        observations, attributes = source.observations(job, items), source.attributes(job, items)
        digest.add(observations, attributes, items=items)
        yield _Portion(
            start=start,
            items=items,
            as_of=rows.as_of[places],
            entity=np.arange(len(places)),
            observations=observations,
            attributes=attributes,
            read_at_each=True,
        )


class _Digest:
    """SHA-256 of the landmarks, observations and attributes that were read.

    It does not depend on the portions in which they were read.
    """

    def __init__(self, rows: _LandmarkRows) -> None:
        self._rows, self._known = hashlib.sha256(), hashlib.sha256()
        for texts in (rows.entity_ids, rows.cohort):
            self._rows.update("\0".join(map(str, texts)).encode())
        for numbers in (rows.as_of, rows.label, rows.event_at):
            self._rows.update(np.ascontiguousarray(numbers).tobytes())
        self._attributes = hashlib.sha256()

    def add(self, observations: Observations, attributes: Attributes, *, items: tuple[WorkItem, ...]) -> None:
        """Add observations as read, and the attributes of each landmark."""
        nothing = observations.only(np.empty(0, np.int64))
        self._rows.update(b"".join(input_hashes(observations, Attributes())))
        self._attributes.update(b"".join(input_hashes(replace(nothing, keys=items), attributes)))
        if observations.known_from is not None:
            self._known.update(observations.known_from.tobytes())

    def hexdigest(self) -> str:
        """The hash, in hexadecimal digits."""
        parts = (self._rows, self._attributes, self._known)
        return hashlib.sha256(b"".join(part.digest() for part in parts)).hexdigest()


def _joined(parts: list[Attributes]) -> Attributes:
    """The attributes of all portions, joined in order."""
    first = parts[0]
    return Attributes(
        numbers={name: np.concatenate([part.numbers[name] for part in parts]) for name in first.numbers},
        times={name: np.concatenate([part.times[name] for part in parts]) for name in first.times},
        texts={name: np.concatenate([part.texts[name] for part in parts]) for name in first.texts},
    )


_HOUR = 3_600_000_000


def hours_from_event(landmarks: Landmarks) -> tuple[Floats, Booleans]:
    """Hours (n,) from the event to each landmark, and whether there is an event (n,).

    Negative before the event, NaN without one.
    """
    has_event = landmarks.event_at != NO_TIME
    hours = np.full(len(landmarks), np.nan)
    hours[has_event] = (landmarks.as_of[has_event] - landmarks.event_at[has_event]) / _HOUR
    return hours, has_event
