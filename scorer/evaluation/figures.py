"""The figures of a scored cohort, whole and by subgroup, with the remarks that must go with them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from scorer.errors import UserError
from scorer.evaluation import alarms, metrics
from scorer.evaluation.alarms import Rows
from scorer.evaluation.bootstrap import DRAWS, Figure, draws
from scorer.evaluation.cohort import EvaluationCohort
from scorer.jobs.evaluation import Utility
from scorer.jobs.job import Job
from scorer.registry.manifest import Manifest
from scorer.types.arrays import Booleans, Floats

FEW = 10  # entities with the event, below which a group is marked as having too few
THRESHOLDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
EVERYONE = ("", "everyone")
OF_THE_MODEL = "the model's own"
_HISTOGRAM_BINS = 40
_POINTS = 300


@dataclass(frozen=True, slots=True)
class Above:
    """The figures of alarming above a threshold; `name` is what the threshold is called, such as a band."""

    threshold: float
    name: str | None
    figures: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class Group:
    """A cohort or a subgroup of it, with its figures.

    `events` counts entities with the event, `positives` scored rows with a positive label.
    """

    attribute: str
    value: str
    entities: int
    landmarks: int
    scored: int
    positives: int
    events: int
    figures: Mapping[str, Figure]
    above: tuple[Above, ...]


@dataclass(frozen=True, slots=True)
class Pictures:
    """What the plots show: reliability, curves, utility by threshold, and a histogram of the scores.

    `utility` (t,) is that of alarming at or above each of `thresholds` (t,).
    `best_threshold` has the `best_utility` on this very cohort, which is known only afterwards.
    """

    bins: tuple[metrics.Bin, ...]
    curves: metrics.Curves | None
    thresholds: Floats
    utility: Floats
    best_threshold: float
    best_utility: float
    histogram: Floats
    histogram_edges: Floats


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How good a model is on a cohort; the first of `groups` is the whole cohort."""

    job: str
    job_version: str
    model_version: str
    alarm: str | None
    every: timedelta
    first: datetime
    last: datetime
    outcomes: bool
    clients: int
    clients_seen: int | None
    cohort_sha256: str
    attrition: Mapping[str, int]
    remarks: tuple[str, ...]
    groups: tuple[Group, ...]
    pictures: Pictures
    command: str
    draws: int = DRAWS

    @property
    def whole(self) -> Group:
        """The whole cohort."""
        return self.groups[0]

    def alarming(self, group: Group) -> Above | None:
        """The figures of the job's own alarms in a group; None where the job names no band for them."""
        return next((each for each in group.above if each.name is not None and each.name == self.alarm), None)

    def content(self) -> dict[str, Any]:
        """The evaluation as JSON, without the points of the curves; NaN becomes None."""
        return {
            "job": self.job,
            "job_version": self.job_version,
            "model_version": self.model_version,
            "alarm": self.alarm,
            "as_of_every_seconds": self.every.total_seconds(),
            "first_as_of": self.first.isoformat(),
            "last_as_of": self.last.isoformat(),
            "outcomes": self.outcomes,
            "clients": self.clients,
            "clients_seen": self.clients_seen,
            "cohort_sha256": self.cohort_sha256,
            "attrition": dict(self.attrition),
            "remarks": list(self.remarks),
            "bootstraps": self.draws,
            "command": self.command,
            "groups": [_group(each) for each in self.groups],
            "reliability": [
                {"rows": each.rows, "predicted": each.predicted, "observed": plain(each.observed)}
                for each in self.pictures.bins
            ],
            "in_hindsight": {
                "best_threshold": _number(self.pictures.best_threshold),
                "utility": _number(self.pictures.best_utility),
            },
        }


