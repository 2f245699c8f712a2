"""Days of scheduled runs on a compressed clock: every tick accounted for, and nothing that grows.

    make soak                                      thirty days of two hourly jobs
    make soak JOBS=all                             a week of all shipped jobs, two of which break for a while
    python -m tests.soak.soak --days 2             as many as one likes

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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2

from scorer.config import FIRST_JOB, Settings, shipped_root
from scorer.daemon.nightly_loop import CHORES, NightlyLoop
from scorer.daemon.request_loop import RequestLoop
from scorer.daemon.schedule_loop import ScheduleLoop
from scorer.database import schema
from scorer.database.connection import Database, Target
from scorer.database.embedded.server import Server
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.session import engine
from scorer.database.source.load_tables import making
from scorer.database.store.chores import nightly
from scorer.errors import UserError
from scorer.jobs.folder.tables import has_tables, read_tables
from scorer.jobs.job import job_names, load_job, load_scheduled
from scorer.jobs.schedule import Schedule
from scorer.jobs.source_tables import source_tables
from scorer.log import logger as log
from scorer.monitoring.prometheus import JobState, Metrics
from scorer.registry import registration
from scorer.registry.cards import CARD
from scorer.registry.manifest import ARTEFACT
from scorer.registry.model import keep_to_one_thread
from scorer.types.options import CronEntry
from tests.soak.arrivals import Arrivals

HERE = Path(__file__).parent
HOUR = timedelta(hours=1)
AWAY = 5  # hours in which no daemon runs
REQUESTS = 5  # scores asked for by name, each hour
# Resident memory may wander by so much over the days that are judged: allocators keep what they were given.
NOISE = 0.05
MOST_MB = 700  # of resident memory
TWO_JOBS, ALL_JOBS = "two", "all"
WEEK = 7  # days


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
def hospital(which: str, *, days: int) -> Iterator[tuple[str, Settings]]:
    """A database with the source tables and two jobs, or all that are shipped, and the settings to run them."""
    home = Path(tempfile.mkdtemp(prefix="scorer-soak-"))
    home.chmod(0o755)
    try:
        site = second_job(home / "jobs") if which == TWO_JOBS else all_jobs(home / "jobs")
        settings = Settings(home=home, jobs_dir=site, schedules=schedules(which, days))
        with Server.at(home).serving() as server:
            with closing(psycopg2.connect(server.url)) as connection, connection, connection.cursor() as cursor:
                for table in ("visits", "patient_observations", "outcomes"):
                    cursor.execute((shipped_root() / "sql" / "source" / f"create_{table}.sql").read_text())
                for name in job_names(site):
                    if has_tables(name, jobs_dir=site):
                        for statement in making(read_tables(name, jobs_dir=site)):
                            cursor.execute(statement)
            schema.upgrade(engine(Target.of(server.url, settings, role=None)))
            registration.install_jobs(database=Database(server.url, settings))
            refused = [
                why for why in registration.grant_source(database=Database(server.url, settings)).values() if why
            ]
            assert not refused, refused
            yield server.url, settings
    finally:
        shutil.rmtree(home)


def schedules(which: str, days: int) -> tuple[CronEntry, ...] | None:
    """In less than a week of all jobs, each but the first is run every four hours: some would not be run at all."""
    if which == TWO_JOBS or days >= WEEK:
        return None
    others = [name for name in job_names(None) if name != FIRST_JOB]
    return tuple(CronEntry(name, f"{10 + 5 * place} */4 * * *", None) for place, name in enumerate(others)) or None


def all_jobs(site: Path) -> Path:
    """A site's folder with a copy of each shipped job, whose models may be taken away."""
    for kind in ("sql", "expectations", "models"):
        for name in job_names(None):
            shutil.copytree(shipped_root() / kind / name, site / kind / name)
    return site


def second_job(site: Path) -> Path:
    """A site's folder with a second job: the shipped one under another name, which leaves the hospital's table and views alone."""
    shipped = shipped_root()
    for kind in ("sql", "expectations", "models"):
        shutil.copytree(shipped / kind / "sepsis", site / kind / "decline")
    for manifest in (site / "models" / "decline").glob("*/manifest.json"):
        told = json.loads(manifest.read_text(encoding="utf-8")) | {"job": "decline"}
        manifest.write_text(json.dumps(told), encoding="utf-8")
        (manifest.parent / CARD).unlink(missing_ok=True)  # it is of the job that it names
    definition = site / "sql" / "decline" / "job.toml"
    text = definition.read_text(encoding="utf-8")
    for line in ('write_back = "write_back.sql"\n', 'views = "views.sql"\n'):
        assert line in text
        text = text.replace(line, "")
    definition.write_text(text.replace('cron = "5 * * * *"', 'cron = "35 * * * *"'), encoding="utf-8")
    return site


