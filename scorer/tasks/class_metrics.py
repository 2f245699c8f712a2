"""How well the probabilities of several classes rank, agree with frequencies, and choose."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from scorer.tasks.bootstrap import Figure, figure, quotient, ratio, sums
from scorer.tasks.links import log_shares
from scorer.tasks.metrics import LabelledScores, areas, calibration
from scorer.tasks.task import Judged
from scorer.types.arrays import Booleans, Floats, Integers

_OF_CLASS = ("brier", "prevalence", "calibration_intercept", "calibration_slope")


def class_figures(rows: Judged, weights: Floats, *, classes: Sequence[str]) -> dict[str, Figure]:
    """Figures of probabilities (n, k) by the true classes' codes, under each of `weights` (d, clients).

    `log_loss`, `auroc` (one against the rest, the mean over the classes), `f1` (the same mean), `accuracy`, `top_2` where there are more
    than two classes; and for each class `auroc`, `brier`, `prevalence` and its logistic recalibration, named "auroc of A".
    """
    code, ones = rows.label.astype(np.int64), np.ones(len(rows.label))
    right = chosen(rows.published) == code
    one_by_one = [_labelled(rows, number) for number in range(len(classes))]
    ranked = np.array([areas(each, weights)[0] for each in one_by_one])
    found = {
        "log_loss": ratio(class_losses(rows.published, rows.label), ones, rows.client, weights),
        "auroc": figure(_mean_of_known(ranked)),
        "f1": figure(_mean_f1(rows, weights)),
        "accuracy": ratio(right, ones, rows.client, weights),
    }
    if len(classes) > 2:  # noqa: PLR2004 - of two classes the best two are always right
        found["top_2"] = ratio(among_best(rows.published, code, best=2), ones, rows.client, weights)
    for number, name in enumerate(classes):
        found[f"auroc of {name}"] = figure(ranked[number])
        measured = calibration(one_by_one[number], weights)
        found |= {f"{each} of {name}": measured[each] for each in _OF_CLASS}
    return found


def chosen(shares: Floats) -> Integers:
    """The most probable class of each row (n,), the first of equals."""
    return np.argmax(shares, axis=1) if len(shares) else np.empty(0, np.int64)


def among_best(shares: Floats, code: Integers, *, best: int) -> Booleans:
    """Whether the class `code` (n,) is among the `best` most probable ones of its row, (n,).

    >>> among_best(np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]), np.array([1, 2]), best=2).tolist()
    [True, False]
    """
    order = np.argsort(-shares, axis=1, kind="stable")[:, :best]
    found: Booleans = (order == code[:, None]).any(axis=1)
    return found


def class_losses(shares: Floats, label: Floats) -> Floats:
    """The logarithmic loss (n,) of each row: minus the logarithm of its true class's probability."""
    code = label.astype(np.int64)
    found: Floats = -log_shares(shares[np.arange(len(shares)), code])
    return found


def _labelled(rows: Judged, number: int) -> LabelledScores:
    """One class against the rest."""
    return LabelledScores(
        score=rows.published[:, number], label=(rows.label == number).astype(np.float64), client=rows.client
    )


def _mean_of_known(values: Floats) -> Floats:
    """The mean (d,) over the classes (k, d) that have a value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a draw in which no class has one
        found: Floats = np.nanmean(values, axis=0)
    return found


def _mean_f1(rows: Judged, weights: Floats) -> Floats:
    """Macro F1 (d,): over the classes that occur, or are chosen, in all rows."""
    code, guess = rows.label.astype(np.int64), chosen(rows.published)
    found = []
    for number in np.union1d(code, guess).tolist():
        hits = sums((code == number) & (guess == number), rows.client, weights)
        both = sums(code == number, rows.client, weights) + sums(guess == number, rows.client, weights)
        found.append(np.nan_to_num(quotient(2 * hits, both)))
    return np.mean(found, axis=0) if found else np.full(len(weights), np.nan)
