"""Training: the job's landmarks, through the same statements and the same features as scoring, to a model version on disk.

Nothing after a landmark's as-of time is seen. Clients are split, not rows: no patient stands on both sides. The figures in the manifest are
those of the held-out clients, whom the shipped pipeline never saw, with 95 % intervals from a bootstrap over clients.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from sklearn.pipeline import Pipeline

from scorer.errors import UserError
from scorer.features import build, feature_names
from scorer.inputs import input_hashes
from scorer.job import MEANING, Job, Task
from scorer.model import ARTEFACT, MANIFEST, ProductionPipeline, libraries
from scorer.source import Source, microseconds
from scorer.types import Features, Floats, WorkItem
from scorer.validation import Suites

_SEED = 20251120
_HELD_OUT = 0.25
_BOOTSTRAPS = 200
_LANDMARKS_READ_TOGETHER = 10_000
_PARAMETERS = {
    "learning_rate": 0.05,
    "max_iter": 300,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 100,
    "l2_regularization": 5.0,
    "max_features": 0.5,
    "early_stopping": False,
    "random_state": _SEED,
}
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Landmarks:
    """The training matrix: `features` (n, f), `label` (n,) 0 or 1, `cohort` (n,) the client of each row."""

    features: Features
    label: npt.NDArray[np.int64]
    cohort: npt.NDArray[np.object_]
    first: datetime
    last: datetime
    data_sha256: str


@dataclass(frozen=True, slots=True)
class Trained:
    """A model version on disk, and its manifest."""

    folder: Path
    model_version: str
    sha256: str
    manifest: dict[str, Any]


def train(
    job: Job, source: Source, *, models: Path, model_version: str | None = None, progress: Progress | None = None
) -> Trained:
    """Train `job` and write models/<job>/<version>/. Raises UserError where the data cannot train it; then nothing is written."""
    if job.task is not Task.BINARY:
        raise UserError(f"Job {job.name} has the task {job.task}; training is for binary jobs so far.")
    version = model_version or f"{datetime.now(UTC):%Y.%m.%d.%H%M%S}"
    folder = models / job.name / version
    if folder.exists():
        raise UserError(f"{folder} is there already; a model version is never written over.")
    landmarks = read_landmarks(job, source, progress=progress)
    held_out = _held_out(landmarks.cohort)
    _require_both_classes(landmarks.label, held_out)
    pipeline = Pipeline([("classify", HistGradientBoostingClassifier(**_PARAMETERS))])
    pipeline.fit(landmarks.features.values[~held_out], landmarks.label[~held_out])
    artefact = io.BytesIO()
    joblib.dump(pipeline, artefact, compress=("zlib", 9))
    content = artefact.getvalue()
    manifest = _manifest(job, landmarks, held_out, pipeline=pipeline, version=version, content=content)
    _write(folder, manifest=manifest, artefact=content)
    loaded = ProductionPipeline.load(
        folder, sha256=manifest["sha256"], task=job.task, features=feature_names(job.features)
    )
    assert len(loaded.score(landmarks.features.only(held_out)).score) == held_out.sum()
    return Trained(folder=folder, model_version=version, sha256=manifest["sha256"], manifest=manifest)


def read_landmarks(job: Job, source: Source, *, progress: Progress | None = None) -> Landmarks:
    """The training matrix of `job`, read and built as scoring reads and builds; rows that scoring would hold are left out."""
    table = source.landmarks(job).sort_by([("entity_id", "ascending"), ("as_of", "ascending")])
    if not table.num_rows:
        raise UserError(f"The statement landmarks of job {job.name} gave no row: there is nothing to train on.")
    suites = Suites(job)
    parts, kept, digest = [], [], hashlib.sha256()
    for items in _portions(table):
        observations = source.observations(job, items)
        attributes = source.attributes(job, items)
        digest.update(b"".join(input_hashes(observations, attributes)))
        as_of = np.array([microseconds(item.as_of) for item in items], dtype=np.int64)
        seen = suites.judge_observations(observations, attributes, as_of=as_of)
        usable = observations.only(seen.usable)
        matrix = build(usable, attributes, as_of=as_of, spec=job.features)
        read, used = (np.bincount(each.position, minlength=len(items)) for each in (observations, usable))
        fit = suites.judge_features([item.entity_id for item in items], matrix, attributes, read=read, used=used)
        held = {*seen.held, *fit.held}
        wanted = np.array([place not in held for place in range(len(items))]) & (used >= job.min_observations)
        parts.append(matrix.only(wanted).values)
        kept.append(wanted)
        if progress is not None:
            progress(sum(map(len, kept)), table.num_rows)
    chosen = table.filter(pa.array(np.concatenate(kept)))
    moments = chosen["as_of"].to_pylist()
    return Landmarks(
        features=Features(names=feature_names(job.features), values=np.concatenate(parts)),
        label=np.asarray(chosen["label"].to_numpy(), dtype=np.int64),
        cohort=np.asarray(chosen["cohort"].to_numpy(), dtype=object),
        first=min(moments),
        last=max(moments),
        data_sha256=digest.hexdigest(),
    )


def _portions(table: pa.Table) -> Iterator[tuple[WorkItem, ...]]:
    for start in range(0, table.num_rows, _LANDMARKS_READ_TOGETHER):
        part = table.slice(start, _LANDMARKS_READ_TOGETHER)
        pairs = zip(part["entity_id"].to_pylist(), part["as_of"].to_pylist(), strict=True)
        yield tuple(WorkItem(entity_id=entity_id, as_of=as_of.astimezone(UTC)) for entity_id, as_of in pairs)


def _held_out(cohort: npt.NDArray[np.object_]) -> npt.NDArray[np.bool_]:
    """Which rows are held out: those of a quarter of the clients, drawn by a fixed seed."""
    clients = np.unique(cohort.astype(str))
    drawn = np.random.default_rng(_SEED).permutation(clients)[: round(len(clients) * _HELD_OUT)]
    return np.isin(cohort.astype(str), drawn)


def _require_both_classes(label: npt.NDArray[np.int64], held_out: npt.NDArray[np.bool_]) -> None:
    for side, name in ((~held_out, "training"), (held_out, "held-out")):
        present = np.unique(label[side])
        if present.tolist() != [0, 1]:
            raise UserError(
                f"The {name} landmarks have the labels {present.tolist()}, both 0 and 1 are needed; load more outcomes."
            )


def _manifest(
    job: Job,
    landmarks: Landmarks,
    held_out: npt.NDArray[np.bool_],
    *,
    pipeline: Pipeline,
    version: str,
    content: bytes,
) -> dict[str, Any]:
    score = pipeline.predict_proba(landmarks.features.values[held_out])[:, 1]
    label, cohort = landmarks.label[held_out], landmarks.cohort[held_out]
    return {
        "job": job.name,
        "model_version": version,
        "task": job.task.value,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "artefact": ARTEFACT,
        "sha256": hashlib.sha256(content).hexdigest(),
        "libraries": libraries(),
        "meaning": MEANING,
        "estimator": {"class": "HistGradientBoostingClassifier", "parameters": _PARAMETERS},
        "training": {
            "job_version": job.version,
            "rows": int((~held_out).sum()),
            "clients": len(set(landmarks.cohort[~held_out])),
            "positive_rows": int(landmarks.label[~held_out].sum()),
            "held_out_rows": int(held_out.sum()),
            "held_out_clients": len(set(cohort)),
            "held_out_positive_rows": int(label.sum()),
            "seed": _SEED,
            "parameters": dict(job.parameters),
            "first_landmark": landmarks.first.isoformat(),
            "last_landmark": landmarks.last.isoformat(),
            "data_sha256": landmarks.data_sha256,
        },
        "metrics": _metrics(label, score, cohort),
        "score_quantiles": [float(each) for each in np.quantile(score, np.linspace(0, 1, 101))],
        "features": list(landmarks.features.names),
    }


_METRICS: dict[str, Callable[..., float]] = {
    "auroc": roc_auc_score,
    "average_precision": average_precision_score,
    "brier": brier_score_loss,
}


def _metrics(
    label: npt.NDArray[np.int64], score: Floats, cohort: npt.NDArray[np.object_]
) -> dict[str, dict[str, float]]:
    """Each metric on the held-out rows, with a 95 % interval: percentiles over resamples of clients, not of rows."""
    _, client = np.unique(cohort.astype(str), return_inverse=True)
    order = np.argsort(client, kind="stable")
    rows = np.split(order, np.cumsum(np.bincount(client))[:-1])
    random = np.random.default_rng(_SEED)
    resampled: dict[str, list[float]] = {name: [] for name in _METRICS}
    for _ in range(_BOOTSTRAPS):
        drawn = np.concatenate([rows[each] for each in random.integers(len(rows), size=len(rows))])
        if 0 < label[drawn].sum() < len(drawn):
            for name, metric in _METRICS.items():
                resampled[name].append(float(metric(label[drawn], score[drawn])))
    return {
        name: {
            "value": float(metric(label, score)),
            "low": float(np.percentile(resampled[name], 2.5)),
            "high": float(np.percentile(resampled[name], 97.5)),
        }
        for name, metric in _METRICS.items()
    }


def _write(folder: Path, *, manifest: dict[str, Any], artefact: bytes) -> None:
    """The folder appears whole or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".writing-") as writing:
        made = Path(writing) / folder.name
        made.mkdir()
        (made / ARTEFACT).write_bytes(artefact)
        (made / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
        os.rename(made, folder)  # noqa: PTH104 - a rename within one folder's parent is atomic
