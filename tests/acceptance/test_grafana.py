"""The dashboards' queries, which none leaves a panel empty: PromQL and SQL, each asked where Grafana would ask it.

PromQL of a real Prometheus that scrapes a real daemon; SQL as a login in scorer_reader, of a database with a week of runs.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.jobs.job import load_job
from scorer.monitoring.checkup import check_up
from scorer.runs.run import run_job
from tests.dashboards.panels import Query, View, queries, variables
from tests.dashboards.prometheus import Prometheus, free_port

PAPER = Path(__file__).parents[2] / "systemd" / "grafana" / "README.md"
WEEK = Path(__file__).parents[1] / "dashboards" / "week.sql"
VISITS = 600
# Keys for the week before what is real, which is newer and so has the greater ones.
MAKE_ROOM = (
    "SELECT setval(pg_get_serial_sequence('scorer.runs', 'run_id'), 100000), "
    "setval(pg_get_serial_sequence('scorer.batches', 'batch_id'), 100000)"
)
JOBS = ("sepsis", *(f"job_{number}" for number in range(1, 9)))
PASSWORD = "of a test"
LONGEST = 0.5  # seconds of a query
TRIES = 3  # of one that took longer: the machine has others to serve
RATE = "30s"  # what Grafana would take for $__rate_interval; the daemon reads the database every 10 s

pytestmark = [pytest.mark.long]
needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not here: apt-get install prometheus"
)

PROMQL = [query for query in queries() if not query.sql]
SQL = [query for query in queries() if query.sql]


@pytest.fixture(scope="module")
def hospital(
    make_database: Callable[[str], str], template: str, fill: Callable[..., None], tmp_path_factory: Any
) -> Database:
    """A database with a week of hourly runs of nine jobs; the newest two of one of them are real, and so is its checkup."""
    url = make_database(template)
    now = datetime.now(UTC)
    fill(url, visits=VISITS, now=now)
    database = Database(url, Settings(home=tmp_path_factory.mktemp("home")))
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(MAKE_ROOM)
    for ago in (timedelta(hours=1), timedelta(0)):
        run_job(load_job("sepsis"), database=database, as_of=now - ago)
    check_up(load_job("sepsis"), database=database)
    with closing(psycopg2.connect(url, options="-c TimeZone=UTC")) as connection:
        with connection, connection.cursor() as cursor:
            cursor.execute(WEEK.read_text(encoding="utf-8"), {"job": "sepsis"})
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    return database


# SQL


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a query: the names of its columns, its rows, and the seconds that it took."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    seconds: float


@pytest.fixture(scope="module")
def ask(hospital: Database) -> Iterator[Callable[[str], Answer]]:
    """Runs a query as the login that the paper has a DBA make for Grafana."""
    found = re.search(r"psql hospital <<'END'\n(.*?)\n *\\password", PAPER.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    with closing(psycopg2.connect(hospital.url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(f"DROP ROLE IF EXISTS grafana; {found[1]}; ALTER ROLE grafana PASSWORD '{PASSWORD}'")
    login = psycopg2.connect(hospital.url, user="grafana", password=PASSWORD)
    with closing(login) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_user, current_setting('transaction_read_only')")
        assert cursor.fetchall() == [("grafana", "on")]
        connection.commit()

        def run(text: str) -> Answer:
            best = None
            for _ in range(TRIES):
                began = time.perf_counter()
                cursor.execute(text)
                rows = cursor.fetchall()
                answer = Answer([column.name for column in cursor.description], rows, time.perf_counter() - began)
                connection.rollback()
                best = answer if best is None or answer.seconds < best.seconds else best
                if best.seconds <= LONGEST:
                    break
            assert best is not None
            return best

        yield run


def the_week(step: str = "1h") -> View:
    now = datetime.now(UTC)
    return View(since=now - timedelta(days=7), until=now + timedelta(minutes=1), step=step, jobs=JOBS)


@pytest.mark.parametrize("query", SQL, ids=str)
def test_a_query_in_sql_gives_rows_within_half_a_second(query: Query, ask: Callable[[str], Answer]) -> None:
    answer = ask(the_week().sql(query.text))
    assert any(
        value is not None
        for row in answer.rows
        for name, value in zip(answer.columns, row, strict=True)
        if name != "time"
    )
    assert answer.seconds <= LONGEST, f"{query}: {answer.seconds:.3f} s"


@pytest.mark.parametrize("variable", [each for each in variables() if each.sql], ids=str)
def test_the_jobs_to_choose_from_are_those_of_the_database(variable: Query, ask: Callable[[str], Answer]) -> None:
    assert [job for (job,) in ask(variable.text).rows] == sorted(JOBS)


def test_the_login_reads_no_table(ask: Callable[[str], Answer]) -> None:
    """So that what the dashboards are given by the reporting views is all that there is."""
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask("SELECT count(*) FROM scorer.runs")


# PromQL


class Service:
    """A real daemon, whose health is served on the loopback."""

    def __init__(self, folder: Path, *, url: str) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        settings = {"SCORER_DATABASE_URL": url, "SCORER_HOME": str(folder), "SCORER_HEALTH_ADDRESS": self.address}
        path = {"PATH": "/usr/bin:/bin"}
        command = [sys.executable, "-c", "from scorer.cli.main import main; main()", "daemon"]
        with (folder / "daemon.log").open("wb") as log:
            self._process = subprocess.Popen(command, env=path | settings, stdout=log, stderr=log)

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def prometheus(hospital: Database, tmp_path_factory: Any) -> Iterator[Prometheus]:
    """A Prometheus that has seen a daemon begin, a run by hand and answers to requests."""
    folder = tmp_path_factory.mktemp("prometheus")
    service = Service(folder, url=hospital.url)
    server = Prometheus(folder, target=service.address)
    try:
        server.wait_until("scorer_ready == 1 and on () scorer_up == 1")
        for visit in (1, 2, 3):
            request(hospital.url, visit)
        run_job(load_job("sepsis"), database=hospital)
        server.wait_until('sum(scorer_request_seconds_count) >= 3 and sum(scorer_runs_total{trigger="manual"}) >= 1')
        time.sleep(3)
        yield server
    finally:
        server.close()
        service.close()


def request(url: str, visit: int) -> None:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("SELECT scorer.request_score('sepsis', %s)", (str(visit),))


@needs_prometheus
@pytest.mark.parametrize("query", PROMQL, ids=str)
def test_a_query_in_promql_gives_numbers(query: Query, prometheus: Prometheus) -> None:
    now = datetime.now(UTC)
    view = View(since=now - timedelta(minutes=2), until=now, step="1s", jobs=JOBS)
    text = view.promql(query.text, rate=RATE)
    found = prometheus.now(text) if query.instant else prometheus.over(text, since=view.since, until=view.until)
    assert [series for series in found if series.values], f"{text} gives {found}"


@needs_prometheus
@pytest.mark.parametrize("variable", [each for each in variables() if not each.sql], ids=str)
def test_the_jobs_to_choose_from_are_those_of_the_daemon(variable: Query, prometheus: Prometheus) -> None:
    asked = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable.text)
    assert asked is not None
    assert "sepsis" in prometheus.values(asked[2], metric=asked[1])


@needs_prometheus
def test_a_metric_that_is_not_there_would_be_seen(prometheus: Prometheus) -> None:
    assert prometheus.now("scorer_never_told") == []
    with pytest.raises(AssertionError, match="parse error"):
        prometheus.now("max by (")
