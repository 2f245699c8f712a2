"""A cohort as production would have seen it: each entity at each as-of time, scored by one model."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from scorer.database.source.reader import Source
from scorer.errors import UserError
from scorer.evaluation.alarms import Rows
from scorer.evaluation.beside_naive import history_of
from scorer.evaluation.landmarks import Landmarks, hours_from_event, read_landmarks
from scorer.jobs.evaluation import Subgroups
from scorer.jobs.job import Job
from scorer.registry.manifest import seen_clients
from scorer.registry.model import LoadedModel
from scorer.scoring.predictions import predict
from scorer.tasks.known import task_of
from scorer.tasks.task import TaskRules
from scorer.types.arrays import Attributes, Booleans, Floats, Integers
from scorer.types.values import Progress

_DAY = timedelta(days=1)
_SCORED_TOGETHER = 20_000


@dataclass(frozen=True, slots=True)
class EvaluationCohort:
    """A cohort with its scores.

    `rows` are its n landmarks; `subgroup` has, by attribute and value, which of them (n,) belong to it; `attrition` counts what is left
    after each step. `clients_seen` is how many of its clients the model was trained on, None where the manifest does not say. `naive` is
    what the naive forecast would publish of each row, None without outcomes; `classes` are those of a multiclass job. A row stands
    for the time `every`, from one landmark to the next: their usual distance, where the landmarks are the job's own.
    """

    rows: Rows
    subgroup: Mapping[tuple[str, str], Booleans]
    attrition: Mapping[str, int]
    clients: int
    clients_seen: int | None
    first: datetime
    last: datetime
    sha256: str
    naive: Floats | None = None
    classes: tuple[str, ...] = ()
    every: timedelta = timedelta(hours=1)
    own_landmarks: bool = False


def read_cohort(
    job: Job,
    source: Source,
    model: LoadedModel,
    *,
    every: timedelta | None = None,
    between: tuple[datetime | None, datetime | None] = (None, None),
    outcomes: bool = True,
    subgroups: tuple[Subgroups, ...] = (),
    progress: Progress | None = None,
) -> EvaluationCohort:
    """Read and score the cohort of `job`, first one step of `every` after each entity's beginning.

    Without `every` it is at the landmarks that the job is trained at.
    Landmarks lie in `between`, from the first time to before the second. Without `outcomes` every outcome counts as unknown. Raises
    UserError where there is no landmark, a label is none that the model knows, or an attribute of `subgroups` is missing.
    """
    model.rules.require_job(job)
    step = "" if every is None else f"{every.total_seconds()} s"
    landmarks = read_landmarks(
        job,
        source,
        parameters={"first_landmark": step, "landmark_step": step} if step else {},
        between=between,
        classes=model.rules.classes,
        progress=progress,
    )
    published = _published(job, model, landmarks)
    clients = landmarks.cohort.astype(str)
    return cohort_of(
        job,
        landmarks,
        published,
        every=every,
        outcomes=outcomes,
        subgroups=subgroups,
        clients_seen=_seen(model, np.unique(clients)),
        everyone=model.manifest.content.get("naive", {}).get("everyone"),
    )


def cohort_of(
    job: Job,
    landmarks: Landmarks,
    published: Floats,
    *,
    every: timedelta | None,
    outcomes: bool,
    subgroups: tuple[Subgroups, ...],
    clients_seen: int | None,
    everyone: Mapping[str, Any] | None = None,
) -> EvaluationCohort:
    """The cohort of `landmarks` with what is `published` of them, (n,) or (n, k).

    Where they are the job's own, `every` is None: a row then stands for their usual distance, or, where no entity has two, for as long
    as a score is valid.
    It is NaN where there is no score. The naive forecast is by what the model's training knew of `everyone`; where it does not say, by what
    this cohort does.
    """
    rules = task_of(job.task, classes=landmarks.classes)
    score = rules.score_of(published)
    groups = {each: rows for group in subgroups for each, rows in _members(job, landmarks.attributes, group).items()}
    _, entity = np.unique(landmarks.entity_ids.astype(str), return_inverse=True)
    clients, client = np.unique(landmarks.cohort.astype(str), return_inverse=True)
    hours, _ = hours_from_event(landmarks)
    distance = every or _usual_distance(entity, landmarks.as_of) or job.valid_for
    rows = Rows(
        entity=entity,
        client=client,
        score=score if job.bands is None else rules.banded(score, published, job.bands),
        label=np.where(outcomes, landmarks.label, np.nan),
        hours=np.where(outcomes, hours, np.nan),
        days=distance / _DAY,
        published=published if published.ndim > 1 else None,
        facility=landmarks.features.facility,
    )
    declined = int(np.isnan(score[landmarks.scorable]).sum())
    return EvaluationCohort(
        rows=rows,
        subgroup=groups,
        attrition=_attrition(landmarks, rows, declined=declined, outcomes=outcomes, rules=rules),
        clients=len(clients),
        clients_seen=clients_seen,
        first=landmarks.first,
        last=landmarks.last,
        sha256=_digest(landmarks),
        naive=_naive(landmarks, rules, everyone) if outcomes else None,
        classes=rules.classes,
        every=distance,
        own_landmarks=every is None,
    )


def _usual_distance(entity: Integers, as_of: Integers) -> timedelta | None:
    """The median time from one landmark of an entity to its next; None where no entity has two.

    >>> _usual_distance(np.array([0, 1, 0, 0]), np.array([0, 0, 2_000_000, 5_000_000]))
    datetime.timedelta(seconds=2, microseconds=500000)
    """
    order = np.lexsort((as_of, entity))
    between = np.diff(as_of[order])[np.diff(entity[order]) == 0]
    between = between[between > 0]
    return timedelta(microseconds=int(np.median(between))) if len(between) else None


def _naive(landmarks: Landmarks, rules: TaskRules, everyone: Mapping[str, Any] | None) -> Floats | None:
    """What the naive forecast would publish of each landmark; None where nothing is known of any."""
    known = landmarks.label[~np.isnan(landmarks.label)]
    if not len(known):
        return None
    return rules.naive(history_of(landmarks), everyone or rules.everyone(known))


def _published(job: Job, model: LoadedModel, landmarks: Landmarks) -> Floats:
    """What is published of each landmark, (n,) or (n, k); NaN where there is no score."""
    nothing = model.score(landmarks.features.only(np.zeros(len(landmarks), dtype=bool))).whole
    published = np.full((len(landmarks), *nothing.shape[1:]), np.nan)
    places = np.flatnonzero(landmarks.scorable)
    for start in range(0, len(places), _SCORED_TOGETHER):
        part = places[start : start + _SCORED_TOGETHER]
        wanted = np.zeros(len(landmarks), dtype=bool)
        wanted[part] = True
        scores = predict(model, landmarks.features.only(wanted), spec=job.declining).scores
        whole = scores.whole.copy()
        whole[np.isnan(scores.score)] = np.nan
        published[part] = whole
    return published


def _members(job: Job, attributes: Attributes, group: Subgroups) -> dict[tuple[str, str], Booleans]:
    """By attribute and value, the rows (n,) of each subgroup; rows without a value are a subgroup too."""
    name = group.attribute
    if name in attributes.numbers and group.edges:
        return _bands(attributes.numbers[name], group)
    if name in attributes.texts and not group.edges:
        values = attributes.texts[name]
        missing = np.array([value is None for value in values])
        texts = np.where(missing, "", values).astype(str)
        found = {(name, value): texts == value for value in np.unique(texts[~missing]).tolist()}
        return {**found, **({(name, "not known"): missing} if missing.any() else {})}
    there = ", ".join([*attributes.numbers, *attributes.texts]) or "none"
    kind = "a number, which is taken by [evaluation.subgroups] with edges" if group.edges else "a text"
    raise UserError(
        f"Subgroups of job {job.name} are asked for by {name}, and its attributes have no such column that is {kind}; they have: {there}."
    )


def _bands(values: Floats, group: Subgroups) -> dict[tuple[str, str], Booleans]:
    place = np.searchsorted(group.edges, values, side="right")
    edges = [f"{edge:g}" for edge in group.edges]
    names = [
        f"below {edges[0]}",
        *(f"{low} to below {high}" for low, high in itertools.pairwise(edges)),
        f"{edges[-1]} and above",
    ]
    missing = np.isnan(values)
    found = {(group.attribute, name): (place == number) & ~missing for number, name in enumerate(names)}
    found[group.attribute, "not known"] = missing
    return {key: rows for key, rows in found.items() if rows.any()}


def _attrition(landmarks: Landmarks, rows: Rows, *, declined: int, outcomes: bool, rules: TaskRules) -> dict[str, int]:
    """Counts of what is left after each step, in the order of the steps."""
    entity = rows.entity
    scored = ~np.isnan(rows.score)
    known = ~np.isnan(rows.label)
    counts = {
        "entities": len(np.unique(entity)),
        "entities_never_scored": len(np.unique(entity)) - len(np.unique(entity[scored])),
    }
    if outcomes:
        counts |= {
            "entities_without_outcome": len(np.unique(entity[~known])),
            **({"entities_with_event": len(np.unique(entity[rows.with_event]))} if rules.has_event else {}),
        }
    counts |= {
        "landmarks": len(rows),
        "held": landmarks.attrition["held"],
        "insufficient": landmarks.attrition["insufficient"],
        "declined": declined,
        "scored": int(scored.sum()),
    }
    if outcomes:
        counts |= {
            "scored_without_outcome": int((scored & ~known).sum()),
            "scored_with_outcome": int((scored & known).sum()),
            **({"positive": rules.positives(rows.label[scored])} if rules.has_event else {}),
        }
    return counts


def _seen(model: LoadedModel, clients: npt.NDArray[np.str_]) -> int | None:
    """How many of `clients` (m,) the model was trained on; None where its manifest does not say."""
    seen = seen_clients(model.manifest.content, clients.tolist())
    return None if seen is None else sum(seen)


def _digest(landmarks: Landmarks) -> str:
    """SHA-256 of the cohort: entities, as-of times, outcomes, and all that was read of them."""
    digest = hashlib.sha256(landmarks.data_sha256.encode())
    for numbers in (landmarks.as_of, landmarks.label, landmarks.event_at):
        digest.update(np.ascontiguousarray(numbers).tobytes())
    return digest.hexdigest()
