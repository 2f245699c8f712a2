"""A checkup of a job's model in production, with alerts: drift, live figures, new codes, units, age.

Each part is read in a transaction of its own, so that none is open while outcomes are read from the hospital's tables; what was found is
written in one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from scorer.database.connection import Database
from scorer.database.session import Session
from scorer.database.source.reader import Source
from scorer.database.store import checkups
from scorer.database.store.checkups import Alert, Monitored, Shift
from scorer.errors import Stopping, UserError
from scorer.jobs.job import Job
from scorer.jobs.monitoring import Limits
from scorer.log import events
from scorer.log.logger import say
from scorer.monitoring.live_performance import Performance, performance
from scorer.registry.drift_bins import SCORE
from scorer.registry.units import find_unit_shifts, usual_values
from scorer.tasks.known import task_of

_log = logging.getLogger(__name__)
_SAMPLE = 20_000  # scores whose outcomes are looked up
_LOOK_BACK = 10_000  # newest rows of the ledger that are looked at for constant scores
_FEWEST = 30  # entities below which scores are not called constant
_SETTLING = timedelta(days=1)  # after a promotion: observation types that appear within it are not new
_MOST_MOVED = 20  # features that are recorded as moved


@dataclass(frozen=True, slots=True)
class Drift:
    """How far features and scores have moved from those of training.

    `found` is whether that is drift, None where there are too few scores to say.
    """

    scores: int
    shifts: tuple[Shift, ...]
    score_psi: float | None
    found: bool | None
    detail: str
    limit: float

    @property
    def moved(self) -> tuple[Shift, ...]:
        """The features whose index reaches the limit, the largest first."""
        return tuple(each for each in self.shifts if each.psi >= self.limit)


@dataclass(frozen=True, slots=True)
class Checkup:
    """What was found of the model in production.

    `facilities` has the live figures of each. `health` and `retrain_due` are rows of the views of these names in the schema reporting.
    """

    job: str
    model_version: str
    window_from: datetime
    drift: Drift
    performance: Performance
    facilities: Mapping[str, Performance]
    constant_share: float | None
    new_codes: Mapping[str, int]
    units: tuple[str, ...]
    health: list[Mapping[str, Any]]
    retrain_due: list[Mapping[str, Any]]


def nightly_checkup(job: Job, database: Database, stopping: Callable[[], bool]) -> None:
    """Check the job's model in production up, where there is one, and log each new alert once."""
    with closing(Session(database.as_worker())) as session:
        with session.transaction():
            checkups.prune_feature_counts(session, job.name)
            in_production = checkups.read_monitored(session, job.name) is not None
        if in_production:
            check_up(job, database=database, stopping=stopping)
        with session.transaction():
            for each in checkups.tell_alerts(session, job.name):
                _log_alert(job.name, each)


def check_up(job: Job, *, database: Database, stopping: Callable[[], bool] = lambda: False) -> Checkup:
    """Check the job's model in production up, and record what is found.

    Raises UserError where there is no such model, and Stopping where `stopping` says so between two parts.
    """
    target = database.as_worker()
    with closing(Session(target)) as session, closing(Source.of(database)) as source:
        with session.transaction():
            model = checkups.read_monitored(session, job.name)
        if model is None:
            raise UserError(f"Job {job.name} has no model in production to look at; see `scorer model list`.")
        window_from = model.read_at - job.limits.window
        with session.transaction():
            drift = _drift(session, job, model, since=window_from)
        _raise_if_stopping(stopping)
        with session.transaction():
            constant_share = _constant_share(session, job, model)
            new_codes = _new_codes(session, job, model, since=window_from)
            units = _units(session, job, model)
        _raise_if_stopping(stopping)
        by_facility = _live(session, source, job, model)
        live = by_facility.pop("")
        _raise_if_stopping(stopping)
        alerts = _alerts(job, model, drift=drift, constant_share=constant_share, new_codes=new_codes)
        alerts["performance"] = _lost(live, by_facility)
        alerts["units"] = bool(units), "; ".join(units) or "as in training"
        with session.transaction():
            checkups.lock_checkups(session, job.name)
            _record(
                session,
                job,
                model,
                drift,
                {"": live, **by_facility},
                constant_share,
                new_codes,
                window_from=window_from,
            )
            ended = _update_alerts(session, job.name, model.model_version, alerts)
        for kind, model_version in ended:
            say(_log, events.ALERT_ENDED, job=job.name, kind=kind, model_version=model_version)
        with session.transaction():
            health = checkups.list_model_health(session, job.name)
            retrain_due = checkups.list_retrain_due(session, job.name)
    return Checkup(
        job=job.name,
        model_version=model.model_version,
        window_from=window_from,
        drift=drift,
        performance=live,
        facilities=by_facility,
        constant_share=constant_share,
        new_codes=new_codes,
        units=units,
        health=health,
        retrain_due=retrain_due,
    )


