"""Thirty days of hourly runs of two jobs on a compressed clock: every tick accounted for, and nothing that grows.

    make soak                                   thirty days
    python tests/soak/soak.py --days 2          as many as one likes

The loops are the daemon's own, turned by hand on a clock that the program drives; the data arrives hour by hour, some of it late, some of
it broken, and in the middle the daemon is away for five hours. Prints resident memory day by day, and exits with 1 where anything that
must hold does not.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2

from scorer.config import Settings, shipped_root
from scorer.daemon.nightly_loop import CHORES, NightlyLoop
from scorer.daemon.request_loop import RequestLoop
from scorer.daemon.schedule_loop import ScheduleLoop
from scorer.database import schema
from scorer.database.connection import Database, Target
from scorer.database.embedded.server import Server
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.session import engine
from scorer.database.store.chores import nightly
from scorer.jobs.job import load_job
from scorer.jobs.schedule import Schedule
from scorer.log import logger as log
from scorer.monitoring.prometheus import JobState, Metrics
from scorer.registry import registration
from scorer.registry.model import keep_to_one_thread

HERE = Path(__file__).parent
HOUR = timedelta(hours=1)
AWAY = 5  # hours in which no daemon runs
REQUESTS = 5  # scores asked for by name, each hour
# Resident memory may wander by so much over the days that are judged: allocators keep what they were given.
NOISE = 0.05


@dataclass(frozen=True, slots=True)
class Size:
    """What the process holds at the end of a day."""

    resident_mb: float
    threads: int
    files: int
    connections: int


class State:
    """A daemon's knowledge of itself, for the metrics."""

    def __init__(self, loops: Mapping[str, ScheduleLoop]) -> None:
        self._loops = loops

    def live(self) -> bool:
        return True

    def ready(self) -> str | None:
        return None

    def job_states(self) -> Mapping[str, JobState]:
        return {}

    def schedules(self) -> Mapping[str, Schedule]:
        return {name: loop.job.schedule for name, loop in self._loops.items()}


@contextmanager
def hospital() -> Iterator[tuple[str, Settings]]:
    """A database with the source tables and two jobs, and the settings to run them."""
    home = Path(tempfile.mkdtemp(prefix="scorer-soak-"))
    home.chmod(0o755)
    try:
        settings = Settings(home=home, jobs_dir=second_job(home / "jobs"))
        with Server.at(home).serving() as server:
            with closing(psycopg2.connect(server.url)) as connection, connection, connection.cursor() as cursor:
                for table in ("visits", "patient_observations", "outcomes"):
                    cursor.execute((shipped_root() / "sql" / "source" / f"create_{table}.sql").read_text())
            schema.upgrade(engine(Target.of(server.url, settings, role=None)))
            registration.install_jobs(database=Database(server.url, settings))
            refused = [
                why for why in registration.grant_source(database=Database(server.url, settings)).values() if why
            ]
            assert not refused, refused
            yield server.url, settings
    finally:
        shutil.rmtree(home)


def second_job(site: Path) -> Path:
    """A site's folder with a second job: the shipped one under another name, which leaves the hospital's table and views alone."""
    shipped = shipped_root()
    for kind in ("sql", "expectations", "models"):
        shutil.copytree(shipped / kind / "sepsis", site / kind / "decline")
    for manifest in (site / "models" / "decline").glob("*/manifest.json"):
        told = json.loads(manifest.read_text(encoding="utf-8")) | {"job": "decline"}
        manifest.write_text(json.dumps(told), encoding="utf-8")
    definition = site / "sql" / "decline" / "job.toml"
    text = definition.read_text(encoding="utf-8")
    for line in ('write_back = "write_back.sql"\n', 'views = "views.sql"\n'):
        assert line in text
        text = text.replace(line, "")
    definition.write_text(text.replace('cron = "5 * * * *"', 'cron = "35 * * * *"'), encoding="utf-8")
    return site


