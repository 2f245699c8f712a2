"""Models compared by known outcomes: they score the same landmarks of a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scorer.database.connection import Database
from scorer.database.session import Session
from scorer.database.source.reader import Source
from scorer.database.store.models import read_model
from scorer.errors import UserError
from scorer.evaluation.landmarks import read_landmarks
from scorer.governance.comparison import measured
from scorer.jobs.job import Job
from scorer.registry.artefacts import open_version
from scorer.registry.model import LoadedModel
from scorer.tasks.task import TaskRules
from scorer.types.values import Progress


def on_outcomes(
    job: Job, versions: Sequence[str], *, database: Database, progress: Progress | None = None
) -> dict[str, Any]:
    """Measure each of `versions` at the landmarks that all of them score and whose outcome is known.

    A version that was trained on these landmarks looks better here than it is. Raises UserError where a version cannot be loaded, they know
    other classes, or the outcomes do not suffice (of both kinds, for a binary job).
    """
    target = database.as_worker()
    session, source = Session(target), Source(target)
    try:
        with session.transaction():
            models = {
                version: open_version(job, read_model(session, job.name, version), session, settings=database.settings)
                for version in versions
            }
        rules = _common_rules(job, models)
        landmarks = read_landmarks(job, source, classes=rules.classes, progress=progress)
    finally:
        session.close()
        source.close()
    known = landmarks.trainable
    scores = {version: model.score(landmarks.features.only(known)).whole for version, model in models.items()}
    both = ~np.isnan(np.column_stack([rules.score_of(each) for each in scores.values()])).any(axis=1)
    label, client = landmarks.label[known][both], landmarks.cohort[known][both]
    lack = rules.lacks(label)
    if lack is not None:
        raise UserError(f"Of {len(label)} landmarks whose outcome is known {lack}; load more outcomes.")
    return {
        "rows": len(label),
        "clients": len(set(client)),
        "events": rules.positives(label),
        "models": {
            version: measured(published[both], label, client.tolist(), rules=rules)
            for version, published in scores.items()
        },
    }


def _common_rules(job: Job, models: Mapping[str, LoadedModel]) -> TaskRules:
    """The rules of all models. Raises UserError where they know different classes."""
    rules = [model.rules for model in models.values()]
    if any(each.classes != rules[0].classes for each in rules):
        raise UserError(
            f"The models {', '.join(models)} of {job.name} do not know the same classes, so that their figures cannot be compared."
        )
    return rules[0]
