"""Manifest + artefact -> scores and bands.

A model version is a folder: `manifest.json`, which says what the artefact is, and `pipeline.joblib`, a fitted scikit-learn pipeline that
takes the feature matrix as it comes, NaN for missing. All that the manifest says is checked before a byte of the artefact is unpickled.
"""

from __future__ import annotations

import hashlib
import io
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.exceptions import InconsistentVersionWarning
from threadpoolctl import ThreadpoolController, threadpool_limits

from scorer.errors import UserError
from scorer.jobs.job import MEANING, Bands, Task
from scorer.registry import ensemble
from scorer.registry.declining import Baseline
from scorer.registry.manifest import ARTEFACT, Manifest, libraries, read_manifest, unlike_libraries
from scorer.types.arrays import Features, Floats

# Scoring is done in blocks of this many rows, the last one filled up, on one thread: the last bits of a score depend on the shape of
# the matrix and on how sums are divided among threads, and must not depend on a patient's neighbours. Of so many rows, because a
# patient who is asked for alone pays for all of them, and a large batch pays for each block. An estimator that goes row by row needs none.
_BLOCK = 256
# Artefacts that were made before 0.2.0 name their estimator's module by the place that it had then.
sys.modules.setdefault("scorer.ensemble", ensemble)
_TOLERANCE = 1e-6  # golden vectors come out where no score is off by so much


def keep_to_one_thread() -> None:
    """Keep the numerical libraries to one thread each, for good: where several threads score, each would set and reset a common limit."""
    threadpool_limits(limits=1)


@dataclass(frozen=True, slots=True)
class Scores:
    """What a model says of n entities: `score` (n,), NaN where it declines; for multiclass the most probable class and all of them."""

    score: Floats
    labels: tuple[str, ...] | None
    outputs: tuple[dict[str, float], ...] | None


def passes(difference: float) -> bool:
    """Whether golden vectors that are off by so much have come out.

    >>> passes(0.9e-7), passes(0.5 - (0.5 - 1e-6)), passes(float("nan"))
    (True, False, False)
    """
    # A little less, so that what is off by the whole of it is refused however the subtraction rounds.
    return difference < _TOLERANCE * (1 - 1e-9)


class LoadedModel:
    """A model version, checked and loaded; `baseline` is what it declines by, None where its manifest tells nothing of it."""

    def __init__(self, manifest: Manifest, estimator: Any) -> None:
        self.manifest = manifest
        self.baseline = Baseline.of(manifest.content)
        self._estimator = estimator
        self._threads = ThreadpoolController()

    @classmethod
    def load(
        cls,
        folder: Path,
        *,
        sha256: str,
        task: Task,
        features: Sequence[str],
        registered: Mapping[str, Any] | None = None,
    ) -> LoadedModel:
        """The model in `folder`, if it is the one that the registry knows by `sha256` and fits task and features.

        Where the manifest as `registered` is given, the folder's must be the same. Raises UserError, before anything is unpickled, for an
        altered file, other libraries or other features; and after it, where the golden vectors do not come out.
        """
        manifest = read_manifest(folder)
        path = folder / ARTEFACT
        try:
            artefact = path.read_bytes()
        except OSError as error:
            raise UserError(f"The model file {path} cannot be read: {error.strerror}.") from error
        if registered is not None and sha256 == manifest.sha256:
            _require_fit(manifest, folder, task=task, features=tuple(features))
            if manifest.content != registered:
                raise UserError(f"The manifest in {folder} is not the one that was registered; put that one back.")
        return cls.opened(manifest, artefact, folder=folder, sha256=sha256, task=task, features=features)

    @classmethod
    def opened(
        cls,
        manifest: Manifest,
        artefact: bytes,
        *,
        folder: Path | None,
        sha256: str,
        task: Task,
        features: Sequence[str],
    ) -> LoadedModel:
        """The model that `artefact` holds, checked as `load` says; it came from `folder`, or else from the database."""
        name = f"The model file {folder / ARTEFACT}" if folder else f"Model {manifest.model_version} in the database"
        found = hashlib.sha256(artefact).hexdigest()
        if not found == manifest.sha256 == sha256:
            raise UserError(
                f"{name} is not the one that was registered: its SHA-256 is {found[:12]}..., the registry has "
                f"{sha256[:12]}... and the manifest {manifest.sha256[:12]}...; put the registered file back."
            )
        _require_fit(manifest, folder or "the database", task=task, features=tuple(features))
        with warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            try:
                estimator = joblib.load(io.BytesIO(artefact))
            except (ImportError, AttributeError, InconsistentVersionWarning) as error:
                raise UserError(
                    f"{name} cannot be opened with the libraries of this machine: {error}; install those of its manifest."
                ) from error
        model = cls(manifest, estimator)
        difference = model.golden_difference()
        if difference is not None and not passes(difference):
            raise UserError(
                f"{name} gives other scores on this machine than where it was made: its golden vectors are off by "
                f"{difference:.2g}, below {_TOLERANCE:g} is needed; {_unlike(manifest)}."
            )
        return model

    def golden_difference(self) -> float | None:
        """The largest difference between a stored score of the golden vectors and the one given here; None where there are none.

        Infinite where only one of the two is a score.
        """
        golden = self.manifest.golden
        if golden is None:
            return None
        here = self.score(Features(names=self.manifest.features, values=golden.inputs)).score
        if (np.isnan(here) != np.isnan(golden.scores)).any():
            return float("inf")
        return float(np.nanmax(np.abs(here - golden.scores), initial=0.0))

    def score(self, features: Features) -> Scores:
        """A score per row, the same bits whatever other rows are there. A score that is not finite is given as NaN: declined."""
        rows = features.values
        if self.manifest.task is Task.REGRESSION:
            value = _finite(self._in_blocks(self._estimator.predict, rows)[:, 0])
            return Scores(score=value, labels=None, outputs=self._intervals(value))
        probability = self._in_blocks(self._estimator.predict_proba, rows)
        if self.manifest.task is Task.BINARY:
            return Scores(score=_finite(probability[:, -1]), labels=None, outputs=None)
        classes = [str(each) for each in self._estimator.classes_]
        best = np.argmax(probability, axis=1) if len(rows) else np.empty(0, np.int64)
        return Scores(
            score=_finite(probability[np.arange(len(rows)), best]),
            labels=tuple(classes[each] for each in best.tolist()),
            outputs=tuple(dict(zip(classes, row, strict=True)) for row in probability.tolist()),
        )

    def contributions(self, features: Features) -> Floats | None:
        """What each feature of each row adds to the log-odds of its score, (n, f + 1), the bias last; None where the model cannot say.

        Each row by itself: the rows need not be those that were scored together.
        """
        contributions = getattr(self._estimator, "contributions", None)
        if contributions is None:
            return None
        with self._threads.limit(limits=1):
            found = contributions(np.ascontiguousarray(features.values, dtype=np.float64))
        return None if found is None else np.asarray(found, dtype=np.float64)

    def training_quantile(self, score: Floats) -> Floats:
        """The share of the training scores that lie below each score; NaN for NaN."""
        quantiles = self.manifest.score_quantiles
        # Halfway through a run of equal quantiles, so that a score that half of the training had is not at its edge.
        below = np.searchsorted(quantiles, score, side="left")
        upto = np.searchsorted(quantiles, score, side="right")
        share: Floats = (below + upto) / (2 * len(quantiles))
        share[np.isnan(score)] = np.nan
        return share

    def _in_blocks(self, predict: Any, rows: Floats) -> Floats:
        parts = []
        with self._threads.limit(limits=1):
            if getattr(self._estimator, "row_by_row", False):
                return np.asarray(predict(np.ascontiguousarray(rows, dtype=np.float64)), dtype=np.float64)
            for start in range(0, len(rows), _BLOCK):
                part = rows[start : start + _BLOCK]
                block = np.empty((_BLOCK, rows.shape[1]), dtype=np.float64)
                block[: len(part)] = part
                block[len(part) :] = part[0]
                parts.append(np.asarray(predict(block), dtype=np.float64).reshape(_BLOCK, -1)[: len(part)])
        return np.concatenate(parts) if parts else np.empty((0, 2))

    def _intervals(self, value: Floats) -> tuple[dict[str, float], ...] | None:
        interval = self.manifest.interval
        if interval is None:
            return None
        return tuple(
            {"low": each - interval["below"], "high": each + interval["above"], "coverage": interval["coverage"]}
            for each in value.tolist()
        )


