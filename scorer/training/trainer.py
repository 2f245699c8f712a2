"""Training: a recipe cross-validated, fitted to the whole cohort, calibrated, and written to disk.

A model fitted to everything has no held-out figures; those of the manifest are of the same recipe, cross-validated by client, with
calibration and threshold of each fold chosen from the others.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from scorer.errors import UserError
from scorer.evaluation.landmarks import Landmarks, mark_of
from scorer.jobs.features import feature_names
from scorer.jobs.job import MEANING, Job, Task
from scorer.jobs.training import Recipe
from scorer.registry import declining
from scorer.registry.drift_bins import bins_of
from scorer.registry.ensemble import Ensemble, logistic
from scorer.registry.manifest import ARTEFACT, MANIFEST, libraries
from scorer.registry.model import LoadedModel
from scorer.training.calibration import best_threshold, platt
from scorer.training.cross_validation import Fitted, fit_all
from scorer.training.estimators import parameters_of
from scorer.training.held_out_figures import band_figures, figures_of
from scorer.training.targets import counted, gains
from scorer.types.arrays import Features, Floats, Integers
from scorer.types.values import Progress

_GOLDEN = 20  # vectors, spread evenly over the scores
_EXPLAINED = 1000  # rows whose contributions are averaged


@dataclass(frozen=True, slots=True)
class Trained:
    """A model version on disk, its manifest, and its landmarks (n) with the `score` (n,) out of the folds."""

    folder: Path
    model_version: str
    sha256: str
    manifest: dict[str, Any]
    landmarks: Landmarks
    score: Floats


def require_free(job: Job, *, models: Path, model_version: str | None) -> tuple[str, Path]:
    """The version's name (today's date and time, where not given) and its folder.

    Raises UserError where the folder exists, or the job cannot be trained.
    """
    if job.task is not Task.BINARY:
        raise UserError(f"Job {job.name} has the task {job.task}; training is for binary jobs so far.")
    version = model_version or f"{datetime.now(UTC):%Y.%m.%d.%H%M%S}"
    folder = models / job.name / version
    if folder.exists():
        raise UserError(f"{folder} is there already; a model version is never written over.")
    return version, folder


def train(
    job: Job,
    landmarks: Landmarks,
    recipe: Recipe,
    *,
    models: Path,
    model_version: str | None = None,
    folds: int,
    workers: int,
    progress: Progress | None = None,
) -> Trained:
    """Train a model by `recipe` from `landmarks` and write it to models/<job>/<version>/.

    The same landmarks and recipe give the same model and the same figures. Raises UserError where the data do not suffice; then nothing is
    written.
    """
    version, folder = require_free(job, models=models, model_version=model_version)
    known = counted(landmarks, job)
    fitted = fit_all(known, job, recipe, folds=folds, whole=True, workers=workers, progress=progress)
    assert fitted.whole is not None
    scored = np.isfinite(fitted.margin)
    slope, intercept = platt(fitted.margin[scored], known.label[scored])
    estimator = fitted.whole.calibrated(slope=slope, intercept=intercept)
    artefact = io.BytesIO()
    joblib.dump(estimator, artefact, compress=("zlib", 9))
    content = artefact.getvalue()
    manifest = _manifest(job, known, recipe, fitted=fitted, estimator=estimator, version=version, content=content)
    manifest["training"] |= {"folds": folds, "attrition": dict(landmarks.attrition)}
    _write_whole(folder, manifest=manifest, artefact=content, job=job, landmarks=known)
    return Trained(
        folder=folder,
        model_version=version,
        sha256=manifest["sha256"],
        manifest=manifest,
        landmarks=known,
        score=fitted.score,
    )


def _manifest(
    job: Job,
    known: Landmarks,
    recipe: Recipe,
    *,
    fitted: Fitted,
    estimator: Ensemble,
    version: str,
    content: bytes,
) -> dict[str, Any]:
    """The manifest but for the golden vectors, folds and attrition; `known` are the landmarks that count."""
    scored = np.isfinite(fitted.score)
    # What the model would publish of clients that it has not seen; quantiles, declining and drift bins are set by it.
    score = logistic(estimator.slope * fitted.margin[scored] + estimator.intercept)
    gain = gains(known, job)
    features = known.features.only(scored)
    clients = np.unique(known.cohort.astype(str))
    return {
        "job": job.name,
        "model_version": version,
        "task": job.task.value,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "artefact": ARTEFACT,
        "sha256": hashlib.sha256(content).hexdigest(),
        "libraries": libraries(),
        "meaning": MEANING,
        "recipe": recipe.as_json(),
        "estimator": {
            "class": recipe.configuration.value,
            "parameters": parameters_of(recipe),
            "members": recipe.members,
            "slope": estimator.slope,
            "intercept": estimator.intercept,
        },
        "training": {
            "job_version": job.version,
            "entities": len(np.unique(known.entity_ids.astype(str))),
            "clients": len(clients),
            "rows": int(scored.sum()),
            "positive_rows": int((known.label[scored] == 1).sum()),
            "parameters": dict(job.parameters),
            "first_landmark": known.first.isoformat(),
            "last_landmark": known.last.isoformat(),
            "data_sha256": known.data_sha256,
            "clients_seen": [mark_of(each) for each in sorted(clients)],
        },
        "metrics": figures_of(known, job, score=fitted.score, alarm=fitted.alarm),
        "bands": band_figures(known, job, score=fitted.score),
        "alarm_threshold": None if gain is None else best_threshold(score, gain[scored]),
        "importances": _importances(estimator, features),
        "score_quantiles": [float(each) for each in np.quantile(score, np.linspace(0, 1, 101))],
        "declining": declining.fit(features, known.label[scored], score, known.cohort[scored], job.declining),
        "baseline": bins_of(features, score),
        "features": list(known.features.names),
    }


def _importances(estimator: Ensemble, features: Features) -> dict[str, float]:
    """The mean absolute contribution of each feature to the log-odds, largest first.

    Empty where the estimator has no contributions.
    """
    rows = features.values[_spread(len(features.values), _EXPLAINED)]
    contributions = estimator.contributions(rows)
    if contributions is None:
        return {}
    mean = np.abs(contributions[:, :-1]).mean(axis=0)
    return {
        features.names[place]: float(mean[place])
        for place in np.argsort(-mean, kind="stable").tolist()
        if mean[place] > 0
    }


def _spread(rows: int, wanted: int) -> Integers:
    """At most `wanted` indices of `rows` rows, spread evenly."""
    return np.unique(np.linspace(0, rows - 1, min(rows, wanted)).astype(np.int64))


def _golden(model: LoadedModel, features: Features) -> dict[str, Any]:
    """The golden vectors: inputs from the lowest score to the highest, with the stored model's scores.

    A missing input is None.
    """
    some = features.values[_spread(len(features.values), _EXPLAINED)]
    rank = np.argsort(model.score(Features(features.names, some)).score, kind="stable")
    inputs = some[rank[_spread(len(rank), _GOLDEN)]]
    scores = model.score(Features(features.names, inputs)).score
    return {
        "inputs": [[None if np.isnan(value) else value for value in row] for row in inputs.tolist()],
        "scores": scores.tolist(),
    }


def _write_whole(folder: Path, *, manifest: dict[str, Any], artefact: bytes, job: Job, landmarks: Landmarks) -> None:
    """Write the folder, whole or not at all, after its model was loaded and scored as in production."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".writing-") as writing:
        made = Path(writing) / folder.name
        made.mkdir()
        (made / ARTEFACT).write_bytes(artefact)
        _write(made / MANIFEST, manifest)
        model = LoadedModel.load(made, sha256=manifest["sha256"], task=job.task, features=feature_names(job.features))
        manifest["golden"] = _golden(model, landmarks.features.only(landmarks.scorable))
        _write(made / MANIFEST, manifest)
        os.rename(made, folder)  # noqa: PTH104 - a rename within one folder's parent is atomic


def _write(path: Path, manifest: dict[str, Any]) -> None:
    path.write_text(json.dumps(manifest, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def one_in(landmarks: Landmarks, step: int) -> Landmarks:
    """One in `step` of each entity's landmarks, for a quick look."""
    entity = np.unique(landmarks.entity_ids.astype(str), return_inverse=True)[1]
    first = np.searchsorted(entity, np.arange(entity.max() + 1))
    return replace(landmarks.only((np.arange(len(entity)) - first[entity]) % step == 0))
