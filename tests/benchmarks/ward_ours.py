"""Ours, hour by hour, as the daemon runs it: whatever it keeps between two runs is kept."""

from __future__ import annotations

from datetime import timedelta

from scorer.database.connection import Database
from scorer.runs.run import run_tick
from scorer.scoring.opening import CarriedOver
from scorer.types.enums import Trigger
from tests.benchmarks import ours
from tests.benchmarks.ours import stages_counted
from tests.benchmarks.task import AS_OF, Task


class Contestant(ours.Contestant):
    """Each run of one database is an hour later than the last."""

    url, as_of = "", AS_OF

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.carried = CarriedOver(kept_rows=self.settings.kept_rows)

    def ready(self, url: str) -> None:
        """The next hour."""
        self.as_of = (self.as_of if url == self.url else AS_OF) + timedelta(hours=1)
        super().ready(url)

    def run(self) -> None:
        """Score all that is due."""
        with stages_counted() as self.stages:
            run_tick(
                self.task.job,
                database=Database(self.url, self.settings),
                tick=None,
                trigger=Trigger.CATCH_UP,
                as_of=self.as_of,
                carried=self.carried,
            )
