"""What the tests of an evaluation share: a made-up cohort with scores, and its evaluation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest

from scorer.evaluation.alarms import Rows
from scorer.evaluation.cohort import EvaluationCohort
from scorer.evaluation.figures import Evaluation, evaluate
from scorer.jobs.job import Job, Task
from scorer.registry.manifest import Manifest


def _cohort(
    *, entities: int = 60, hours: int = 20, events: int = 24, seed: int = 1, shuffled: bool = False
) -> EvaluationCohort:
    """Scores that know something of the outcome, or, `shuffled`, of another entity's."""
    random = np.random.default_rng(seed)
    has_event = np.arange(entities) < events
    event = np.where(has_event, random.integers(6, hours, entities), np.nan)
    from_event = np.arange(hours)[None, :] - event[:, None]
    label = (from_event >= -6).astype(float)
    score = 1 / (1 + np.exp(3 - 2.5 * label - random.normal(size=label.shape)))
    if shuffled:
        score = score[random.permutation(entities)]
    score[:, :2] = np.nan
    entity = np.repeat(np.arange(entities), hours)
    old = random.random(entities) < 0.5
    return EvaluationCohort(
        rows=Rows(
            entity=entity,
            client=entity,
            score=score.ravel(),
            label=label.ravel(),
            hours=from_event.ravel(),
            days=1 / 24,
        ),
        subgroup={("age", "below <65>"): ~old[entity], ("age", "65 and above"): old[entity]},
        attrition={"entities": entities, "landmarks": entities * hours, "scored": entities * (hours - 2)},
        clients=entities,
        clients_seen=0,
        first=datetime(2025, 6, 1, tzinfo=UTC),
        last=datetime(2025, 6, 2, tzinfo=UTC),
        sha256="0" * 64,
    )


def _manifest(**content: object) -> Manifest:
    return Manifest(
        **{field.name: None for field in dataclasses.fields(Manifest)}  # type: ignore[arg-type]
        | {"job": "ward", "model_version": "7", "task": Task.BINARY, "content": content}
    )


def _evaluated(
    job: Job, whom: EvaluationCohort, *, outcomes: bool = True, faults: list[tuple[str, int]] | None = None
) -> Evaluation:
    if not outcomes:
        nothing = np.full(len(whom.rows), np.nan)
        whom = dataclasses.replace(whom, rows=dataclasses.replace(whom.rows, label=nothing, hours=nothing))
    return evaluate(
        job,
        whom,
        _manifest(),
        outcomes=outcomes,
        faults=faults or [],
        command="scorer evaluate <here>",
    )


@pytest.fixture(scope="session")
def cohort() -> Callable[..., EvaluationCohort]:
    """Makes a cohort: so many `entities` of so many `hours`, of whom `events` have the event; `shuffled` scores tell nothing."""
    return _cohort


@pytest.fixture(scope="session")
def evaluated() -> Callable[..., Evaluation]:
    """Evaluates a cohort of a job."""
    return _evaluated


@pytest.fixture(scope="session")
def done(sepsis: Job) -> Evaluation:
    """The evaluation of a cohort with two subgroups."""
    return _evaluated(sepsis, _cohort())
