"""Ours: `scorer run`, with all that belongs to it: validation, ledger, reasons, drift counts, write-back.

The clock runs from the call to its return: lines are opened and checked within it, and the model is loaded.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict

from scorer.config import Settings
from scorer.runs import run_job
from tests.benchmarks.database import execute
from tests.benchmarks.task import AS_OF, Task

# From the beginning of the run's first transaction to the commit of its last, by the database's clock.
BEGIN_TO_COMMIT = """
    SELECT EXTRACT(EPOCH FROM pg_xact_commit_timestamp(xmin) - started_at)::float8
    FROM scorer.runs WHERE run_id = (SELECT max(run_id) FROM scorer.runs)"""
STAGES = """
    SELECT key, sum(value::float8)
    FROM scorer.batches, jsonb_each_text(seconds)
    WHERE run_id = (SELECT max(run_id) FROM scorer.runs)
    GROUP BY key"""


class Watch:
    """Seconds by step as they pass in this process's threads: for those that end after a batch's own are recorded."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._since = threading.local()

    def __call__(self, step: str) -> None:
        """Hear that a step has ended."""
        ended = time.monotonic()
        if hasattr(self._since, "last"):  # what begins a thread is of no step
            self.seconds[step] += ended - self._since.last
        self._since.last = ended


class Contestant:
    """One run by so many workers."""

    def __init__(self, task: Task, *, workers: int = 1) -> None:
        self.task, self.workers = task, workers
        self.settings = Settings(home=task.home)

    def ready(self, url: str) -> None:
        """Nothing but the address: whatever a run needs, it opens."""
        self.url = url

    def run(self) -> None:
        """Score all that is due."""
        self.watch = Watch()
        run_job(
            self.task.job, url=self.url, settings=self.settings, as_of=AS_OF, workers=self.workers, watch=self.watch
        )

    def done(self) -> dict[str, object]:
        """Seconds from begin to commit, and by stage."""
        ((begin_to_commit,),) = execute(self.url, BEGIN_TO_COMMIT)
        return {"begin_to_commit": begin_to_commit, "stages": {**self.watch.seconds, **dict(execute(self.url, STAGES))}}

    def close(self) -> None:
        """Nothing is left."""