class Soak:
    """A compressed stretch of time."""

    def __init__(self, url: str, settings: Settings, *, days: int, which: str) -> None:
        self.days = days
        self.names = ("sepsis", "decline") if which == TWO_JOBS else job_names(None)
        self.mishaps = () if which == TWO_JOBS else mishaps(self.names, settings)
        self.now = self.began = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=days + 1)
        self._connection = psycopg2.connect(url)
        self._connection.autocommit = True
        self._url, self.settings = url, settings
        self.arrivals = [
            Arrivals(name, jobs_dir=settings.jobs_dir, began=self.began, until=self.began + days * timedelta(days=1))
            for name in self.names
            if settings.jobs_dir is not None and has_tables(name, jobs_dir=settings.jobs_dir)
        ]
        for each in self.arrivals:
            each.arrive(self._connection, now=self.began)
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
                load_scheduled(name, settings=self.settings),
                database=Database(self._url, self.settings),
                clock=lambda: self.now,
            )
            for name in self.names
        }
        for loop in loops.values():
            loop.step()
        return loops

    def live(self) -> Iterator[Size]:
        """All days, one after the other; what the process holds at the end of each."""
        away = set(range(24 * self.days // 2, 24 * self.days // 2 + AWAY))
        for hour in range(24 * self.days):
            for mishap in self.mishaps:
                mishap.pass_by(hour / (24 * self.days), connection=self._connection)
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
        for each in self.arrivals:
            each.arrive(self._connection, now=self.now)

    def _pass(self, hour: int) -> None:
        begins, ends = self.began + hour * HOUR, self.began + (hour + 1) * HOUR
        ticks = {tick for loop in self.loops.values() for tick in loop.job.schedule.ticks(after=begins, until=ends)}
        for moment in sorted({*ticks, ends}):
            self.now = moment
            for name, loop in self.loops.items():
                self._step(name, loop)
        with self._connection.cursor() as cursor:
            for name in self.names:
                cursor.execute(
                    "SELECT scorer.request_score(%(job)s, VARIADIC COALESCE(array_agg(entity_id), '{}')) FROM (SELECT entity_id"
                    " FROM scorer.current_scores WHERE job = %(job)s AND status = 'SCORED' ORDER BY random() LIMIT %(most)s) AS c",
                    {"job": name, "most": REQUESTS},
                )
        self._requests.step()
        self._nights.step()
        self._metrics.text()

    def _step(self, name: str, loop: ScheduleLoop) -> None:
        """A step of a loop; what a broken job refuses, its thread would log, and go on."""
        try:
            loop.step()
        except UserError:
            if not any(mishap.is_on and mishap.job == name for mishap in self.mishaps):
                raise
            loop.close()

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


def ticks_amiss(soak: Soak) -> Iterator[str]:
    """A sentence for each job that has other ticks than its schedule, or was missed or late while the daemon was there."""
    until, noon = soak.began + soak.days * timedelta(days=1), soak.began + soak.days * timedelta(hours=12)
    broken = {mishap.job for mishap in soak.mishaps}
    for name, loop in soak.loops.items():
        expected = list(loop.job.schedule.ticks(after=soak.began, until=until))
        told = dict(soak.rows(f"SELECT scheduled_for, outcome FROM reporting.ticks WHERE job = '{name}'"))
        if sorted(told) != expected:
            yield f"{name}: {len(expected)} ticks were due, {len(told)} are accounted for"
        outcomes = list(told.values())
        unseen = len(list(loop.job.schedule.ticks(after=noon, until=noon + AWAY * HOUR)))
        of_away = (max(unseen - 1, 0), min(unseen, 1))
        if name not in broken and (outcomes.count("missed"), outcomes.count("late")) != of_away:
            yield f"{name}: {outcomes.count('missed')} ticks missed, {outcomes.count('late')} late"
        if "ran" in outcomes and not soak.rows(
            f"SELECT 1 FROM scorer.scores WHERE job = '{name}' AND score IS NOT NULL LIMIT 1"
        ):
            yield f"{name}: nothing was ever scored"


def faults(soak: Soak, sizes: list[Size]) -> list[str]:
    """What does not hold, a sentence each."""
    until = soak.began + soak.days * timedelta(days=1)
    found = list(ticks_amiss(soak))
    found += [sentence for mishap in soak.mishaps for sentence in mishap.faults(soak)]
    if not soak.mishaps:  # a job that was broken has chores that could not be done
        found += chores_amiss(soak, until=until)
    broken = ", ".join(f"'{mishap.job}'" for mishap in soak.mishaps)
    sound = f"job <> ALL (CAST(ARRAY[{broken}] AS text []))"
    for what, sql in {
        "nightly chores that failed or did not end": "SELECT 1 FROM scorer.chores"
        f" WHERE (ended_at IS NULL OR error IS NOT NULL) AND {sound}",
        "replays that failed": f"SELECT 1 FROM reporting.replays WHERE (alarming OR verdict = 'NOT REPLAYABLE') AND {sound}",
        "runs that did not succeed": f"SELECT run_id FROM reporting.runs WHERE status <> 'succeeded' AND {sound}",
        "runs that do not balance": "SELECT run_id FROM reporting.runs WHERE status = 'succeeded'"
        " AND eligible <> scored + unchanged + quarantined + insufficient + indeterminate + failed",
        "work left": "SELECT 1 FROM scorer.work",
        "requests that wait": "SELECT 1 FROM reporting.requests WHERE status = 'waiting'",
        "visits of that time without an outcome": "SELECT visit_id FROM public.visits AS v WHERE admitted_at < now() - interval '2 days'"
        " AND NOT EXISTS (SELECT FROM reporting.current_scores AS c WHERE c.job = 'sepsis' AND c.entity_id = v.visit_id::text)",
    }.items():
        if rows := soak.rows(sql):
            found.append(f"{len(rows)} {what}")
    return found + list(growth(sizes))


def growth(sizes: list[Size]) -> Iterator[str]:
    """A sentence for each thing that the process holds too much of, or more and more of."""
    if (most := max(size.resident_mb for size in sizes)) > MOST_MB:
        yield f"resident memory reached {most:.0f} MB"
    judged = sizes[len(sizes) // 3 :]
    if len(judged) > 1:
        grown = slope(judged) * (len(judged) - 1)
        if grown > NOISE * judged[0].resident_mb:
            yield f"resident memory grew by {grown:.1f} MB over the last {len(judged)} days"
        for what in ("threads", "files", "connections"):
            if getattr(judged[-1], what) > getattr(judged[0], what):
                yield f"{what}: {getattr(judged[0], what)} grew to {getattr(judged[-1], what)}"


@dataclass
class Mishap:
    """What happens to a job for a while: its model's file is gone, or a table that it reads has another name."""

    job: str
    first: float  # of the time to live, the part at which it begins, and that at which it is mended
    last: float
    model: Path | None = None
    table: str | None = None
    is_on: bool = False

    def pass_by(self, share: float, *, connection: Any) -> None:
        """Break the job, or mend it, where it is time."""
        if self.is_on != (self.first <= share < self.last):
            self.is_on = not self.is_on
            if self.model is not None:
                gone = self.model.with_suffix(".gone")
                (self.model if self.is_on else gone).rename(gone if self.is_on else self.model)
            if self.table is not None:
                schema_name, _, name = self.table.partition(".")
                names = (name, f"{name}_gone") if self.is_on else (f"{name}_gone", name)
                with connection.cursor() as cursor:
                    cursor.execute(f"ALTER TABLE {schema_name}.{names[0]} RENAME TO {names[1]}")

    def faults(self, soak: Soak) -> list[str]:
        """A sentence where the job did not go on once it was mended, though a tick came."""
        mended = soak.began + self.last * soak.days * timedelta(days=1) + 2 * HOUR  # a breaker may pause it for so long
        until = soak.began + soak.days * timedelta(days=1)
        if not list(soak.loops[self.job].job.schedule.ticks(after=mended, until=until)):
            return []
        rows = soak.rows(
            f"SELECT 1 FROM reporting.runs WHERE job = '{self.job}' AND status = 'succeeded' AND as_of >= '{mended}'"
        )
        return [] if rows else [f"{self.job}: no run succeeded after it was mended"]


def mishaps(names: Sequence[str], settings: Settings) -> tuple[Mishap, ...]:
    """One job loses its model's file, and another a table; they are those with the most ticks beside the first job."""
    site = settings.jobs_dir
    assert site is not None
    others = [name for name in names if name != FIRST_JOB]
    begin = datetime(2026, 1, 1, tzinfo=UTC)

    def ticks(name: str) -> int:
        """The ticks of a job in a week."""
        return len(list(load_job(name, jobs_dir=site).schedule.ticks(after=begin, until=begin + WEEK * 24 * HOUR)))

    others.sort(key=ticks, reverse=True)
    found = []
    if others:
        job = load_job(others[0], jobs_dir=site)
        assert job.first_model is not None
        found.append(Mishap(job.name, 0.2, 0.4, model=job.model_folder / job.first_model / ARTEFACT))
    if len(others) > 1:
        tables = source_tables(load_job(others[1], jobs_dir=site))
        found.append(Mishap(others[1], 0.3, 0.45, table=".".join(tables[0])))
    return tuple(found)


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
    parser.add_argument("--days", type=int)
    parser.add_argument("--jobs", choices=[TWO_JOBS, ALL_JOBS], default=TWO_JOBS)
    asked = parser.parse_args()
    days = asked.days or (30 if asked.jobs == TWO_JOBS else WEEK)
    log.configure(level=30)
    keep_to_one_thread()
    began = time.monotonic()
    with hospital(asked.jobs, days=days) as (url, settings):
        soak = Soak(url, replace(settings, poll=timedelta(milliseconds=1)), days=days, which=asked.jobs)
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
