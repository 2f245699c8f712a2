"""How two models differ over the same entities: bands, ranks and, by known outcomes, metrics. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scorer.database.store.models import Pair
from scorer.tasks.bootstrap import draws
from scorer.tasks.task import Judged, Reliability, TaskRules
from scorer.types.arrays import Floats

SCORED = "SCORED"


@dataclass(frozen=True, slots=True)
class Migration:
    """How many entities are in which band by two models: `moves` by (band of one, band of the other).

    An entity without a band stands under its status. `order` has the bands, `bands` of them, from the highest to the lowest, then the
    statuses.
    """

    order: tuple[str, ...]
    moves: Mapping[tuple[str, str], int]
    bands: int

    @property
    def entities(self) -> int:
        """The number of entities."""
        return sum(self.moves.values())

    @property
    def up(self) -> int:
        """How many are in a higher band by the other model."""
        return self._count(lambda one, other: other < one)

    @property
    def down(self) -> int:
        """How many are in a lower band by the other model."""
        return self._count(lambda one, other: other > one)

    @property
    def moved(self) -> int:
        """How many are in another band, or have a score by one model alone."""
        return sum(count for (one, other), count in self.moves.items() if one != other)

    def _count(self, holds: Any) -> int:
        place = {name: number for number, name in enumerate(self.order[: self.bands])}
        return sum(
            count
            for (one, other), count in self.moves.items()
            if one in place and other in place and holds(place[one], place[other])
        )

    def table(self) -> list[list[object]]:
        """One row per band of the one model: its name, the count in each of the other's, the total."""
        return [
            [one, *(self.moves.get((one, other), 0) for other in self.order), self._total(one)] for one in self.order
        ]

    def _total(self, one: str) -> int:
        return sum(count for (name, _), count in self.moves.items() if name == one)

    def as_json(self) -> dict[str, Any]:
        """The migration as the command line prints it and the evidence records it."""
        return {
            "entities": self.entities,
            "moved": self.moved,
            "up": self.up,
            "down": self.down,
            "bands": {
                one: {other: self.moves[one, other] for other in self.order if (one, other) in self.moves}
                for one in self.order
                if self._total(one)
            },
        }


def migration(pairs: Sequence[Pair], *, bands: Sequence[str]) -> Migration:
    """The migration between the models of `pairs`; `bands` are the job's, highest first, or empty.

    >>> from datetime import UTC, datetime
    >>> pair = Pair("1", datetime(2025, 6, 1, tzinfo=UTC), ("SCORED", "SCORED"), (0.3, 0.8), ("LOW", "HIGH"))
    >>> migration([pair], bands=("HIGH", "LOW")).up
    1
    """
    moves = Counter((_standing(pair, 0), _standing(pair, 1)) for pair in pairs)
    there = {name for move in moves for name in move}
    others = sorted(there - set(bands))
    return Migration(order=(*bands, *others), moves=dict(moves), bands=len(bands))


def _standing(pair: Pair, side: int) -> str:
    if pair.statuses[side] != SCORED:
        return pair.statuses[side]
    return pair.bands[side] or SCORED


def agreement(pairs: Sequence[Pair]) -> dict[str, float | int | None]:
    """How similar the scores are of entities that both models score.

    The share in the same band, the rank correlation, the mean and the largest absolute difference; None where there is no such entity.
    """
    both = [pair for pair in pairs if pair.scores[0] is not None and pair.scores[1] is not None]
    one, other = (np.array([pair.scores[side] for pair in both], dtype=np.float64) for side in (0, 1))
    if not both:
        return {
            "scored_by_both": 0,
            "same_band": None,
            "rank_correlation": None,
            "mean_difference": None,
            "largest": None,
        }
    return {
        "scored_by_both": len(both),
        "same_band": sum(pair.bands[0] == pair.bands[1] for pair in both) / len(both),
        "rank_correlation": rank_correlation(one, other),
        "mean_difference": float(np.abs(one - other).mean()),
        "largest": float(np.abs(one - other).max()),
    }


def rank_correlation(one: Floats, other: Floats) -> float | None:
    """Spearman's rank correlation of two scores (n,), equal ones sharing the mean of their ranks.

    None where all scores of either are equal.

    >>> round(rank_correlation(np.array([0.1, 0.2, 0.2, 0.9]), np.array([1.0, 3.0, 3.0, 4.0])), 6)
    1.0
    """
    ranks = [_ranks(each) for each in (one, other)]
    if any(np.ptp(each) == 0 for each in ranks if len(each)) or not len(one):
        return None
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: Floats) -> Floats:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    middle: Floats = (last - (count - 1) / 2)[place]
    return middle


def measured(published: Floats, label: Floats, client: Sequence[object], *, rules: TaskRules) -> dict[str, Any]:
    """Metrics of what is published by known outcomes, with 95 % intervals, and calibration by bins.

    `published` is (n,) or (n, k), `label` and `client` are (n,).
    """
    _, place = np.unique(np.asarray(client, dtype=object).astype(str), return_inverse=True)
    rows = Judged(published, label, place.astype(np.int64))
    weights = draws(int(place.max()) + 1)
    figures = rules.figures(rows, weights)
    shown = rules.pictures(rows, weights[:1]).get("reliability")
    bins = shown.bins if isinstance(shown, Reliability) else {}
    return {
        "metrics": {
            name: {"value": _number(each.value), "low": _number(each.low), "high": _number(each.high)}
            for name, each in figures.items()
        },
        "calibration": [
            {
                **({"of": name} if name else {}),
                "rows": each.rows,
                "predicted": each.predicted,
                "observed": _number(each.observed.value),
            }
            for name, of_one in bins.items()
            for each in of_one
        ],
    }


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
