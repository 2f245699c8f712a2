"""Bins of the training rows, feature by feature, and how many rows of a batch lie in each bin.

The bins stand in a model's manifest, under "baseline": for each feature and for the score the inner edges of at most ten bins, the share
of the training rows in each, and the share that was missing; and the shares of each facility's rows in the same bins. A bin goes from one
edge, exclusive, to the next, inclusive; missing is a bin of its own, since a feed that falls silent is a change too. The population
stability index that compares a batch with them is computed in the database, by scorer.psi.

Sources: N. Siddiqi, Credit Risk Scorecards (2006), chapter 12, for the index, its bins and its limits 0.1 and 0.25; B. Yurdakul,
Statistical Properties of Population Stability Index (2018), for its size where nothing has changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scorer.errors import UserError
from scorer.jobs.job import Task
from scorer.tasks.known import task_of
from scorer.types.arrays import Features, Floats, Integers
from scorer.types.values import Outcome

BINS = 10
WIDTH = BINS + 1  # counts of a feature: one per bin, 0 for bins that it does not have, missing last
SCORE = "score"  # the name of the score among the features
_DIGITS = 6  # significant digits of an edge
_MOST_ROWS = 2_000  # of a batch that are counted


def bins_of(features: Features, score: Floats, *, edges: Sequence[float] | None = None) -> dict[str, Any]:
    """Make the bins of training rows, `features` (n, f) and `score` (n,), NaN where there is none.

    The score's inner `edges` are its deciles, where none are given.

    For JSON: {"rows": n, "features": {name: {"edges": [...], "shares": [...], "missing": share}}, "score": {...}}. There is one share
    more than edges; they and the missing share add up to 1, to six decimals. Where the rows have a facility, "facilities" has the same of
    each, in the bins of all, without edges. Raises ValueError where there is no row, or another number of scores.
    """
    rows = len(features.values)
    if not rows == len(score) > 0:
        raise ValueError(f"{rows} rows of features and {len(score)} scores make no baseline")
    columns = zip(features.names, features.values.T, strict=True)
    content: dict[str, Any] = {
        "rows": rows,
        "features": {name: _bins(column) for name, column in columns},
        SCORE: _bins(score, edges=edges),
    }
    if features.facility is None:
        return content
    names = sorted({each for each in features.facility.tolist() if each is not None})
    of_each = ((name, np.asarray(features.facility == name, dtype=bool)) for name in names)
    own = {name: _shares_within(content, features.only(here), score[here]) for name, here in of_each}
    return {**content, "facilities": own}


def _bins(column: Floats, *, edges: Sequence[float] | None = None) -> dict[str, Any]:
    """The bins of one column (n,), by `edges` or its deciles."""
    known = column[~np.isnan(column)]
    inner = _edges(known) if edges is None else np.array(edges, dtype=np.float64)
    counts = np.bincount(np.searchsorted(inner, known, side="left"), minlength=len(inner) + 1)
    return {
        "edges": inner.tolist(),
        "shares": [round(float(share), _DIGITS) for share in counts / len(column)],
        "missing": round(1 - len(known) / len(column), _DIGITS),
    }


def _edges(known: Floats) -> Floats:
    """The deciles, each once; a constant has an edge on either side, so that a move either way is seen.

    >>> _edges(np.arange(1.0, 101.0)).tolist()
    [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 90.0]
    >>> _edges(np.array([0.0, 0.0, 0.0, 1.0])).tolist()
    [0.0, 1.0]
    >>> _edges(np.array([])).tolist()
    []
    """
    if not len(known):
        return np.empty(0)
    lowest = float(known.min())
    if lowest == known.max():
        return np.array([np.nextafter(lowest, -np.inf), lowest])
    deciles = np.quantile(known, np.arange(1, BINS) / BINS, method="inverted_cdf")
    return np.unique([float(f"{each:.{_DIGITS}g}") for each in deciles])


class BinCounter:
    """Counts rows by the bins of a manifest."""

    def __init__(self, content: Mapping[str, Any], *, names: tuple[str, ...]) -> None:
        """`content` is what `bins_of` made, `names` are the features in the order of the matrix.

        Raises UserError where `content` lacks one of them.
        """
        self._edges = np.full((BINS - 1, len(names)), np.inf)
        self._score_edges = np.full((BINS - 1, 1), np.inf)
        try:
            for place, name in enumerate(names):
                edges = content["features"][name]["edges"]
                self._edges[: len(edges), place] = edges
            edges = content[SCORE]["edges"]
            self._score_edges[: len(edges), 0] = edges
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(f"The manifest's baseline cannot be read ({error}); train the model again.") from error

    def count(self, features: Features, score: Floats) -> Integers:
        """How many of `features` (n, f) and of `score` (n,) lie in each bin, ((f + 1) * WIDTH,), score last."""
        counted = [_counted(features.values, self._edges), _counted(score[:, None], self._score_edges)]
        return np.concatenate(counted).ravel()


def _shares_within(content: Mapping[str, Any], features: Features, score: Floats) -> dict[str, Any]:
    """The shares of some rows, `features` (n, f) and `score` (n,), in the bins of all."""
    rows = len(features.values)
    counts = BinCounter(content, names=features.names).count(features, score).reshape(-1, WIDTH)

    def shares(bins: Mapping[str, Any], counted: Integers) -> dict[str, Any]:
        within = counted[: len(bins["shares"])].tolist()
        return {
            "shares": [round(each / rows, _DIGITS) for each in within],
            "missing": round(int(counted[-1]) / rows, _DIGITS),
        }

    columns = zip(features.names, counts[:-1], strict=True)
    return {
        "rows": rows,
        "features": {name: shares(content["features"][name], counted) for name, counted in columns},
        SCORE: shares(content[SCORE], counts[-1]),
    }


@dataclass(frozen=True, slots=True)
class Counted:
    """How many rows of a facility (empty: none, or unknown) were counted, and how many by bin."""

    facility: str
    scores: int
    counts: list[int]


Tally = Callable[[Sequence[Outcome]], list[Counted]]


def tally_of(manifest: Mapping[str, Any], *, facility: str | None = None) -> Tally | None:
    """Make a function that counts outcomes by the bins of a manifest; None where the manifest has none.

    The function takes a batch's outcomes and counts those that this model published, by the attribute `facility`, where there is one. Of
    more than `_MOST_ROWS` it counts every second, third ...
    """
    content = manifest.get("baseline")
    if content is None:
        return None
    names, model_version = tuple(manifest["features"]), manifest["model_version"]
    rules = task_of(Task(manifest["task"]), classes=tuple(manifest.get("classes", ())))
    bins = BinCounter(content, names=names)

    def tally(outcomes: Sequence[Outcome]) -> list[Counted]:
        published = [
            each for each in outcomes if each.score is not None and each.model_version in (None, model_version)
        ]
        by_facility: dict[str, list[Outcome]] = {}
        for each in published[:: -(-len(published) // _MOST_ROWS) or 1]:
            by_facility.setdefault(str(each.attributes.get(facility) or "") if facility else "", []).append(each)
        return [Counted(name, len(own), counts_of(own)) for name, own in sorted(by_facility.items())]

    def counts_of(counted: Sequence[Outcome]) -> list[int]:
        matrix = Features.stored(names, [each.features or b"" for each in counted])
        values = [rules.drift_value(each.score, each.label) for each in counted if each.score is not None]
        found: list[int] = bins.count(matrix, np.array(values, dtype=np.float64)).tolist()
        return found

    return tally


def _counted(rows: Floats, edges: Floats) -> Integers:
    """Rows (n, f) counted by bin, (f, WIDTH); `edges` (BINS - 1, f) are filled up with infinity."""
    missing = np.count_nonzero(np.isnan(rows), axis=0)
    with np.errstate(invalid="ignore"):
        above = [np.count_nonzero(rows > edge, axis=0) for edge in edges]
    at_least = np.array([len(rows) - missing, *above, np.zeros_like(missing)])
    counted: Integers = np.vstack([at_least[:-1] - at_least[1:], missing]).T.astype(np.int64)
    return counted
