"""Searches with their trials, evaluations with their figures, and feature vectors that are kept.

Every function works within a transaction of the session.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from scorer import __version__
from scorer.database.session import Session
from scorer.jobs.job import Job


def upsert_experiment(session: Session, about: Mapping[str, Any]) -> None:
    """Record a search by the columns in `about`; one that is recorded already is dated anew."""
    session.do("upsert_experiment", **{**about, "libraries": json.dumps(about["libraries"])})


def upsert_trials(session: Session, experiment_id: str, *, trials: Sequence[Mapping[str, Any]]) -> None:
    """Record the trials of a search so far; those that are recorded already stay as they are."""
    session.do("upsert_trials", experiment_id=experiment_id, trials=json.dumps(list(trials)))


def record_evaluation(session: Session, *, attrition: Any, reliability: Any, **columns: Any) -> int:
    """Record an evaluation, but for its figures. Returns its key."""
    row = session.one(
        "record_evaluation",
        attrition=json.dumps(attrition),
        reliability=json.dumps(reliability),
        scorer_version=__version__,
        **columns,
    )
    return int(row.evaluation_id)


def record_figures(session: Session, evaluation_id: int, *, figures: Sequence[Mapping[str, Any]]) -> None:
    """Record the figures of an evaluation, a row each, in order."""
    session.do("record_figures", evaluation_id=evaluation_id, figures=json.dumps(list(figures)))


def write_feature_vectors(session: Session, job: Job, *, vectors: Sequence[Mapping[str, Any]]) -> None:
    """Write feature vectors; one of the same entity and as-of time is replaced."""
    session.do("write_feature_vectors", job=job.name, job_version=job.version, vectors=json.dumps(list(vectors)))
