"""Calibration and the alarm threshold, both from scores of entities that the model has not seen.

Platt, Probabilistic outputs for support vector machines (1999): probability = logistic(slope * margin + intercept), by maximum likelihood.
"""

from __future__ import annotations

import numpy as np

from scorer.tasks.links import log_shares, logistic, softmax
from scorer.types.arrays import Floats, Integers

_STEPS = 100
_CLOSE = 1e-10
_RIDGE = 1e-9  # keeps the step finite where the margin separates the classes
_STEEPEST = 1e3
_SHRINK = 1e-3  # keeps the slope of several classes finite where the margins separate them


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


def scaled(margin: Floats, code: Integers) -> tuple[float, Floats]:
    """A slope and a bias per class (k,) that calibrate `margin` (n, k) to the true class `code` (n,).

    softmax(slope * margin + bias) is the most likely, by Newton's method; the biases add up to 0. Source: Guo, Pleiss, Sun, Weinberger, On
    calibration of modern neural networks (2017): between temperature scaling, which has no bias, and vector scaling.

    >>> slope, bias = scaled(np.zeros((4, 2)), np.array([0, 0, 0, 1]))
    >>> softmax(bias[None, :]).round(3).tolist()
    [[0.75, 0.25]]
    """
    rows, classes = margin.shape
    centred = margin - margin.mean(axis=1, keepdims=True)
    spread = float(np.sqrt((centred**2).mean())) or 1.0
    design = centred / spread
    truth = np.eye(classes)[code]
    found = np.zeros(1 + classes)
    ridge = np.full(1 + classes, _RIDGE * rows)
    ridge[0] += _SHRINK
    loss = _log_loss(found, design, truth, ridge)
    for _ in range(_STEPS):
        shares = softmax(found[0] * design + found[1:])
        error = shares - truth
        slope = np.r_[(error * design).sum(), error.sum(axis=0)] + ridge * found
        mean = (shares * design).sum(axis=1)
        cross = (shares * (design - mean[:, None])).sum(axis=0)
        curve = np.empty((1 + classes, 1 + classes))
        curve[0, 0] = (shares * design**2).sum() - (mean**2).sum()
        curve[0, 1:] = curve[1:, 0] = cross
        curve[1:, 1:] = np.diag(shares.sum(axis=0)) - shares.T @ shares
        # The biases are known up to a constant: this direction has no curve of its own.
        curve[1:, 1:] += rows / classes**2
        step = np.linalg.solve(curve + np.diag(ridge), slope)
        size = 1.0
        while size > _CLOSE and not (further := _log_loss(found - size * step, design, truth, ridge)) <= loss:
            size /= 2.0
        if size <= _CLOSE:
            break
        found, loss = found - size * step, further
        if np.abs(size * step).max() < _CLOSE:
            break
    bias = found[1:] - found[1:].mean()
    return float(max(found[0], 0.0)) / spread, np.asarray(bias, dtype=np.float64)


def _log_loss(found: Floats, design: Floats, truth: Floats, ridge: Floats) -> float:
    shares = softmax(found[0] * design + found[1:])
    return float(-(truth * log_shares(shares)).sum() + (ridge * found**2).sum() / 2)
