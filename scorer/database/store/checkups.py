"""What is read and kept of a model in production, in a session that others may share; each within its transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from scorer.database.session import Session
from scorer.types.values import WorkItem


@dataclass(frozen=True, slots=True)
class Monitored:
    """A model version in production: `metrics` are its manifest's, `trained_at` and `read_at` by the database's clock."""

    model_version: str
    promoted_at: datetime
    trained_at: datetime
    read_at: datetime
    metrics: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Shift:
    """How far a feature's rows (or the scores') lie from those of training."""

    feature: str
    rows: int
    psi: float
    missing: float
    baseline_missing: float


@dataclass(frozen=True, slots=True)
class LiveFigure:
    """A metric of published scores whose outcome is known, with its 95 % interval, beside the model's own; None where there is none."""

    metric: str
    value: float | None
    low: float | None
    high: float | None
    expected: float | None
    expected_low: float | None


@dataclass(frozen=True, slots=True)
class Told:
    """An alert that the journal is to be told of."""

    kind: str
    model_version: str
    detail: str


def read_monitored(session: Session, job: str) -> Monitored | None:
    """The job's model in production."""
    rows = session.all("read_monitored", job=job)
    return Monitored(*rows[0]) if rows else None


def measure_drift(session: Session, job: str, *, model_version: str, since: datetime) -> list[Shift]:
    """By feature, and for the score last, how far what was counted since then lies from training."""
    rows = session.all("measure_drift", job=job, model_version=model_version, since=since)
    return [Shift(*row) for row in rows]


def count_scored_entities(session: Session, job: str, *, output: str, model_version: str, since: datetime) -> int:
    """How many entities the model's published scores since then are of."""
    row = session.one("count_scored_entities", job=job, output=output, model_version=model_version, since=since)
    return int(row.entities)


def count_same_scores(
    session: Session, job: str, *, output: str, model_version: str, look_back: int
) -> tuple[int, int]:
    """Entities among the newest scores of the ledger, and how many of them have the commonest score."""
    row = session.one("count_same_scores", job=job, output=output, model_version=model_version, look_back=look_back)
    return row.entities, row.same


def list_new_codes(
    session: Session, job: str, *, since: datetime, settled_at: datetime, look_back: timedelta, min_rows: int
) -> dict[str, int]:
    """Observation types that came after `settled_at`, with the rows since `since` that bear each."""
    rows = session.all(
        "list_new_codes", job=job, since=since, settled_at=settled_at, look_back=look_back, min_rows=min_rows
    )
    return {row.code: row.rows for row in rows}


def sample_scores(
    session: Session, job: str, *, output: str, model_version: str, since: datetime, size: int
) -> tuple[list[WorkItem], list[float]]:
    """Published scores since then, about `size` of them at the most twice, and of whom they are as of when."""
    rows = session.all("sample_scores", job=job, output=output, model_version=model_version, since=since, size=size)
    return [WorkItem(entity_id=row.entity_id, as_of=row.as_of) for row in rows], [row.score for row in rows]


def lock_checkups(session: Session, job: str) -> None:
    """Wait until no other process keeps a checkup of the job; held until the transaction ends."""
    session.do("lock_checkups", job=job)


def record_checkup(session: Session, **columns: Any) -> int:
    """Keep a checkup; its key."""
    for name in ("moved", "new_codes"):
        columns[name] = json.dumps(columns[name])
    key: int = session.one("record_checkup", **columns).checkup_id
    return key


def record_live_performance(session: Session, *, figures: Sequence[LiveFigure], **columns: Any) -> None:
    """Keep the live figures of a checkup."""
    session.do("record_live_performance", figures=json.dumps([asdict(each) for each in figures]), **columns)


def open_alert(session: Session, job: str, *, kind: str, model_version: str, detail: str) -> None:
    """Keep an alert open, or open it."""
    session.do("open_alert", job=job, kind=kind, model_version=model_version, detail=detail)


def end_alerts(session: Session, job: str, *, model_version: str, kinds: Sequence[str]) -> list[tuple[str, str]]:
    """End the open alerts of these kinds, and those of other models; kind and model of each."""
    rows = session.all("end_alerts", job=job, model_version=model_version, kinds=list(kinds))
    return [(row.kind, row.model_version) for row in rows]


def tell_alerts(session: Session, job: str) -> list[Told]:
    """The open alerts that were not told yet; they count as told when the transaction is committed."""
    return [Told(*row) for row in session.all("tell_alerts", job=job)]


def prune_feature_counts(session: Session, job: str) -> None:
    """Forget counts that no report shows any more."""
    session.do("prune_feature_counts", job=job)


def list_model_health(session: Session, job: str) -> list[Mapping[str, Any]]:
    """How the job's model versions do, the one in production first."""
    return session.shown("list_model_health", job=job)


def list_retrain_due(session: Session, job: str) -> list[Mapping[str, Any]]:
    """By reason, whether the job's model is due for training."""
    return session.shown("list_retrain_due", job=job)