def _raise_if_stopping(stopping: Callable[[], bool]) -> None:
    if stopping():
        raise Stopping


def _drift(session: Session, job: Job, model: Monitored, *, since: datetime) -> Drift:
    """The drift of what was counted since then."""
    found = checkups.measure_drift(session, job.name, model_version=model.model_version, since=since)
    entities = checkups.count_scored_entities(
        session, job.name, output=job.output, model_version=model.model_version, since=since
    )
    return assess_drift(found, entities=entities, limits=job.limits)


def assess_drift(found: list[Shift], *, entities: int, limits: Limits) -> Drift:
    """Decide whether the shifts are drift, given how many entities the scores are of."""
    shifts = tuple(sorted((each for each in found if each.feature != SCORE), key=lambda each: -each.psi))
    scored = next((each for each in found if each.feature == SCORE), None)
    rows = 0 if scored is None else scored.rows
    entities = min(entities, rows)
    drift = Drift(
        scores=rows,
        shifts=shifts,
        score_psi=None if scored is None else scored.psi,
        found=None,
        detail=f"scores of only {entities} entities to compare, {limits.min_entities} needed",
        limit=limits.psi,
    )
    if scored is None or entities < limits.min_entities:
        return drift
    moved = drift.moved
    features_moved = len(moved) >= max(1.0, limits.features_share * len(shifts))
    worst = f", the farthest {moved[0].feature} ({moved[0].psi:.2f})" if moved else ""
    return Drift(
        scores=rows,
        shifts=shifts,
        score_psi=scored.psi,
        found=features_moved or scored.psi >= limits.psi,
        detail=f"{len(moved)} of {len(shifts)} features moved{worst}; the scores' index is {scored.psi:.2f}",
        limit=limits.psi,
    )


def _constant_share(session: Session, job: Job, model: Monitored) -> float | None:
    """The share of the newest scores that are the commonest score; None where there are too few."""
    entities, same = checkups.count_same_scores(
        session, job.name, output=job.output, model_version=model.model_version, look_back=_LOOK_BACK
    )
    return same / entities if entities >= _FEWEST else None


def _new_codes(session: Session, job: Job, model: Monitored, *, since: datetime) -> dict[str, int]:
    """Rows of each observation type that is new since the promotion."""
    return checkups.list_new_codes(
        session,
        job.name,
        since=since,
        settled_at=model.promoted_at + _SETTLING,
        look_back=job.limits.window + _SETTLING,
        min_rows=job.limits.new_code_rows,
    )


def _units(session: Session, job: Job, model: Monitored) -> tuple[str, ...]:
    """Which codes' newest values lie as in another unit, in all entities or in those of one category."""
    vectors = checkups.list_newest_vectors(
        session, job.name, output=job.output, model_version=model.model_version, look_back=_LOOK_BACK
    )
    names = list(model.manifest.get("features") or ())
    matrix = np.frombuffer(b"".join(vectors), dtype="<f8").reshape(len(vectors), len(names) or 1)
    usual = usual_values(model.manifest, job)
    return tuple(each.sentence for each in find_unit_shifts(matrix, names=names, usual=usual, job=job))


def _live(session: Session, source: Source, job: Job, model: Monitored) -> dict[str, Performance]:
    """The live figures, of all under the empty text and of each facility that the model was made on.

    There are none where the job names no known outcomes.
    """
    rules = task_of(job.task, classes=tuple(model.classes))
    sample, label = checkups.ScoreSample(), np.empty(0)
    if "outcomes_known" in job.statements:
        with session.transaction():
            sample = checkups.sample_scores(
                session,
                job.name,
                output=job.output,
                model_version=model.model_version,
                since=model.read_at - job.limits.outcomes_window,
                size=_SAMPLE,
            )
        where = f"the statement outcomes_known of job {job.name}"
        label, _ = rules.read_labels(source.outcomes_known(job, sample.items), where=where)
    entity_ids = np.array([item.entity_id for item in sample.items], dtype=object)
    published = rules.of_ledger(sample.scores)
    own = {"": np.ones(len(label), dtype=bool)}
    column = job.features.facility
    if column is not None:
        at = np.array([each.get(column) for each in sample.attributes], dtype=object)
        own |= {name: np.asarray(at == name, dtype=bool) for name in model.facilities}
    return {
        name: performance(
            entity_ids[rows].tolist(),
            published[rows],
            label[rows],
            rules=rules,
            metrics=model.facilities[name].get("metrics", {}) if name else model.metrics,
            limits=job.limits,
        )
        for name, rows in own.items()
    }


