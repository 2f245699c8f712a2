"""How long rows are kept, by class, and the least that the settings may say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from scorer.config import Settings
from scorer.errors import UserError

# Checkups, comparisons of models and drift look back for 90 days.
_LEAST = {
    "keep_ledger": timedelta(days=100),
    "keep_operations": timedelta(days=100),
    "keep_requests": timedelta(days=7),
    "keep_rejections": timedelta(days=7),
    "keep_changes": timedelta(days=1),
}
# By class the tables, each with a statement of its name in sql/engine/retention/; one that refers to another stands before it.
TABLES = {
    "keep_requests": ("requests",),
    "keep_rejections": ("rejections",),
    "keep_changes": ("captured_changes",),
    "keep_operations": (
        "live_performance",
        "checkups",
        "validation_results",
        "feature_counts",
        "batches",
        "ticks",
        "chores",
        "alerts",
        "replays",
        "arrivals",
        "feature_vectors",
        "daemons",
        "runs",
    ),
}


@dataclass(frozen=True, slots=True)
class Retention:
    """How long to keep the ledger (None: for ever) and the rows of each class.

    `drop`: partitions that leave the ledger are dropped, not kept as tables.
    """

    ledger: timedelta | None
    drop: bool
    classes: dict[str, timedelta]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The retention of the settings. Raises UserError where one keeps less than the program looks back on."""
        spans = {name: getattr(settings, name) for name in _LEAST}
        for name, span in spans.items():
            if span is not None and span < _LEAST[name]:
                raise UserError(
                    f'{name} is {_days(span)}, and the program itself looks back farther; make it "{_days(_LEAST[name])}" or more.'
                )
        return cls(
            ledger=spans.pop("keep_ledger"),
            drop=settings.expired_ledger == "drop",
            classes=spans,
        )


def _days(span: timedelta) -> str:
    """'7 days' of a week.

    >>> _days(timedelta(days=7)), _days(timedelta(hours=12))
    ('7 days', '0.5 days')
    """
    return f"{span / timedelta(days=1):g} days"
