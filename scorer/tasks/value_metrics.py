"""How near values come to what they foretell, and how often their intervals hold it."""

from __future__ import annotations

import numpy as np

from scorer.tasks.bootstrap import Figure, figure, quantiles, quotient, ratio, sums
from scorer.tasks.metrics import Bin
from scorer.tasks.task import Judged
from scorer.types.arrays import Floats

_TENTHS = 10


def value_figures(rows: Judged, weights: Floats) -> dict[str, Figure]:
    """Figures of values with intervals (n, 3) by what came true, under each of `weights` (d, clients).

    `mae`, `rmse`, `median_percentage_error` (of what is not 0), `r2`; `coverage` and mean `width` of the intervals.
    """
    value, low, high = rows.published.T
    error, ones, client = value - rows.label, np.ones(len(rows.label)), rows.client
    count = sums(ones, client, weights)
    known = rows.label != 0
    shares = 100.0 * np.abs(error[known] / rows.label[known])
    found = {
        "mae": ratio(np.abs(error), ones, client, weights),
        "rmse": figure(np.sqrt(quotient(sums(error**2, client, weights), count))),
        "median_percentage_error": quantiles(shares, client[known], weights, at=(0.5,))[0],
        "r2": figure(1.0 - quotient(sums(error**2, client, weights), _spread(rows, weights, count))),
    }
    if np.isfinite(low).all() and np.isfinite(high).all():
        inside = (low <= rows.label) & (rows.label <= high)
        found["coverage"] = ratio(inside, ones, client, weights)
        found["width"] = ratio(high - low, ones, client, weights)
    return found


def _spread(rows: Judged, weights: Floats, count: Floats) -> Floats:
    """The sum of squares (d,) of what came true about its mean; 0 where it is constant."""
    centred = rows.label - (rows.label.mean() if len(rows.label) else 0.0)
    total = sums(centred, rows.client, weights)
    found: Floats = sums(centred**2, rows.client, weights) - np.where(count > 0, total**2 / np.maximum(count, 1), 0.0)
    return np.maximum(found, 0.0)


def coverage_bins(rows: Judged, weights: Floats) -> tuple[Bin, ...]:
    """How often intervals hold what came true, by tenths of the value; weights are (d, clients)."""
    value, low, high = rows.published.T
    inside = ((low <= rows.label) & (rows.label <= high)).astype(np.float64)
    edges = np.unique(np.quantile(value, np.linspace(0, 1, _TENTHS + 1)[1:], method="inverted_cdf"))
    place = np.searchsorted(edges, value, side="left")
    return tuple(
        Bin(
            rows=int((place == each).sum()),
            predicted=float(value[place == each].mean()),
            observed=ratio(inside[place == each], np.ones((place == each).sum()), rows.client[place == each], weights),
        )
        for each in np.unique(place).tolist()
    )
