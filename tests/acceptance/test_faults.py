"""What goes wrong round a daemon at night: server, network, disk, clock, model file, process. Nothing is lost, nothing doubled, nobody is
needed, and one line says what happened.

In each test a daemon has a scheduled run in the middle when the cause begins, and nurses chart and ask for scores all the while. Once the
cause is gone, what was asked for and what the run left must be done; how long that takes is printed: pytest -s.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer import admission, schema
from scorer.config import Settings
from scorer.connection import Target
from scorer.embedded import Server
from scorer.job import shipped_root
from scorer.session import engine

VISITS = 120
BATCH = 4
RECOVERY = 30.0  # seconds from the end of a cause until work goes on
MANNERS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT, "killed": signal.SIGKILL}
# Its commits are in the log when they return, as a hospital's are; only a crash of the machine could lose them.
SETTINGS = {"fsync": "off", "max_connections": "30"}
CHART = """
    INSERT INTO patient_observations (visit_id, client, observation_date, observation_type_code, observation_value)
    SELECT visit_id, client, now(), 'HR', 60 + random() * 60 FROM visits WHERE visit_id = %s"""
LOST_REQUESTS = """
    SELECT 'open', request_id FROM scorer.requests WHERE status <> 'done'
    UNION ALL
    SELECT 'of another entity', q.request_id FROM scorer.requests q JOIN scorer.scores s USING (score_id)
    WHERE (q.job, q.entity_id) <> (s.job, s.entity_id)
    UNION ALL
    SELECT 'without its run', q.request_id FROM scorer.requests q LEFT JOIN scorer.runs r USING (run_id)
    WHERE r.status IS DISTINCT FROM 'succeeded'
    UNION ALL
    SELECT 'without a ledger row', request_id FROM scorer.requests WHERE score_id IS NULL"""
OF_THE_SCHEDULE = "scorer.runs WHERE trigger <> 'request'"


@dataclass
class Hospital:
    """A PostgreSQL that comes and goes, with a template of a ward to score."""

    server: Server
    lives: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Start it."""
        self.lives.enter_context(self.server.serving(settings=SETTINGS))

    def stop(self, manner: int) -> None:
        """Stop it in the manner of a signal, and wait until nothing of it lives."""
        data = next(self.server.folder.glob("[0-9]*"))
        os.kill(int((data / "postmaster.pid").read_text().split("\n")[0]), manner)
        self.lives.close()

    def url(self, database: str) -> str:
        """That of a database."""
        return self.server.url.replace("/scorer?", f"/{database}?", 1)

    def make(self, database: str, *, template: str) -> str:
        """The URL of a new database, a copy of the template."""
        with closing(psycopg2.connect(self.server.url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE DATABASE {database} TEMPLATE {template}")
        return self.url(database)


@pytest.fixture(scope="module")
def hospital(home: Path, settings: Settings, fill: Callable[..., None]) -> Iterator[Hospital]:
    """A PostgreSQL of this module's own."""
    found = Hospital(Server.at(home / "faults"))
    found.start()
    url = found.make("ward", template="template1")
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        for table in ("visits", "patient_observations", "outcomes"):
            cursor.execute((shipped_root() / "sql" / "source" / f"create_{table}.sql").read_text())
    schema.upgrade(engine(Target.of(url, settings, role=None)))
    admission.install_jobs(url=url, settings=settings)
    admission.grant_source(url=url, settings=settings)
    fill(url, visits=VISITS)
    yield found
    found.lives.close()


class Nurses:
    """Chart, and ask for scores, until they are sent home; the server may come and go."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._home = threading.Event()
        self.asked: list[int] = []
        self._thread = threading.Thread(target=self._work, name="nurses")
        self._thread.start()

    def send_home(self) -> None:
        """Ask for nothing more."""
        self._home.set()
        self._thread.join()

    def _work(self) -> None:
        visits = itertools.cycle(range(1, VISITS + 1))
        while not self._home.is_set():
            with suppress(psycopg2.Error), closing(psycopg2.connect(self._url)) as connection:
                while not self._home.wait(0.1):
                    visit = next(visits)
                    with connection, connection.cursor() as cursor:
                        cursor.execute(CHART, [visit])
                        cursor.execute("SELECT scorer.request_score('sepsis', %s)", [str(visit)])
                        found = cursor.fetchall()
                    self.asked += [request_id for (request_id,) in found]
            self._home.wait(0.1)


@dataclass
class Night:
    """One daemon or more at work on a ward of their own, and what may be asked of them."""

    hospital: Hospital
    url: str
    environment: dict[str, str]
    nursery: Any
    query: Callable[..., Any]
    eventually: Callable[..., None]
    require_consistent: Callable[..., None]
    nurses: Nurses
    daemons: list[Any] = field(default_factory=list)

    def begin(self, *, daemons: int = 1, **settings: str) -> Any:
        """Start daemons; return the first once a scheduled run is in the middle, and requests have been answered."""
        for _ in range(daemons):
            self.daemons.append(self.nursery.daemon(self.environment | settings))
        self.eventually(self.in_the_middle, what=self.log)
        return self.daemons[0]

    def in_the_middle(self) -> bool:
        """Whether the scheduled run has carried some batches, and requests were answered."""
        return self.batches() >= 2 and self.answered() >= 1

    def batches(self) -> int:
        """How many batches of scheduled runs are committed."""
        return int(self._count(f"SELECT count(*) FROM scorer.batches WHERE run_id IN (SELECT run_id FROM {OF_THE_SCHEDULE})"))

    def answered(self) -> int:
        """How many requests are done."""
        return int(self._count("SELECT count(*) FROM scorer.requests WHERE status = 'done'"))

    def _count(self, text: str) -> int:
        return int(self.query(self.url, text)[0][0])

    def log(self) -> str:
        """What the daemons said."""
        return "\n".join(daemon.log() for daemon in self.daemons)

    def told(self, *, daemons: list[Any] | None = None) -> Counter[str]:
        """The events at WARNING and above, with how often each was told."""
        lines = [json.loads(line) for daemon in daemons or self.daemons for line in daemon.log().splitlines()]
        return Counter(line["event"] for line in lines if line["level"] in {"warning", "error", "critical"})

    def recover(self) -> float:
        """Seconds from now, the cause being gone, until a request that is made now is answered and the scheduled run goes on, or is done."""
        began = time.monotonic()
        before = self.batches()
        asked = self.query(self.url, "SELECT scorer.request_score('sepsis', '1')")[0][0]
        self.eventually(
            lambda: self.query(self.url, "SELECT status FROM scorer.requests WHERE request_id = %s", asked) == [("done",)]
            and (self.batches() > before or self.is_done()),
            what=self.log,
        )
        seconds = time.monotonic() - began
        print(f"\nrecovered after {seconds:.1f} s", flush=True)
        assert seconds < RECOVERY, self.log()
        return seconds

    def is_done(self) -> bool:
        """Whether the scheduled run is ended."""
        return self.query(self.url, f"SELECT status FROM {OF_THE_SCHEDULE}") == [("succeeded",)]

    def end(self, *, server_died: bool = False, codes: Mapping[int, int] | None = None) -> None:
        """Let all be done, stop the daemons, and look whether anything is lost or doubled."""
        self.nurses.send_home()
        self.eventually(lambda: self.is_done() and not self.query(self.url, LOST_REQUESTS), what=self.log)
        for number, daemon in enumerate(self.daemons):
            with suppress(ProcessLookupError):
                os.kill(daemon.pid, signal.SIGTERM)
            assert daemon.wait() == (codes or {}).get(number, 0), daemon.log()
        self.require_consistent(self.url, done=True, server_died=server_died)
        ids = {request_id for (request_id,) in self.query(self.url, "SELECT request_id FROM scorer.requests")}
        assert ids >= set(self.nurses.asked)
        assert self.query(self.url, "SELECT outcome, recorded_by <> 'test' FROM scorer.ticks ORDER BY scheduled_for") == [
            ("missed", False),
            ("ran", True),
        ]


@pytest.fixture
def jobs_dir(tmp_path: Path) -> Path:
    """A site's own job, due once this hour, some minutes ago."""
    for part in ("sql", "expectations", "models"):
        shutil.copytree(shipped_root() / part / "sepsis", tmp_path / part / "sepsis")
    definition = tmp_path / "sql" / "sepsis" / "job.toml"
    minute = last_tick().minute
    definition.write_text(definition.read_text().replace('cron = "5 * * * *"', f'cron = "{minute} * * * *"'))
    return tmp_path


def last_tick() -> datetime:
    """Some minutes ago."""
    return (datetime.now(UTC) - timedelta(minutes=3)).replace(second=0, microsecond=0)


@pytest.fixture
def night(
    request: pytest.FixtureRequest,
    hospital: Hospital,
    jobs_dir: Path,
    settings: Settings,
    nursery: Any,
    query: Callable[..., Any],
    eventually: Callable[..., None],
    require_consistent: Callable[..., None],
) -> Iterator[Night]:
    """A ward of its own, one tick of whose job is due, and nurses on it; no daemon yet."""
    url = hospital.make(f"night_{next(_numbers)}", template="ward")
    before = datetime.now(UTC) - timedelta(hours=1, minutes=2)
    query(
        url,
        """INSERT INTO scorer.ticks (job, scheduled_for, outcome, reason, recorded_at, recorded_by)
        VALUES ('sepsis', %s, 'missed', 'before', %s, 'test')""",
        before,
        before,
    )
    environment = {
        "PATH": os.environ["PATH"],
        "SCORER_CONFIG": os.devnull,
        "SCORER_DATABASE_URL": url,
        "SCORER_HOME": str(settings.home),
        "SCORER_JOBS_DIR": str(jobs_dir),
        "SCORER_LOG_FORMAT": "json",
        "SCORER_BATCH_SIZE": str(BATCH),
        "SCORER_POLL": "1 s",
        "SCORER_LATE_AFTER": "2 h",
        "SCORER_CONNECT_TIMEOUT": "2 s",
        "SCORER_RETRY_FIRST_WAIT": "100 ms",
        "SCORER_RETRY_LAST_WAIT": "1 s",
        "SCORER_BREAKER_PAUSE": "2 s",
    }
    nurses = Nurses(url)
    found = Night(hospital, url, environment, nursery, query, eventually, require_consistent, nurses)
    yield found
    nurses.send_home()
    for daemon in found.daemons:
        with suppress(ProcessLookupError):
            daemon.kill()


_numbers = itertools.count(1)


@pytest.mark.parametrize("manner", MANNERS)
def test_a_server_that_is_stopped_and_started(manner: str, night: Night) -> None:
    night.begin()
    night.hospital.stop(MANNERS[manner])
    night.hospital.start()
    night.recover()
    night.end(server_died=True)
    assert night.told() == {"DATABASE_LOST": 1}


def test_a_server_that_stays_away_for_longer_than_a_run_waits(night: Night) -> None:
    night.begin()
    night.hospital.stop(signal.SIGQUIT)
    time.sleep(6)
    night.hospital.start()
    night.recover()
    night.end(server_died=True)
    assert night.told() == {"DATABASE_LOST": 1}
