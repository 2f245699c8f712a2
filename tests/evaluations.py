"""Made-up cohorts with scores of each task, and their evaluations: what the tests of figures and of their page look at."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import numpy as np

from scorer.evaluation.alarms import Rows
from scorer.evaluation.cohort import EvaluationCohort
from scorer.evaluation.figures import Evaluation, evaluate
from scorer.jobs.job import Job, Task, load_job
from scorer.registry.manifest import Manifest

CLASSES = ("PURCHASE", "REFINANCE", "<b>$2 to $3</b>")


def cohort(
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


def manifest_of(task: Task = Task.BINARY, **content: object) -> Manifest:
    """A manifest that holds little."""
    return Manifest(
        **{field.name: None for field in dataclasses.fields(Manifest)}  # type: ignore[arg-type]
        | {"job": "ward", "model_version": "7", "task": task, "content": content}
    )


def evaluated(
    job: Job, whom: EvaluationCohort, *, outcomes: bool = True, faults: list[tuple[str, int]] | None = None
) -> Evaluation:
    """The evaluation of a cohort of a job."""
    if not outcomes:
        nothing = np.full(len(whom.rows), np.nan)
        whom = dataclasses.replace(whom, rows=dataclasses.replace(whom.rows, label=nothing, hours=nothing))
    return evaluate(
        job,
        whom,
        manifest_of(job.task),
        outcomes=outcomes,
        faults=faults or [],
        command="scorer evaluate <here>",
    )


def of_events() -> Evaluation:
    """That of a binary job, beside the prevalence."""
    whom = cohort()
    naive = np.full(len(whom.rows), whom.rows.label.mean())
    return evaluated(load_job("sepsis"), dataclasses.replace(whom, naive=naive))


def of_classes() -> Evaluation:
    """That of a multiclass job, beside the classes' shares."""
    whom, random = cohort(), np.random.default_rng(2)
    label = random.choice(len(CLASSES), size=len(whom.rows), p=(0.5, 0.3, 0.2))
    margin = random.normal(size=(len(label), len(CLASSES))) + 1.5 * np.eye(len(CLASSES))[label]
    shares = np.exp(margin) / np.exp(margin).sum(axis=1, keepdims=True)
    rows = dataclasses.replace(
        whom.rows,
        label=label.astype(np.float64),
        hours=np.full(len(label), np.nan),
        published=shares,
        score=shares[:, CLASSES.index("REFINANCE")],
    )
    naive = np.tile(np.bincount(label) / len(label), (len(label), 1))
    return evaluated(load_job("transaction"), dataclasses.replace(whom, rows=rows, naive=naive, classes=CLASSES))


def of_values() -> Evaluation:
    """That of a regression job, beside the median."""
    whom, random = cohort(), np.random.default_rng(3)
    true = np.exp(random.normal(13.0, 0.6, size=len(whom.rows)))
    value = true * np.exp(random.normal(0.0, 0.2, size=len(true)))
    published = np.column_stack([value, 0.75 * value, 1.35 * value])
    rows = dataclasses.replace(
        whom.rows, label=true, hours=np.full(len(true), np.nan), published=published, score=value
    )
    naive = np.tile(np.quantile(true, [0.5, 0.05, 0.95]), (len(true), 1))
    return evaluated(load_job("value"), dataclasses.replace(whom, rows=rows, naive=naive))
