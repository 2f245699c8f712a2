"""The estimator of a trained model: members' log-odds averaged, then calibrated; what it says can be taken apart exactly.

Its classes are unpickled by their names here, from every artefact there is: a field is never renamed or taken away.

Sources: Platt, Probabilistic outputs for support vector machines (1999), the calibration; Lundberg, Erion and Lee, Consistent
individualized feature attribution for tree ensembles (arXiv 1802.03888), the contributions of trees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from scorer.registry.boosting import lightgbm
from scorer.types.arrays import Floats

_SMALLEST = 1e-12  # of a probability, before its log-odds are taken
_STEP = 64  # values: a multiple of what any processor takes at once


class Member(Protocol):
    """A part of an ensemble; `rows` are (n, f), NaN for missing."""

    def margin(self, rows: Floats) -> Floats:
        """Log-odds (n,)."""

    def contributions(self, rows: Floats) -> Floats | None:
        """What each feature adds to the log-odds, (n, f + 1), the bias last; None where that cannot be said exactly."""


class Boosted:
    """A LightGBM model for two classes, kept as the text that LightGBM writes of it: what is scored is what was stored."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._booster = lightgbm.Booster(model_str=text)

    def __getstate__(self) -> str:
        return self.text

    def __setstate__(self, text: str) -> None:
        self.__init__(text)  # type: ignore[misc]

    def margin(self, rows: Floats) -> Floats:
        """Log-odds (n,): sums over the trees, row by row, on one thread."""
        if not len(rows):
            return np.empty(0)
        return np.asarray(self._booster.predict(rows, raw_score=True, num_threads=1), dtype=np.float64)

    def contributions(self, rows: Floats) -> Floats:
        """SHAP values of the trees, (n, f + 1)."""
        if not len(rows):
            return np.empty((0, rows.shape[1] + 1))
        return np.asarray(self._booster.predict(rows, pred_contrib=True, num_threads=1), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Linear:
    """A weighted sum of standardised features; one that is missing adds a weight of its own. All arrays are (f,).

    Where a value stands, it adds weight * clip((value - centre) / scale, -limit, limit); where none does, `missing`.
    """

    centre: Floats
    scale: Floats
    weight: Floats
    missing: Floats
    bias: float
    limit: float

    def margin(self, rows: Floats) -> Floats:
        """Log-odds (n,)."""
        margin: Floats = self.contributions(rows).sum(axis=1)
        return margin

    def contributions(self, rows: Floats) -> Floats:
        """Each feature's term, (n, f + 1)."""
        terms = np.clip((rows - self.centre) / self.scale, -self.limit, self.limit) * self.weight
        terms = np.where(np.isnan(rows), self.missing, terms)
        return np.column_stack([terms, np.full(len(rows), self.bias)])


@dataclass(frozen=True, slots=True)
class Voted:
    """Any estimator with `predict_proba` for two classes; it cannot be taken apart."""

    estimator: Any

    def margin(self, rows: Floats) -> Floats:
        """Log-odds (n,) of the probability."""
        return log_odds(np.asarray(self.estimator.predict_proba(rows), dtype=np.float64)[:, 1])

    def contributions(self, rows: Floats) -> None:  # noqa: ARG002 - the protocol's
        """None."""
        return


class Ensemble:
    """Members whose log-odds are averaged by `weights` and calibrated: published log-odds = slope * average + intercept.

    `columns` are the places of the members' features among those of the job; None for all of them.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        weights: Sequence[float] | None = None,
        columns: Sequence[int] | None = None,
        slope: float = 1.0,
        intercept: float = 0.0,
    ) -> None:
        if not members:
            raise ValueError("an ensemble needs a member")
        self.members = tuple(members)
        self.weights = tuple(weights) if weights is not None else (1.0 / len(members),) * len(members)
        self.columns = None if columns is None else tuple(columns)
        self.slope = float(slope)
        self.intercept = float(intercept)
        self.classes_ = (0, 1)

    def calibrated(self, *, slope: float, intercept: float) -> Ensemble:
        """The same with another calibration."""
        return Ensemble(self.members, weights=self.weights, columns=self.columns, slope=slope, intercept=intercept)

    def margin(self, rows: Floats) -> Floats:
        """The members' average log-odds (n,), before calibration."""
        rows = self._seen(rows)
        margin = np.zeros(len(rows))
        for member, weight in zip(self.members, self.weights, strict=True):
            margin += weight * member.margin(rows)
        return margin

    @property
    def row_by_row(self) -> bool:
        """Whether a row's score is the same, to the last bit, in whatever number of rows it stands.

        A tree goes by one row alone; a product of matrices need not.
        """
        return all(isinstance(member, Boosted) for member in self.members)

    def predict_proba(self, rows: Floats) -> Floats:
        """The calibrated probability of each class, (n, 2)."""
        probability = _in_whole_steps(logistic, self.slope * self.margin(rows) + self.intercept)
        return np.column_stack([1.0 - probability, probability])

    def contributions(self, rows: Floats) -> Floats | None:
        """What each feature adds to the log-odds of the published probability, (n, f + 1), the bias last; they add up to them.

        None where a member cannot be taken apart. A row's contributions depend on that row alone, to the last bit.
        """
        seen = self._seen(rows)
        total = np.zeros((len(seen), seen.shape[1] + 1))
        for member, weight in zip(self.members, self.weights, strict=True):
            part = member.contributions(seen)
            if part is None:
                return None
            total += weight * part
        total *= self.slope
        total[:, -1] += self.intercept
        if self.columns is None:
            return total
        spread = np.zeros((len(rows), rows.shape[1] + 1))
        spread[:, [*self.columns, -1]] = total
        return spread

    def _seen(self, rows: Floats) -> Floats:
        return rows if self.columns is None else np.ascontiguousarray(rows[:, self.columns])


def _in_whole_steps(function: Callable[[Floats], Floats], values: Floats) -> Floats:
    """The function of values (n,), with zeros behind them up to a whole number of the processor's steps.

    So none is in a rest that a library may compute otherwise.
    """
    padded = np.zeros(-(-len(values) // _STEP) * _STEP)
    padded[: len(values)] = values
    return function(padded)[: len(values)]


def logistic(margin: Floats) -> Floats:
    """The probability of log-odds.

    >>> logistic(np.array([-800.0, 0.0, 800.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    smaller = np.exp(-np.abs(margin))
    return np.where(margin >= 0, 1.0 / (1.0 + smaller), smaller / (1.0 + smaller))


def log_odds(probability: Floats) -> Floats:
    """The log-odds of a probability, which is kept a little away from 0 and 1.

    >>> log_odds(np.array([0.5])).tolist()
    [0.0]
    """
    kept = np.clip(probability, _SMALLEST, 1.0 - _SMALLEST)
    odds: Floats = np.log(kept) - np.log1p(-kept)
    return odds