def _alerts(
    job: Job,
    model: Monitored,
    *,
    drift: Drift,
    constant_share: float | None,
    new_codes: Mapping[str, int],
) -> dict[str, tuple[bool | None, str]]:
    """By kind of alert, whether it holds (None: unknown, the alert stays as it is), and the detail."""
    age = model.read_at - model.trained_at
    limits = job.limits
    return {
        "drift": (drift.found, drift.detail),
        "new observation types": (bool(new_codes), f"{len(new_codes)} types, {sum(new_codes.values())} rows"),
        "age": (age >= limits.retrain_after, f"{age.days} days old, due from {limits.retrain_after.days} on"),
        "constant score": (
            None if constant_share is None else constant_share >= limits.constant_share,
            f"{0 if constant_share is None else constant_share:.0%} of the newest are one and the same",
        ),
    }


def _lost(live: Performance, by_facility: Mapping[str, Performance]) -> tuple[bool | None, str]:
    """Whether the model predicts worse than it should, of all or of a facility, and which."""
    lost = [f"facility {name}: {each.detail}" for name, each in by_facility.items() if each.lost]
    if not lost:
        return live.lost, live.detail
    return True, "; ".join([*([live.detail] if live.lost else []), *lost])


def _record(
    session: Session,
    job: Job,
    model: Monitored,
    drift: Drift,
    live: Mapping[str, Performance],
    constant_share: float | None,
    new_codes: Mapping[str, int],
    *,
    window_from: datetime,
) -> None:
    """Record the checkup, and the live figures where there are any."""
    worst = drift.shifts[0] if drift.shifts else None
    key = checkups.record_checkup(
        session,
        job=job.name,
        model_version=model.model_version,
        job_version=job.version,
        window_from=window_from,
        scores=drift.scores,
        drifted=drift.found,
        features=len(drift.shifts),
        features_moved=len(drift.moved),
        worst_feature=None if worst is None else worst.feature,
        worst_psi=None if worst is None else worst.psi,
        score_psi=drift.score_psi,
        moved=[asdict(each) for each in drift.moved[:_MOST_MOVED]],
        constant_share=constant_share,
        new_codes=dict(new_codes),
        performance_lost=live[""].lost,
        retrain_after=job.limits.retrain_after,
    )
    for facility, each in live.items():
        if each.figures:
            checkups.record_live_performance(
                session,
                figures=each.figures,
                checkup_id=key,
                job=job.name,
                model_version=model.model_version,
                facility=facility,
                window_from=model.read_at - job.limits.outcomes_window,
                window_until=model.read_at,
                rows=each.rows,
                entities=each.entities,
                positives=each.positives,
            )


def _update_alerts(
    session: Session, job: str, model_version: str, alerts: Mapping[str, tuple[bool | None, str]]
) -> list[tuple[str, str]]:
    """Open and end the job's alerts. Returns kind and model version of those that ended."""
    over = [kind for kind, (holds, _) in alerts.items() if holds is False]
    ended = checkups.end_alerts(session, job, model_version=model_version, kinds=over)
    for kind, (holds, detail) in alerts.items():
        if holds:
            checkups.open_alert(session, job, kind=kind, model_version=model_version, detail=detail)
    return ended


def _log_alert(job: str, alert: Alert) -> None:
    match alert.kind:
        case "drift":
            say(_log, events.DRIFT_FOUND, job=job, model_version=alert.model_version, detail=alert.detail)
        case "performance":
            say(_log, events.PERFORMANCE_LOST, job=job, model_version=alert.model_version, detail=alert.detail)
        case "new observation types":
            say(_log, events.NEW_CODES, job=job, model_version=alert.model_version, detail=alert.detail)
        case "units":
            say(_log, events.UNITS_MOVED, job=job, model_version=alert.model_version, detail=alert.detail)
        case "age":
            say(_log, events.MODEL_OLD, job=job, model_version=alert.model_version, detail=alert.detail)
        case _:
            say(_log, events.CONSTANT_SCORE, job=job, model_version=alert.model_version, detail=alert.detail)
