"""A model version, checked and loaded: features in, scores and bands out.

A model version is a folder: `manifest.json`, which describes the artefact, and `pipeline.joblib`, a fitted estimator with scikit-learn's
methods, which takes the feature matrix as it is, NaN for missing. The manifest is checked before a byte of the artefact is unpickled.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController, threadpool_limits

from scorer.errors import UserError
from scorer.jobs.job import MEANING, Task
from scorer.registry import ensemble
from scorer.registry.declining import Baseline
from scorer.registry.estimator import (
    classes_of,
    event_column,
    read_estimator,
    require_columns,
    require_probabilities,
    tried,
)
from scorer.registry.manifest import ARTEFACT, Manifest, libraries, read_manifest, unlike_libraries
from scorer.tasks.known import task_of
from scorer.tasks.task import Scores
from scorer.types.arrays import Features, Floats

# Rows are scored in blocks of this size, the last one filled up, on one thread: the last bits of a score depend on the shape of the
# matrix and on how sums are divided among threads, and must not depend on which other patients are in the batch. The size is a
# compromise: a request for one patient pays for a whole block, a large batch for each block. An estimator that goes row by row needs none.
_BLOCK = 256
_TOLERANCE = 1e-6  # golden vectors agree where every score is off by less

# Artefacts that were made before 0.2.0 name their estimator's module by the path that it had then.
sys.modules.setdefault("scorer.ensemble", ensemble)


def keep_to_one_thread() -> None:
    """Limit the numerical libraries to one thread each, for the rest of the process.

    Where several threads score, each would otherwise set and reset the limit that they share.
    """
    threadpool_limits(limits=1)


def passes(difference: float) -> bool:
    """Whether golden vectors agree, the largest difference being `difference`.

    >>> passes(0.9e-7), passes(0.5 - (0.5 - 1e-6)), passes(float("nan"))
    (True, False, False)
    """
    # A little less, so that a difference of the whole tolerance is refused however the subtraction rounds.
    return difference < _TOLERANCE * (1 - 1e-9)


class LoadedModel:
    """A model version, checked and loaded; `baseline` is None where it declines nothing."""

    def __init__(self, manifest: Manifest, estimator: Any, *, name: str | None = None) -> None:
        self.manifest = manifest
        self.rules = task_of(manifest.task, classes=_classes(manifest, estimator))
        self._estimator = estimator
        self._name = name or f"Model {manifest.model_version} of {manifest.job}"
        self._of_facility = {
            facility: ensemble.own_fit(estimator, facility).calibrated(**calibration)
            for facility, calibration in manifest.calibrations.items()
        }
        try:
            self.baseline = Baseline.of(manifest.content)
        except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
            raise UserError(
                f"{self._name}: its manifest holds a declining or baseline that cannot be read ({type(error).__name__}); put the right "
                "one back."
            ) from error
        self._classes = classes_of(estimator)
        self._event = 0
        if self.rules.has_event:
            self._event = event_column(estimator, positive=manifest.content.get("positive_class"), name=self._name)
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
        loaded: LoadedModel | None = None,
    ) -> LoadedModel:
        """Load the model in `folder`, if it is the one registered by `sha256` and fits task and features.

        The manifest must equal the `registered` one, if that is given. Where the one that is `loaded` was made of the same files, it is
        that one. Raises UserError, before anything is unpickled, where a file was altered, or libraries or features are others; and after
        it, where the golden vectors do not agree.
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
        return cls.opened(manifest, artefact, folder=folder, sha256=sha256, task=task, features=features, loaded=loaded)

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
        loaded: LoadedModel | None = None,
    ) -> LoadedModel:
        """Open an artefact that came from `folder`, or from the database where that is None.

        Raises UserError as `load` does.
        """
        name = f"The model file {folder / ARTEFACT}" if folder else f"Model {manifest.model_version} in the database"
        found = hashlib.sha256(artefact).hexdigest()
        if not found == manifest.sha256 == sha256:
            raise UserError(
                f"{name} is not the one that was registered: its SHA-256 is {found[:12]}..., the registry has "
                f"{sha256[:12]}... and the manifest {manifest.sha256[:12]}...; put the registered file back."
            )
        _require_fit(manifest, folder or "the database", task=task, features=tuple(features))
        if loaded is not None and (loaded.manifest.sha256, loaded.manifest.content) == (sha256, manifest.content):
            return loaded
        model = cls(manifest, read_estimator(artefact, name=name, task=task), name=name)
        difference = model.golden_difference()
        if difference is not None and not passes(difference):
            raise UserError(
                f"{name} gives other scores on this machine than where it was made: its golden vectors are off by "
                f"{difference:.2g}, below {_TOLERANCE:g} is needed; {_advice(manifest)}."
            )
        model._threads = ThreadpoolController()  # it has seen no library that only predicting loads
        return model

    def golden_difference(self) -> float | None:
        """The largest difference between golden scores and those computed here; None without golden vectors.

        It is a share of the score, where that is above 1. Infinite where one of the two is a score and the other is not.
        """
        golden = self.manifest.golden
        if golden is None:
            return None
        features = Features(names=self.manifest.features, values=golden.inputs, facility=golden.facility)
        here = tried(lambda: self.score(features).score, name=self._name)
        self.require_probabilities(here)
        if (np.isnan(here) != np.isnan(golden.scores)).any():
            return float("inf")
        return float(np.nanmax(np.abs(here - golden.scores) / np.maximum(1.0, np.abs(golden.scores)), initial=0.0))

    def score(self, features: Features) -> Scores:
        """Score `features` (n, f): a score per row, of the same bits whatever the other rows are.

        A row is calibrated as its facility is, where the model has a calibration of that one, else as all are. A score that is not finite
        becomes NaN: the model declines. Whether it is a probability is for `require_probabilities`.
        """
        predicted = self._computed(
            features, lambda fit, rows: self._in_blocks(fit, getattr(fit, self.rules.method), rows)
        )
        assert predicted is not None, "scores are never left out"
        if self.rules.gives_probabilities:
            require_columns(predicted, classes=len(self._classes or ()), name=self._name)
        if self.rules.has_event:
            predicted = predicted[:, [self._event]]
        return self.rules.scores(predicted, interval=self.manifest.interval)

    def require_probabilities(self, score: Floats) -> None:
        """Check that scores (n,) that are probabilities are in 0 to 1, or NaN. Raises UserError where not."""
        if self.rules.gives_probabilities:
            require_probabilities(score, name=self._name)

    def contributions(self, features: Features) -> Floats | None:
        """What each feature adds to a score, in `rules.reasons_in`, (n, f + 1), bias last; None where unknown.

        Each row by itself: they need not be the rows that were scored together.
        """
        if getattr(self._estimator, "contributions", None) is None:
            return None
        with self._threads.limit(limits=1):
            return self._computed(features, lambda fit, rows: _as_floats(fit.contributions(rows)))

    def margin(self, features: Features) -> Floats:
        """The margins of `features` (n, f) before calibration, (n,) or (n, k).

        Raises UserError where the estimator has none: it was not made by this program.
        """
        if getattr(self._estimator, "margin", None) is None:
            raise UserError(f"{self._name} was not trained by scorer, so its scores cannot be calibrated anew.")
        with self._threads.limit(limits=1):
            margin = self._computed(features, lambda fit, rows: _as_floats(fit.margin(rows)))
        assert margin is not None, "every fit of scorer's has margins"
        return margin

    def training_quantile(self, score: Floats) -> Floats:
        """The share of the training scores below each score (n,); NaN for NaN."""
        quantiles = self.manifest.score_quantiles
        # Halfway through equal quantiles, so that a score that half of the training rows had is not at their edge.
        below = np.searchsorted(quantiles, score, side="left")
        upto = np.searchsorted(quantiles, score, side="right")
        share: Floats = (below + upto) / (2 * len(quantiles))
        share[np.isnan(score)] = np.nan
        return share

    def _computed(self, features: Features, compute: Callable[[Any, Floats], Floats | None]) -> Floats | None:
        return ensemble.by_facility(self._estimator, features, compute, calibrated=self._of_facility)

    def _in_blocks(self, estimator: Any, predict: Any, rows: Floats) -> Floats:
        parts = []
        with self._threads.limit(limits=1):
            if getattr(estimator, "row_by_row", False):
                return np.asarray(predict(np.ascontiguousarray(rows, dtype=np.float64)), dtype=np.float64)
            for start in range(0, len(rows), _BLOCK):
                part = rows[start : start + _BLOCK]
                block = np.empty((_BLOCK, rows.shape[1]), dtype=np.float64)
                block[: len(part)] = part
                block[len(part) :] = part[0]
                parts.append(np.asarray(predict(block), dtype=np.float64).reshape(_BLOCK, -1)[: len(part)])
        return np.concatenate(parts) if parts else np.empty((0, len(self._classes or "01")))


def _as_floats(found: Any) -> Floats | None:
    return None if found is None else np.asarray(found, dtype=np.float64)


def _classes(manifest: Manifest, estimator: Any) -> tuple[str, ...]:
    """The classes of the manifest, else those of the estimator; of no matter but for multiclass."""
    return tuple(manifest.content.get("classes") or map(str, getattr(estimator, "classes_", ())))


def _advice(manifest: Manifest) -> str:
    """What to do where golden vectors do not agree."""
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
