"""Platt calibration and the alarm threshold, both from scores of entities that the model has not seen.

Platt, Probabilistic outputs for support vector machines (1999): probability = logistic(slope * margin + intercept), by maximum likelihood.
"""

from __future__ import annotations

import numpy as np

from scorer.registry.ensemble import logistic
from scorer.types.arrays import Floats

_STEPS = 100
_CLOSE = 1e-10
_RIDGE = 1e-9  # keeps the step finite where the margin separates the classes
_STEEPEST = 1e3


def platt(margin: Floats, label: Floats, *, weight: Floats | None = None) -> tuple[float, float]:
    """Slope and intercept that calibrate `margin` (n,) to `label` (n,) 0 or 1, by Newton's method.

    Rows count by `weight` (n,), where given. Where all margins are equal, the slope is 1 and the intercept gives the share of positives.

    >>> margin = np.log(np.array([0.2, 0.2, 0.2, 0.2, 0.2]) / 0.8)
    >>> slope, intercept = platt(margin, np.array([1.0, 0.0, 0.0, 0.0, 0.0]))
    >>> round(float(logistic(slope * margin[:1] + intercept)[0]), 6)
    0.2
    """
    weight = np.ones(len(margin)) if weight is None else weight
    centre, spread = float(np.average(margin, weights=weight)), float(margin.std())
    flat = not spread > 0.0
    scaled = np.zeros(len(margin)) if flat else (margin - centre) / spread
    share = float(np.clip(np.average(label, weights=weight), 1e-9, 1 - 1e-9))
    slope, intercept = 0.0, float(np.log(share / (1 - share)))
    for _ in range(_STEPS):
        probability = logistic(slope * scaled + intercept)
        error = weight * (probability - label)
        curve = weight * probability * (1.0 - probability)
        a, b, c = (curve * scaled * scaled).sum() + _RIDGE, (curve * scaled).sum(), curve.sum() + _RIDGE
        first, second = (error * scaled).sum(), error.sum()
        determinant = a * c - b * b
        step = ((c * first - b * second) / determinant, (a * second - b * first) / determinant)
        slope, intercept = float(np.clip(slope - step[0], -_STEEPEST, _STEEPEST)), intercept - float(step[1])
        if max(abs(step[0]), abs(step[1])) < _CLOSE:
            break
    if flat:
        return 1.0, intercept - centre
    return slope / spread, intercept - slope * centre / spread


def best_threshold(score: Floats, gain: Floats) -> float:
    """The threshold above which alarms gain most.

    `score` (n,) are the scores, `gain` (n,) is what an alarm at each row is worth more than silence.

    >>> best_threshold(np.array([0.1, 0.3, 0.5, 0.7]), np.array([-1.0, -1.0, 2.0, 1.0]))
    0.4
    """
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    worth = np.cumsum(gain[order])
    # A threshold lies between two different scores, or below all.
    ends = np.flatnonzero(np.append(ordered[1:] < ordered[:-1], True))
    best = ends[np.argmax(worth[ends])]
    if worth[best] <= 0.0:
        return float(ordered[0])
    following = ordered[best + 1] if best + 1 < len(ordered) else 0.0
    return float((ordered[best] + following) / 2.0)
