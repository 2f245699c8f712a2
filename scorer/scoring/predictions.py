"""What models predict of the entities of a batch: scores, and why some of them are declined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scorer.jobs.publication import Bands, Declining
from scorer.registry.bands import band_names
from scorer.registry.model import LoadedModel
from scorer.tasks.task import Scores
from scorer.types.arrays import Booleans, Features, Floats, Texts
from scorer.types.enums import Status

NO_SCORE = "the model gives no score"


@dataclass(frozen=True, slots=True)
class Predictions:
    """What is predicted of n entities, each found by its place among them.

    scores          NaN where the model gave none or it was declined
    undeclined      (n,): the scores before any was declined. The scores suite validates these: a ward that is unlike the training data does
                    not mean that the model is broken
    quantile        (n,): the place of each score among the training scores, from 0 to 1; NaN where there is no score
    model_versions  the model that gave each
    declined        why, by place, where a score was declined
    extra_outputs   what the declining adds to each one's outputs; None where the model has nothing to decline by
    of_class        (n,): the probability of the class that the job's bands name; None where they are of the score itself
    facility        (n,): what each entity belongs to; None where the job names no facility
    """

    scores: Scores
    undeclined: Floats
    quantile: Floats
    model_versions: tuple[str, ...]
    declined: Mapping[int, str]
    extra_outputs: tuple[Mapping[str, Any], ...] | None = None
    of_class: Floats | None = None
    facility: Texts | None = None

    def bands(self, bands: Bands | None) -> list[str | None]:
        """The band of each score; None where there is no score, or there are no bands."""
        return band_names(bands, self.scores.score if self.of_class is None else self.of_class, self.facility)

    def outputs(self, place: int) -> Mapping[str, Any]:
        """What is published of an entity beside its score; entities may share one object."""
        outputs = self.scores.outputs
        return {**outputs[place], **self._extra(place)} if outputs else self._extra(place)

    def without_score(self, place: int) -> dict[str, Any]:
        """The fields of the Outcome of an entity that has no score: its status, why, and by which model."""
        return {
            "status": Status.INDETERMINATE,
            "reason": self.declined.get(place, NO_SCORE),
            "outputs": self._extra(place),
            "model_version": self.model_versions[place],
        }

    def _extra(self, place: int) -> Mapping[str, Any]:
        return self.extra_outputs[place] if self.extra_outputs else {}


def predict(model: LoadedModel, matrix: Features, *, spec: Declining) -> Predictions:
    """Predict each row of `matrix` by `model`; a row's prediction does not depend on the other rows."""
    scores = model.score(matrix)
    model_versions = (model.manifest.model_version,) * len(matrix.values)
    if model.baseline is None:
        return Predictions(
            scores=scores,
            undeclined=scores.score,
            quantile=model.training_quantile(scores.score),
            model_versions=model_versions,
            declined={},
            of_class=_of_class(model, scores, spec=spec),
            facility=matrix.facility,
        )
    declined = model.baseline.find_declined(matrix, scores.whole, spec=spec)
    kept = replace(scores, score=np.where(declined.declined, np.nan, scores.score))
    return Predictions(
        scores=kept,
        undeclined=scores.score,
        quantile=model.training_quantile(kept.score),
        model_versions=model_versions,
        declined=declined.reasons,
        extra_outputs=tuple(declined.outputs),
        of_class=_of_class(model, kept, spec=spec),
        facility=matrix.facility,
    )


def _of_class(model: LoadedModel, scores: Scores, *, spec: Declining) -> Floats | None:
    """The probability of the class that the bands name, (n,); None where they name none."""
    if spec.bands is None or spec.bands.of_class is None:
        return None
    return model.rules.banded(scores.score, scores.whole, spec.bands)


def swapped(one: Predictions, other: Predictions, which: Booleans) -> tuple[Predictions, Predictions]:
    """Both predictions, with those of the entities where `which` (n,) is true exchanged."""
    return _chosen(one, other, which), _chosen(other, one, which)


def _chosen(one: Predictions, other: Predictions, of_other: Booleans) -> Predictions:
    """`one`, but `other` where `of_other` (n,) is true."""
    sides = of_other.tolist()

    def pick(mine: tuple[Any, ...] | None, theirs: tuple[Any, ...] | None, nothing: Any = None) -> Any:
        if mine is None and theirs is None:
            return None
        nothings = (nothing,) * len(sides)
        pairs = zip(nothings if mine is None else mine, nothings if theirs is None else theirs, sides, strict=True)
        return tuple(second if side else first for first, second, side in pairs)

    return Predictions(
        scores=Scores(
            score=np.where(of_other, other.scores.score, one.scores.score),
            labels=pick(one.scores.labels, other.scores.labels),
            outputs=pick(one.scores.outputs, other.scores.outputs, {}),
            published=_merged(one.scores.published, other.scores.published, of_other),
        ),
        undeclined=np.where(of_other, other.undeclined, one.undeclined),
        quantile=np.where(of_other, other.quantile, one.quantile),
        model_versions=pick(one.model_versions, other.model_versions),
        declined={
            **{place: why for place, why in one.declined.items() if not sides[place]},
            **{place: why for place, why in other.declined.items() if sides[place]},
        },
        extra_outputs=pick(one.extra_outputs, other.extra_outputs, {}),
        of_class=_merged(one.of_class, other.of_class, of_other),
        facility=one.facility,
    )


def _merged(one: Floats | None, other: Floats | None, of_other: Booleans) -> Floats | None:
    """`one`, but the rows of `other` where `of_other` (n,) is true; None where either is."""
    if one is None or other is None:
        return None
    return np.where(of_other.reshape(-1, *(1,) * (one.ndim - 1)), other, one)
