"""From the commit of a request to the commit of its score, warm, by the database's clock, with so many sessions asking at once.

    python -m tests.benchmarks.request_latency [--sessions N] [--requests N] [--visits N] [--validation WAY] [--profile] [--json]

Each session records a new observation of a visit, asks for its score in the same transaction, waits for the answer, and begins again. The
desk runs in a process of its own, as the daemon's thread does. Both commit times are PostgreSQL's (track_commit_timestamp); fsync is on.
Beside them stands what an empty round trip takes, alone: from a NOTIFY to the one that a second session sends back.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import select
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2

from scorer.config import Settings
from scorer.database.connection import Database, Target
from scorer.database.embedded.server import Server
from scorer.database.notifications import Listener
from scorer.jobs.job import load_job
from scorer.runs.run import run_job
from tests.benchmarks.database import SERVER, drop, execute, make_template
from tests.benchmarks.task import NAME

# The visits of make_visits.sql end in 2025: as if now were an hour after that.
TO_NOW = """
    UPDATE public.visits SET admitted_at = admitted_at + (now() - TIMESTAMPTZ '2025-06-01T01:00:00Z');
    UPDATE public.patient_observations
    SET observation_date = observation_date + (now() - TIMESTAMPTZ '2025-06-01T01:00:00Z'),
        recorded_at = recorded_at + (now() - TIMESTAMPTZ '2025-06-01T01:00:00Z')"""
ASK = """
    WITH seen AS (
        INSERT INTO public.patient_observations
            (visit_id, client, observation_date, observation_type_code, observation_value, reference_range_min, reference_range_max)
        VALUES (%(visit)s, 'B' || %(visit)s, now(), 'HR', %(value)s, 60, 100)
    )
    INSERT INTO scorer.requests (job, entity_id) VALUES (%(job)s, %(visit)s::text)
    RETURNING request_id, pg_current_xact_id()::text"""
LATENCIES = """
    SELECT
        EXTRACT(EPOCH FROM pg_xact_commit_timestamp(q.xmin) - pg_xact_commit_timestamp(a.xid::xid)) * 1000,
        q.outcome,
        q.run_id
    FROM unnest(%s::bigint[], %s::text[]) AS a (request_id, xid)
    JOIN scorer.requests AS q USING (request_id)
    WHERE q.status = 'done'"""

# Medians by step; what comes after the record, which is where the batch's row is written, is told as the rest.
STEPS = """
    SELECT key, round((percentile_cont(0.5) WITHIN GROUP (ORDER BY value::float8) * 1000)::numeric, 1)::float8
    FROM scorer.batches JOIN scorer.runs USING (run_id), jsonb_each_text(seconds)
    WHERE trigger = 'request' GROUP BY key ORDER BY 2 DESC"""


def main() -> None:
    """Measure and print."""
    asked = _arguments()
    home = Path(tempfile.mkdtemp(prefix="scorer-bench-"))
    home.chmod(0o755)
    settings = Settings(home=home, **({"validation": asked.validation} if asked.validation else {}))
    try:
        with Server.at(home).serving(settings=SERVER) as server:
            figures = measure(
                server.url,
                settings,
                visits=asked.visits,
                requests=asked.requests,
                sessions=asked.sessions,
                profile=asked.profile,
            )
    finally:
        shutil.rmtree(home, ignore_errors=True)
    _print(figures, as_json=asked.json)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument(
        "--requests", type=int, default=2000, help="in all, after as many as a tenth of that to warm up"
    )
    parser.add_argument("--visits", type=int, default=6500)
    parser.add_argument("--validation", help="compiled or great_expectations; unset, the default")
    parser.add_argument("--profile", action="store_true", help="print where the desk's time goes")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def measure(
    server_url: str,
    settings: Settings,
    *,
    visits: int = 6500,
    requests: int = 2000,
    sessions: int = 10,
    profile: bool = False,
) -> dict[str, Any]:
    """Latencies in a database of so many visits, all of them scored once, so that there is a ledger to look back at."""
    url = make_template(server_url, "asked", settings, visits=visits, observations=50)
    try:
        for part in TO_NOW.split(";"):
            execute(url, part)
        execute(url, "VACUUM ANALYZE")
        run_job(load_job(NAME), database=Database(url, settings))
        return _measured(url, settings, visits=visits, requests=requests, sessions=sessions, profile=profile)
    finally:
        drop(server_url, url)


def _answer(url: str, settings: Settings, ready: Any, stop: Any, profile: bool) -> None:
    """The desk's process: answers until it is told to stop."""
    from scorer.runs.requests import RequestAnswering

    job = load_job(NAME)
    desk = RequestAnswering(database=Database(url, settings), jobs=[job])
    listener = Listener.for_requests(Target.of(url, settings, role=settings.worker_role))
    desk.warm()
    listener.open()
    ready.set()
    if profile:
        import cProfile
        import pstats

        profiler = cProfile.Profile()
        profiler.enable()
    while not stop.is_set():
        while desk.answer_waiting():
            pass
        listener.hear(0.5)
    if profile:
        profiler.disable()
        pstats.Stats(profiler).sort_stats("cumulative").print_stats(70)
        pstats.Stats(profiler).sort_stats("tottime").print_stats(40)
    desk.close()
    listener.close()


