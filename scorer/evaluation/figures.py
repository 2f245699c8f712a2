"""The figures of a scored cohort, whole and by subgroup, with the remarks that must go with them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from scorer.errors import UserError
from scorer.evaluation import alarms
from scorer.evaluation.alarms import Rows
from scorer.evaluation.beside_naive import BesideNaive, beside_naive, in_words
from scorer.evaluation.cohort import EvaluationCohort
from scorer.jobs.evaluation import Utility
from scorer.jobs.job import Job
from scorer.jobs.publication import Limit
from scorer.registry.bands import limits_of
from scorer.registry.manifest import Manifest
from scorer.tasks.bootstrap import DRAWS, Figure, draws
from scorer.tasks.known import task_of
from scorer.tasks.metrics import Bin
from scorer.tasks.task import Judged, Picture, Reliability, TaskRules
from scorer.types.arrays import Booleans, Floats

FEW = 10  # entities with the event (of a task without one, with a known outcome), below which a group is marked as having too few
EVERYONE = ("", "everyone")
OF_THE_MODEL = "the model's own"
_HISTOGRAM_BINS = 40
_POINTS = 300


@dataclass(frozen=True, slots=True)
class Above:
    """The figures of alarming above a threshold, called `name`, and in some facilities above another."""

    threshold: float
    name: str | None
    figures: Mapping[str, Figure]
    by_facility: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Group:
    """A cohort or a subgroup of it, with its figures.

    `events` counts entities with the event (of a task without one, with a known outcome), `positives` scored rows with a positive label.
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
    """What the plots show: the task's own, utility by threshold, and a histogram of the scores.

    `utility` (t,) is that of alarming at or above each of `thresholds` (t,).
    `best_threshold` has the `best_utility` on this very cohort, which is known only afterwards.
    """

    shown: Mapping[str, Picture]
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
    naive: BesideNaive | None = None
    own_landmarks: bool = False  # those that the job is trained at: `every` is their usual distance

    @property
    def whole(self) -> Group:
        """The whole cohort."""
        return self.groups[0]

    @property
    def reliability(self) -> Mapping[str, tuple[Bin, ...]]:
        """The bins of the reliability plot, by what they are of."""
        picture = self.pictures.shown.get("reliability")
        return picture.bins if isinstance(picture, Reliability) else {}

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
            "naive": None if self.naive is None else self.naive.content(),
            "reliability": [
                {
                    **({"of": name} if name else {}),
                    "rows": each.rows,
                    "predicted": each.predicted,
                    "observed": plain(each.observed),
                }
                for name, bins in self.reliability.items()
                for each in bins
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
                **({"by_facility": dict(each.by_facility)} if each.by_facility else {}),
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
    outcomes: bool,
    faults: Iterable[tuple[str, int]] = (),
    command: str = "",
) -> Evaluation:
    """Compute every figure of `cohort`, whole and by subgroup, with the remarks that go with them.

    `faults` are the faults of the outcomes, each with its number. Without a [utility] of the job nothing is said of what alarms are worth.
    Raises UserError where there is no score, or, with `outcomes`, where nothing can be said by them.
    """
    rules = task_of(job.task, classes=cohort.classes)
    _require_outcomes(job, cohort, rules, outcomes=outcomes)
    weights = draws(cohort.clients)
    named = _named(job, manifest)
    everyone = np.ones(len(cohort.rows), dtype=bool)
    free = [(Limit(each), None) for each in rules.thresholds(job.bands) if each not in {at.value for at, _ in named}]
    how = _How(job, rules, weights, outcomes=outcomes)
    whole = _measured(EVERYONE, everyone, cohort, how, at=[*named, *free])
    parts = [_measured(key, rows, cohort, how, at=named) for key, rows in cohort.subgroup.items()]
    naive = _beside_naive(cohort, how)
    return Evaluation(
        job=job.name,
        job_version=job.version,
        model_version=manifest.model_version,
        # The lowest band at which the job alarms: the one that it names, else the lowest but one.
        alarm=job.measures.alarm or (job.bands.limits[-1][0] if job.bands and job.bands.limits else None),
        every=cohort.every,
        own_landmarks=cohort.own_landmarks,
        first=cohort.first,
        last=cohort.last,
        outcomes=outcomes,
        clients=cohort.clients,
        clients_seen=cohort.clients_seen,
        cohort_sha256=cohort.sha256,
        attrition=cohort.attrition,
        remarks=tuple(_remarks(job, cohort, manifest, whole, faults=faults if outcomes else None, naive=naive)),
        groups=(whole, *parts),
        pictures=_pictures(cohort, how),
        command=command,
        naive=naive,
    )


@dataclass(frozen=True, slots=True)
class _How:
    """By what rules a cohort is measured, with the `weights` (d, clients) of the bootstrap."""

    job: Job
    rules: TaskRules
    weights: Floats
    outcomes: bool

    @property
    def spec(self) -> Utility | None:
        """What alarms are worth; None where the job does not say, or outcomes are not looked at."""
        return self.job.measures.utility if self.outcomes else None


def _scored(rows: Rows, how: _How) -> Judged:
    """What is published of the rows that have a score."""
    judged = rows.judged
    return judged.only(~np.isnan(how.rules.score_of(judged.published)))


