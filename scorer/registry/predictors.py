"""The estimators of multiclass and regression models: members' margins averaged, then calibrated.

As those of binary models (registry/ensemble.py) they can be split exactly into contributions of features, where their members can.
Artefacts name these classes and their fields, so none is ever renamed or removed.

A class's contribution is to the centred log-ratio: its log-probability less the mean of all classes' log-probabilities, which is linear in
the margins. A value's contribution is in the value's own unit; where the logarithm was fitted, value less base is divided in proportion to
the contributions to the logarithm: they add up exactly, by the logarithmic mean (Ang, LMDI decomposition, Energy Policy 33 (2005)).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scorer.registry.ensemble import Boosted, Linear, Member
from scorer.tasks.links import log_shares
from scorer.tasks.multiclass import Multiclass
from scorer.tasks.regression import Regression
from scorer.types.arrays import Floats


@dataclass(frozen=True, slots=True)
class PerClass:
    """A linear model of each class."""

    members: tuple[Linear, ...]

    def margin(self, rows: Floats) -> Floats:
        """The margin of each class, (n, k), of rows (n, f)."""
        return np.column_stack([each.margin(rows) for each in self.members])

    def contributions(self, rows: Floats) -> Floats:
        """Each feature's part of each class's margin for rows (n, f), bias last of each class."""
        return np.column_stack([each.contributions(rows) for each in self.members])


@dataclass(frozen=True, slots=True)
class Shares:
    """Any estimator with `predict_proba` for several classes; its scores have no exact split."""

    estimator: Any

    def margin(self, rows: Floats) -> Floats:
        """The logarithms (n, k) of the probabilities of rows (n, f)."""
        return log_shares(np.asarray(self.estimator.predict_proba(rows), dtype=np.float64))

    def contributions(self, rows: Floats) -> None:  # noqa: ARG002 - the protocol's
        """None: there is no exact split of rows (n, f)."""
        return


@dataclass(frozen=True, slots=True)
class Predicted:
    """Any estimator with `predict`; its values have no exact split."""

    estimator: Any

    def margin(self, rows: Floats) -> Floats:
        """The values (n,) of rows (n, f)."""
        return np.asarray(self.estimator.predict(rows), dtype=np.float64)

    def contributions(self, rows: Floats) -> None:  # noqa: ARG002 - the protocol's
        """None: there is no exact split, which would be (n, f + 1)."""
        return


class ClassEnsemble:
    """Members whose margins of several classes are averaged, then calibrated.

    What is published is softmax(slope * average + bias). `columns` are the indexes of the members' features among those of the job; None
    for all of them.
    """

    def __init__(
        self,
        members: Sequence[Member],
        *,
        classes: Sequence[str],
        columns: Sequence[int] | None = None,
        slope: float = 1.0,
        bias: Sequence[float] | None = None,
    ) -> None:
        if not members:
            raise ValueError("an ensemble needs a member")
        self.members = tuple(members)
        self.classes_ = tuple(classes)
        self.columns = None if columns is None else tuple(columns)
        self.slope = float(slope)
        self.bias = tuple(bias) if bias is not None else (0.0,) * len(self.classes_)

    def calibrated(self, *, slope: float, bias: Sequence[float]) -> ClassEnsemble:
        """A copy with another calibration."""
        return ClassEnsemble(self.members, classes=self.classes_, columns=self.columns, slope=slope, bias=bias)

    @property
    def row_by_row(self) -> bool:
        """Whether a row's score is the same to the last bit, however many rows are scored with it."""
        return all(isinstance(member, Boosted) for member in self.members)

    def margin(self, rows: Floats) -> Floats:
        """The members' average margins (n, k) of rows (n, f), before calibration."""
        return _averaged(self.members, seen(rows, self.columns), width=len(self.classes_))

    def predict_proba(self, rows: Floats) -> Floats:
        """The calibrated probability of each class, (n, k), for rows (n, f)."""
        return Multiclass(self.classes_).publish(self.margin(rows), {"slope": self.slope, "bias": self.bias})

    def contributions(self, rows: Floats) -> Floats | None:
        """What each feature adds to the centred log-ratio of the most probable class, (n, f + 1), bias last.

        None where a member has no exact split. A row's contributions depend on that row alone, to the last bit.
        """
        known, classes = seen(rows, self.columns), len(self.classes_)
        total = np.zeros((len(known), classes, known.shape[1] + 1))
        for member in self.members:
            part = member.contributions(known)
            if part is None:
                return None
            total += part.reshape(total.shape) / len(self.members)
        total *= self.slope
        total[:, :, -1] += np.asarray(self.bias)
        mean = np.zeros((len(known), known.shape[1] + 1))
        for code in range(classes):  # one after the other: the order of adding must not depend on the rows beside
            mean += total[:, code] / classes
        best = np.argmax(self.predict_proba(rows), axis=1) if len(rows) else np.empty(0, np.int64)
        return spread(total[np.arange(len(known)), best] - mean, self.columns, width=rows.shape[1])


