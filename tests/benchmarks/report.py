"""What a run of the benchmark found: frozen values, which table, picture and JSON are made of."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.benchmarks.contestants import MEASURE, OURS


@dataclass(frozen=True, slots=True)
class Contest:
    """All rounds at one size: by contestant, seconds round by round, and the largest peak of its process in MB.

    `stages` are medians of ours; where stages of neighbouring batches overlap, their sum exceeds the whole. `begin_to_commit` is from the
    beginning of our run's first transaction to the commit of its last, by the database's clock, round by round.
    """

    visits: int
    seconds: Mapping[str, list[float]]
    peak_mb: Mapping[str, float]
    stages: Mapping[str, float]
    begin_to_commit: list[float]
    bands: Mapping[str, int]
    largest_difference: Mapping[str, float]

    def median(self, module: str) -> float:
        """Median seconds."""
        return statistics.median(self.seconds[module])

    def ratio(self, module: str, to: str) -> float | None:
        """Median of the ratios within each round; None where either did not run."""
        if module not in self.seconds or to not in self.seconds:
            return None
        return statistics.median(a / b for a, b in zip(self.seconds[module], self.seconds[to], strict=True))

    def as_json(self) -> dict[str, Any]:
        """All of it, with medians and ratios."""
        return {
            "visits": self.visits,
            "rounds": len(self.seconds[OURS]),
            "contestants": {
                module: {
                    "median_seconds": round(self.median(module), 4),
                    "over_floor": _rounded(self.ratio(module, MEASURE)),
                    "over_ours": _rounded(self.ratio(module, OURS)),
                    "peak_mb": round(self.peak_mb[module]),
                    "largest_difference": self.largest_difference[module],
                    "seconds": [round(each, 4) for each in seconds],
                }
                for module, seconds in self.seconds.items()
            },
            "bands": dict(self.bands),
            "stages_of_ours": {stage: round(seconds, 4) for stage, seconds in self.stages.items()},
            "begin_to_commit_seconds": round(statistics.median(self.begin_to_commit), 4),
        }


@dataclass(frozen=True, slots=True)
class Report:
    """The contests by size, ascending; what else was measured; None where it was not."""

    machine: Mapping[str, Any]
    observations: int
    contests: tuple[Contest, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    requests: Mapping[str, Any] | None = None
    history: Mapping[str, Any] | None = None

    def at(self, visits: int) -> Contest | None:
        """The contest at a size."""
        return next((each for each in self.contests if each.visits == visits), None)

    def growth(self, module: str) -> float | None:
        """The exponent of seconds over visits, by least squares in log-log; None with fewer than two sizes."""
        points = [(each.visits, each.median(module)) for each in self.contests if module in each.seconds]
        if len(points) < 2:
            return None
        visits, seconds = np.log(np.array(points)).T
        return float(np.polyfit(visits, seconds, 1)[0])

    def over_linear(self, few: int, many: int) -> float | None:
        """Our seconds a visit at `many` over those at `few`; None where either was not measured."""
        small, large = self.at(few), self.at(many)
        if small is None or large is None:
            return None
        return large.median(OURS) / many / (small.median(OURS) / few)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
