"""What the metrics read from the database: the state of the jobs, and what was committed since.

Runs and batches are read once each, in whatever order they are committed, so that counters can add them up.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from scorer.database.readonly_session import ReadOnlySession
from scorer.database.store.status import (
    Answered,
    BatchSeen,
    Daemon,
    JobHealth,
    ModelCheck,
    RuleFailures,
    RunSeen,
    ScoreCounts,
    ValidScores,
    answered_requests,
    batches_since,
    count_scores,
    describe_scores,
    list_checkups,
    list_daemons,
    list_health,
    newest_ids,
    rule_failures,
    runs_since,
)
from scorer.errors import DatabaseUnavailable
from scorer.monitoring.sequence_gaps import SequenceGaps
from scorer.types.enums import Trigger

ENDED = ("succeeded", "failed")  # statuses of a run that goes on no more
_COUNT_EVERY = 60.0  # seconds between counts of the current scores, whose cost grows with them
_PAUSE = 20.0  # a count that took long is followed by a pause of so many times as long


@dataclass(frozen=True, slots=True)
class Activity:
    """What was committed between two reads; `runs` are those that ended."""

    runs: tuple[RunSeen, ...] = ()
    batches: tuple[BatchSeen, ...] = ()
    failures: tuple[RuleFailures, ...] = ()
    answered: tuple[Answered, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of jobs, scores, daemons and models at one read, and the activity since the read before.

    `at` is the moment it was read, and `seconds` how long that took, by the reader's clock.
    """

    at: float
    seconds: float
    jobs: tuple[JobHealth, ...]
    scores: tuple[ScoreCounts, ...]
    valid: tuple[ValidScores, ...]
    daemons: tuple[Daemon, ...]
    models: tuple[ModelCheck, ...]
    activity: Activity


@dataclass(frozen=True, slots=True)
class _Seen:
    """Which runs and batches have been read."""

    runs: SequenceGaps
    batches: SequenceGaps


class SnapshotReader:
    """Reads snapshots, for one thread at a time. `clock` gives seconds that only grow."""

    def __init__(self, session: ReadOnlySession, *, clock: Callable[[], float]) -> None:
        self._session = session
        self._clock = clock
        self._next_count = clock()
        self._scores: tuple[ScoreCounts, ...] = ()
        self._valid: tuple[ValidScores, ...] = ()
        self._seen: _Seen | None = None

    def close(self) -> None:
        """End the session."""
        self._session.close()

    def read(self) -> Snapshot:
        """Read the state, and the activity since the last snapshot: none at the first.

        Where it fails, the next snapshot has the activity of this one too.
        """
        began = self._clock()
        jobs, daemons = list_health(self._session), list_daemons(self._session)
        activity, seen = self._read_activity(began)
        models = list_checkups(self._session)
        self._count_scores(began)
        self._seen = seen
        ended = self._clock()
        return Snapshot(
            at=ended,
            seconds=ended - began,
            jobs=tuple(jobs),
            scores=self._scores,
            valid=self._valid,
            daemons=tuple(daemons),
            models=tuple(models),
            activity=activity,
        )

    def _count_scores(self, now: float) -> None:
        """Count and describe the current scores where it is time.

        What takes too long gives none until the next.
        """
        if now < self._next_count:
            return
        self._scores, self._valid = (), ()
        with suppress(DatabaseUnavailable):
            self._scores = tuple(count_scores(self._session))
            self._valid = tuple(describe_scores(self._session))
        self._next_count = now + max(_COUNT_EVERY, _PAUSE * (self._clock() - now))

    def _read_activity(self, now: float) -> tuple[Activity, _Seen]:
        """What was committed since the last snapshot, and what has been read with it."""
        session, seen = self._session, self._seen
        if seen is None:
            first = newest_ids(session)
            running = SequenceGaps(first.run_id, dict.fromkeys(first.running, now))
            return Activity(), _Seen(running, SequenceGaps(first.batch_id))
        runs = runs_since(session, seen.runs.newest, open_ids=seen.runs.open)
        ended = tuple(run for run in runs if run.status in ENDED)
        batches = tuple(batches_since(session, seen.batches.newest, open_ids=seen.batches.open))
        stopped = [run.run_id for run in ended if run.status == "failed"]
        answering = [run.run_id for run in ended if run.trigger == Trigger.REQUEST]
        activity = Activity(
            runs=ended,
            batches=batches,
            failures=tuple(rule_failures(session, batches, stopped_runs=stopped)) if batches or stopped else (),
            answered=tuple(answered_requests(session, run_ids=answering)) if answering else (),
        )
        going_on = [run.run_id for run in runs if run not in ended]
        return activity, _Seen(
            runs=seen.runs.after([run.run_id for run in ended], lasting=going_on, now=now),
            batches=seen.batches.after([batch.batch_id for batch in batches], now=now),
        )
