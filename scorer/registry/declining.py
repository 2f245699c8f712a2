"""When a model declines: inputs unlike its training data, or a conformal set that does not decide.

Unlike. A feature of an entity is unlike the training data if it lies outside the range that holds all but `_TAIL` of the training values
on either side; if it is missing and the training data almost always had it; or if it is there and they almost never had it. An entity is
unlike if more of its features are than of nearly all training rows (`Declining.share`). Each feature is looked at by itself: an unusual
combination of usual values is not noticed.

Conformal. The p-value of a class is the share of its held-out scores, the entity's own included, that are as far from the class as the
entity's or farther. The set at level alpha holds the classes whose p-value is above alpha. So the true class is outside the set for at
most alpha of the entities of each class, if the entities are like the training data. Of a class's scores only some ranks are kept, and
between two of them the larger p-value is taken: sets become larger by that, never smaller.

Source: Vovk, Gammerman, Shafer, Algorithmic Learning in a Random World (2005), chapter 4.5, label-conditional (Mondrian) predictors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from scorer.errors import UserError
from scorer.jobs.publication import Decline, Declining
from scorer.registry.ranking import ends_of_equal, pairs_in_order
from scorer.types.arrays import Booleans, Features, Floats, Integers

_TAIL = 0.001
_ALWAYS = 0.999  # the share of training rows from which they "almost always" have a feature, or lack it
_ROWS = 2048  # compared at a time: so many stay in the processor's cache
_RANKS = 400  # of a class's scores that are kept, beside the outermost
_OUTERMOST = 100
_FOLDS = 5
_MEASURED_ROWS = 60_000
_NAMED = 3  # features that a reason names
# By whether the set holds class 0, then class 1.
SETS = (("neither", "1"), ("0", "both"))


@dataclass(frozen=True, slots=True)
class Declined:
    """Which of n scores are `declined` (n,), why, and what is recorded of each.

    `reasons` are by row, `outputs` one per row. `p_values` (n, 2) are those of class 0 and 1, NaN where there is no score or nothing was
    calibrated. `unlike` (n,) counts features.
    """

    declined: Booleans
    reasons: Mapping[int, str]
    outputs: Sequence[Mapping[str, Any]]
    p_values: Floats
    unlike: Integers


class Baseline:
    """What a model's training data were like, read from its manifest."""

    def __init__(self, content: Mapping[str, Any], *, features: Sequence[str]) -> None:
        """Raises UserError where `content` is not what `fit` returns for these features."""
        try:
            unlike, conformal = content["unlike"], content.get("conformal")
            self._low, self._high = (_numbers(unlike[side], len(features)) for side in ("low", "high"))
            self._never_missing, self._never_there = (
                np.isin(features, unlike[kind]) for kind in ("never_missing", "never_there")
            )
            self._limit = int(unlike["limit"])
            self._zero, self._one = (
                _Calibration.of(conformal[each]) if conformal else None for each in ("zero", "one")
            )
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f'The manifest\'s "declining" cannot be used ({type(error).__name__}); put the right manifest back, or train '
                "the model again."
            ) from error
        self._surprise = bool(self._never_missing.any() or self._never_there.any())

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Self | None:
        """Read a whole manifest; None where it has no "declining", and the model declines nothing."""
        content = manifest.get("declining")
        return None if content is None else cls(content, features=manifest["features"])

    def find_declined(self, features: Features, score: Floats, *, spec: Declining) -> Declined:
        """Find the rows of `features` (n, f) with their `score` (n,) that are declined, each by itself."""
        unlike = self.count_unlike(features.values)
        p_values = np.full((len(score), 2), np.nan)
        if self._zero is not None and self._one is not None:
            p_values[:, 0] = self._zero.p_values(-score)
            p_values[:, 1] = self._one.p_values(score)
        with np.errstate(invalid="ignore"):
            holds = (p_values > spec.alpha).astype(np.int64)
        known = ~np.isnan(p_values[:, 0])
        found = {
            Decline.UNLIKE: unlike > self._limit,
            Decline.EMPTY: known & (holds.sum(axis=1) == 0),
            Decline.UNDECIDED: known & (holds.sum(axis=1) == 2),  # noqa: PLR2004 - both classes
        }
        causes = [found[each] for each in Decline if each in spec.decline_on]
        declined = np.logical_or.reduce([np.zeros(len(score), dtype=bool), *causes])
        reasons = {}
        for place in np.flatnonzero(declined).tolist():
            why = next(each for each in Decline if each in spec.decline_on and found[each][place])
            reasons[place] = (
                self._why_unlike(features, place, int(unlike[place])) if why is Decline.UNLIKE else _WHY[why](spec)
            )
        return Declined(
            declined=declined,
            reasons=reasons,
            outputs=_outputs(holds, known, unlike),
            p_values=p_values,
            unlike=unlike,
        )

    def count_unlike(self, rows: Floats) -> Integers:
        """How many features of each row (n, f) are unlike the training data, (n,).

        Whole numbers, so that the order of adding does not matter.
        """
        counts = np.zeros(len(rows), dtype=np.int64)
        for start in range(0, len(rows), _ROWS):
            counts[start : start + _ROWS] = np.count_nonzero(self._unlike(rows[start : start + _ROWS]), axis=1)
        return counts

    def _unlike(self, rows: Floats) -> Booleans:
        with np.errstate(invalid="ignore"):
            found: Booleans = (rows < self._low) | (rows > self._high)
        if self._surprise:
            missing = np.isnan(rows)
            found |= (missing & self._never_missing) | (~missing & self._never_there)
        return found

    def _why_unlike(self, features: Features, place: int, count: int) -> str:
        """The reason in a sentence, naming the features farthest outside their training range; no values."""
        row = features.values[place]
        with np.errstate(all="ignore"):
            width = np.maximum(self._high - self._low, np.finfo(np.float64).tiny)
            beyond = np.maximum(row - self._high, self._low - row) / width
        beyond = np.where(self._unlike(row[np.newaxis])[0], np.where(np.isnan(beyond), 0.0, beyond), -1.0)
        foremost = np.argsort(-beyond, kind="stable")[: min(_NAMED, count)]
        named = ", ".join(features.names[each] for each in foremost.tolist())
        return (
            f"the inputs are unlike the training data: {count} of {len(row)} features are, where {self._limit} are accepted, "
            f"foremost {named}"
        )


