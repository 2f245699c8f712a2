"""The server is stopped under a run, in every manner and at every step, and started again: the run waits, and finishes.

The run is a child, and the server this test's own. A child stops itself at the end of a step; the server goes; the child goes on, and finds
out.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer.config import Settings, shipped_root
from scorer.database import schema
from scorer.database.connection import Database, Target
from scorer.database.embedded.server import Server
from scorer.database.session import engine
from scorer.registry import registration

NOW = datetime.fromisoformat("2026-03-01T12:00:00+00:00")
VISITS = 160
# Its commits are in the log when they return, as a hospital's are; only a crash of the machine could lose them.
SETTINGS = {"fsync": "off"}
MANNERS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT, "killed": signal.SIGKILL}
# At the ends of these the next thing is, in this order: to claim; to read (over ADBC); to write; to record; to write back; to commit.
STEPS = ("enqueue", "claim", "score", "write", "record", "write back")


@dataclass
class Hospital:
    """A PostgreSQL that comes and goes."""

    server: Server
    lives: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Start it."""
        self.lives.enter_context(self.server.serving(settings=SETTINGS))

    def stop(self, manner: int) -> None:
        """Stop it in the manner of a signal, and wait until nothing of it lives."""
        data = next(self.server.folder.glob("[0-9]*"))
        pid = int((data / "postmaster.pid").read_text().split("\n")[0])
        os.kill(pid, manner)
        self.lives.close()


@pytest.fixture(scope="module")
def hospital(home: Path, settings: Settings, fill: Callable[..., None]) -> Iterator[Hospital]:
    """A PostgreSQL of this module's own, with everything in place and a cohort to score."""
    found = Hospital(Server.at(home / "comes-and-goes"))
    found.start()
    url = found.server.url
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        for table in ("visits", "patient_observations", "outcomes"):
            cursor.execute((shipped_root() / "sql" / "source" / f"create_{table}.sql").read_text())
    schema.upgrade(engine(Target.of(url, settings, role=None)))
    registration.install_jobs(database=Database(url, settings))
    registration.grant_source(database=Database(url, settings))
    fill(url, visits=VISITS)
    yield found
    found.lives.close()


@pytest.fixture
def patient_settings(settings: Settings) -> Settings:
    """Waits from 0.1 to 3 s, ten of them: on a busy machine a server takes its time to start."""
    return replace(
        settings,
        batch_size=10,
        retry_tries=10,
        retry_first_wait=timedelta(seconds=0.1),
        retry_last_wait=timedelta(seconds=3),
    )


# What makes each visit in stay due anew; without it, a ward of which nothing is heard for days would rightly trip the circuit breaker.
CHART = """
    INSERT INTO patient_observations (visit_id, client, observation_date, observation_type_code, observation_value, recorded_at)
    SELECT visit_id, client, %s, 'HR', 60 + (visit_id * 7 + %s) %% 60, %s FROM visits WHERE discharged_at IS NULL"""


@pytest.fixture(scope="module")
def clock(hospital: Hospital, query: Callable[..., Any]) -> Iterator[datetime]:
    """As-of times, each some minutes after the one before, with something charted in between."""

    def ticking() -> Iterator[datetime]:
        for number in itertools.count(1):
            as_of = NOW + timedelta(minutes=5 * number)
            query(hospital.server.url, CHART, as_of - timedelta(seconds=30), number, as_of - timedelta(seconds=30))
            yield as_of

    return ticking()


