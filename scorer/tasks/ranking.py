"""How well scores rank: the pairs of a positive and a negative row that are in order."""

from __future__ import annotations

import numpy as np

from scorer.types.arrays import Floats, Integers


def ends_of_equal(descending: Floats) -> Integers:
    """The last place of each run of equal scores among `descending` (n,), as (t,) places.

    >>> ends_of_equal(np.array([0.9, 0.5, 0.5, 0.1])).tolist()
    [0, 2, 3]
    """
    return np.flatnonzero(np.append(descending[1:] != descending[:-1], True)) if len(descending) else np.empty(0, int)


def pairs_in_order(hits: Floats, misses: Floats) -> float:
    """The weight of the pairs of a positive and a negative row whose positive scores higher, ties half.

    `hits` and `misses` (t,) are the cumulative weights of positive and negative rows with a score at or above each distinct score, highest
    first. Divided by the weight of all pairs it is the AUROC; of whole weights it is exact.

    >>> pairs_in_order(np.array([1.0, 1.0, 2.0]), np.array([0.0, 1.0, 1.0]))
    1.0
    """
    more_hits, more_misses = np.diff(hits, prepend=0.0), np.diff(misses, prepend=0.0)
    return float((more_misses * (hits - more_hits / 2)).sum())
