"""How models did in a time: what moved away from training, live figures, changes of version, alerts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from scorer.database.reporting.standing import Asked, Views


@dataclass(frozen=True, slots=True)
class MovedFeature:
    """A feature of the model in production, and of training: counts and shares by bin.

    The missing values are the last bin.
    """

    job: str
    model_version: str
    feature: str
    rows: int
    counts: Sequence[int]
    shares: Sequence[float]
    psi: float


@dataclass(frozen=True, slots=True)
class LiveFigure:
    """A figure of published scores whose outcome was known at a checkup.

    `expected` is what the model had foretold of itself.
    """

    job: str
    model_version: str
    window_from: datetime
    window_until: datetime
    metric: str
    value: float | None
    low: float | None
    high: float | None
    expected: float | None
    rows: int
    positives: int | None


@dataclass(frozen=True, slots=True)
class Change:
    """A step of a model version (`kind` version), or a recall, of `scores` scores."""

    job: str
    happened_at: datetime
    kind: str
    model_version: str | None
    from_status: str | None
    to_status: str | None
    scores: int | None
    done_by: str
    why: str | None


@dataclass(frozen=True, slots=True)
class Alert:
    """Something found wrong with a model; open where it has no end."""

    job: str
    kind: str
    model_version: str
    detail: str
    since: datetime
    ended_at: datetime | None = None


def list_moved_features(views: Views, asked: Asked) -> list[MovedFeature]:
    """The features that moved most, ten of each job at most."""
    rows = views.all("list_moved_features", **asked.of_runs)
    # Where the manifest does not say how many values were missing, none were.
    return [MovedFeature(**row._asdict() | {"shares": [each or 0.0 for each in row.shares]}) for row in rows]


def list_live_figures(views: Views, asked: Asked) -> list[LiveFigure]:
    """The live figures of the ninety days before the end of the time."""
    rows = views.all("list_live_figures", jobs=asked.of_jobs["jobs"], until=asked.until)
    return [LiveFigure(**row._asdict()) for row in rows]


def list_changes(views: Views, asked: Asked) -> list[Change]:
    """Steps of versions and recalls, by job and time."""
    return [Change(**row._asdict()) for row in views.all("list_changes", **asked.of_jobs)]


def list_alerts_between(views: Views, asked: Asked) -> list[Alert]:
    """The alerts that were open at some moment of the time."""
    return [Alert(**row._asdict()) for row in views.all("list_alerts_between", **asked.of_jobs)]


def list_open_alerts(views: Views) -> list[Alert]:
    """The alerts that are open."""
    return [Alert(**row._asdict()) for row in views.all("list_open_alerts")]
