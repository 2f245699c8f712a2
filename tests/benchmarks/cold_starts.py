"""How long `scorer run` takes as a process of its own, from its start to its end.

    python -m tests.benchmarks.cold_starts [--rounds N] [--visits N] [--json]

With nothing due, with its proofs on record and as the first of an installation; `--all` of the nine further jobs, on tables without a row
and on their examples; and of many visits, the run's seconds over the sum of its batches', and over the time from the first batch's begin
to the last one's end (two threads carry batches at once). Medians, and the processor's time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scorer.config import FIRST_JOB, Settings, shipped_root
from scorer.database.connecting import plain_session
from scorer.database.connection import Database
from scorer.database.embedded.server import Server
from scorer.database.source.load import load
from scorer.jobs.folder.tables import read_tables
from scorer.jobs.job import job_names
from scorer.registry import registration
from tests.benchmarks.database import SERVER, copy_of, execute, make_template

FEW = 100  # visits that are looked at, and unchanged
OBSERVATIONS = 50
AS_OF = "2025-06-01T01:00:00Z"
OTHERS = tuple(name for name in job_names(None) if name != FIRST_JOB)
OF_BATCHES = """
    SELECT
        (SELECT sum(value::float8) FROM scorer.batches, jsonb_each_text(seconds) WHERE run_id = %(run)s),
        EXTRACT(EPOCH FROM max(finished_at) - min(started_at))::float8,
        count(*)
    FROM scorer.batches WHERE run_id = %(run)s"""
EMPTY = """
    DO $$ BEGIN EXECUTE (
        SELECT 'TRUNCATE ' || string_agg(format('%I.%I', schemaname, tablename), ', ')
        FROM pg_tables WHERE schemaname NOT IN ('public', 'scorer', 'reporting', 'pg_catalog', 'information_schema')
    ); END $$"""


@dataclass(frozen=True)
class Cold:
    """One cold run: seconds, of processor too, and what it printed."""

    seconds: float
    processor: float
    printed: list[dict[str, Any]]


def cold(url: str, home: Path, *arguments: str, **environment: str) -> Cold:
    """Run `scorer run` with these arguments as a process of its own."""
    script = Path(sys.executable).with_name("scorer")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SCORER_")}
    own = {"SCORER_CONFIG": os.devnull, "SCORER_DATABASE_URL": url, "SCORER_HOME": str(home), **environment}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [script, "run", *arguments, "--json"], env=kept | own, capture_output=True, text=True, check=False
    )
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cold(seconds, processor, [json.loads(line) for line in done.stdout.splitlines()])


def median_of(rounds: int, run: Callable[[], Cold]) -> dict[str, float]:
    """The medians of so many runs, after one that is not counted."""
    run()
    runs = [run() for _ in range(rounds)]
    return {
        "seconds": round(statistics.median(each.seconds for each in runs), 2),
        "processor": round(statistics.median(each.processor for each in runs), 2),
        "eligible": sum(line["eligible"] for line in runs[-1].printed),
    }


def first_run(url: str, home: Path) -> Cold:
    """A run that finds no proof of this host's own."""
    with tempfile.TemporaryDirectory(prefix="scorer-bench-") as cache:
        return cold(url, home, FIRST_JOB, CACHE_DIRECTORY=cache)


def add_others(url: str, settings: Settings) -> None:
    """Enable the further jobs, with their examples loaded."""
    database = Database(url, settings)
    for name in OTHERS:
        registration.enable_job(name, database=database)
        with closing(plain_session(database, application_name="benchmark")) as connection:
            tables, rejects = read_tables(name, jobs_dir=None), settings.home_dir / "rejects.csv"
            load(shipped_root() / "sql" / name / "example", connection=connection, rejects=rejects, job_tables=tables)
    registration.grant_source(database=database)


def large_run(server_url: str, template: str, home: Path, *, rounds: int) -> dict[str, float]:
    """The medians of a cold run of all visits of the template: seconds, and their ratios to those of the batches."""
    told, process, to_sum, to_span, batches = [], [], [], [], 0
    for _ in range(rounds):
        with copy_of(server_url, template) as url:
            run = cold(url, home, FIRST_JOB, "--as-of", AS_OF)
            ((of_batches, span, batches),) = execute(url, OF_BATCHES, {"run": run.printed[0]["run_id"]})
            told.append(run.printed[0]["seconds"])
            process.append(run.seconds)
            to_sum.append(run.printed[0]["seconds"] / of_batches)
            to_span.append(run.printed[0]["seconds"] / span)
    return {
        "seconds": round(statistics.median(process), 2),
        "run": round(statistics.median(told), 2),
        "to_sum": round(statistics.median(to_sum), 2),
        "to_span": round(statistics.median(to_span), 2),
        "batches": batches,
    }


def measure(server_url: str, home: Path, *, rounds: int, visits: int) -> dict[str, dict[str, float]]:
    """All figures, by what they are of."""
    settings = Settings(home=home)
    url = make_template(server_url, "few", settings, visits=FEW, observations=OBSERVATIONS)
    add_others(url, settings)
    some = {"SCORER_JOBS": ",".join(OTHERS)}
    figures = {
        "nothing due": median_of(rounds, lambda: cold(url, home, FIRST_JOB)),
        "the first of an installation": median_of(rounds, lambda: first_run(url, home)),
        "--all, nine jobs on their examples": median_of(rounds, lambda: cold(url, home, "--all", **some)),
    }
    execute(url, EMPTY)
    figures["--all, nine jobs, nothing due"] = median_of(rounds, lambda: cold(url, home, "--all", **some))
    if visits:
        many = make_template(server_url, "many", settings, visits=visits, observations=OBSERVATIONS)
        figures[f"{visits:,} visits due"] = large_run(server_url, many, home, rounds=rounds)
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--visits", type=int, default=20_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="scorer-bench-"))
    home.chmod(0o755)
    try:
        with Server.at(home).serving(settings=SERVER) as server:
            figures = measure(server.url, home, rounds=asked.rounds, visits=asked.visits)
    finally:
        shutil.rmtree(home)
    if asked.json:
        print(json.dumps(figures))
        return
    for what, found in figures.items():
        print(f"{what:36}", *(f"{name} {value:g}" for name, value in found.items()), sep="  ")


if __name__ == "__main__":
    main()