@pytest.mark.parametrize("manner", ["fast", "immediate", "killed"])
def test_a_run_outlives_restarts_at_each_step(
    manner: str,
    hospital: Hospital,
    nursery: Any,
    patient_settings: Settings,
    clock: Iterator[datetime],
    query: Callable[..., Any],
    require_consistent: Callable[..., None],
) -> None:
    # The nth batch that is begun is stopped at its nth step; a batch that is tried again ends its steps once more.
    stops = [(step, 1 if step == "enqueue" else number) for number, step in enumerate(STEPS)]
    as_of = next(clock)
    child = nursery.fork("run", url=hospital.server.url, settings=patient_settings, as_of=as_of, stop_at=stops)
    for _ in stops:
        child.wait_until_stopped()
        hospital.stop(MANNERS[manner])
        child.go_on()
        time.sleep(0.3)  # the first waits are in vain
        hospital.start()
    assert child.wait() == 0, child.log()
    assert child.log().count("Waiting for the database") >= len(stops)
    require_consistent(hospital.server.url, done=True, server_died=True)
    runs = query(hospital.server.url, "SELECT status, eligible, resumed FROM scorer.runs WHERE as_of = %s", as_of)
    assert [(status, resumed) for status, _, resumed in runs] == [("succeeded", 0)]
    assert runs[0][1] >= VISITS * 3 // 4


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_outlives_restarts_at_random_moments(
    workers: int,
    hospital: Hospital,
    nursery: Any,
    patient_settings: Settings,
    clock: Iterator[datetime],
    eventually: Callable[..., None],
    query: Callable[..., Any],
    require_consistent: Callable[..., None],
) -> None:
    """In the middle of statements, too. Told with progress, as on a terminal: what is only shown must not stop the run."""
    seed = random.SystemRandom().randrange(10**6)
    print(f"\nseed {seed}")
    rng, url, as_of = random.Random(seed), hospital.server.url, next(clock)
    tiny = replace(patient_settings, batch_size=1)  # so many batches that the run lasts longer than three restarts
    child = nursery.fork("run", url=url, settings=tiny, as_of=as_of, workers=workers, with_progress=True)
    batches = "SELECT count(*) FROM scorer.batches JOIN scorer.runs USING (run_id) WHERE runs.as_of = %s"
    done = 0
    for manner in rng.sample(list(MANNERS.values()), 3):
        eventually(lambda done=done: query(url, batches, as_of)[0][0] > done, what=child.log)
        time.sleep(rng.uniform(0, 0.3))
        done = query(url, batches, as_of)[0][0]
        assert child.ended() is None
        hospital.stop(manner)
        hospital.start()
    assert child.wait() == 0, child.log()
    assert "Waiting for the database" in child.log()
    require_consistent(url, done=True, server_died=True)


def test_a_run_outlives_the_death_of_one_of_the_servers_processes(
    hospital: Hospital,
    nursery: Any,
    patient_settings: Settings,
    clock: Iterator[datetime],
    query: Callable[..., Any],
    require_consistent: Callable[..., None],
) -> None:
    """Killed for want of memory, say: the server ends all sessions, and is in recovery mode for a while."""
    child = nursery.fork(
        "run", url=hospital.server.url, settings=patient_settings, as_of=next(clock), stop_at=[("score", 2)]
    )
    child.wait_until_stopped()
    sessions = "SELECT pid FROM pg_stat_activity WHERE application_name = 'scorer' AND state = 'idle in transaction'"
    ((pid,), *_) = query(hospital.server.url, sessions)
    os.kill(pid, signal.SIGKILL)
    child.go_on()
    assert child.wait() == 0, child.log()
    assert "Waiting for the database" in child.log()
    require_consistent(hospital.server.url, done=True, server_died=True)


def test_a_server_that_stays_away_is_one_sentence_and_the_next_run_goes_on(
    hospital: Hospital,
    nursery: Any,
    patient_settings: Settings,
    clock: Iterator[datetime],
    eventually: Callable[..., None],
    query: Callable[..., Any],
    require_consistent: Callable[..., None],
    tmp_path: Path,
) -> None:
    url, as_of = hospital.server.url, next(clock)
    environment = {
        "SCORER_CONFIG": os.devnull,
        "SCORER_DATABASE_URL": url,
        "SCORER_HOME": str(patient_settings.home),
        "SCORER_BATCH_SIZE": "5",
        "SCORER_RETRY_FIRST_WAIT": "100 ms",
        "SCORER_RETRY_LAST_WAIT": "200 ms",
    }
    command = [Path(sys.executable).with_name("scorer"), "run", "sepsis", "--json", "--as-of", as_of.isoformat()]
    batches = "SELECT count(*) FROM scorer.batches JOIN scorer.runs USING (run_id) WHERE runs.as_of = %s"
    said = tmp_path / "stderr"
    with (
        said.open("w") as stderr,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, env={**os.environ, **environment}) as process,
    ):
        eventually(lambda: query(url, batches, as_of)[0][0] > 1, what=said.read_text)
        hospital.stop(signal.SIGQUIT)
        out, _ = process.communicate(timeout=60)
    told = [line for line in said.read_text().splitlines() if not re.match(r"\d{4}-\d\d-\d\dT", line)]
    assert (process.returncode, out) == (1, b""), told
    assert len(told) == 1, told
    assert re.fullmatch(r"scorer: The database does not answer: .*\.", told[0])

    hospital.start()
    require_consistent(url, server_died=True)
    assert query(url, "SELECT status FROM scorer.runs WHERE as_of = %s", as_of) == [("running",)]
    child = nursery.fork("run", url=url, settings=patient_settings, as_of=next(clock))
    assert child.wait() == 0, child.log()
    require_consistent(url, done=True, server_died=True)
    assert query(url, "SELECT status, resumed FROM scorer.runs WHERE as_of = %s", as_of) == [("succeeded", 1)]
