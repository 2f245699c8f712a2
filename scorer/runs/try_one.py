"""One entity of a job all the way, step by step, as a run would score it; nothing is written.

Where no model can score it, as of a job that is being written, the way ends with the features.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from scorer.database import schema
from scorer.database.connection import Database
from scorer.database.session import Session, engine
from scorer.database.source.reader import Source, microseconds
from scorer.database.store.models import production_model
from scorer.database.store.requests import find_asked
from scorer.errors import UserError
from scorer.jobs.folder.catalogue import catalogue
from scorer.jobs.job import Job
from scorer.scoring.features.build import build
from scorer.scoring.opening import open_pipeline, require_columns
from scorer.scoring.pipeline import score_batch
from scorer.scoring.reasons import origins_of, reasons_of
from scorer.scoring.timing import StepTimer
from scorer.scoring.validation.suites import ObservationResult, Suites
from scorer.types.arrays import NO_TIME, Attributes, Features, Observations
from scorer.types.enums import Trigger
from scorer.types.values import Counts, Outcome, Reason, Rejection, Run, WorkItem

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Row:
    """An observation that was read, whether it is `used`, and the `rules` that it broke."""

    observation_id: str
    observation_date: datetime | None
    code: str | None
    value: float | None
    used: bool
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """A feature's value, and what it comes from."""

    feature: str
    value: float | None
    unit: str
    source: str


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of one entity, step by step.

    `outcome` is the row that the ledger would get; None where there is none, and `without` says why. `reasons` are those of its score,
    whatever its band. `writes_back`: the score would be copied to the source table.
    """

    job: str
    job_version: str
    entity_id: str
    as_of: datetime
    rows: tuple[Row, ...]
    attributes: Mapping[str, Any]
    rejections: tuple[Rejection, ...]
    needed: int
    features: tuple[Value, ...]
    model_version: str | None
    outcome: Outcome | None
    without: str | None
    reasons: tuple[Reason, ...]
    writes_back: bool


def try_one(job: Job, entity_id: str, *, database: Database, as_of: datetime | None = None) -> Tried:
    """Score one entity as of a time, now where none is given. Returns each step.

    Its own as-of time is earlier where its record ended before. Raises UserError where there is no such entity then, or the job's
    statements or suites are wrong.
    """
    target = database.as_worker()
    schema.require_head(engine(target))
    with closing(Session(target)) as session, closing(Source.of(database)) as source:
        with session.transaction(keep=False):
            found = find_asked(session, job, [entity_id], as_of=as_of or datetime.now(UTC))
            has_model = production_model(session, job.name) is not None
        if entity_id not in found:
            when = "now" if as_of is None else f"as of {as_of.isoformat()}"
            raise UserError(
                f"Job {job.name} has no {job.entity} {entity_id} {when}; its due statement says which there are."
            )
        item = WorkItem(entity_id=entity_id, as_of=found[entity_id])
        suites = Suites(job, compiled=database.settings.validation == "compiled", records=database.settings.proofs_dir)
        require_columns(job, source, suites)
        observations, attributes = source.observations(job, [item]), source.attributes(job, [item])
    moment = np.array([microseconds(item.as_of)], dtype=np.int64)
    judged = suites.validate_observations(observations, attributes, as_of=moment)
    usable = observations.only(judged.usable)
    matrix = build(usable, attributes, as_of=moment, spec=job.features)
    held = suites.validate_features(
        [entity_id], matrix, attributes, read=np.array([len(observations)]), used=np.array([len(usable)])
    )
    scored = _Scored()
    without = (
        None if has_model else f"no model is in production: scorer train {job.name} --full, then scorer model promote"
    )
    if has_model:
        try:
            scored = _scored(job, item, matrix, usable, database=database)
        except UserError as error:  # a model for other features, say, as of a job that is being changed
            without = str(error)
    origins = origins_of([(0, name) for name in matrix.names], usable, as_of=moment, spec=job.features)
    units = {feature.name: feature.unit for feature in catalogue(job)}
    return Tried(
        job=job.name,
        job_version=job.version,
        entity_id=entity_id,
        as_of=item.as_of,
        rows=_rows(observations, judged),
        attributes=_attributes(attributes),
        rejections=judged.rejections + held.rejections,
        needed=job.min_observations,
        features=tuple(
            Value(name, None if np.isnan(value) else float(value), units[name], _source(origin))
            for name, value, origin in zip(matrix.names, matrix.values[0], origins, strict=True)
        ),
        model_version=scored.model_version,
        outcome=scored.outcome,
        without=without,
        reasons=scored.reasons,
        writes_back="write_back" in job.statements and scored.outcome is not None and scored.outcome.score is not None,
    )


@dataclass(frozen=True, slots=True)
class _Scored:
    """What the model in production makes of the entity."""

    model_version: str | None = None
    outcome: Outcome | None = None
    reasons: tuple[Reason, ...] = ()


def _scored(job: Job, item: WorkItem, matrix: Features, usable: Observations, *, database: Database) -> _Scored:
    """The model in production, the outcome that a run would give the item, and the reasons of its score."""
    pipeline = open_pipeline(job, database=database)
    try:
        run = Run(
            run_id=0,
            job=job.name,
            trigger=Trigger.MANUAL,
            status="running",
            as_of=item.as_of,
            started_at=datetime.now(UTC),
            finished_at=None,
            counts=Counts(),
        )
        with pipeline.session.transaction(keep=False):
            (outcome,) = score_batch(pipeline, run, (item,), steps=StepTimer()).new_outcomes
        contributions = pipeline.model.contributions(matrix) if outcome.score is not None else None
    finally:
        pipeline.close()
    if outcome.reasons or contributions is None:
        return _Scored(pipeline.model_version, outcome, outcome.reasons)
    as_of = np.array([microseconds(item.as_of)], dtype=np.int64)
    (reasons,) = reasons_of(contributions, matrix, usable, as_of=as_of, spec=job.features, top=job.reasons.top)
    return _Scored(pipeline.model_version, outcome, reasons)


def _rows(observations: Observations, judged: ObservationResult) -> tuple[Row, ...]:
    """The observations in order of time; first those without one."""
    rules: dict[str, list[str]] = {}
    for each in judged.rejections:
        # What is told once for an entity has, instead of a key, what was seen: the code.
        rules.setdefault(str(each.observation_id), []).append(f"{each.rule} ({each.action})")
    rows = []
    for row, (code, used) in enumerate(zip(observations.code.tolist(), judged.usable.tolist(), strict=True)):
        key, name = str(observations.observation_id[row]), observations.codes[code] if code >= 0 else None
        rows.append(
            Row(
                observation_id=key,
                observation_date=_moment(int(observations.time[row])),
                code=name,
                value=None if observations.value_is_null[row] else float(observations.value[row]),
                used=used,
                rules=(*rules.get(key, ()), *rules.get(name or "(none)", ())),
            )
        )
    return tuple(sorted(rows, key=lambda row: (row.observation_date is not None, row.observation_date or _EPOCH)))


def _attributes(attributes: Attributes) -> dict[str, Any]:
    """The entity's attributes by name, None where one is unknown."""
    numbers = {name: None if np.isnan(value[0]) else float(value[0]) for name, value in attributes.numbers.items()}
    times = {name: _moment(int(value[0])) for name, value in attributes.times.items()}
    return {**numbers, **times, **{name: value[0] for name, value in attributes.texts.items()}}


def _moment(microseconds_since: int) -> datetime | None:
    if microseconds_since == NO_TIME:
        return None
    try:
        return _EPOCH + timedelta(microseconds=microseconds_since)
    except OverflowError:  # infinity, or a year that Python's times do not reach
        return None


def _source(origin: Mapping[str, Any]) -> str:
    """What a feature comes from, in words."""
    if "attribute" in origin and origin["attribute"] is None:
        return "the as-of time"
    if "attribute" in origin:
        return f"attribute {origin['attribute']}"
    if "observation_id" not in origin:
        return f"no {origin['code']} in the window"
    return f"{origin['source']} {origin['code']}: observation {origin['observation_id']}"
