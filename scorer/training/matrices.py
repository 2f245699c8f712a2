"""The feature matrix alone, and the training set, as tables to write into a file or the database."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.database.session import Session
from scorer.database.source.reader import Source, microseconds
from scorer.database.store.experiments import write_feature_vectors
from scorer.database.store.models import list_current
from scorer.database.store.requests import find_asked
from scorer.database.store.ticks import read_clock
from scorer.errors import UserError
from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.job import Job
from scorer.scoring.prepared import prepare
from scorer.scoring.timing import StepTimer
from scorer.scoring.validation.suites import Suites
from scorer.types.arrays import NO_TIME, Booleans, Features, Integers
from scorer.types.enums import Status
from scorer.types.values import Progress, WorkItem

FORMATS = (".parquet", ".csv", ".json")
_READ_TOGETHER = 5000  # entities
_WRITTEN_TOGETHER = 1000
READY = "READY"  # the status of an entity that a run would score


@dataclass(frozen=True, slots=True)
class FeatureMatrix:
    """The features (n, f) of n entities, each as of its own time, in order of their ids.

    `statuses` says READY where a run would score the entity; else how it would end, and its `reasons` why: its features are then NaN.
    """

    entity_ids: tuple[str, ...]
    as_of: tuple[datetime, ...]
    statuses: tuple[str, ...]
    reasons: tuple[str | None, ...]
    features: Features

    def table(self) -> pa.Table:
        """A row for each entity: entity_id, as_of, status, reason, and its features.

        A feature without a value is null.
        """
        return pa.table(
            {
                "entity_id": pa.array(self.entity_ids, pa.string()),
                "as_of": pa.array(self.as_of, pa.timestamp("us", tz="UTC")),
                "status": pa.array(self.statuses, pa.string()),
                "reason": pa.array(self.reasons, pa.string()),
                **_columns(self.features),
            }
        )


def feature_matrix(
    job: Job,
    *,
    database: Database,
    as_of: datetime | None = None,
    entity_ids: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> FeatureMatrix:
    """Build the features of what the statement `due` gives, or of `entity_ids`, as of a time.

    That is now, where None is given. They are validated as in a run; nothing is scored or written. Raises UserError where the time lies in
    the future, an entity is not there, or none is.
    """
    with closing(Session(database.as_worker())) as session, closing(Source.of(database)) as source:
        with session.transaction(keep=False):
            now = read_clock(session)
            if as_of is not None and as_of > now:
                raise UserError(f"The as-of time {as_of.isoformat()} lies in the future; say one that has passed.")
            items = _items(job, session, as_of=as_of or now, entity_ids=entity_ids)
        suites, parts = _suites(job, settings=database.settings), []
        for start in range(0, len(items), _READ_TOGETHER):
            parts.append(_part(job, source, suites, items[start : start + _READ_TOGETHER]))
            if progress is not None:
                progress(min(start + _READ_TOGETHER, len(items)), len(items))
    return FeatureMatrix(
        entity_ids=tuple(item.entity_id for item in items),
        as_of=tuple(item.as_of for item in items),
        statuses=tuple(each for part in parts for each in part.statuses),
        reasons=tuple(each for part in parts for each in part.reasons),
        features=Features(
            names=parts[0].features.names, values=np.concatenate([part.features.values for part in parts])
        ),
    )


def _suites(job: Job, *, settings: Settings) -> Suites:
    return Suites(job, compiled=settings.validation == "compiled", records=settings.proofs_dir)


def _items(job: Job, session: Session, *, as_of: datetime, entity_ids: Sequence[str] | None) -> tuple[WorkItem, ...]:
    if entity_ids is None:
        items = list_current(session, job, as_of=as_of, limit=None)
    else:
        there = find_asked(session, job, entity_ids, as_of=as_of)
        absent = [each for each in entity_ids if each not in there]
        if absent:
            raise UserError(
                f"There is no {job.entity} {absent[0]} as of {as_of.isoformat()}; take it out of --entities."
            )
        items = tuple(WorkItem(entity_id=each, as_of=moment) for each, moment in sorted(there.items()))
    if not items:
        raise UserError(f"There is no {job.entity} as of {as_of.isoformat()}, so there is no feature to build.")
    return items


@dataclass(frozen=True, slots=True)
class _Part:
    statuses: list[str]
    reasons: list[str | None]
    features: Features


def _part(job: Job, source: Source, suites: Suites, items: tuple[WorkItem, ...]) -> _Part:
    observations, attributes = source.observations(job, items), source.attributes(job, items)
    ready = prepare(
        job,
        suites,
        observations,
        attributes,
        entity_ids=[item.entity_id for item in items],
        as_of=np.array([microseconds(item.as_of) for item in items], dtype=np.int64),
        steps=StepTimer(),
    )
    values = np.where(ready.scorable[:, np.newaxis], ready.matrix.values, np.nan)
    statuses: list[str] = []
    for place, scorable in enumerate(ready.scorable.tolist()):
        held = Status.QUARANTINED if place in ready.held else Status.INSUFFICIENT
        statuses.append(READY if scorable else str(held))
    reasons = [
        None if status == READY else ready.held.get(place, _few(job, int(ready.used[place])))
        for place, status in enumerate(statuses)
    ]
    return _Part(statuses=statuses, reasons=reasons, features=Features(names=ready.matrix.names, values=values))


def _few(job: Job, used: int) -> str:
    return f"{used} usable observations, {job.min_observations} needed"


def record_matrix(job: Job, matrix: FeatureMatrix, session: Session) -> None:
    """Write the matrix into scorer.feature_vectors, in the session's transaction.

    It takes the place of what is there of the same entities and times. A feature without a value is left out.
    """
    names, rows = matrix.features.names, matrix.features.values.tolist()
    known = zip(matrix.entity_ids, matrix.as_of, matrix.statuses, matrix.reasons, rows, strict=True)
    vectors = [
        {
            "entity_id": entity_id,
            "as_of": as_of.isoformat(),
            "status": status,
            "reason": reason,
            "features": {name: value for name, value in zip(names, row, strict=True) if not np.isnan(value)},
        }
        for entity_id, as_of, status, reason, row in known
    ]
    for start in range(0, len(vectors), _WRITTEN_TOGETHER):
        write_feature_vectors(session, job, vectors=vectors[start : start + _WRITTEN_TOGETHER])


def training_set(landmarks: Landmarks) -> pa.Table:
    """A row for each landmark: entity_id, cohort, as_of, label, event_at, scorable, and each feature.

    What is not known is null; so are all features of a landmark that scoring would have held. The label of a class is its name.
    """
    return pa.table(
        {
            "entity_id": pa.array(landmarks.entity_ids, pa.string()),
            "cohort": pa.array(landmarks.cohort, pa.string()),
            "as_of": _times(landmarks.as_of),
            "label": _labels(landmarks),
            "event_at": _times(landmarks.event_at, missing=landmarks.event_at == NO_TIME),
            "scorable": pa.array(landmarks.scorable),
            **_columns(landmarks.features),
        }
    )


def _labels(landmarks: Landmarks) -> pa.Array:
    if not landmarks.classes:
        return pa.array(landmarks.label, pa.float64(), from_pandas=True)
    names = [None if np.isnan(code) else landmarks.classes[int(code)] for code in landmarks.label.tolist()]
    return pa.array(names, pa.string())


def _columns(features: Features) -> dict[str, pa.Array]:
    return {
        name: pa.array(np.ascontiguousarray(column), pa.float64(), from_pandas=True)
        for name, column in zip(features.names, features.values.T, strict=True)
    }


def _times(moments: Integers, *, missing: Booleans | None = None) -> pa.Array:
    return pa.array(moments, pa.int64(), mask=missing).cast(pa.timestamp("us", tz="UTC"))


def require_file(path: Path) -> None:
    """Check, before minutes are spent, that a table can be written there.

    Raises UserError where the name ends otherwise than in one of FORMATS, or has no folder.
    """
    if path.suffix not in FORMATS:
        raise UserError(f"{path} must end in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}, which says the format.")
    if not path.parent.is_dir():
        raise UserError(f"{path} cannot be written: there is no folder {path.parent}.")


def write_table(table: pa.Table, path: Path) -> None:
    """Write the table, whole or not at all, in the format that the file's name ends in.

    JSON is a line for each row. The file is readable by its owner alone, since it holds patients' values.
    """
    handle, written = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            if path.suffix == ".parquet":
                pa.parquet.write_table(table, file)
            elif path.suffix == ".csv":
                pa.csv.write_csv(table, file)
            else:
                for batch in table.to_batches(max_chunksize=_WRITTEN_TOGETHER):
                    file.writelines(f"{json.dumps(row, default=str)}\n".encode() for row in batch.to_pylist())
        Path(written).replace(path)
    except BaseException:
        Path(written).unlink(missing_ok=True)
        raise