def plain(figure: Figure) -> dict[str, float | None]:
    """A figure as JSON; NaN becomes None."""
    return {"value": _number(figure.value), "low": _number(figure.low), "high": _number(figure.high)}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _group(group: Group) -> dict[str, Any]:
    return {
        "subgroup": None if group.value == EVERYONE[1] else {group.attribute: group.value},
        "entities": group.entities,
        "landmarks": group.landmarks,
        "scored": group.scored,
        "positives": group.positives,
        "events": group.events,
        "figures": {name: plain(figure) for name, figure in group.figures.items()},
        "thresholds": [
            {
                "threshold": each.threshold,
                "name": each.name,
                "figures": {name: plain(figure) for name, figure in each.figures.items()},
            }
            for each in group.above
        ],
    }


def evaluate(
    job: Job,
    cohort: EvaluationCohort,
    manifest: Manifest,
    *,
    every: timedelta,
    outcomes: bool,
    faults: Iterable[tuple[str, int]] = (),
    command: str = "",
) -> Evaluation:
    """Compute every figure of `cohort`, whole and by subgroup, with the remarks that go with them.

    `faults` are the faults of the outcomes, each with its number. Raises UserError where there is no score, or, with `outcomes`, where a
    class is missing or the job has no [utility].
    """
    spec = job.measures.utility
    if outcomes and spec is None:
        raise UserError(
            f"Job {job.name} does not say what its alarms are worth; add [utility] to its job.toml, as the shipped one has it."
        )
    _require_classes(job, cohort, outcomes=outcomes)
    weights = draws(cohort.clients)
    counted_by = spec if outcomes else None
    named = _named(job, manifest)
    everyone = np.ones(len(cohort.rows), dtype=bool)
    free = [(limit, None) for limit in THRESHOLDS if limit not in dict(named)]
    whole = _measured(EVERYONE, everyone, cohort, weights, at=[*named, *free], spec=counted_by)
    parts = [_measured(key, rows, cohort, weights, at=named, spec=counted_by) for key, rows in cohort.subgroup.items()]
    return Evaluation(
        job=job.name,
        job_version=job.version,
        model_version=manifest.model_version,
        alarm=_alarm(job),
        every=every,
        first=cohort.first,
        last=cohort.last,
        outcomes=outcomes,
        clients=cohort.clients,
        clients_seen=cohort.clients_seen,
        cohort_sha256=cohort.sha256,
        attrition=cohort.attrition,
        remarks=tuple(_remarks(job, cohort, manifest, whole, faults=faults, outcomes=outcomes)),
        groups=(whole, *parts),
        pictures=_pictures(cohort, weights, spec=counted_by),
        command=command,
    )


def _require_classes(job: Job, cohort: EvaluationCohort, *, outcomes: bool) -> None:
    rows = cohort.rows
    scored = ~np.isnan(rows.score)
    if not scored.any():
        raise UserError(
            f"None of the {len(rows):,} landmarks of job {job.name} could be scored: there is nothing to evaluate."
        )
    if not outcomes:
        return
    label = rows.label[scored & ~np.isnan(rows.label)]
    for class_, name in ((1, "positive"), (0, "negative")):
        if not (label == class_).any():
            raise UserError(
                f"Of the {len(label):,} landmarks of job {job.name} that have a score and a known outcome none is {name}: with one class "
                "alone nothing can be said of the model; load more outcomes, or evaluate without --outcomes."
            )


def _named(job: Job, manifest: Manifest) -> list[tuple[float, str | None]]:
    """The thresholds that have a name: the lower edges of the bands, and the model's own."""
    bands: list[tuple[float, str | None]] = [(limit, name) for name, limit in (job.bands.limits if job.bands else ())]
    own = manifest.content.get("alarm_threshold")
    return [*bands, *([(float(own), OF_THE_MODEL)] if own is not None else [])]


def _alarm(job: Job) -> str | None:
    """The lowest band at which the job alarms: the one that it names, else the lowest but one."""
    lowest = job.bands.limits[-1][0] if job.bands and job.bands.limits else None
    return job.measures.alarm or lowest


