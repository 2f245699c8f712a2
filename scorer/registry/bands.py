"""Which band a score has, and which limit holds for it: its facility's own, where there is one."""

from __future__ import annotations

import numpy as np

from scorer.jobs.publication import Bands, Limit
from scorer.types.arrays import Floats, Texts


def limits_of(limit: Limit, facility: Texts | None) -> float | Floats:
    """The limit of each row, (n,), by its `facility` (n,); one number where it is the same for all.

    >>> limits_of(Limit(0.5, by_facility={"A": 0.4}), np.array(["A", "B", None], dtype=object)).tolist()
    [0.4, 0.5, 0.5]
    """
    if facility is None or not limit.by_facility:
        return limit.value
    return np.array([limit.by_facility.get(each, limit.value) for each in facility.tolist()], dtype=np.float64)


def band_names(bands: Bands | None, score: Floats, facility: Texts | None = None) -> list[str | None]:
    """The risk band of each score (n,), of its `facility` (n,); None without bands, or without a score.

    >>> band_names(Bands(limits=(("HIGH", 0.7), ("MEDIUM", 0.4)), lowest="LOW"), np.array([0.71, 0.7, 0.4, np.nan]))
    ['HIGH', 'MEDIUM', 'LOW', None]
    """
    if bands is None:
        return [None] * len(score)
    with np.errstate(invalid="ignore"):
        above = [score > limits_of(bands.limit(name), facility) for name, _ in bands.limits]
    place = np.argmax([*above, np.ones(len(score), dtype=bool)], axis=0)
    return [
        None if nan else bands.names[each] for each, nan in zip(place.tolist(), np.isnan(score).tolist(), strict=True)
    ]