_WHY = {
    Decline.EMPTY: lambda spec: (
        f"the conformal set is empty at level {spec.alpha:g}: the score is unusual for either class"
    ),
    Decline.UNDECIDED: lambda spec: (
        f"the conformal set holds both classes at level {spec.alpha:g}: the score decides nothing"
    ),
}


def _outputs(holds: Integers, known: Booleans, unlike: Integers) -> list[Mapping[str, Any]]:
    """What is recorded of each row; equal outputs are the same object."""
    known_outputs: dict[tuple[int, int, bool, int], Mapping[str, Any]] = {}
    found = []
    for zero, one, is_known, count in zip(*holds.T.tolist(), known.tolist(), unlike.tolist(), strict=True):
        key = (zero, one, is_known, count)
        if key not in known_outputs:
            known_outputs[key] = {**({"conformal": SETS[zero][one]} if is_known else {}), "unlike": count}
        found.append(known_outputs[key])
    return found


@dataclass(frozen=True, slots=True)
class _Calibration:
    """Some held-out scores of a class, nearest the other class first, with the rank of each among all `n`."""

    scores: Floats
    ranks: Integers
    n: int

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> Self:
        scores = np.asarray(content["scores"], dtype=np.float64)
        return cls(scores=scores, ranks=_numbers(content["ranks"], len(scores)).astype(np.int64), n=int(content["n"]))

    @classmethod
    def fit(cls, scores: Floats) -> Self:
        """Keep the outermost of a class's held-out scores (n,), and some between them."""
        ordered = np.sort(scores)
        n = len(ordered)
        ranks = np.unique(np.r_[1 : min(n, _OUTERMOST) + 1, np.linspace(1, n, min(n, _RANKS)).round().astype(np.int64)])
        return cls(scores=ordered[ranks - 1], ranks=ranks, n=n)

    def p_values(self, score: Floats) -> Floats:
        """The p-value of each score (n,), NaN for NaN."""
        last = np.searchsorted(self.scores, score, side="right")
        # As many as can lie before the next rank that is kept: the larger p-value.
        upto = np.append(self.ranks, self.n + 1)[last] - 1
        return np.where(np.isnan(score), np.nan, (upto + 1) / (self.n + 1))

    def content(self) -> dict[str, Any]:
        return {"scores": self.scores.tolist(), "ranks": self.ranks.tolist(), "n": self.n}


def _numbers(values: Sequence[Any], length: int) -> Floats:
    found = np.array([np.nan if each is None else each for each in values], dtype=np.float64)
    if found.shape != (length,):
        raise ValueError("another number of them")
    return found


def fit(
    features: Features, label: Floats, score_out_of_fold: Floats, cohort: npt.NDArray[np.object_], spec: Declining
) -> dict[str, Any]:
    """Make what the manifest has under "declining", for JSON: ranges, calibration and figures.

    Ranges are of `features` (n, f). Calibration is by `label` and `score_out_of_fold` (n,), NaN where unknown; a row without one of them
    counts for the ranges only. The figures, "measured", say what would be declined of held-out rows, each by ranges and calibration from
    other clients (`cohort` (n,)). Without rows of both classes there is neither calibration nor figure.
    """
    known = np.isfinite(label) & np.isfinite(score_out_of_fold)
    has_both = bool((label[known] == 1).any() and (label[known] == 0).any())
    conformal = _calibrated(label[known], score_out_of_fold[known]) if has_both else None
    content = {"share": spec.share, "unlike": _ranges(features, share=spec.share), "conformal": conformal}
    if has_both:
        content["measured"] = _measured(features, label, score_out_of_fold, cohort, known=known, spec=spec)
    return content