def _measured(
    key: tuple[str, str],
    members: Booleans,
    cohort: EvaluationCohort,
    weights: Floats,
    *,
    at: Iterable[tuple[float, str | None]],
    spec: Utility | None,
) -> Group:
    rows = cohort.rows.only(members)
    scored = ~np.isnan(rows.score)
    figures: dict[str, Figure] = {}
    positives = events = 0
    counted = None
    if spec is not None:
        counted = rows.counted(spec)
        labelled = _labelled(counted)
        positives = int((labelled.label == 1).sum())
        events = len(np.unique(counted.entity[~np.isnan(counted.hours)]))
        figures |= metrics.discrimination(labelled, weights) | metrics.calibration(labelled, weights)
    above = tuple(
        Above(
            threshold=threshold,
            name=name,
            figures={
                **(alarms.consequences(counted, weights, threshold=threshold, spec=spec) if counted and spec else {}),
                **alarms.alert_load(rows, weights, threshold=threshold),
            },
        )
        for threshold, name in at
    )
    return Group(
        attribute=key[0],
        value=key[1],
        entities=len(np.unique(rows.entity)),
        landmarks=len(rows),
        scored=int(scored.sum()),
        positives=positives,
        events=events,
        figures=figures,
        above=above,
    )


def _labelled(counted: Rows) -> metrics.LabelledScores:
    scored = ~np.isnan(counted.score)
    return metrics.LabelledScores(
        score=counted.score[scored], label=counted.label[scored], client=counted.client[scored]
    )


def _pictures(cohort: EvaluationCohort, weights: Floats, *, spec: Utility | None) -> Pictures:
    score = cohort.rows.score[~np.isnan(cohort.rows.score)]
    # Edges grow with the square: most scores are small, so the low bins are narrow.
    edges = np.linspace(0, math.sqrt(float(score.max())) or 1.0, _HISTOGRAM_BINS + 1) ** 2
    edges[-1] = max(edges[-1], float(score.max()))
    histogram = np.histogram(score, bins=edges)[0].astype(np.float64)
    if spec is None:
        nothing = np.empty(0)
        return Pictures((), None, nothing, nothing, math.nan, math.nan, histogram, edges)
    counted = cohort.rows.counted(spec)
    labelled = _labelled(counted)
    thresholds, utility = alarms.utility_by_threshold(counted, spec=spec)
    best = int(np.nanargmax(utility)) if np.isfinite(utility).any() else None
    kept = np.unique(np.linspace(0, len(thresholds) - 1, _POINTS).astype(int))
    return Pictures(
        bins=metrics.reliability(labelled, weights),
        curves=metrics.curves(labelled),
        thresholds=thresholds[kept],
        utility=utility[kept],
        best_threshold=math.nan if best is None else float(thresholds[best]),
        best_utility=math.nan if best is None else float(utility[best]),
        histogram=histogram,
        histogram_edges=edges,
    )


def _remarks(
    job: Job,
    cohort: EvaluationCohort,
    manifest: Manifest,
    whole: Group,
    *,
    faults: Iterable[tuple[str, int]],
    outcomes: bool,
) -> Iterable[str]:
    """What a reader must know to judge the figures, a sentence each."""
    version = manifest.model_version
    if cohort.clients_seen is None:
        yield (
            f"The manifest of model {version} does not say whom it was trained on: nobody knows whether these are figures of unseen "
            "clients."
        )
    elif cohort.clients_seen:
        yield (
            f"Model {version} was trained on {cohort.clients_seen:,} of the {cohort.clients:,} clients: these are not figures of unseen "
            "clients, and better than those would be; its manifest has cross-validated ones."
        )
    if not outcomes:
        return
    for fault, count in faults:
        if count:
            yield f"{count:,} outcomes are {fault}." if count > 1 else f"1 outcome is {fault}."
    if whole.events < FEW:
        yield f"Only {whole.events} entities with a known outcome have the event: no figure here can be relied on."
    if job.bands is None:
        yield f"Job {job.name} has no bands: nothing is said of its own alarms."
