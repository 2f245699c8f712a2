"""Training: a recipe cross-validated, fitted to the whole cohort, calibrated, and written to disk.

A model fitted to everything has no held-out figures; those of the manifest are of the same recipe, cross-validated by client (or, split by
time, of what follows the past), with calibration and threshold of each fold chosen from what its model has seen.
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
from scorer.evaluation.landmarks import Landmarks
from scorer.jobs.features import feature_names
from scorer.jobs.job import MEANING, Job
from scorer.jobs.training import Recipe
from scorer.registry import declining
from scorer.registry.drift_bins import bins_of
from scorer.registry.manifest import ARTEFACT, MANIFEST, libraries, mark_of
from scorer.registry.model import LoadedModel
from scorer.tasks.known import task_of
from scorer.tasks.task import Judged, TaskRules
from scorer.training.calibrations import Calibrations, calibrate, members
from scorer.training.cross_validation import Fitted, fit_all
from scorer.training.estimators import Model, parameters_of
from scorer.training.feature_summary import EXPLAINED, importances, spread_evenly, summaries
from scorer.training.held_out_figures import band_figures, figures_of, naive_figures
from scorer.training.targets import counted, gains
from scorer.types.arrays import Booleans, Features, Floats, Integers
from scorer.types.values import Progress

_GOLDEN = 20  # vectors, spread evenly over the scores


@dataclass(frozen=True, slots=True)
class Trained:
    """A model version on disk, its manifest, and the landmarks (n) of its figures.

    `published` (n,) or (n, k) is what was published of them out of the folds.
    """

    folder: Path
    model_version: str
    sha256: str
    manifest: dict[str, Any]
    landmarks: Landmarks
    published: Floats


def require_free(job: Job, *, models: Path, model_version: str | None) -> tuple[str, Path]:
    """The version's name (today's date and time, where not given) and its folder.

    Raises UserError where the folder exists, or the job cannot be trained.
    """
    task_of(job.task).require_job(job)
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
    scored = np.isfinite(fitted.margin.reshape(len(known), -1)).all(axis=1)
    client = np.unique(known.cohort.astype(str), return_inverse=True)[1].astype(np.int64)
    gain, facility = gains(known, job), known.features.facility
    calibrations = calibrate(
        fitted.margin[scored],
        known.label[scored],
        client[scored],
        unknown=None if fitted.unknown is None else fitted.unknown.margin[scored],
        gain=None if gain is None else gain[scored],
        facility=None if facility is None else facility[scored],
        rules=fitted.rules,
    )
    estimator = fitted.whole.calibrated(**calibrations.everyone)
    artefact = io.BytesIO()
    joblib.dump(estimator, artefact, compress=("zlib", 9))
    content = artefact.getvalue()
    manifest = {
        **_description(job, known, recipe, version=version, content=content, rules=fitted.rules),
        **_findings(job, known, recipe, fitted=fitted, calibrations=calibrations, estimator=estimator),
    }
    told = {} if known.data is None else {"data": known.data}
    manifest["training"] |= {**told, "folds": folds, "attrition": dict(known.attrition)}
    write_whole(folder, manifest=manifest, artefact=content, job=job, features=known.features, among=known.scorable)
    return Trained(
        folder=folder,
        model_version=version,
        sha256=manifest["sha256"],
        manifest=manifest,
        landmarks=known.only(fitted.folds.judged),
        published=fitted.published[fitted.folds.judged],
    )


def _description(
    job: Job, known: Landmarks, recipe: Recipe, *, version: str, content: bytes, rules: TaskRules
) -> dict[str, Any]:
    """What the manifest says of the version itself."""
    return {
        "job": job.name,
        "model_version": version,
        "task": job.task.value,
        **({"classes": list(rules.classes)} if rules.classes else {}),
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "artefact": ARTEFACT,
        "sha256": hashlib.sha256(content).hexdigest(),
        "libraries": libraries(),
        "meaning": MEANING,
        "recipe": recipe.as_json(),
        "features": list(known.features.names),
    }


def _findings(
    job: Job, known: Landmarks, recipe: Recipe, *, fitted: Fitted, calibrations: Calibrations, estimator: Model
) -> dict[str, Any]:
    """What the manifest says of the fit and its figures, but for golden vectors, folds and attrition.

    `known` are the landmarks that count.
    """
    rules, judged = fitted.rules, fitted.folds.judged
    learnt, scored = known.trainable, np.all(np.isfinite(fitted.margin.reshape(len(known), -1)), axis=1)
    # What the model would publish of clients that it has not seen (split by time: of rows that follow what it has seen); quantiles,
    # declining and drift bins are set by it.
    published, facility = np.full(fitted.margin.shape, np.nan), known.features.facility
    of_scored = None if facility is None else facility[scored]
    published[scored] = calibrations.publish(fitted.margin[scored], of_scored, rules=rules)
    score = rules.score_of(published[scored])
    features = known.features.only(scored)
    # A copy less, where it would be the same: it may be a gigabyte.
    of_learnt = features if np.array_equal(learnt, scored) else known.features.only(learnt)
    clients, client = np.unique(known.cohort.astype(str), return_inverse=True)
    rows = Judged(published, known.label, client.astype(np.int64)).only(learnt)
    figures, out_of_fold = known.without_features().only(judged), fitted.published[judged]
    everyone = rules.everyone(known.label[~judged] if fitted.folds.by_time else known.label)
    return {
        "estimator": {
            "class": recipe.configuration.value,
            "parameters": parameters_of(recipe, rules),
            "members": recipe.members,
            **calibrations.everyone,
        },
        "training": {
            "job_version": job.version,
            "entities": len(np.unique(known.entity_ids.astype(str))),
            "clients": len(clients),
            "rows": int(learnt.sum()),
            **({"positive_rows": rules.positives(known.label[learnt])} if rules.has_event else {}),
            "parameters": dict(job.parameters),
            "first_landmark": known.first.isoformat(),
            "last_landmark": known.last.isoformat(),
            "data_sha256": known.data_sha256,
            "clients_seen": [mark_of(each) for each in sorted(clients)],
        },
        "metrics": figures_of(figures, job, published=out_of_fold, alarm=fitted.alarm[judged], rules=rules),
        "naive": naive_figures(
            known.without_features(), everyone, judged=judged, published=fitted.published, rules=rules
        ),
        **rules.publishing(calibrations.everyone),
        "bands": band_figures(figures, job, published=out_of_fold, rules=rules),
        "alarm_threshold": None if calibrations.threshold is None else calibrations.threshold.value,
        **_facilities(figures, job, calibrations, fitted=fitted),
        "importances": importances(estimator, of_learnt),
        "catalogue": summaries(job, of_learnt),
        "score_quantiles": [float(each) for each in np.quantile(score, np.linspace(0, 1, 101))],
        "declining": declining.fit(of_learnt, rows, job.declining, rules=rules),
        "baseline": bins_of(features, rules.drift_values(published[scored]), edges=rules.drift_edges),
    }


def _facilities(landmarks: Landmarks, job: Job, calibrations: Calibrations, *, fitted: Fitted) -> dict[str, Any]:
    """What the manifest says of each facility of the figures' `landmarks`.

    Nothing where the job names none. `facility_unknown` are the figures of the same landmarks, had the facility of none been known.
    """
    if landmarks.features.facility is None or fitted.unknown is None:
        return {}
    rules, judged = fitted.rules, fitted.folds.judged
    published, alarm = fitted.published[judged], fitted.alarm[judged]
    unknown = fitted.unknown
    thresholds = {} if calibrations.threshold is None else calibrations.threshold.by_facility
    found = {}
    for name, rows in members(landmarks.features.facility).items():
        own = landmarks.only(rows)
        found[name] = {
            "clients": len(np.unique(own.cohort.astype(str))),
            "rows": len(own),
            **({"positive_rows": rules.positives(own.label)} if rules.has_event else {}),
            "calibration": calibrations.by_facility.get(name),
            "alarm_threshold": thresholds.get(name),
            "metrics": figures_of(own, job, published=published[rows], alarm=alarm[rows], rules=rules),
        }
    return {
        "facilities": found,
        "facility_unknown": figures_of(
            landmarks, job, published=unknown.published[judged], alarm=unknown.alarm[judged], rules=rules
        ),
    }


def golden_vectors(model: LoadedModel, features: Features, among: Booleans) -> dict[str, Any]:
    """The golden vectors of each facility: inputs from the lowest score to the highest.

    They are rows of `features` (n, f) that are `among` (n,). With them are the stored model's scores. A missing input is None.
    """
    rows_of = members(features.facility)
    others = ~np.logical_or.reduce([np.zeros(len(among), dtype=bool), *rows_of.values()])
    parts = [np.flatnonzero(rows & among) for rows in (*rows_of.values(), others)]
    chosen = [_golden_of(model, features, places) for places in parts if len(places)]
    return {name: [each for part in chosen for each in part[name]] for name in chosen[0]}


def _golden_of(model: LoadedModel, features: Features, places: Integers) -> dict[str, list[Any]]:
    """The golden vectors among the rows at `places` (m,)."""
    some = features.only(places[spread_evenly(len(places), EXPLAINED)])
    rank = np.argsort(model.score(some).score, kind="stable")
    chosen = some.only(rank[spread_evenly(len(rank), _GOLDEN)])
    return {
        "inputs": [[None if np.isnan(value) else value for value in row] for row in chosen.values.tolist()],
        "scores": model.score(chosen).score.tolist(),
        **({} if chosen.facility is None else {"facility": chosen.facility.tolist()}),
    }


def write_whole(
    folder: Path, *, manifest: dict[str, Any], artefact: bytes, job: Job, features: Features, among: Booleans
) -> None:
    """Write the folder, whole or not at all, after its model was loaded and scored as in production.

    It scores some rows of `features` (n, f) that are `among` (n,), which become its golden vectors.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".writing-") as writing:
        made = Path(writing) / folder.name
        made.mkdir()
        (made / ARTEFACT).write_bytes(artefact)
        _write(made / MANIFEST, manifest)
        model = LoadedModel.load(made, sha256=manifest["sha256"], task=job.task, features=feature_names(job.features))
        manifest["golden"] = golden_vectors(model, features, among)
        _write(made / MANIFEST, manifest)
        os.rename(made, folder)  # noqa: PTH104 - a rename within one folder's parent is atomic


def _write(path: Path, manifest: dict[str, Any]) -> None:
    path.write_text(json.dumps(manifest, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def one_in(landmarks: Landmarks, step: int) -> Landmarks:
    """One in `step` of each entity's landmarks, for a quick look."""
    entity = np.unique(landmarks.entity_ids.astype(str), return_inverse=True)[1]
    first = np.searchsorted(entity, np.arange(entity.max() + 1))
    return replace(landmarks.only((np.arange(len(entity)) - first[entity]) % step == 0))
