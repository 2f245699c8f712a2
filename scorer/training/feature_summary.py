"""What a manifest says of each feature: its catalogue entry, figures over training rows, importance."""

from __future__ import annotations

from typing import Any

import numpy as np

from scorer.jobs.folder.catalogue import catalogue
from scorer.jobs.job import Job
from scorer.registry.ensemble import by_facility
from scorer.training.estimators import Model
from scorer.types.arrays import Features, Floats, Integers

EXPLAINED = 1000  # rows whose contributions are averaged
_DIGITS = 6  # significant digits of a figure
_FEWEST = 2  # values that have a standard deviation


def summaries(job: Job, features: Features) -> dict[str, dict[str, Any]]:
    """The catalogue entry and the figures of each of `features` (n, f), by its name, for JSON.

    `min`, `max`, `mean` and `sd`, that of a sample, are of the values that are known, None where there are too few of them;
    `null_rate` is the share of the rows without one. Fields that the catalogue leaves empty are left out.
    """
    entries = {entry.name: entry for entry in catalogue(job)}
    found = {}
    for name, column in zip(features.names, features.values.T, strict=True):
        entry = entries[name]
        words = {field: getattr(entry, field) for field in ("meaning", "unit", "group", "code", "statistic", "window")}
        found[name] = {field: word for field, word in words.items() if word} | _figures(column)
    return found


def _figures(column: Floats) -> dict[str, float | None]:
    """The figures of a feature's values (n,), NaN where there is none."""
    known = column[~np.isnan(column)]
    with np.errstate(over="ignore", invalid="ignore"):
        return {
            "min": _rounded(known.min()) if len(known) else None,
            "max": _rounded(known.max()) if len(known) else None,
            "mean": _rounded(known.mean()) if len(known) else None,
            "sd": _rounded(known.std(ddof=1)) if len(known) >= _FEWEST else None,
            "null_rate": round(1 - len(known) / len(column), _DIGITS) if len(column) else None,
        }


def _rounded(figure: float) -> float | None:
    """The figure in a few significant digits; None where it is not finite.

    >>> _rounded(1234567.8), _rounded(0.000123456789), _rounded(float("inf"))
    (1234570.0, 0.000123457, None)
    """
    return float(f"{figure:.{_DIGITS}g}") if np.isfinite(figure) else None


def importances(estimator: Model, features: Features) -> dict[str, float]:
    """The mean absolute contribution of each of `features` (n, f) to the score, largest first.

    It is in the unit that the task has for contributions, over at most `EXPLAINED` rows, spread evenly over the n. Empty where the
    estimator has no contributions.
    """
    some = features.only(spread_evenly(len(features.values), EXPLAINED))
    contributions = by_facility(estimator, some, lambda fit, rows: fit.contributions(rows), calibrated={})
    if contributions is None:
        return {}
    parts = np.abs(contributions[np.isfinite(contributions).all(axis=1), :-1])
    if not len(parts):
        return {}
    mean = parts.mean(axis=0)
    order = np.argsort(-mean, kind="stable").tolist()
    return {features.names[place]: float(f"{mean[place]:.{_DIGITS}g}") for place in order}


def spread_evenly(rows: int, wanted: int) -> Integers:
    """At most `wanted` indices of `rows` rows, spread evenly, (m,)."""
    return np.unique(np.linspace(0, rows - 1, min(rows, wanted)).astype(np.int64))
