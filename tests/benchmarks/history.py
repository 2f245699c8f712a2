"""What history costs: a run of some visits that are due, among none and among millions that are scored and settled.

    python -m tests.benchmarks.history [--scored N] [--one-in N] [--due N] [--repeats N] [--json]

Both runs are timed in turn, in one warm process, each on a database of its own in the same server. Ten million scored visits take some
minutes to fill and 30 GB of disk, which are given back. Reads of the reporting views are timed beside them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2

from scorer.config import Settings
from scorer.database.connection import Database, Target
from scorer.database.embedded.server import Server
from scorer.database.readonly_session import ReadOnlySession
from scorer.jobs.job import Job, load_job
from scorer.monitoring.status import read_status
from scorer.runs.run import run_job
from tests.benchmarks.database import SERVER, drop, execute, put_in_place

AS_OF = datetime(2025, 6, 1, tzinfo=UTC)
HERE = Path(__file__).parent
DAYS = 360
ONE_VISIT = 10_000_007  # a scored one
VIEWS = {
    "current_scores, one visit": f"SELECT * FROM reporting.current_scores WHERE job = 'sepsis' AND entity_id = '{ONE_VISIT}'",
    "sepsis_predictions, one visit": f"SELECT * FROM reporting.sepsis_predictions WHERE visit_id = {ONE_VISIT}",
    "score_history, one visit": f"SELECT * FROM reporting.score_history WHERE job = 'sepsis' AND entity_id = '{ONE_VISIT}'",
    "sepsis_predictions, the 100 highest that are valid": (
        "SELECT * FROM reporting.sepsis_predictions WHERE NOT stale ORDER BY sepsis_probability DESC LIMIT 100"
    ),
    "sepsis_predictions, the 100 highest of all": (
        "SELECT * FROM reporting.sepsis_predictions ORDER BY sepsis_probability DESC LIMIT 100"
    ),
    "sepsis_predictions, counted by band": "SELECT risk_level, stale, count(*) FROM reporting.sepsis_predictions GROUP BY 1, 2",
    "current_scores, counted": "SELECT count(*) FROM reporting.current_scores",
    "health": "SELECT * FROM reporting.health",
    "model_health": "SELECT * FROM reporting.model_health",
}
WHOLE_LIST = "COPY (SELECT * FROM reporting.sepsis_predictions) TO STDOUT (FORMAT {form})"


class Nothing:
    """Takes what is written to it, and keeps none of it."""

    def write(self, data: bytes) -> int:
        return len(data)


def measure(
    server: Server, settings: Settings, job: Job, *, scored: int, due: int = 1000, repeats: int = 5, one_in: int = 1000
) -> dict[str, Any]:
    """Median seconds of a run of `due` visits among none and among `scored` ones, their ratio, and the seconds of reads among these.

    `one_in` so many of the scored ones has no score, as it had too few rows: among real stays, about one in a thousand.
    """
    with (
        _database(server.url, "history_none", settings) as none,
        _database(server.url, "history_some", settings) as some,
    ):
        began = time.monotonic()
        _fill(some, job, scored=scored, one_in=one_in)
        filled = time.monotonic() - began
        swept = {url: _seconds(lambda url=url: _run(url, job, settings, due=0)) for url in (none, some)}  # type: ignore[misc]
        times: dict[str, list[float]] = {none: [], some: []}
        for repeat in range(repeats + 1):
            for url, seconds in times.items():
                first = 1 + repeat * due
                _script(url, "history_due", first=first, due=due)
                execute(url, "CHECKPOINT")
                seconds.append(_seconds(lambda url=url: _run(url, job, settings, due=due)))  # type: ignore[misc]
                _script(url, "history_settle", first=first, due=due)
        among_none, among_scored = (statistics.median(seconds[1:]) for seconds in times.values())  # the first warms up
        return {
            "scored": scored,
            "of_them_without_a_score": scored // one_in,
            "due": due,
            "repeats": repeats,
            "seconds_among_none": round(among_none, 3),
            "seconds_among_scored": round(among_scored, 3),
            "ratio": round(among_scored / among_none, 2),
            "seconds_of_a_sweep_among_none": round(swept[none], 2),
            "seconds_of_a_sweep_among_scored": round(swept[some], 2),
            "seconds_to_fill": round(filled),
            "seconds_to_read": _reads(some, settings, repeats=repeats),
        }


def _run(url: str, job: Job, settings: Settings, *, due: int) -> None:
    ended = run_job(job, database=Database(url, settings), as_of=AS_OF)
    assert (ended.counts.eligible, ended.counts.scored) == (due, due), ended


def _fill(url: str, job: Job, *, scored: int, one_in: int) -> None:
    ((model_version,),) = execute(url, "SELECT model_version FROM scorer.model_versions WHERE status = 'production'")
    version = {"job": job.name, "job_version": job.version, "model_version": model_version}
    _script(url, "history_scored", scored=scored, one_in=one_in, days=DAYS, **version)


def _script(url: str, name: str, **parameters: object) -> None:
    """Run the statements of a file, each committed at once, in one session."""
    with closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for part in (HERE / f"{name}.sql").read_text().split(";\n\n"):
                cursor.execute(part, parameters)


def _reads(url: str, settings: Settings, *, repeats: int) -> dict[str, float]:
    """Median seconds of reads of the reporting views, as their readers have them, in a warm session."""

    def whole_list(form: str) -> None:
        cursor.copy_expert(WHOLE_LIST.format(form=form), Nothing())

    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SET ROLE scorer_reader")
        reads: dict[str, Callable[[], object]] = {
            name: lambda query=query: (cursor.execute(query), cursor.fetchall())  # type: ignore[misc]
            for name, query in VIEWS.items()
        }
        for form in ("binary", "text"):
            reads[f"sepsis_predictions, the whole list by COPY, as {form}"] = lambda form=form: whole_list(form)  # type: ignore[misc]
        reads["scorer status"] = lambda: _status(url, settings)
        found = {}
        for name, read in reads.items():
            read()
            found[name] = round(statistics.median(_seconds(read) for _ in range(repeats)), 4)
        return found


def _status(url: str, settings: Settings) -> None:
    watch = ReadOnlySession(Target.of(url, settings, role=settings.worker_role), patience=settings.connect_timeout)
    with closing(watch):
        read_status(watch, jobs_dir=None)


def _seconds(action: Callable[[], object]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


@contextmanager
def _database(server_url: str, name: str, settings: Settings) -> Iterator[str]:
    """The URL of a new database with everything in place and nobody in it; gone afterwards."""
    execute(server_url, f"CREATE DATABASE {name}")
    made = server_url.replace("/scorer?", f"/{name}?", 1)
    try:
        put_in_place(made, settings)
        yield made
    finally:
        drop(server_url, made)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scored", type=int, default=1_000_000)
    parser.add_argument("--due", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--one-in", type=int, default=1000, metavar="N", help="one in N of the scored has no score")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="scorer-history-"))
    home.chmod(0o755)
    try:
        with Server.at(home).serving(settings={**SERVER, "autovacuum": "off"}) as server:
            found = measure(
                server,
                Settings(home=home),
                load_job("sepsis"),
                scored=asked.scored,
                due=asked.due,
                repeats=asked.repeats,
                one_in=asked.one_in,
            )
    finally:
        shutil.rmtree(home, ignore_errors=True)
    if asked.json:
        print(json.dumps(found))
        return
    for name, value in found.items():
        for label, each in value.items() if isinstance(value, dict) else [(name, value)]:
            print(f"{label.replace('_', ' '):52} {each}")


if __name__ == "__main__":
    main()
