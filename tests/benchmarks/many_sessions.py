"""Many sessions that ask for scores at once: is every request accounted for, and how soon is it answered?

    python -m tests.benchmarks.many_sessions [--sessions N] [--spawn N] [--seconds S] [--pause S] [--timeout S] [--connections N] [--json]

A hundred sessions are opened ten a second. Each asks for a score with scorer.request_score, hears of the answer, pauses and asks again,
for five minutes in all; the desk answers in a process of its own, as the daemon's thread does. Nine in ten sessions are of a login whose
quota was raised with scorer.set_quota, as an approver does it; the others of one that has the default, and is refused beyond it. At the end
every request must be done or expired, and none may wait. Latencies are the database's: from the row of a request to its answer.
With fewer --connections than sessions, those that the server turns away try again each second: how often is told.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import re
import select
import shutil
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.errorcodes

from scorer.config import Settings
from scorer.database.connection import Database, Target
from scorer.database.embedded.server import Server
from scorer.database.notifications import Listener
from scorer.jobs.job import load_job
from scorer.runs.requests import RequestAnswering
from tests.benchmarks.database import SERVER, drop, execute, make_template
from tests.benchmarks.request_latency import TO_NOW
from tests.benchmarks.task import NAME

PASSWORD = "only-for-a-benchmark"
RAISED, DEFAULT = "many_raised", "many_default"
BESIDE = 12  # sessions of the desk, of this program, and those that the server keeps for superusers

ENDED = "SELECT status, count(*) FROM scorer.requests GROUP BY 1"
LATENCIES = """
    SELECT percentile_cont(ARRAY[0.5, 0.95, 0.99, 1]) WITHIN GROUP (ORDER BY EXTRACT(EPOCH FROM finished_at - requested_at)::float8 * 1000)
    FROM scorer.requests WHERE status = 'done'"""


def measure(
    *,
    sessions: int = 100,
    spawn: float = 10,
    seconds: float = 300,
    pause: float = 1,
    timeout: float = 30,
    connections: int | None = None,
    visits: int = 2000,
) -> dict[str, Any]:
    """What became of the requests of so many sessions, on a server of its own."""
    home = Path(tempfile.mkdtemp(prefix="scorer-bench-"))
    home.chmod(0o755)
    settings = Settings(home=home)
    most = connections or sessions + BESIDE
    try:
        with Server.at(home).serving(settings={**SERVER, "max_connections": str(most)}) as server:
            url = make_template(server.url, "many", settings, visits=visits, observations=30)
            for part in TO_NOW.split(";"):
                execute(url, part)
            for login in (RAISED, DEFAULT):
                execute(url, f"CREATE ROLE {login} LOGIN PASSWORD '{PASSWORD}' IN ROLE scorer_requester")
            execute(url, "SELECT scorer.set_quota(%s, 1000000)", (RAISED,))
            crowd = Crowd(url, visits=visits, seconds=seconds, pause=pause, timeout=timeout)
            figures = _measured(crowd, settings, sessions=sessions, spawn=spawn)
            drop(server.url, url)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return {"sessions": sessions, "max_connections": most, **figures}


class Crowd:
    """Sessions that ask, each in a thread of its own, and what they have seen."""

    def __init__(self, url: str, *, visits: int, seconds: float, pause: float, timeout: float) -> None:
        self.url = url
        self._visits, self._pause, self._timeout = visits, pause, timeout
        self.until = time.monotonic()
        self.seconds = seconds
        self.made: list[int] = []
        self.counts: Counter[str] = Counter()
        self.errors: list[str] = []

    def join_in(self, number: int) -> None:
        """One session: asks, waits for the answer and pauses, until the time is over."""
        rng = random.Random(number)
        login = DEFAULT if number % 10 == 9 else RAISED
        url = re.sub(r"//\w+@", f"//{login}:{PASSWORD}@", self.url)
        while time.monotonic() < self.until:
            try:
                connection = psycopg2.connect(url)
            except psycopg2.OperationalError:  # no place is left: the server says so, and nothing was asked for
                self.counts["turned away by the server"] += 1
                time.sleep(1)
                continue
            try:
                with closing(connection):
                    connection.autocommit = True
                    self._ask_on(connection, rng)
            except Exception as error:  # noqa: BLE001 - told at the end, as a fault
                self.errors.append(f"{type(error).__name__}: {error}")
                return

    def _ask_on(self, connection: Any, rng: random.Random) -> None:
        with connection.cursor() as cursor:
            cursor.execute("LISTEN scorer_answers")
            while time.monotonic() < self.until:
                try:
                    cursor.execute(
                        "SELECT scorer.request_scores(%s, ARRAY[%s], %s * INTERVAL '1 s')",
                        (NAME, str(rng.randint(1, self._visits)), self._timeout),
                    )
                except psycopg2.Error as error:
                    if error.diag.constraint_name != "quota":
                        raise
                    self.counts["refused by quota"] += 1
                else:
                    self.made.append(cursor.fetchone()[0])
                    self._wait(connection, cursor, self.made[-1])
                time.sleep(self._pause * (0.5 + rng.random()))

    def _wait(self, connection: Any, cursor: Any, request: int) -> None:
        """Wait until the request has ended, a while longer than it may take."""
        latest = time.monotonic() + self._timeout + 15
        while time.monotonic() < latest:
            cursor.execute("SELECT status FROM scorer.requests WHERE request_id = %s", (request,))
            ((status,),) = cursor.fetchall()
            if status != "waiting":
                self.counts[f"seen {status}"] += 1
                return
            if not connection.notifies:
                select.select([connection], [], [], 1.0)
                connection.poll()
            connection.notifies.clear()
        self.errors.append(f"request {request} neither ended nor expired")


def _measured(crowd: Crowd, settings: Settings, *, sessions: int, spawn: float) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    ready, stop = context.Event(), context.Event()
    desk = context.Process(target=_answer, args=(crowd.url, settings, ready, stop))
    desk.start()
    assert ready.wait(300)
    began = time.monotonic()
    crowd.until = began + crowd.seconds
    threads = [threading.Thread(target=crowd.join_in, args=(number,)) for number in range(sessions)]
    for thread in threads:
        thread.start()
        time.sleep(1 / spawn)
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    stop.set()
    desk.join(60)
    return _account(crowd, seconds=took)


def _account(crowd: Crowd, *, seconds: float) -> dict[str, Any]:
    """What the database has of the requests, held against what the sessions made."""
    ended = dict(execute(crowd.url, ENDED))
    ((latencies,),) = execute(crowd.url, LATENCIES)
    names = ("p50_ms", "p95_ms", "p99_ms", "longest_ms")
    return {
        "seconds": round(seconds, 1),
        "asked": len(crowd.made),
        "refused_by_quota": crowd.counts["refused by quota"],
        "turned_away_by_the_server": crowd.counts["turned away by the server"],
        "ended": ended,
        "lost": len(crowd.made) - sum(ended.values()),
        "waiting": ended.get("waiting", 0),
        "errors": crowd.errors,
        "answers_per_second": round(ended.get("done", 0) / seconds, 1),
        **{name: round(value, 1) for name, value in zip(names, latencies or (), strict=False)},
        "load_average": round(os.getloadavg()[0], 1),
    }


def _answer(url: str, settings: Settings, ready: Any, stop: Any) -> None:
    """The desk's process: answers, and marks what is late, until it is told to stop."""
    desk = RequestAnswering(database=Database(url, settings), jobs=[load_job(NAME)])
    listener = Listener.for_requests(Target.of(url, settings, role=settings.worker_role))
    desk.warm()
    listener.open()
    ready.set()
    while not stop.is_set():
        desk.expire()
        until = time.monotonic() + 1
        while desk.answer_waiting() and time.monotonic() < until:
            pass
        listener.hear(0.2 if desk.holds_back else 1.0)
    desk.close()
    listener.close()


def main() -> None:
    """Measure and print. Exit 1 where a request was lost or waits."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--spawn", type=float, default=10, help="sessions opened a second")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--pause", type=float, default=1, help="seconds between an answer and the next request, about")
    parser.add_argument("--timeout", type=float, default=30, help="seconds after which a request expires")
    parser.add_argument("--connections", type=int, help="the server's max_connections; unset, enough")
    parser.add_argument("--visits", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    asked = vars(parser.parse_args())
    as_json = asked.pop("json")
    figures = measure(**asked)
    if as_json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name.replace('_', ' '):28} {value}")
    raise SystemExit(1 if figures["lost"] or figures["waiting"] or figures["errors"] else 0)


if __name__ == "__main__":
    main()
