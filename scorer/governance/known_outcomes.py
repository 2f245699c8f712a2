"""Models compared by known outcomes: they score the same landmarks of a job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scorer.database.connection import Database
from scorer.database.session import Session
from scorer.database.source.reader import Source
from scorer.database.store.models import read_model
from scorer.errors import UserError
from scorer.evaluation.landmarks import read_landmarks
from scorer.governance.comparison import measured
from scorer.jobs.job import Job, Task
from scorer.registry.artefacts import open_version
from scorer.types.values import Progress


def on_outcomes(
    job: Job, versions: Sequence[str], *, database: Database, progress: Progress | None = None
) -> dict[str, Any]:
    """Measure each of `versions` at the landmarks that all of them score and whose outcome is known.

    A version that was trained on these landmarks looks better here than it is. Raises UserError where the job is not binary, a version
    cannot be loaded, or not both outcomes occur.
    """
    if job.task is not Task.BINARY:
        raise UserError(f"Job {job.name} has the task {job.task}; metrics by outcomes are for binary jobs.")
    target = database.as_worker()
    session, source = Session(target), Source(target)
    try:
        with session.transaction():
            models = {
                version: open_version(job, read_model(session, job.name, version), session, settings=database.settings)
                for version in versions
            }
        landmarks = read_landmarks(job, source, progress=progress)
    finally:
        session.close()
        source.close()
    known = landmarks.trainable
    scores = {version: model.score(landmarks.features.only(known)).score for version, model in models.items()}
    both = ~np.isnan(np.column_stack(list(scores.values()))).any(axis=1)
    label, client = landmarks.label[known][both], landmarks.cohort[known][both]
    if not 0 < label.sum() < len(label):
        raise UserError(
            f"Of {len(label)} landmarks whose outcome is known, {int(label.sum())} have the event; some with and some without are needed."
        )
    return {
        "rows": len(label),
        "clients": len(set(client)),
        "events": int(label.sum()),
        "models": {version: measured(score[both], label, client.tolist()) for version, score in scores.items()},
    }
