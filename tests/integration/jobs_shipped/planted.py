"""Rows that break the rules of a shipped job, one for each: planted in its source tables, read by its statements, judged by its suites."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest

from scorer.database.source.reader import Source, microseconds
from scorer.errors import RunStopped
from scorer.jobs.job import Job
from scorer.scoring.prepared import prepare
from scorer.scoring.timing import StepTimer
from scorer.scoring.validation.suites import Suites
from scorer.types.arrays import Observations
from scorer.types.values import Rejection, WorkItem

_CENTURY = 100 * 365 * 86_400 * 1_000_000  # microseconds


@dataclass(frozen=True, slots=True)
class Row:
    """A row that breaks a rule: `sql` plants it, with {entity}, a clean one's id, and {as_of}; it is judged as the entity `judged`.

    Where no row of the source tables can break the rule, since the statement asks for none such, `change` makes it of what was read.
    """

    sql: str = ""
    judged: str = "{entity}"
    change: Callable[[Observations], Observations] = lambda observations: observations


def of_unknown_code(observations: Observations) -> Observations:
    """The same, of which one code is none of the job's."""
    return replace(observations, codes=("PLANTED", *observations.codes[1:]))


def in_future(observations: Observations) -> Observations:
    """The same, a century later."""
    return replace(observations, time=observations.time + _CENTURY)


def infinite(observations: Observations) -> Observations:
    """The same, the first of them infinite."""
    return replace(observations, value=np.append(np.inf, observations.value[1:]))


def twice(observations: Observations, *, apart: float = 0, rank: int = 0) -> Observations:
    """The same and, before it, the first again, its value `apart` from itself; the first itself recorded `rank` places after it."""
    found = observations.only(np.append(0, np.arange(len(observations))))
    value, ranks = found.value.copy(), np.zeros(len(found), dtype=np.int64)
    value[0] -= apart
    ranks[1] = rank
    return replace(found, value=value, rank=ranks)


def require_each_broken(hospital: Any, source: Source, rows: Mapping[str, Row], *, clean: str, as_of: datetime) -> None:
    """Check of each rule on observations and features that a clean entity breaks it, with its action, once its row is planted.

    `rows` are by the rule's name, `clean` is a query of entities; those of them in which nothing is found are taken one after the other.
    """
    job = hospital.job
    suites = Suites(job)
    actions = {
        each["meta"]["rule"]: job.actions.get(each["meta"]["rule"], each["meta"]["action"])
        for suite in ("observations", "features")
        for each in job.suites[suite]["expectations"]
    }
    assert rows.keys() == actions.keys()
    everyone = [entity for (entity,) in hospital.rows(clean)]
    dirty = {each.entity_id for each in _rejections(job, source, suites, everyone, as_of=as_of)}
    entities = [each for each in everyone if each not in dirty]
    assert len(entities) >= len(rows)
    found = {}
    for (rule, row), entity in zip(rows.items(), entities, strict=False):
        before = _rejections(job, source, suites, [entity], as_of=as_of)
        assert rule not in {each.rule for each in before}  # another row's, of the same person
        if row.sql:
            hospital.execute(row.sql.format(entity=entity, as_of=as_of.isoformat()))
        judged = [row.judged.format(entity=entity, person=entity.partition("/")[0])]
        seen = _rejections(job, source, suites, judged, as_of=as_of, change=row.change)
        found[rule] = {str(each.action) for each in seen if each.rule == rule}
    assert found == {rule: {str(action)} for rule, action in actions.items()}


def _rejections(
    job: Job,
    source: Source,
    suites: Suites,
    entities: list[str],
    *,
    as_of: datetime,
    change: Callable[[Observations], Observations] = lambda observations: observations,
) -> tuple[Rejection, ...]:
    items = [WorkItem(entity_id=each, as_of=as_of) for each in entities]
    prepared = prepare(
        job,
        suites,
        change(source.observations(job, items)),
        source.attributes(job, items),
        entity_ids=entities,
        as_of=np.full(len(items), microseconds(as_of)),
        steps=StepTimer(),
    )
    return prepared.by_observations.rejections + prepared.by_features.rejections


def require_each_score_rule(job: Job, *, possible: tuple[float, float] = (0.05, 0.95), impossible: float = 1.5) -> None:
    """Check of each rule on scores that it stops the run by scores that break it, and that good ones, `possible`, break none."""
    suites, rows = Suites(job), max(each["meta"].get("min_rows", 1) for each in job.suites["scores"]["expectations"])
    good, middle = np.linspace(*possible, rows), np.linspace(0.2, 0.8, rows)
    bad = {
        "score_given": (np.where(np.arange(rows) < 0.4 * rows, good, np.nan), middle),
        "scores_differ": (np.full(rows, good[0]), middle),
        "scores_not_shifted": (good, np.full(rows, 0.99)),
    }
    (of_range,) = {each["meta"]["rule"] for each in job.suites["scores"]["expectations"]} - bad.keys()
    bad[of_range] = (np.append(good[1:], impossible), middle)
    entities = [str(each) for each in range(rows)]
    assert not suites.validate_scores(entities, score=good, training_quantile=middle).rejections
    for rule, (score, quantile) in bad.items():
        with pytest.raises(RunStopped, match=f"rule {rule} stops the run"):
            suites.validate_scores(entities, score=score, training_quantile=quantile)
