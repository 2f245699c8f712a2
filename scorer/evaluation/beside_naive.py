"""A model beside the naive forecast: is it better than prevalence, class shares, or the own past?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from scorer.evaluation.landmarks import Landmarks
from scorer.tasks.bootstrap import Figure, ratio
from scorer.tasks.task import History, Judged, TaskRules, none_unless_finite
from scorer.types.arrays import Floats


@dataclass(frozen=True, slots=True)
class BesideNaive:
    """The figures of the naive forecast, and by how much the model's `decisive` loss is below its own.

    `gained` is the naive forecast's mean loss less the model's, paired by row, with its interval: above 0 the model is better.
    """

    decisive: str
    model: Figure
    gained: Figure
    figures: Mapping[str, Figure]

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Self:
        """By what a manifest says of the model's training."""
        naive, own = manifest["naive"], manifest["metrics"]
        return cls(
            decisive=naive["decisive"],
            model=figure_of(own[naive["decisive"]]),
            gained=figure_of(naive["gained"]),
            figures={name: figure_of(each) for name, each in naive["figures"].items()},
        )

    @property
    def beaten(self) -> bool:
        """Whether the model is better by more than chance."""
        return bool(self.gained.value > 0 and (not np.isfinite(self.gained.low) or self.gained.low > 0))

    def content(self) -> dict[str, Any]:
        """For JSON; NaN becomes None."""
        return {
            "decisive": self.decisive,
            "beaten": self.beaten,
            "gained": _plain(self.gained),
            "figures": {name: _plain(each) for name, each in self.figures.items()},
        }


def in_words(naive: BesideNaive) -> str:
    """Whether a model beats the naive forecast by more than chance, in a sentence."""
    loss = f"its {naive.decisive.replace('_', ' ')} is {_number(naive.model.value, 4)}"
    gained = _number(naive.gained.value, 3)
    if np.isfinite(naive.gained.low):
        gained += f" ({_number(naive.gained.low, 3)} to {_number(naive.gained.high, 3)})"
    if naive.beaten:
        return f"The model beats the naive forecast: {loss}, lower by {gained}."
    return (
        f"The model does not beat the naive forecast by more than chance: {loss}, lower by {gained}; "
        "without a model one would know as much."
    )


def _number(value: float, digits: int) -> str:
    """A loss with so many digits, written out: one of money has thousands.

    >>> _number(0.0124712, 3), _number(87396.04, 3), _number(-1234.5, 4)
    ('0.0125', '87,396', '-1,234')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"  # noqa: PLR2004 - from thousands on


def history_of(landmarks: Landmarks) -> History:
    """What of the landmarks a naive forecast may use."""
    client = np.unique(landmarks.cohort.astype(str), return_inverse=True)[1].astype(np.int64)
    return History(landmarks.label, client, landmarks.as_of, landmarks.event_at)


def beside_naive(rows: Judged, naive: Floats, weights: Floats, *, rules: TaskRules) -> BesideNaive:
    """Compare what is published of `rows` with what the `naive` forecast would be, (n,) or (n, k)."""
    ones = np.ones(len(rows.label))
    loss = rules.losses(rows.published, rows.label)
    gained = rules.losses(naive, rows.label) - loss
    return BesideNaive(
        decisive=rules.decisive,
        model=ratio(loss, ones, rows.client, weights),
        gained=ratio(gained, ones, rows.client, weights),
        figures=rules.figures(Judged(naive, rows.label, rows.client), weights),
    )


def _plain(figure: Figure) -> dict[str, float | None]:
    return {key: none_unless_finite(getattr(figure, key)) for key in ("value", "low", "high")}


def figure_of(content: Mapping[str, float | None]) -> Figure:
    """A figure of a manifest, NaN where it has none."""
    return Figure(*(np.nan if content[key] is None else float(content[key] or 0.0) for key in ("value", "low", "high")))