class Soak:
    """A compressed stretch of time."""

    def __init__(self, url: str, settings: Settings, *, days: int) -> None:
        self.days = days
        self.now = self.began = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=days + 1)
        self._connection = psycopg2.connect(url)
        self._connection.autocommit = True
        self._url, self.settings = url, settings
        self.loops = self._start()
        jobs = [loop.job for loop in self.loops.values()]
        self._requests = RequestLoop(jobs, database=Database(url, settings))
        self._nights = NightlyLoop(jobs, database=Database(url, settings), clock=lambda: self.now)
        self._metrics = Metrics(
            ReadOnlySession(Target.of(url, settings, role=settings.worker_role), patience=timedelta(seconds=10)),
            state=State(self.loops),
        )

    def close(self) -> None:
        """End all sessions."""
        for loop in (*self.loops.values(), self._requests, self._nights):
            loop.close()
        self._metrics.close()
        self._connection.close()

    def _start(self) -> dict[str, ScheduleLoop]:
        loops = {
            name: ScheduleLoop(
                load_job(name, jobs_dir=self.settings.jobs_dir),
                database=Database(self._url, self.settings),
                clock=lambda: self.now,
            )
            for name in ("sepsis", "decline")
        }
        for loop in loops.values():
            loop.step()
        return loops

    def live(self) -> Iterator[Size]:
        """All days, one after the other; what the process holds at the end of each."""
        away = set(range(24 * self.days // 2, 24 * self.days // 2 + AWAY))
        for hour in range(24 * self.days):
            self._chart(seed=hour / (24 * self.days))
            if hour in away:
                self.now = self.began + (hour + 1) * HOUR
            else:
                if hour == max(away) + 1:
                    for loop in self.loops.values():
                        loop.close()
                    self.loops.update(self._start())
                self._pass(hour)
            if hour % 24 == 23:
                yield self._size()

    def _chart(self, *, seed: float) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute((HERE / "hour.sql").read_text(encoding="utf-8"), {"now": self.now, "seed": seed})

    def _pass(self, hour: int) -> None:
        for minute in (5, 35, 60):
            self.now = self.began + hour * HOUR + timedelta(minutes=minute)
            for loop in self.loops.values():
                loop.step()
        with self._connection.cursor() as cursor:
            cursor.execute(
                "SELECT scorer.request_score('sepsis', VARIADIC COALESCE(array_agg(CAST(visit_id AS text)), '{}')) FROM"
                " (SELECT visit_id FROM public.visits WHERE discharged_at IS NOT NULL ORDER BY random() LIMIT %s) AS chosen",
                (REQUESTS,),
            )
        self._requests.step()
        self._nights.step()
        self._metrics.text()

    def _size(self) -> Size:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
            (connections,) = cursor.fetchone()
        return Size(
            resident_mb=pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
            threads=threading.active_count(),
            files=len(list(Path("/proc/self/fd").iterdir())),
            connections=connections,
        )

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())


def faults(soak: Soak, sizes: list[Size]) -> list[str]:
    """What does not hold, a sentence each."""
    found = []
    until = soak.began + soak.days * timedelta(days=1)
    for name, loop in soak.loops.items():
        expected = list(loop.job.schedule.ticks(after=soak.began, until=until))
        told = dict(soak.rows(f"SELECT scheduled_for, outcome FROM reporting.ticks WHERE job = '{name}'"))
        if sorted(told) != expected:
            found.append(f"{name}: {len(expected)} ticks were due, {len(told)} are accounted for")
        outcomes = list(told.values())
        if (outcomes.count("missed"), outcomes.count("late")) != (AWAY - 1, 1):
            found.append(f"{name}: {outcomes.count('missed')} ticks missed, {outcomes.count('late')} late")
    found += chores_amiss(soak, until=until)
    for what, sql in {
        "nightly chores that failed or did not end": "SELECT 1 FROM scorer.chores WHERE ended_at IS NULL OR error IS NOT NULL",
        "replays that failed": "SELECT 1 FROM reporting.replays WHERE alarming OR verdict = 'NOT REPLAYABLE'",
        "runs that did not succeed": "SELECT run_id FROM reporting.runs WHERE status <> 'succeeded'",
        "work left": "SELECT 1 FROM scorer.work",
        "requests that wait": "SELECT 1 FROM reporting.requests WHERE status = 'waiting'",
        "visits of that time without an outcome": "SELECT visit_id FROM public.visits AS v WHERE admitted_at < now() - interval '2 days'"
        " AND NOT EXISTS (SELECT FROM reporting.current_scores AS c WHERE c.job = 'sepsis' AND c.entity_id = v.visit_id::text)",
    }.items():
        if rows := soak.rows(sql):
            found.append(f"{len(rows)} {what}")
    judged = sizes[len(sizes) // 3 :]
    if len(judged) > 1:
        growth = slope(judged) * (len(judged) - 1)
        if growth > NOISE * judged[0].resident_mb:
            found.append(f"resident memory grew by {growth:.1f} MB over the last {len(judged)} days")
        for what in ("threads", "files", "connections"):
            if getattr(judged[-1], what) > getattr(judged[0], what):
                found.append(f"{what}: {getattr(judged[0], what)} grew to {getattr(judged[-1], what)}")
    return found


def chores_amiss(soak: Soak, *, until: datetime) -> list[str]:
    """A sentence where the chores that were begun are not those of every night."""
    # The first look is an hour after the beginning; nights before it are none.
    nights = list(nightly(soak.settings).ticks(after=soak.began + HOUR, until=until))
    due = sorted((name, chore.name, night) for name in soak.loops for chore in CHORES for night in nights)
    begun = soak.rows("SELECT job, chore, night FROM scorer.chores ORDER BY 1, 2, 3")
    return [] if begun == due else [f"{len(due)} nightly chores were due, and {len(begun)} or others were begun"]


def slope(sizes: list[Size]) -> float:
    """Resident memory's growth, MB a day, by least squares."""
    return float(np.polyfit(np.arange(len(sizes)), [size.resident_mb for size in sizes], 1)[0])


def main() -> int:
    """The program."""
    parser = argparse.ArgumentParser(description="Days of hourly runs on a compressed clock.")
    parser.add_argument("--days", type=int, default=30)
    days = parser.parse_args().days
    log.configure(level=30)
    keep_to_one_thread()
    began = time.monotonic()
    with hospital() as (url, settings):
        soak = Soak(url, replace(settings, poll=timedelta(milliseconds=1)), days=days)
        try:
            sizes = []
            print("day   resident MB   threads   files   connections   seconds", flush=True)
            for day, size in enumerate(soak.live(), start=1):
                sizes.append(size)
                print(
                    f"{day:3}   {size.resident_mb:11.1f}   {size.threads:7}   {size.files:5}   {size.connections:11}   "
                    f"{time.monotonic() - began:7.0f}",
                    flush=True,
                )
            found = faults(soak, sizes)
            ((scores, visits, observations),) = soak.rows(
                "SELECT (SELECT count(*) FROM scorer.scores), (SELECT count(*) FROM public.visits),"
                " (SELECT count(*) FROM public.patient_observations)"
            )
            ticks = soak.rows("SELECT job, outcome, count(*) FROM reporting.ticks GROUP BY 1, 2 ORDER BY 1, 2")
            chores = soak.rows("SELECT job, chore, count(*) FROM scorer.chores GROUP BY 1, 2 ORDER BY 1, 2")
            ((replays,),) = soak.rows("SELECT count(*) FROM reporting.replays")
        finally:
            soak.close()
    print(f"{visits} visits, {observations} observations, {scores} ledger rows")
    print("; ".join(f"{job} {outcome} {count}" for job, outcome, count in ticks))
    print("; ".join(f"{chore} of {job} {count}" for job, chore, count in chores) + f"; {replays} replays")
    judged = sizes[len(sizes) // 3 :]
    if len(judged) > 1:
        print(f"memory over the last {len(judged)} days: {slope(judged):+.2f} MB a day")
    for sentence in found:
        print(f"FAULT: {sentence}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
