"""How well scores rank rows (discrimination), and how well they agree with frequencies (calibration).

scikit-learn has these for one weighting of the rows; here they are computed for every draw of a bootstrap, from scores sorted once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scorer.tasks.bootstrap import Figure, figure, quotient, ratio, sums
from scorer.tasks.ranking import ends_of_equal, pairs_in_order
from scorer.types.arrays import Floats, Integers

_CLOSEST = 1e-9  # that a probability may come to 0 and 1, so that its log-odds are finite
_STEPS = 50
_LONGEST_STEP = 5.0
_CONVERGED = 1e-10
_WORST_CONDITION = 1e12
# Where the bins of the reliability plot end, as shares of the rows, lowest scores first: narrow where scores are high, and few.
BIN_EDGES = (0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
_POINTS = 400
# Scores at which alarms are looked at, beside those that have a name.
THRESHOLDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, slots=True)
class LabelledScores:
    """Scores whose outcome is known, arrays (n,).

    `score` is a probability, `label` 0 or 1, `client` the index among the clients.
    """

    score: Floats
    label: Floats
    client: Integers


@dataclass(frozen=True, slots=True)
class Bin:
    """One bin of the reliability plot: its rows, their mean score, and the share that had the event."""

    rows: int
    predicted: float
    observed: Figure


@dataclass(frozen=True, slots=True)
class Curves:
    """Points of the curves, arrays (p,).

    At each `threshold`, falling: sensitivity, false positive rate and PPV of alarms at scores at or above it.
    """

    threshold: Floats
    sensitivity: Floats
    false_positive_rate: Floats
    ppv: Floats


def discrimination(rows: LabelledScores, weights: Floats) -> dict[str, Figure]:
    """`auroc` and `average_precision`, under each of `weights` (d, clients).

    Equal scores count as in scikit-learn.
    """
    found = areas(rows, weights)
    return {"auroc": figure(found[0]), "average_precision": figure(found[1])}


def areas(rows: LabelledScores, weights: Floats) -> Floats:
    """AUROC and average precision of each draw, (2, d); NaN where a class is missing."""
    order = np.argsort(-rows.score, kind="stable")
    label, client = rows.label[order], rows.client[order]
    ends = ends_of_equal(rows.score[order])
    found = np.full((2, len(weights)), np.nan)
    for number, drawn in enumerate(weights):
        weight = drawn[client]
        hits = np.cumsum(weight * label)[ends]
        all_rows = np.cumsum(weight)[ends]
        found[:, number] = _areas(hits, all_rows)
    return found


def _areas(hits: Floats, all_rows: Floats) -> tuple[float, float]:
    """AUROC and average precision from cumulative weights (t,); NaN where a class is missing."""
    if not len(hits) or hits[-1] == 0 or hits[-1] == all_rows[-1]:
        return float("nan"), float("nan")
    misses = all_rows - hits
    auroc = pairs_in_order(hits, misses) / (hits[-1] * misses[-1])
    precision = np.divide(hits, all_rows, out=np.zeros_like(hits), where=all_rows > 0)
    return float(auroc), float((np.diff(hits, prepend=0.0) * precision).sum() / hits[-1])


def calibration(rows: LabelledScores, weights: Floats) -> dict[str, Figure]:
    """Brier score, prevalence and the logistic recalibration of the scores.

    Under each of `weights` (d, clients): `brier`, `prevalence`. `calibration_intercept`, with the slope held at 1, is 0 where as many
    events happen as are predicted. `calibration_slope` is 1 where the scores are neither too bold (below 1) nor too timid (above). Each
    draw takes one Newton step from the fit to all rows and a correction by third derivatives: what a full fit would give, to a small part
    of its interval.
    """
    odds = finite_log_odds(rows.score)
    both_classes = 0 < rows.label.sum() < len(rows.label)
    ones = np.ones_like(rows.score)
    found = {
        "brier": ratio((rows.score - rows.label) ** 2, ones, rows.client, weights),
        "prevalence": ratio(rows.label, ones, rows.client, weights),
    }
    nothing = Figure(value=float("nan"))
    if not both_classes:
        return {**found, "calibration_intercept": nothing, "calibration_slope": nothing}
    intercept = _refit(ones[:, None], rows, weights, offset=odds)
    slope = _refit(np.column_stack([ones, odds]), rows, weights, offset=np.zeros_like(odds))
    return {**found, "calibration_intercept": figure(intercept[:, 0]), "calibration_slope": figure(slope[:, 1])}


def finite_log_odds(probability: Floats) -> Floats:
    """The log-odds (n,) of a `probability` (n,), which is first kept a little away from 0 and 1.

    registry.ensemble.log_odds keeps closer to 0 and 1 and rounds otherwise: with it the last digits of recorded figures would change.
    """
    kept = np.clip(probability, _CLOSEST, 1 - _CLOSEST)
    odds: Floats = np.log(kept / (1 - kept))
    return odds


def _refit(design: Floats, rows: LabelledScores, weights: Floats, *, offset: Floats) -> Floats:
    """Coefficients (d, k) of the logistic regression of the labels on `design` (n, k), for each draw."""
    size = design.shape[1]
    whole: Floats = np.zeros(size)
    if np.ptp(design[:, -1]) == 0 and size > 1:
        return np.full((len(weights), size), np.nan)  # all scores are equal: no slope
    for _ in range(_STEPS):
        expected = _expected(design, whole, offset)
        spread = design.T @ (design * (expected * (1 - expected))[:, None])
        step = np.linalg.lstsq(spread, design.T @ (rows.label - expected), rcond=None)[0]
        whole = np.asarray(whole + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP), dtype=np.float64)
        if np.abs(step).max() < _CONVERGED:
            break
    else:
        return np.full((len(weights), size), np.nan)  # the scores separate the classes: no finite fit
    found = np.tile(whole, (len(weights), 1))
    found[1:] += _steps(design, rows, weights[1:], expected=_expected(design, whole, offset))
    return found


def _expected(design: Floats, coefficients: Floats, offset: Floats) -> Floats:
    """The probabilities (n,) of the fit."""
    with np.errstate(over="ignore"):  # on the way to scores that separate the classes
        return np.asarray(1 / (1 + np.exp(-(offset + design @ coefficients))), dtype=np.float64)


def _steps(design: Floats, rows: LabelledScores, weights: Floats, *, expected: Floats) -> Floats:
    """How far the fit of each draw lies from the fit to all rows, (d, k).

    By derivatives at the latter, for which sums per client are enough.
    """
    size = design.shape[1]
    spread_of_row = expected * (1 - expected)
    bend_of_row = spread_of_row * (1 - 2 * expected)

    def summed(each: Floats, *columns: int) -> Floats:
        return sums(each * np.prod(design[:, columns], axis=1), rows.client, weights)

    slope = np.array([summed(rows.label - expected, one) for one in range(size)])
    spread = np.array([[summed(spread_of_row, one, two) for two in range(size)] for one in range(size)])
    bend = np.array(
        [
            [[summed(bend_of_row, one, two, three) for three in range(size)] for two in range(size)]
            for one in range(size)
        ]
    )
    found = np.empty((len(weights), size))
    for number in range(len(weights)):
        first = _solved(spread[..., number], slope[..., number])
        bent = bend[..., number] @ first
        found[number] = first + _solved(spread[..., number] + bent, -(bent @ first) / 2)
    return found


def _solved(spread: Floats, slope: Floats) -> Floats:
    """The Newton step (k,); NaN where the draw has too few rows for one."""
    if not np.isfinite(spread).all() or np.linalg.cond(spread) > _WORST_CONDITION:
        return np.full(len(slope), np.nan)
    return np.asarray(np.linalg.solve(spread, slope), dtype=np.float64)


def reliability(rows: LabelledScores, weights: Floats) -> tuple[Bin, ...]:
    """The bins of rows with similar scores, lowest first; intervals by `weights` (d, clients)."""
    if not len(rows.score):
        return ()
    limits = np.unique(np.quantile(rows.score, BIN_EDGES, method="inverted_cdf"))
    place = np.searchsorted(limits, rows.score, side="left")
    bins = []
    for number in range(len(limits)):
        inside = place == number
        label, client = rows.label[inside], rows.client[inside]
        bins.append(
            Bin(
                rows=int(inside.sum()),
                predicted=float(rows.score[inside].mean()),
                observed=ratio(label, np.ones_like(label), client, weights),
            )
        )
    return tuple(bins)


def curves(rows: LabelledScores) -> Curves:
    """The ROC and precision-recall curves, thinned to some hundred points spread along both."""
    order = np.argsort(-rows.score, kind="stable")
    ends = ends_of_equal(rows.score[order])
    hits = np.cumsum(rows.label[order])[ends]
    count = ends + 1.0
    sensitivity = quotient(hits, np.full_like(hits, rows.label.sum()))
    false_rate = quotient(count - hits, np.full_like(hits, (1 - rows.label).sum()))
    wanted = np.linspace(0, 1, _POINTS // 2)
    kept = np.unique(
        np.concatenate([np.searchsorted(each, wanted).clip(max=len(ends) - 1) for each in (sensitivity, false_rate)])
    )
    return Curves(
        threshold=rows.score[order][ends][kept],
        sensitivity=sensitivity[kept],
        false_positive_rate=false_rate[kept],
        ppv=(hits / count)[kept],
    )
