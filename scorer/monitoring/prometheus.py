"""Metrics in Prometheus' text format: the jobs, what was done since this process began, the process.

What was done is counted from the rows that every worker on every host commits, so each daemon reports the same numbers; do not add them
up. The label `job_name` is the job: Prometheus keeps `job` for what it scrapes.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from scorer import __version__
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.store.status import JobHealth
from scorer.errors import StatementFailed, UserError
from scorer.jobs.schedule import Schedule
from scorer.log import events
from scorer.log.logger import say
from scorer.monitoring import gauges
from scorer.monitoring.gauges import Row
from scorer.monitoring.snapshot import ENDED, Activity, Snapshot, SnapshotReader
from scorer.scoring.timing import RECORDED_STEPS
from scorer.types.enums import OUTCOMES, Trigger

_log = logging.getLogger(__name__)

_EVERY = 10.0  # seconds between reads of the database, however often the metrics are scraped
_PAUSE = 20.0  # a read that took long is followed by a pause of so many times as long
_WAIT = 2.0  # seconds that a scrape waits for another's read
_KEPT = 60.0  # seconds after which what was read is reported no more
_MOST_TICKS = 100  # counted since the last success

_STEP_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_REQUEST_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2.5, 5, 10, 30, 60)


@dataclass(frozen=True, slots=True)
class JobState:
    """Where a job stands in a daemon: whether it is run here, and whether it can score.

    `why` is why it is not run here or cannot score; of a job that can score, why a reload of it was refused.
    """

    runs: bool = True
    scores: bool = True
    why: str | None = None

    @property
    def broken(self) -> bool:
        """Whether something of the job must be corrected."""
        return self.runs and self.why is not None

    def __str__(self) -> str:
        if not self.runs:
            return f"not run here: {self.why}"
        if not self.scores:
            return f"not ready: {self.why}"
        return "ready" if self.why is None else f"ready, as it was before the reload: {self.why}"


class State(Protocol):
    """What a daemon reports of itself; each function returns at once."""

    def live(self) -> bool:
        """Whether its loop is running."""

    def ready(self) -> str | None:
        """None where it can score; otherwise the reason why not, in one sentence."""

    def schedules(self) -> Mapping[str, Schedule]:
        """The schedule of each job, by its name."""

    def job_states(self) -> Mapping[str, JobState]:
        """Where each job stands, by its name."""


class Metrics:
    """The metrics of a process; `text` may be asked for from any thread."""

    def __init__(self, session: ReadOnlySession, *, state: State, clock: Callable[[], float] = time.monotonic) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._reader = SnapshotReader(session, clock=clock)
        self._clock = clock
        self._lock = threading.Lock()
        self._next_read = clock()
        self._snapshot: Snapshot | None = None
        self._registry = CollectorRegistry()
        self._counters = _Counters(self._registry)
        self._registry.register(_Gauges(self.snapshot, state=state))
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def text(self) -> bytes:
        """All metrics in Prometheus' text format; without those of the database where it does not answer."""
        self._refresh()
        return generate_latest(self._registry)

    def close(self) -> None:
        """End the database session, unless a scrape goes on using it for two seconds."""
        if self._lock.acquire(timeout=_WAIT):
            try:
                self._reader.close()
            finally:
                self._lock.release()

    def snapshot(self) -> Snapshot | None:
        """What was last read from the database; None where that failed or is more than a minute old."""
        snapshot = self._snapshot
        return snapshot if snapshot is not None and self._clock() - snapshot.at <= _KEPT else None

    def _refresh(self) -> None:
        """Read the database where it is time. Where another thread is reading it, wait a little for that."""
        if not self._lock.acquire(timeout=_WAIT):
            return
        try:
            if self._clock() >= self._next_read:
                self._read()
        finally:
            self._lock.release()

    def _read(self) -> None:
        """Read a snapshot and count its activity; there is none where the database does not answer."""
        began = self._clock()
        try:
            snapshot = self._reader.read()
        except UserError:
            self._snapshot = None
        except StatementFailed as error:
            self._snapshot = None
            say(_log, events.HEALTH_FAILED, error=str(error))
        else:
            self._counters.begin(job.job for job in snapshot.jobs)
            self._counters.count(snapshot.activity)
            self._snapshot = snapshot
        ended = self._clock()
        self._next_read = ended + max(_EVERY, _PAUSE * (ended - began))


