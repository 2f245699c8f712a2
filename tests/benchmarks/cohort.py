"""How long a cohort takes, and how long requests of one entity take beside it.

    python -m tests.benchmarks.cohort [--entities N] [--portions N...] [--json]

A cohort of so many visits is asked for in one request, none of which has been scored; beside it one session asks for one visit after the
other. For each size of the portions in which the cohort is answered: seconds until it is done, and the latency of the single requests.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg2

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.database.embedded.server import Server
from scorer.jobs.job import load_job
from scorer.runs import requests
from scorer.runs.requests import RequestAnswering
from tests.benchmarks.database import SERVER, copy_of, execute, make_template
from tests.benchmarks.request_latency import TO_NOW
from tests.benchmarks.task import NAME

BESIDE = 200  # visits that single requests are about


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entities", type=int, default=10_000)
    parser.add_argument("--portions", type=int, nargs="+", default=[requests._PORTION])
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="scorer-bench-"))
    home.chmod(0o755)
    settings = Settings(home=home)
    try:
        with Server.at(home).serving(settings=SERVER) as server:
            template = make_template(server.url, "asked", settings, visits=asked.entities + BESIDE, observations=50)
            for part in TO_NOW.split(";"):
                execute(template, part)
            execute(template, "VACUUM ANALYZE")
            for portion in asked.portions:
                with copy_of(server.url, template) as url, patch.object(requests, "_PORTION", portion):
                    figures = {"portion": portion, **measure(url, settings, entities=asked.entities)}
                print(json.dumps(figures) if asked.json else "  ".join(f"{k} {v}" for k, v in figures.items()))
    finally:
        shutil.rmtree(home, ignore_errors=True)


def measure(url: str, settings: Settings, *, entities: int) -> dict[str, Any]:
    """Seconds of the cohort, and the latencies of single requests beside it."""
    desk = RequestAnswering(database=Database(url, settings), jobs=[load_job(NAME)])
    desk.warm()
    ended = threading.Event()
    beside = threading.Thread(target=_ask_beside, args=(url, entities, ended))
    ids = [str(visit) for visit in range(1, entities + 1)]
    ((request,),) = execute(url, "SELECT scorer.request_cohort(%s, %s, '1 h')", (NAME, ids))
    beside.start()
    began, portions = time.monotonic(), 0
    while execute(url, "SELECT status FROM scorer.requests WHERE request_id = %s", (request,)) == [("waiting",)]:
        portions += desk.answer_waiting() > 0
    seconds = time.monotonic() - began
    ended.set()
    while beside.is_alive():
        desk.answer_waiting()
    desk.close()
    latencies = [
        float(row[0])
        for row in execute(
            url,
            "SELECT EXTRACT(EPOCH FROM finished_at - requested_at) * 1000 FROM scorer.requests WHERE entities IS NULL",
        )
    ]
    return {
        "entities": entities,
        "seconds": round(seconds, 1),
        "transactions": portions,
        "single_requests": len(latencies),
        "median_ms": round(statistics.median(latencies)),
        "longest_ms": round(max(latencies)),
    }


def _ask_beside(url: str, entities: int, ended: threading.Event) -> None:
    """One request after the other, of visits that are not in the cohort."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        number = 0
        while not ended.is_set():
            number += 1
            cursor.execute("SELECT scorer.request_score(%s, %s)", (NAME, str(entities + 1 + number % BESIDE)))
            (request,) = cursor.fetchone()
            status = "waiting"
            while status == "waiting":
                time.sleep(0.01)
                cursor.execute("SELECT status FROM scorer.requests WHERE request_id = %s", (request,))
                ((status,),) = cursor.fetchall()


if __name__ == "__main__":
    main()