def _session(url: str, *, visits: list[int], requests: int, seed: int, into: list[tuple[int, str]]) -> None:
    """One session's requests, one after the other."""
    rng = random.Random(seed)
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        listener = Listener.for_answers(Target.of(url, Settings(), role=None))
        listener.open()
        for _ in range(requests):
            cursor.execute(ASK, {"visit": rng.choice(visits), "value": 60 + rng.random() * 60, "job": NAME})
            asked = cursor.fetchone()
            connection.commit()
            into.append(asked)
            while True:
                cursor.execute("SELECT status FROM scorer.requests WHERE request_id = %s", (asked[0],))
                ((status,),) = cursor.fetchall()
                connection.commit()
                if status != "waiting":
                    break
                listener.hear(1.0)
        listener.close()


def _measured(
    url: str, settings: Settings, *, visits: int, requests: int, sessions: int, profile: bool
) -> dict[str, Any]:
    context = multiprocessing.get_context("spawn")
    ready, stop = context.Event(), context.Event()
    desk = context.Process(target=_answer, args=(url, settings, ready, stop, profile))
    desk.start()
    assert ready.wait(120)
    _ask(url, visits=visits, sessions=sessions, requests=max(requests // 10, sessions))
    began, of_desk = time.monotonic(), _cpu(desk.pid)
    told = _ask(url, visits=visits, sessions=sessions, requests=requests)
    seconds, of_desk = time.monotonic() - began, _cpu(desk.pid) - of_desk
    stop.set()
    desk.join(30)
    empty = _empty_round_trip(url)
    rows = execute(url, LATENCIES, ([each for each, _ in told], [xid for _, xid in told]))
    latencies = sorted(float(row[0]) for row in rows)
    assert len(latencies) == len(told), f"{len(told) - len(latencies)} requests were not answered"
    cut = statistics.quantiles(latencies, n=100)
    runs = len({row[2] for row in rows})
    return {
        "sessions": sessions,
        "requests": len(told),
        "validation": settings.validation,
        "p50_ms": round(cut[49], 1),
        "p95_ms": round(cut[94], 1),
        "p99_ms": round(cut[98], 1),
        "longest_ms": round(latencies[-1], 1),
        "empty_round_trip_ms": round(empty, 2),
        "p50_p95_p99_over_it": [round(cut[place] / empty) for place in (49, 94, 98)],
        "answers_per_second": round(len(told) / seconds, 1),
        "requests_per_transaction": round(len(told) / runs, 2),
        "processor_ms_of_the_desk_per_transaction": round(1000 * of_desk / runs, 1),
        "ms_by_step": dict(execute(url, STEPS)),
        "outcomes": {outcome: sum(1 for row in rows if row[1] == outcome) for outcome in {row[1] for row in rows}},
        "load_average": round(os.getloadavg()[0], 1),
    }


def _ask(url: str, *, visits: int, sessions: int, requests: int) -> list[tuple[int, str]]:
    """All sessions at once; what each request's key and transaction were."""
    told: list[tuple[int, str]] = []
    shares = [list(range(1 + number, visits + 1, sessions)) for number in range(sessions)]
    threads = [
        threading.Thread(
            target=_session,
            args=(url,),
            kwargs={"visits": shares[number], "requests": requests // sessions, "seed": number, "into": told},
        )
        for number in range(sessions)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told


def _empty_round_trip(url: str, *, times: int = 300) -> float:
    """Milliseconds from a NOTIFY to the answering one, the median: two commits and two wake-ups, and nothing is done."""
    with closing(psycopg2.connect(url)) as asking, closing(psycopg2.connect(url)) as answering:
        for connection, channel in ((asking, "pong"), (answering, "ping")):
            connection.autocommit = True
            connection.cursor().execute(f"LISTEN {channel}")
        answerer = threading.Thread(target=_answer_empty, args=(answering, times))
        answerer.start()
        taken = []
        for _ in range(times):
            began = time.perf_counter()
            asking.cursor().execute("NOTIFY ping")
            _hear(asking)
            taken.append(1000 * (time.perf_counter() - began))
        answerer.join()
    return statistics.median(taken)


def _answer_empty(connection: Any, times: int) -> None:
    for _ in range(times):
        _hear(connection)
        connection.cursor().execute("NOTIFY pong")


def _hear(connection: Any) -> None:
    """Wait for one notification."""
    connection.poll()
    while not connection.notifies:
        assert select.select([connection], [], [], 10)[0], "nothing was heard"
        connection.poll()
    connection.notifies.clear()


def _cpu(pid: int | None) -> float:
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ")[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _print(figures: dict[str, Any], *, as_json: bool, echo: Callable[[str], None] = print) -> None:
    if as_json:
        echo(json.dumps(figures))
        return
    for name, value in figures.items():
        echo(f"{name.replace('_', ' '):42} {value}")
    echo("the aim, warm, with 10 sessions: P50 under 50 ms, P95 under 100 ms, P99 under 200 ms")


if __name__ == "__main__":
    main()