def _beside_naive(cohort: EvaluationCohort, how: _How) -> BesideNaive | None:
    """The model beside the naive forecast; None without outcomes."""
    if not how.outcomes or cohort.naive is None:
        return None
    kept = ~np.isnan(cohort.rows.label) & ~np.isnan(how.rules.score_of(cohort.rows.judged.published))
    return beside_naive(cohort.rows.judged.only(kept), cohort.naive[kept], how.weights, rules=how.rules)


def _require_outcomes(job: Job, cohort: EvaluationCohort, rules: TaskRules, *, outcomes: bool) -> None:
    judged = cohort.rows.judged
    scored = ~np.isnan(rules.score_of(judged.published))
    if not scored.any():
        raise UserError(
            f"None of the {len(scored):,} landmarks of job {job.name} could be scored: there is nothing to evaluate."
        )
    if not outcomes:
        return
    label = judged.label[scored & ~np.isnan(judged.label)]
    lack = rules.lacks(label)
    if lack is not None:
        raise UserError(
            f"Of the {len(label):,} landmarks of job {job.name} that have a score and a known outcome {lack}; load more outcomes, or "
            "evaluate without --outcomes."
        )


def _named(job: Job, manifest: Manifest) -> list[tuple[Limit, str | None]]:
    """The thresholds that have a name: the lower edges of the bands, and the model's own."""
    bands, own = job.bands, manifest.alarm_threshold
    named = [] if bands is None else [(bands.limit(name), name) for name, _ in bands.limits]
    return [*named, *([(own, OF_THE_MODEL)] if own is not None else [])]


def _measured(
    key: tuple[str, str],
    members: Booleans,
    cohort: EvaluationCohort,
    how: _How,
    *,
    at: Iterable[tuple[Limit, str | None]],
) -> Group:
    rows, rules = cohort.rows.only(members), how.rules
    figures: dict[str, Figure] = {}
    positives = events = 0
    counted = None
    if how.outcomes:
        counted = rows.counted(how.spec)
        judged = _scored(counted, how)
        positives = rules.positives(judged.label)
        events = len(np.unique(counted.entity[counted.with_event if rules.has_event else ~np.isnan(counted.label)]))
        figures |= rules.figures(judged, how.weights)
    above = tuple(
        Above(limit.value, name, _above(rows, counted, limit, how), by_facility=limit.by_facility) for limit, name in at
    )
    return Group(
        attribute=key[0],
        value=key[1],
        entities=len(np.unique(rows.entity)),
        landmarks=len(rows),
        scored=len(_scored(rows, how).label),
        positives=positives,
        events=events,
        figures=figures,
        above=above,
    )


def _above(rows: Rows, counted: Rows | None, limit: Limit, how: _How) -> dict[str, Figure]:
    """The figures of alarming above a threshold, of each facility above its own."""
    load = alarms.alert_load(rows, how.weights, threshold=limits_of(limit, rows.facility))
    if counted is None:
        return load
    threshold = limits_of(limit, counted.facility)
    positive = how.rules.is_event(counted.label, threshold, how.job.bands)
    right = alarms.consequences(counted, how.weights, threshold=threshold, spec=how.spec, positive=positive)
    return {**right, **load}


def _pictures(cohort: EvaluationCohort, how: _How) -> Pictures:
    score = cohort.rows.score[~np.isnan(cohort.rows.score)]
    if not len(score) or score.min() < 0 or score.max() > 1:
        edges = np.histogram_bin_edges(score, bins=_HISTOGRAM_BINS)
    else:
        # Edges of shares grow with the square: most scores are small, so the low bins are narrow.
        edges = np.linspace(0, math.sqrt(float(score.max())) or 1.0, _HISTOGRAM_BINS + 1) ** 2
        edges[-1] = max(edges[-1], float(score.max()))
    histogram = np.histogram(score, bins=edges)[0].astype(np.float64)
    nothing, spec = np.empty(0), how.spec
    if not how.outcomes:
        return Pictures({}, nothing, nothing, math.nan, math.nan, histogram, edges)
    counted = cohort.rows.counted(spec)
    shown = how.rules.pictures(_scored(counted, how), how.weights)
    if spec is None:
        return Pictures(shown, nothing, nothing, math.nan, math.nan, histogram, edges)
    thresholds, utility = alarms.utility_by_threshold(counted, spec=spec)
    best = int(np.nanargmax(utility)) if np.isfinite(utility).any() else None
    kept = np.unique(np.linspace(0, len(thresholds) - 1, _POINTS).astype(int))
    return Pictures(
        shown=shown,
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
    faults: Iterable[tuple[str, int]] | None,
    naive: BesideNaive | None,
) -> Iterable[str]:
    """What a reader must know to judge the figures, a sentence each.

    `faults` is None where outcomes are not looked at.
    """
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
    if faults is None:
        return
    for fault, count in faults:
        if count:
            yield f"{count:,} outcomes are {fault}." if count > 1 else f"1 outcome is {fault}."
    if whole.events < FEW:
        whose = "with a known outcome have the event" if whole.positives else "have a known outcome"
        yield f"Only {whole.events} entities {whose}: no figure here can be relied on."
    if job.bands is None:
        yield f"Job {job.name} has no bands: nothing is said of its own alarms."
    if naive is not None and not naive.beaten:
        yield in_words(naive)
