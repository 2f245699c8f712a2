"""What a model says of the entities of a batch: scores, what it declines and why, and by which version each was said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scorer.jobs.publication import Declining
from scorer.registry.model import LoadedModel, Scores
from scorer.types.arrays import Booleans, Features, Floats
from scorer.types.enums import Status

NO_SCORE = "the model gives no score"


@dataclass(frozen=True, slots=True)
class Predictions:
    """Of n entities: `scores`, NaN where declined, each one's place among the training scores (`quantile`, (n,)) and its model (`by`).

    `given` (n,) is what the model gave before anything was declined. The suite judges that: a ward that is unlike the training data does
    not make the model a broken one. `declined` says why, by place, where the model could have given a score; `found`, by place, what is
    recorded of each, where it is.
    """

    scores: Scores
    given: Floats
    quantile: Floats
    by: tuple[str, ...]
    declined: Mapping[int, str]
    found: tuple[Mapping[str, Any], ...] | None = None

    def outputs(self, place: int) -> Mapping[str, Any]:
        """What is published of an entity beside its score; of many entities it may be one object."""
        outputs = self.scores.outputs
        return {**outputs[place], **self._found(place)} if outputs else self._found(place)

    def silence(self, place: int) -> dict[str, Any]:
        """How an entity of which there is no score ends, in the words of Outcome."""
        return {
            "status": Status.INDETERMINATE,
            "reason": self.declined.get(place, NO_SCORE),
            "outputs": self._found(place),
            "model_version": self.by[place],
        }

    def _found(self, place: int) -> Mapping[str, Any]:
        return self.found[place] if self.found else {}


def predict(model: LoadedModel, matrix: Features, *, spec: Declining) -> Predictions:
    """What `model` says of each row of `matrix`, the same whatever other rows are there."""
    scores = model.score(matrix)
    by = (model.manifest.model_version,) * len(matrix.values)
    if model.baseline is None:
        quantile = model.training_quantile(scores.score)
        return Predictions(scores=scores, given=scores.score, quantile=quantile, by=by, declined={})
    given = scores.score
    verdicts = model.baseline.find_declined(matrix, scores.score, spec=spec)
    scores = replace(scores, score=np.where(verdicts.declined, np.nan, scores.score))
    return Predictions(
        scores=scores,
        given=given,
        quantile=model.training_quantile(scores.score),
        by=by,
        declined=verdicts.reasons,
        found=tuple(verdicts.outputs),
    )


def swapped(one: Predictions, other: Predictions, which: Booleans) -> tuple[Predictions, Predictions]:
    """Both opinions, with what they say of the entities of `which` (n,) exchanged."""
    return _chosen(one, other, which), _chosen(other, one, which)


def _chosen(one: Predictions, other: Predictions, of_other: Booleans) -> Predictions:
    """`one`, but for the entities that are `of_other` (n,)."""
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
        ),
        given=np.where(of_other, other.given, one.given),
        quantile=np.where(of_other, other.quantile, one.quantile),
        by=pick(one.by, other.by),
        declined={
            **{place: why for place, why in one.declined.items() if not sides[place]},
            **{place: why for place, why in other.declined.items() if sides[place]},
        },
        found=pick(one.found, other.found, {}),
    )
