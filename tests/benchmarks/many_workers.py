"""One run by one worker, and by two: processes, threads, and those of a Dask cluster on this machine.

    python -m tests.benchmarks.many_workers [--visits N] [--workers N] [--rounds N]

Each is timed in turn, in one warm process, on a fresh copy of the same database; the scores are checked to be the same.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from distributed import LocalCluster

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.database.embedded.server import Server
from scorer.runs.run import run_job
from tests.benchmarks import database
from tests.benchmarks.task import AS_OF, Task


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visits", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="scorer-bench-"))
    home.chmod(0o755)
    config = home / "scorer.toml"
    os.environ["SCORER_CONFIG"] = str(config)  # which the cluster's workers read
    try:
        with Server.at(home).serving(settings=database.SERVER) as server:
            template = database.make_template(
                server.url, "visits", Settings(home=home), visits=asked.visits, observations=50
            )
            url = template.replace("/visits?", "/visits_copy?", 1)
            config.write_text(f'database_url = "{url}"\nhome = "{home}"\n')
            with LocalCluster(asked.workers, threads_per_worker=1, dashboard_address=None) as cluster:
                _measure(asked, server.url, template, Settings(home=home, scheduler=cluster.scheduler_address))
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _measure(asked: argparse.Namespace, server_url: str, template: str, settings: Settings) -> None:
    job, scores = Task(settings.home_dir).job, None
    ways = [(1, "processes"), *((asked.workers, backend) for backend in ("processes", "threads", "dask"))]
    seconds: dict[tuple[int, str], list[float]] = {way: [] for way in ways}
    for turn in range(asked.rounds + 1):  # the first warms
        for workers, backend in ways:
            with database.copy_of(server_url, template) as copy:
                began = time.monotonic()
                run_job(job, database=Database(copy, replace(settings, backend=backend)), as_of=AS_OF, workers=workers)
                if turn:
                    seconds[workers, backend].append(time.monotonic() - began)
                found, _ = database.results(copy)
                scores = found if scores is None else scores
                assert np.array_equal(scores, found, equal_nan=True)
    alone = statistics.median(seconds[ways[0]])
    print(f"{asked.visits} visits x 50 observations, median of {asked.rounds}")
    for (workers, backend), each in seconds.items():
        middle = statistics.median(each)
        print(f"{workers} {backend if workers > 1 else 'worker':10} {middle:6.2f} s  x {alone / middle:.2f}")


if __name__ == "__main__":
    main()