class ValueEnsemble:
    """Members for a value and for a low and a high quantile, each averaged, then calibrated.

    What `target`, `widening`, `factor` and `coverage` are, tasks/regression.py says.
    """

    def __init__(
        self,
        value: Sequence[Member],
        *,
        low: Sequence[Member],
        high: Sequence[Member],
        columns: Sequence[int] | None = None,
        calibration: Mapping[str, Any] | None = None,
    ) -> None:
        if not (value and low and high):
            raise ValueError("an ensemble needs a member for the value and for each quantile")
        self.value, self.low, self.high = tuple(value), tuple(low), tuple(high)
        self.columns = None if columns is None else tuple(columns)
        self.calibration = dict(calibration or {"target": "value", "widening": 0.0, "factor": 1.0, "coverage": 0.0})

    def calibrated(self, **calibration: Any) -> ValueEnsemble:
        """A copy with another calibration."""
        return ValueEnsemble(self.value, low=self.low, high=self.high, columns=self.columns, calibration=calibration)

    @property
    def row_by_row(self) -> bool:
        """Whether a row's value is the same to the last bit, however many rows are scored with it."""
        return all(isinstance(member, Boosted) for member in (*self.value, *self.low, *self.high))

    def margin(self, rows: Floats) -> Floats:
        """The averages of value, low and high (n, 3) of rows (n, f), before calibration."""
        known = seen(rows, self.columns)
        return np.column_stack([_averaged(each, known)[:, 0] for each in (self.value, self.low, self.high)])

    def predict(self, rows: Floats) -> Floats:
        """Value, low and high (n, 3) of rows (n, f)."""
        return Regression().publish(self.margin(rows), self.calibration)

    def contributions(self, rows: Floats) -> Floats | None:
        """What each feature adds to the value, in its unit, (n, f + 1), bias last.

        None where a member has no exact split. A row's contributions depend on that row alone, to the last bit.
        """
        known = seen(rows, self.columns)
        total = np.zeros((len(known), known.shape[1] + 1))
        for member in self.value:
            part = member.contributions(known)
            if part is None:
                return None
            total += part / len(self.value)
        if self.calibration["target"] == "log":
            total = _in_own_unit(total, factor=self.calibration["factor"])
        return spread(total, self.columns, width=rows.shape[1])


def _in_own_unit(contributions: Floats, *, factor: float) -> Floats:
    """Contributions (n, f + 1) to a logarithm as contributions to factor * its exponential."""
    log_value, log_base = np.zeros(len(contributions)), contributions[:, -1]
    for column in contributions.T:
        log_value += column
    value, base = factor * np.exp(log_value), factor * np.exp(log_base)
    apart = log_value - log_base
    flat = np.abs(apart) < 1e-9  # noqa: PLR2004 - there the quotient has no digits left; its limit is the value
    mean = np.where(flat, value, (value - base) / np.where(flat, 1.0, apart))
    found = contributions * mean[:, None]
    found[:, -1] = base
    return found


def _averaged(members: Sequence[Member], rows: Floats, *, width: int = 1) -> Floats:
    """The average margin (n, width) of the members."""
    total = np.zeros((len(rows), width))
    if len(rows):
        for member in members:
            total += member.margin(rows).reshape(len(rows), width) / len(members)
    return total


def seen(rows: Floats, columns: Sequence[int] | None) -> Floats:
    """The `columns` of rows (n, f); all of them for None."""
    return rows if columns is None else np.ascontiguousarray(rows[:, columns])


def spread(contributions: Floats, columns: Sequence[int] | None, *, width: int) -> Floats:
    """Contributions of some features, bias last, as those of all `width` features (n, width + 1)."""
    if columns is None:
        return contributions
    found = np.zeros((len(contributions), width + 1))
    found[:, [*columns, -1]] = contributions
    return found
