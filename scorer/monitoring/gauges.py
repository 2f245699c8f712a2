"""The gauges of what was read from the database: names, meanings, and the value that each row has.

Try it: print(next(of_rows(SCORES, [ScoreCounts("a", valid=3, expiring=1, stale=0, held=0)])))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, TypeVar

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

from scorer.database.store.status import Daemon, JobHealth, ModelCheck, ScoreCounts, ValidScores

Row = TypeVar("Row", JobHealth, ScoreCounts, ValidScores, ModelCheck)

# Name, meaning, and the value of a row; None where it has none.
JOBS: tuple[tuple[str, str, Callable[[JobHealth], float | None]], ...] = (
    ("job_ready", "1 where a daemon can score the job: it has a model, and its breaker is closed.", lambda j: j.ready),
    (
        "last_success_timestamp_seconds",
        "When the newest successful run of the schedule or by hand ended.",
        lambda j: _seconds(j.last_success_at),
    ),
    (
        "last_tick_timestamp_seconds",
        "The newest tick of the schedule that was settled.",
        lambda j: _seconds(j.last_tick_at),
    ),
    (
        "last_missed_timestamp_seconds",
        "When a tick was last found to have been missed, within the last day.",
        lambda j: _seconds(j.last_missed_at),
    ),
    ("ticks_missed_last_day", "Ticks found to have been missed within the last day.", lambda j: j.missed_last_day),
    (
        "breaker_open",
        "1 where the job is left alone because its runs keep failing.",
        lambda j: j.breaker_opened_at is not None,
    ),
    ("failures_in_a_row", "Scheduled runs that failed since the last success.", lambda j: j.failures),
    ("backlog_entities", "Due entities that wait.", lambda j: j.backlog),
    ("backlog_age_seconds", "How long the oldest of them has waited.", lambda j: j.backlog_seconds),
    (
        "write_backs_waiting",
        "Rows of the hospital's own table that wait to be written or emptied.",
        lambda j: j.write_backs_waiting,
    ),
    ("write_backs_oldest_seconds", "How long the oldest of them has waited.", lambda j: j.write_backs_seconds),
    ("take_backs_waiting", "Of them, those that may show a recalled score.", lambda j: j.take_backs_waiting),
    ("take_backs_oldest_seconds", "How long the oldest of these has waited.", lambda j: j.take_backs_seconds),
    ("requests_waiting", "Requests that wait for an answer.", lambda j: j.requests_waiting),
    ("requests_age_seconds", "How long the oldest of them has waited.", lambda j: j.requests_seconds),
)

SCORES: tuple[tuple[str, str, Callable[[ScoreCounts], float | None]], ...] = (
    ("scores_valid", "Current scores that are valid.", lambda s: s.valid),
    ("scores_expiring", "Of them, those that expire within an hour.", lambda s: s.expiring),
    ("scores_stale", "Newest scores that are past their validity.", lambda s: s.stale),
    ("entities_held", "Entities held in quarantine.", lambda s: s.held),
)

VALID: tuple[tuple[str, str, Callable[[ValidScores], float | None]], ...] = (
    ("score_age_seconds", "How long ago the as-of time of a valid score is, on average.", lambda v: v.age_seconds),
    ("oldest_score_age_seconds", "The same of the oldest valid score.", lambda v: v.oldest_seconds),
    ("score_mean", "The mean of the valid scores, where there are 20 or more.", lambda v: v.mean),
)

MODELS: tuple[tuple[str, str, Callable[[ModelCheck], float | None]], ...] = (
    (
        "feature_psi_max",
        "The largest population stability index of a feature, at the newest checkup of the model in production.",
        lambda m: m.worst_psi,
    ),
    ("score_psi", "The population stability index of its scores.", lambda m: m.score_psi),
    ("live_auroc", "scorer_live_figure of auroc, where the task has it.", lambda m: (m.live or {}).get("auroc")),
    ("retrain_due", "1 where reporting.retrain_due has a reason to train it again.", lambda m: m.due),
)


def of_daemons(daemons: Iterable[Daemon]) -> GaugeMetricFamily:
    """How many daemons are in each state."""
    family = GaugeMetricFamily(
        "scorer_daemons",
        "Daemons by state; silent: it died without taking leave, within the last day.",
        labels=["state"],
    )
    found = [_state_of(daemon) for daemon in daemons]
    for state in ("ready", "not ready", "silent"):
        family.add_metric([state], found.count(state))
    return family


def _state_of(daemon: Daemon) -> str:
    if not daemon.alive:
        return "silent"
    return "ready" if daemon.ready else "not ready"


def of_rows(meanings: Iterable[tuple[str, str, Callable[[Row], float | None]]], rows: Iterable[Row]) -> Iterator[Any]:
    """A gauge for each of `meanings`, with a value for each row that has one."""
    for name, meaning, value_of in meanings:
        gauge = GaugeMetricFamily(f"scorer_{name}", meaning, labels=["job_name"])
        for row in rows:
            value = value_of(row)
            if value is not None:
                gauge.add_metric([row.job], float(value))
        yield gauge


def of_bands(rows: Iterable[ValidScores]) -> GaugeMetricFamily:
    """By job, how many valid scores are in each risk band."""
    family = GaugeMetricFamily("scorer_scores_in_band", "Valid scores in a risk band.", labels=["job_name", "band"])
    for row in rows:
        for band, scores in (row.bands or {}).items():
            family.add_metric([row.job, band], scores)
    return family


def of_figures(models: Iterable[ModelCheck]) -> Iterator[GaugeMetricFamily]:
    """By job, the live figures of the model in production, then those of its manifest."""
    found = list(models)
    yield _figures(
        "live",
        "A figure of its scores whose outcome is known, at its newest checkup; the job's task says which there are.",
        {model.job: model.live or {} for model in found},
    )
    yield _figures(
        "model",
        "The same figure as its manifest has it, of held-out data: what to compare the live one with.",
        {model.job: model.own or {} for model in found},
    )


def _figures(kind: str, meaning: str, figures: Mapping[str, Mapping[str, float]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"scorer_{kind}_figure", meaning, labels=["job_name", "figure"])
    for job, of_job in figures.items():
        for figure, value in of_job.items():
            family.add_metric([job, figure], float(value))
    return family


def of_infos(jobs: Iterable[JobHealth]) -> Iterator[Any]:
    """By job, the model in production and the outcome of the last tick, as labels."""
    model = InfoMetricFamily("scorer_model", "The model version in production.", labels=["job_name"])
    tick = InfoMetricFamily("scorer_last_tick", "Outcome of the newest tick that was settled.", labels=["job_name"])
    for job in jobs:
        if job.model_version is not None:
            model.add_metric([job.job], {"model_version": job.model_version})
        if job.last_tick is not None:
            tick.add_metric([job.job], {"outcome": job.last_tick})
    yield model
    yield tick


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()
