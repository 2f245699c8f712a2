"""The afternoon on Dask: the same statements and features, by ranges of visits, in two processes; each writes its own range.

The cluster stands before the clock starts. Its workers open the model once.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import psycopg2
from dask.distributed import Client, LocalCluster

from tests.benchmarks import afternoon
from tests.benchmarks.task import Task

PROCESSES = 2
PARTS = 4  # ranges of visits, so that one process reads while the other computes
BOUNDS = """
    SELECT min(visit_id), max(visit_id) + 1
    FROM (SELECT visit_id, ntile(%s) OVER (ORDER BY visit_id) AS part FROM visits WHERE sepsis_score IS NULL) AS v
    GROUP BY part ORDER BY part"""


class Contestant:
    """A local cluster, and a task for each range."""

    def __init__(self, task: Task) -> None:
        self.home = task.home
        self.cluster = LocalCluster(n_workers=PROCESSES, threads_per_worker=1, dashboard_address=":0")
        self.client = Client(self.cluster)

    def ready(self, url: str) -> None:
        """Nothing but the address: the cluster stands."""
        self.url = url

    def run(self) -> None:
        """Score all that have no score."""
        connection = psycopg2.connect(self.url)
        with connection, connection.cursor() as cursor:
            cursor.execute(BOUNDS, (PARTS,))
            bounds = cursor.fetchall()
        connection.close()
        parts = [self.client.submit(_score, str(self.home), self.url, *bound, pure=False) for bound in bounds]
        self.client.gather(parts)

    def done(self) -> dict[str, Any]:
        """Nothing to tell beside the time."""
        return {}

    def close(self) -> None:
        """End the cluster."""
        self.client.close()
        self.cluster.close()


@cache
def _contestant(home: str) -> afternoon.Contestant:
    return afternoon.Contestant(Task(Path(home)))


def _score(home: str, url: str, first: int, end: int) -> None:
    contestant = _contestant(home)
    contestant.ready(url)
    contestant.run(first=first, end=end)