def band_names(bands: Bands | None, score: Floats) -> list[str | None]:
    """The risk band of each score (n,); None where the job has no bands or there is no score.

    >>> band_names(Bands(limits=(("HIGH", 0.7), ("MEDIUM", 0.4)), lowest="LOW"), np.array([0.71, 0.7, 0.4, np.nan]))
    ['HIGH', 'MEDIUM', 'LOW', None]
    """
    if bands is None:
        return [None] * len(score)
    names = [*(name for name, _ in bands.limits), bands.lowest]
    with np.errstate(invalid="ignore"):
        above = [score > limit for _, limit in bands.limits]
    place = np.argmax([*above, np.ones(len(score), dtype=bool)], axis=0)
    return [None if nan else names[each] for each, nan in zip(place.tolist(), np.isnan(score).tolist(), strict=True)]


def _finite(score: Floats) -> Floats:
    return np.where(np.isfinite(score), score, np.nan)


def _unlike(manifest: Manifest) -> str:
    """What to do where golden vectors do not come out."""
    unlike = unlike_libraries(manifest.libraries)
    if unlike:
        return f"it was fitted with {', '.join(unlike)}: install those, or train the model again"
    return "the libraries are those of its manifest: train the model again here"


def _require_fit(manifest: Manifest, folder: Path | str, *, task: Task, features: tuple[str, ...]) -> None:
    here = libraries()["scikit-learn"]
    fitted = manifest.libraries.get("scikit-learn")
    if fitted != here:
        raise UserError(
            f"The model in {folder} was fitted with scikit-learn {fitted} and this is {here}; install scikit-learn=={fitted} "
            "or train the model again."
        )
    if manifest.meaning != MEANING:
        raise UserError(f"The model in {folder} was trained on features of another meaning; train it again.")
    if manifest.task is not task:
        raise UserError(f"The model in {folder} is for the task {manifest.task}, the job's is {task}.")
    if manifest.features != features:
        other = next(
            (pair for pair in zip(manifest.features, features, strict=False) if pair[0] != pair[1]),
            (f"{len(manifest.features)} features", f"{len(features)}"),
        )
        raise UserError(
            f"The model in {folder} was trained on other features than the job declares: the first difference is "
            f"{other[0]} in the model, {other[1]} in the job; train it again or put job.toml back."
        )
