"""A run of 20,000 visits x 50 observations, and beside it the bare floor: COPY out to nothing, predict, COPY the results in.

    python tests/benchmarks/run_against_floor.py [--visits N] [--observations N] [--repeats N] [--json]

Both are timed in turn, in one warm process, each on a database of its own. The floor predicts from features that are ready, validates
nothing and keeps no ledger: nobody can be faster through this database.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import psycopg2

from scorer import admission, schema
from scorer.config import Settings
from scorer.connection import Target
from scorer.embedded import Server
from scorer.features import build
from scorer.job import Job, load_job, shipped_root
from scorer.lines import close_line, open_line
from scorer.model import ProductionPipeline, band_names
from scorer.runs import run_job
from scorer.session import engine
from scorer.source import microseconds
from scorer.types import Features, WorkItem

AS_OF = datetime(2025, 6, 1, tzinfo=UTC)
HERE = Path(__file__).parent


class Nothing:
    """Takes what is written to it, and keeps none of it."""

    def write(self, data: bytes) -> int:
        return len(data)


def main() -> None:
    """Measure and print."""
    asked = _arguments()
    home = Path(tempfile.mkdtemp(prefix="scorer-bench-"))
    home.chmod(0o755)
    settings = Settings(home=home)
    job = load_job("sepsis")
    try:
        with Server.at(home).serving(settings={"shared_buffers": "1GB", "max_wal_size": "8GB"}) as server:
            small = _database(
                server.url, "some_visits", settings, visits=max(asked.visits // 4, 1), observations=asked.observations
            )
            full = _database(server.url, "all_visits", settings, visits=asked.visits, observations=asked.observations)
            _ours(server.url, small, job, settings)  # imports, caches
            floor, ours, peaks = [], [], {}
            for _ in range(asked.repeats):
                floor.append(_floor(full, job, settings))
                seconds, peaks["full"], steps = _ours(server.url, full, job, settings)
                ours.append(seconds)
            _, peaks["small"], _ = _ours(server.url, small, job, settings)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    _print(asked, floor=floor, ours=ours, peaks=peaks, steps=steps)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visits", type=int, default=20_000)
    parser.add_argument("--observations", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _database(url: str, name: str, settings: Settings, *, visits: int, observations: int) -> str:
    """The URL of a new database with so many visits, everything in place."""
    _execute(url, f"CREATE DATABASE {name}")
    made = url.replace("/scorer?", f"/{name}?", 1)
    for table in ("visits", "patient_observations", "outcomes"):
        _execute(made, (shipped_root() / "sql" / "source" / f"create_{table}.sql").read_text())
    schema.upgrade(engine(Target.of(made, settings, role=None)))
    admission.install_jobs(url=made, settings=settings)
    admission.grant_source(url=made, settings=settings)
    for part in (HERE / "make_visits.sql").read_text().split(";\n"):
        _execute(made, part, {"visits": visits, "observations": observations})
    _execute(made, "VACUUM")
    return made


def _execute(url: str, statement: str, parameters: dict[str, int] | None = None) -> None:
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)


@contextmanager
def _copy_of(server_url: str, url: str) -> Iterator[str]:
    template = Path(urlsplit(url).path).name
    _execute(server_url, f"CREATE DATABASE {template}_copy TEMPLATE {template} STRATEGY FILE_COPY")
    try:
        yield url.replace(f"/{template}?", f"/{template}_copy?", 1)
    finally:
        _execute(server_url, f"DROP DATABASE {template}_copy WITH (FORCE)")


def _ours(server_url: str, url: str, job: Job, settings: Settings) -> tuple[float, float, dict[str, float]]:
    """Seconds, peak memory in MB, and seconds by step, of one run."""
    with _copy_of(server_url, url) as copy:
        _ready(copy, job, settings)  # reads all, so that both find the tables in the server's memory
        _execute(copy, "CHECKPOINT")
        _forget_peak()
        began = time.monotonic()
        run_job(job, url=copy, settings=settings, as_of=AS_OF)
        seconds = time.monotonic() - began
        with closing(psycopg2.connect(copy)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT key, sum(value::float8) FROM scorer.batches, jsonb_each_text(seconds) GROUP BY key")
            steps = dict(cursor.fetchall())
        return seconds, _peak(), steps


def _floor(url: str, job: Job, settings: Settings) -> float:
    """Seconds of the bare floor; the features are made ready before the clock starts."""
    model, visits, matrix = _ready(url, job, settings)
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS floor (visit_id bigint, score float8, band text, scored_at timestamptz)"
        )
        cursor.execute("TRUNCATE floor")
        connection.commit()
        began = time.monotonic()
        cursor.copy_expert((HERE / "copy_out.sql").read_text(), Nothing())
        score = model.score(matrix).score
        bands = band_names(job.bands, score)
        rows = "".join(
            f"{visit}\t{each!r}\t{band}\t2025-06-01T00:00:00Z\n"
            for visit, each, band in zip(visits, score.tolist(), bands, strict=True)
        )
        cursor.copy_expert("COPY floor FROM STDIN", io.StringIO(rows))
        connection.commit()
        return time.monotonic() - began


def _ready(url: str, job: Job, settings: Settings) -> tuple[ProductionPipeline, list[str], Features]:
    """The model in production, all visits, and their features."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT visit_id::text FROM visits ORDER BY visit_id")
        items = tuple(WorkItem(entity_id=visit, as_of=AS_OF) for (visit,) in cursor.fetchall())
    line = open_line(job, url=url, settings=settings)
    try:
        observations, attributes = line.source.observations(job, items), line.source.attributes(job, items)
    finally:
        close_line(line)
    as_of = np.array([microseconds(item.as_of) for item in items], dtype=np.int64)
    matrix = build(observations, attributes, as_of=as_of, spec=job.features)
    return line.model, [item.entity_id for item in items], matrix


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def _peak() -> float:
    status = Path(f"/proc/{os.getpid()}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _print(
    asked: argparse.Namespace,
    *,
    floor: list[float],
    ours: list[float],
    peaks: dict[str, float],
    steps: dict[str, float],
    echo: Callable[[str], None] = print,
) -> None:
    ratios = [one / other for one, other in zip(ours, floor, strict=True)]
    figures = {
        "visits": asked.visits,
        "observations_per_visit": asked.observations,
        "floor_seconds": round(statistics.median(floor), 3),
        "run_seconds": round(statistics.median(ours), 3),
        "run_to_floor": round(statistics.median(ratios), 2),
        "peak_mb": round(peaks["full"]),
        "peak_mb_at_a_quarter_of_the_visits": round(peaks["small"]),
        "seconds_by_step": {step: round(value, 3) for step, value in sorted(steps.items(), key=lambda item: -item[1])},
    }
    if asked.json:
        echo(json.dumps(figures))
        return
    for name, value in figures.items():
        echo(f"{name.replace('_', ' '):38} {value}")
    echo(f"median of {asked.repeats}; the aim is a ratio of 4 or less, and a peak that does not grow with the visits")


if __name__ == "__main__":
    main()
