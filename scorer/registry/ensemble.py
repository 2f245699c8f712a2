"""The estimator of a trained model: its members' log-odds averaged, then calibrated.

A score can be split exactly into contributions of features. Artefacts name these classes and their fields, so none is ever renamed or
removed.

Sources: Platt, Probabilistic outputs for support vector machines (1999), the calibration; Lundberg, Erion and Lee, Consistent
individualized feature attribution for tree ensembles (arXiv 1802.03888), the contributions of trees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from scorer.registry.boosting import Booster
from scorer.tasks.links import in_whole_steps, log_odds, logistic
from scorer.types.arrays import Features, Floats, Integers


class Member(Protocol):
    """A part of an ensemble; `rows` (n, f) have NaN for missing.

    Its margin is the log-odds of two classes, or a value, (n,); of more classes one margin for each, (n, k).
    """

    def margin(self, rows: Floats) -> Floats:
        """The margin of rows (n, f)."""

    def contributions(self, rows: Floats) -> Floats | None:
        """What each feature adds to the margin, (n, f + 1), bias last; None where there is no exact split.

        Of more classes (n, k * (f + 1)), class by class.
        """


class Boosted:
    """A LightGBM model, pickled as LightGBM's own text of it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._booster = Booster(text)

    def __getstate__(self) -> str:
        return self.text

    def __setstate__(self, text: str) -> None:
        self.__init__(text)  # type: ignore[misc]

    def margin(self, rows: Floats) -> Floats:
        """The margin of rows (n, f): sums over the trees, row by row, on one thread."""
        if not len(rows):
            return np.empty(0)
        return self._booster.margin(rows)

    def contributions(self, rows: Floats) -> Floats:
        """The SHAP values of the trees, (n, f + 1), bias last."""
        if not len(rows):
            return np.empty((0, rows.shape[1] + 1))
        return self._booster.contributions(rows)


@dataclass(frozen=True, slots=True)
class Linear:
    """A weighted sum of standardised features. All arrays are (f,).

    A value adds weight * clip((value - centre) / scale, -limit, limit), a missing one adds `missing`.
    """

    centre: Floats
    scale: Floats
    weight: Floats
    missing: Floats
    bias: float
    limit: float

    def margin(self, rows: Floats) -> Floats:
        """The log-odds (n,) of rows (n, f)."""
        margin: Floats = self.contributions(rows).sum(axis=1)
        return margin

    def contributions(self, rows: Floats) -> Floats:
        """Each feature's term of the sum, (n, f + 1), bias last."""
        terms = np.clip((rows - self.centre) / self.scale, -self.limit, self.limit) * self.weight
        terms = np.where(np.isnan(rows), self.missing, terms)
        return np.column_stack([terms, np.full(len(rows), self.bias)])


@dataclass(frozen=True, slots=True)
class Voted:
    """Any estimator with `predict_proba` for two classes; its scores have no exact split."""

    estimator: Any

    def margin(self, rows: Floats) -> Floats:
        """The log-odds (n,) of the probabilities of rows (n, f)."""
        return log_odds(np.asarray(self.estimator.predict_proba(rows), dtype=np.float64)[:, 1])

    def contributions(self, rows: Floats) -> None:  # noqa: ARG002 - the protocol's
        """None: there is no exact split, which would be (n, f + 1)."""
        return


class Ensemble:
    """Members whose log-odds are averaged by `weights`, then calibrated: slope * average + intercept.

    `columns` are the indexes of the members' features among those of the job; None for all of them.
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
        """A copy with another calibration."""
        return Ensemble(self.members, weights=self.weights, columns=self.columns, slope=slope, intercept=intercept)

    def margin(self, rows: Floats) -> Floats:
        """The members' average log-odds (n,) of rows (n, f), before calibration."""
        rows = self._seen(rows)
        margin = np.zeros(len(rows))
        for member, weight in zip(self.members, self.weights, strict=True):
            margin += weight * member.margin(rows)
        return margin

    @property
    def row_by_row(self) -> bool:
        """Whether a row's score is the same to the last bit, however many rows are scored with it.

        Trees look at one row only; the last bits of a matrix product depend on its shape.
        """
        return all(isinstance(member, Boosted) for member in self.members)

    def predict_proba(self, rows: Floats) -> Floats:
        """The calibrated probability of each class, (n, 2), for rows (n, f)."""
        probability = in_whole_steps(logistic, self.slope * self.margin(rows) + self.intercept)
        return np.column_stack([1.0 - probability, probability])

    def contributions(self, rows: Floats) -> Floats | None:
        """What each feature adds to the published log-odds, (n, f + 1), bias last; the sum is the log-odds.

        None where a member has no exact split. A row's contributions depend on that row alone, to the last bit.
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


class PerFacility:
    """A fit of each of some facilities, by its name, and one of everyone for all others, of any task.

    Asked without a facility, it is the fit of everyone.
    """

    def __init__(self, everyone: Any, own: Mapping[str, Any]) -> None:
        self.everyone = everyone
        self.own = dict(own)

    def of(self, facility: str | None) -> Any:
        """The fit by which a facility is scored."""
        return self.everyone if facility is None else self.own.get(facility, self.everyone)

    def calibrated(self, **calibration: Any) -> PerFacility:
        """A copy whose fits all have this calibration."""
        own = {name: each.calibrated(**calibration) for name, each in self.own.items()}
        return PerFacility(self.everyone.calibrated(**calibration), own)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in {"everyone", "own"}:
            raise AttributeError(name)
        return getattr(self.everyone, name)


def own_fit(estimator: Any, facility: str | None) -> Any:
    """The fit by which a facility is scored: `estimator` itself, where it has one for all."""
    return estimator.of(facility) if isinstance(estimator, PerFacility) else estimator


def by_facility(
    estimator: Any,
    features: Features,
    compute: Callable[[Any, Floats], Floats | None],
    *,
    calibrated: Mapping[str, Any],
) -> Floats | None:
    """What `compute` makes of the rows (n, f) of each facility with its fit, in order: (n, ...).

    Those of a facility in `calibrated` are asked of that one. None where it makes nothing of some rows.
    """
    found: Floats | None = None
    for fit, places in _fits(estimator, features, calibrated=calibrated):
        part = compute(fit, np.ascontiguousarray(features.values[places], dtype=np.float64))
        if part is None or len(places) == len(features.values):
            return part
        if found is None:
            found = np.empty((len(features.values), *part.shape[1:]))
        found[places] = part
    return found


def _fits(estimator: Any, features: Features, *, calibrated: Mapping[str, Any]) -> Iterator[tuple[Any, Integers]]:
    """Each fit with the places of the rows that it is of; one, where there is no row."""
    everyone = np.arange(len(features.values))
    named = {*calibrated, *(estimator.own if isinstance(estimator, PerFacility) else ())}
    if features.facility is None or not named or not len(everyone):
        yield own_fit(estimator, None), everyone
        return
    others = np.ones(len(everyone), dtype=bool)
    for name in sorted(named):
        own = np.asarray(features.facility == name, dtype=bool)
        others &= ~own
        if own.any():
            yield calibrated.get(name, own_fit(estimator, name)), np.flatnonzero(own)
    if others.any():
        yield own_fit(estimator, None), np.flatnonzero(others)
