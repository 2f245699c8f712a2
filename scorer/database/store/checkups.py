"""Checkups of a model in production: drift, live performance, alerts.

Every function works within a transaction of the session.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from scorer.database.session import Session
from scorer.types.values import WorkItem


@dataclass(frozen=True, slots=True)
class Monitored:
    """A model in production, read at `read_at` by the database's clock.

    `metrics`, `classes` and `facilities` are its manifest's. Of the `manifest` there are the features and the baseline.
    """

    model_version: str
    promoted_at: datetime
    trained_at: datetime
    read_at: datetime
    metrics: Mapping[str, Mapping[str, float]]
    classes: Sequence[str] = ()
    manifest: Mapping[str, Any] = field(default_factory=dict)
    facilities: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Shift:
    """How far a feature's rows, or the scores, lie from those of training."""

    feature: str
    rows: int
    psi: float
    missing: float
    baseline_missing: float


@dataclass(frozen=True, slots=True)
class LiveFigure:
    """A metric of published scores whose outcome is known, with its 95 % interval.

    Beside it is what the model's manifest has for it; None where there is none.
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    expected: float | None
    expected_low: float | None


@dataclass(frozen=True, slots=True)
class Alert:
    """An open alert that is not in the journal yet."""

    kind: str
    model_version: str
    detail: str


def read_monitored(session: Session, job: str) -> Monitored | None:
    """The job's model in production; None where it has none."""
    rows = session.all("read_monitored", job=job)
    return Monitored(**rows[0]._asdict()) if rows else None


def measure_drift(session: Session, job: str, *, model_version: str, since: datetime) -> list[Shift]:
    """How far what was counted since `since` lies from training: by feature, the score last."""
    rows = session.all("measure_drift", job=job, model_version=model_version, since=since)
    return [Shift(**row._asdict()) for row in rows]


def population_stability(
    session: Session, shares: Sequence[Sequence[float]], counts: Sequence[Sequence[int]]
) -> list[float]:
    """The population stability index of each row of `counts` against its expected `shares`, bin by bin."""
    rows = [{"shares": usual, "counts": seen} for usual, seen in zip(shares, counts, strict=True)]
    return [row.psi for row in session.all("population_stability", rows=json.dumps(rows))]


def count_scored_entities(session: Session, job: str, *, output: str, model_version: str, since: datetime) -> int:
    """How many entities have scores that the model published since `since`."""
    row = session.one("count_scored_entities", job=job, output=output, model_version=model_version, since=since)
    return int(row.entities)


def count_same_scores(
    session: Session, job: str, *, output: str, model_version: str, look_back: int
) -> tuple[int, int]:
    """How many entities the newest scores are of, and how many of those have the commonest score."""
    row = session.one("count_same_scores", job=job, output=output, model_version=model_version, look_back=look_back)
    return row.entities, row.same


def list_newest_vectors(session: Session, job: str, *, output: str, model_version: str, look_back: int) -> list[bytes]:
    """The feature vectors of the newest scores, one per entity, the newest first."""
    rows = session.all("list_newest_vectors", job=job, output=output, model_version=model_version, look_back=look_back)
    return [bytes(row.features) for row in rows]


def list_new_codes(
    session: Session, job: str, *, since: datetime, settled_at: datetime, look_back: timedelta, min_rows: int
) -> dict[str, int]:
    """Observation types unknown to the job and new since `settled_at`, with their rows since `since`."""
    rows = session.all(
        "list_new_codes", job=job, since=since, settled_at=settled_at, look_back=look_back, min_rows=min_rows
    )
    return {row.code: row.rows for row in rows}


@dataclass(frozen=True, slots=True)
class ScoreSample:
    """Scores of the ledger: whose, as of when, each with the outputs and the attributes beside it."""

    items: list[WorkItem] = field(default_factory=list)
    scores: list[tuple[float, Mapping[str, Any]]] = field(default_factory=list)
    attributes: list[Mapping[str, Any]] = field(default_factory=list)


def sample_scores(
    session: Session, job: str, *, output: str, model_version: str, since: datetime, size: int
) -> ScoreSample:
    """A sample of the scores published since `since`, of about `size`, and never more than twice as many."""
    rows = session.all("sample_scores", job=job, output=output, model_version=model_version, since=since, size=size)
    return ScoreSample(
        items=[WorkItem(entity_id=row.entity_id, as_of=row.as_of) for row in rows],
        scores=[(row.score, row.outputs) for row in rows],
        attributes=[row.attributes for row in rows],
    )


def lock_checkups(session: Session, job: str) -> None:
    """Wait until no other process records a checkup of the job; held until the transaction ends."""
    session.do("lock_checkups", job=job)


def record_checkup(session: Session, **columns: Any) -> int:
    """Record a checkup. Returns its key."""
    for name in ("moved", "new_codes"):
        columns[name] = json.dumps(columns[name])
    key: int = session.one("record_checkup", **columns).checkup_id
    return key


def record_live_performance(session: Session, *, figures: Sequence[LiveFigure], **columns: Any) -> None:
    """Record the live figures of a checkup, of a facility or of all."""
    session.do("record_live_performance", figures=json.dumps([asdict(each) for each in figures]), **columns)


def open_alert(session: Session, job: str, *, kind: str, model_version: str, detail: str) -> None:
    """Open an alert, or renew the detail of the one that is open."""
    session.do("open_alert", job=job, kind=kind, model_version=model_version, detail=detail)


def end_alerts(session: Session, job: str, *, model_version: str, kinds: Sequence[str]) -> list[tuple[str, str]]:
    """End the open alerts of these kinds, and all of other models. Returns kind and model of each."""
    rows = session.all("end_alerts", job=job, model_version=model_version, kinds=list(kinds))
    return [(row.kind, row.model_version) for row in rows]


def tell_alerts(session: Session, job: str) -> list[Alert]:
    """Mark the open alerts that are not in the journal yet as told. Returns them."""
    return [Alert(**row._asdict()) for row in session.all("tell_alerts", job=job)]


def prune_feature_counts(session: Session, job: str) -> None:
    """Delete counts that no report shows any more."""
    session.do("prune_feature_counts", job=job)


def list_model_health(session: Session, job: str) -> list[Mapping[str, Any]]:
    """The health of the job's model versions, as rows to show; the one in production first."""
    return session.shown("list_model_health", job=job)


def list_retrain_due(session: Session, job: str) -> list[Mapping[str, Any]]:
    """Whether the job's model is due for training, by reason, as rows to show."""
    return session.shown("list_retrain_due", job=job)