def _calibrated(label: Floats, score: Floats) -> dict[str, Any]:
    return {
        "zero": _Calibration.fit(-score[label == 0]).content(),
        "one": _Calibration.fit(score[label == 1]).content(),
    }


def _ranges(features: Features, *, share: float) -> dict[str, Any]:
    rows = features.values
    low, high = np.full(rows.shape[1], np.nan), np.full(rows.shape[1], np.nan)
    there = np.zeros(rows.shape[1])
    for place in range(rows.shape[1]):
        values = np.sort(rows[:, place])
        values = values[: np.searchsorted(values, np.nan)]  # NaN comes last
        there[place] = len(values) / max(len(rows), 1)
        if len(values):
            low[place], high[place] = np.quantile(values, [_TAIL, 1.0 - _TAIL], method="inverted_cdf")
    content: dict[str, Any] = {
        "low": [None if np.isnan(each) else each for each in low.tolist()],
        "high": [None if np.isnan(each) else each for each in high.tolist()],
        "never_missing": [name for name, each in zip(features.names, there, strict=True) if each > _ALWAYS],
        "never_there": [name for name, each in zip(features.names, there, strict=True) if each < 1.0 - _ALWAYS],
        "limit": len(features.names),
    }
    counts = Baseline({"unlike": content}, features=features.names).count_unlike(rows)
    if len(counts):
        content["limit"] = int(np.quantile(counts, 1.0 - share, method="inverted_cdf"))
    return content


def _measured(
    features: Features,
    label: Floats,
    score: Floats,
    cohort: npt.NDArray[np.object_],
    *,
    known: Booleans,
    spec: Declining,
) -> dict[str, Any]:
    """Measure each fold of clients by all others: by class, how often the set holds it, what is declined."""
    rows = np.flatnonzero(known)
    if len(rows) > _MEASURED_ROWS:
        rows = rows[np.linspace(0, len(rows) - 1, _MEASURED_ROWS).astype(np.int64)]
    _, client = np.unique(cohort[rows].astype(str), return_inverse=True)
    fold = np.random.default_rng(0).permutation(client.max() + 1)[client] % _FOLDS
    label, score = label[rows], score[rows]
    p_values, found = np.full((len(rows), 2), np.nan), {each: np.zeros(len(rows), dtype=bool) for each in Decline}
    for each in range(_FOLDS):
        seen, held_out = fold != each, fold == each
        if not held_out.any() or not {0.0, 1.0} <= set(label[seen].tolist()):
            continue
        content = {
            "unlike": _ranges(Features(features.names, features.values[rows[seen]]), share=spec.share),
            "conformal": _calibrated(label[seen], score[seen]),
        }
        part = Features(features.names, features.values[rows[held_out]])
        for cause in Decline:
            only = Declining(alpha=spec.alpha, share=spec.share, decline_on=(cause,))
            result = Baseline(content, features=features.names).find_declined(part, score[held_out], spec=only)
            found[cause][held_out] = result.declined
            p_values[held_out] = result.p_values
    declined = np.logical_or.reduce([np.zeros(len(rows), dtype=bool), *(found[each] for each in spec.decline_on)])
    measured = ~np.isnan(p_values[:, 0])
    true = np.where(label == 1, p_values[:, 1], p_values[:, 0]) > spec.alpha
    kept = measured & ~declined
    return {
        "rows": int(measured.sum()),
        "alpha": spec.alpha,
        "decline_on": [str(each) for each in spec.decline_on],
        "classes": {
            name: {
                "rows": int(of.sum()),
                "coverage": _mean(true[of]),
                "declined": _mean(declined[of]),
                **{str(cause): _mean(which[of]) for cause, which in found.items()},
            }
            for name, of in (("0", measured & (label == 0)), ("1", measured & (label == 1)))
        },
        "auroc": _auroc(label[measured], score[measured]),
        "auroc_without_declined": _auroc(label[kept], score[kept]),
    }


def _mean(which: Booleans) -> float | None:
    return float(which.mean()) if len(which) else None


def _auroc(label: Floats, score: Floats) -> float | None:
    """The share of pairs of both classes that are in order, ties half; None where one class is missing."""
    order = np.argsort(-score, kind="stable")
    ends = ends_of_equal(score[order])
    hits = np.cumsum(label[order])[ends]
    misses = ends + 1.0 - hits
    if not len(ends) or hits[-1] == 0 or misses[-1] == 0:
        return None
    # Divided one by one: as one product the last digit would differ from the figures in manifests on record.
    return float(pairs_in_order(hits, misses) / misses[-1] / hits[-1])
