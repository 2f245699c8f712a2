"""Ours: `scorer run`, with all that belongs to it: validation, ledger, drift counts, write-back.

Reasons are for HIGH scores, of which the visits that are made here have none.
The clock runs from the call to its return: lines are opened and checked within it, and the model is loaded.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.runs.run import run_job
from scorer.scoring.timing import StepTimer
from tests.benchmarks.database import execute
from tests.benchmarks.task import AS_OF, Task

# From the beginning of the run's first transaction to the commit of its last, by the database's clock.
BEGIN_TO_COMMIT = """
    SELECT EXTRACT(EPOCH FROM pg_xact_commit_timestamp(xmin) - started_at)::float8
    FROM scorer.runs WHERE run_id = (SELECT max(run_id) FROM scorer.runs)"""


@contextmanager
def stages_counted() -> Iterator[dict[str, float]]:
    """Seconds by step of all batches that this process carries within the block, up to their commits and by whichever thread."""
    seconds: dict[str, float] = defaultdict(float)
    end, adding = StepTimer.end, threading.Lock()

    def counted(steps: StepTimer, step: str) -> None:
        end(steps, step)
        if step == "commit":
            with adding:
                for each, taken in steps.seconds.items():
                    seconds[each] += taken

    with patch.object(StepTimer, "end", counted):
        yield seconds


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
        with stages_counted() as self.stages:
            run_job(self.task.job, database=Database(self.url, self.settings), as_of=AS_OF, workers=self.workers)

    def done(self) -> dict[str, object]:
        """Seconds from begin to commit, and by stage."""
        ((begin_to_commit,),) = execute(self.url, BEGIN_TO_COMMIT)
        return {"begin_to_commit": begin_to_commit, "stages": dict(self.stages)}

    def close(self) -> None:
        """Nothing is left."""