class _Counters:
    """The counters and histograms: what only grows while the process lives."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(name, meaning, ("job_name", *labels), registry=registry)

        self._runs = counter("scorer_runs", "Runs that ended, by what set them off.", "trigger", "status")
        self._entities = counter("scorer_entities", "Entities by how they ended.", "outcome")
        self._read = counter("scorer_observations_read", "Observations read from the source.")
        self._dropped = counter("scorer_observations_dropped", "Observations left out by a rule.")
        self._failures = counter(
            "scorer_validation_failures", "Rows that broke a rule, whatever the rule then does.", "suite", "rule"
        )
        self._steps = Histogram(
            "scorer_batch_step_seconds",
            "Time of a batch, by step of the line.",
            ("job_name", "step"),
            buckets=_STEP_SECONDS,
            registry=registry,
        )
        self._requests = Histogram(
            "scorer_request_seconds",
            "Time from a request to its answer, by the database's clock.",
            ("job_name",),
            buckets=_REQUEST_SECONDS,
            registry=registry,
        )

    def begin(self, jobs: Iterable[str]) -> None:
        """Begin every series of these jobs at 0, where it is new.

        For Prometheus a series that first appears at 1 has not increased.
        """
        for job in jobs:
            for trigger, status in itertools.product(Trigger, ENDED):
                self._runs.labels(job, trigger.value, status)
            for outcome in OUTCOMES:
                self._entities.labels(job, outcome.value.lower())
            for each in (self._read, self._dropped, self._requests):
                each.labels(job)
            for step in RECORDED_STEPS:
                self._steps.labels(job, step)

    def count(self, activity: Activity) -> None:
        """Add what was committed since the last read."""
        for run in activity.runs:
            self._runs.labels(run.job, run.trigger, run.status).inc()
        for batch in activity.batches:
            for outcome in OUTCOMES:
                name = outcome.value.lower()
                self._entities.labels(batch.job, name).inc(getattr(batch, name))
            self._read.labels(batch.job).inc(batch.observations_read)
            self._dropped.labels(batch.job).inc(batch.observations_dropped)
            for step, seconds in batch.seconds.items():
                self._steps.labels(batch.job, step).observe(seconds)
        for rule in activity.failures:
            self._failures.labels(rule.job, rule.suite, rule.rule).inc(rule.unexpected)
        for request in activity.answered:
            self._requests.labels(request.job).observe(request.seconds)


class _Gauges(Collector):
    """The gauges: the state of this process now, and that of the database when it was last read."""

    def __init__(self, snapshot: Callable[[], Snapshot | None], *, state: State) -> None:
        self._last_snapshot = snapshot
        self._state = state
        self._first_seen: dict[str, datetime] = {}

    def describe(self) -> Iterable[Any]:
        """Describe nothing, so that registering does not call `collect`."""
        return ()

    def collect(self) -> Iterator[Any]:
        """The gauges of this moment."""
        snapshot = self._last_snapshot()
        broken = GaugeMetricFamily(
            "scorer_job_broken", "1 where something of a job that is run here must be corrected.", labels=["job_name"]
        )
        for name, state in self._state.job_states().items():
            if state.runs:
                broken.add_metric([name], state.broken)
        yield broken
        yield InfoMetricFamily("scorer_build", "The program.", value={"version": __version__})
        yield GaugeMetricFamily("scorer_live", "1 where this daemon's loop turns.", value=self._state.live())
        yield GaugeMetricFamily("scorer_ready", "1 where this daemon can score.", value=self._state.ready() is None)
        yield GaugeMetricFamily("scorer_up", "1 where the database answered the last look.", value=snapshot is not None)
        if snapshot is not None:
            yield GaugeMetricFamily(
                "scorer_look_seconds", "Time of the last look at the database.", value=snapshot.seconds
            )
            yield gauges.of_daemons(snapshot.daemons)
            jobs = self._run_here(snapshot.jobs)
            yield from gauges.of_rows(gauges.JOBS, jobs)
            yield from gauges.of_rows(gauges.SCORES, self._run_here(snapshot.scores))
            valid = self._run_here(snapshot.valid)
            yield from gauges.of_rows(gauges.VALID, valid)
            yield gauges.of_bands(valid)
            models = self._run_here(snapshot.models)
            yield from gauges.of_rows(gauges.MODELS, models)
            yield from gauges.of_figures(models)
            yield from gauges.of_infos(jobs)
            yield from self._ticks(jobs)

    def _run_here(self, rows: Sequence[Row]) -> list[Row]:
        """The rows without those of jobs that are not run here: what such a job left behind alarms nobody."""
        states = self._state.job_states()
        return [row for row in rows if row.job not in states or states[row.job].runs]

    def _ticks(self, jobs: Iterable[JobHealth]) -> Iterator[Any]:
        """By job, the next tick, and how many there were since the last success."""
        coming = GaugeMetricFamily(
            "scorer_next_tick_timestamp_seconds", "The next tick of the schedule.", labels=["job_name"]
        )
        passed = GaugeMetricFamily(
            "scorer_ticks_since_success",
            "Ticks of the schedule since the newest successful run ended, or since this daemon began where there is none; "
            f"{_MOST_TICKS} at most.",
            labels=["job_name"],
        )
        schedules = self._state.schedules()
        for job in jobs:
            if job.job in schedules:
                schedule = schedules[job.job]
                since = job.last_success_at or self._first_seen.setdefault(job.job, job.read_at)
                ticks = itertools.islice(schedule.ticks(after=since, until=job.read_at), _MOST_TICKS)
                coming.add_metric([job.job], schedule.next_tick(after=job.read_at).timestamp())
                passed.add_metric([job.job], sum(1 for _ in ticks))
        yield coming
        yield passed
