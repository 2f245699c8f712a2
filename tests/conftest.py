"""What the tests share: one real PostgreSQL for the session, and a fresh database of it for each test that asks."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest

from scorer import admission, schema
from scorer.config import Settings
from scorer.connection import Target, engine
from scorer.embedded import Server
from scorer.job import Job, load_job, shipped_root
from scorer.log import configure

_numbers = itertools.count(1)


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> Iterator[None]:
    """Nothing of the developer's own settings reaches the tests."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("SCORER_")}
    os.environ["SCORER_CONFIG"] = os.devnull
    yield
    os.environ.update(kept)


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """A folder that the server's unprivileged user can reach; pytest's own are closed to it."""
    folder = Path(tempfile.mkdtemp(prefix="scorer-tests-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def server(home: Path) -> Iterator[Server]:
    """A PostgreSQL that dies with the tests, however they end."""
    with Server.at(home).serving() as running:
        yield running


@pytest.fixture(scope="session")
def make_database(server: Server) -> Callable[[str], str]:
    """Makes a database, a copy of the template named, and gives its URL."""

    def make(template: str = "template1") -> str:
        name = f"test_{next(_numbers)}"
        connection = psycopg2.connect(server.url)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        finally:
            connection.close()
        return server.url.replace("/scorer?", f"/{name}?", 1)

    return make


@pytest.fixture(scope="session")
def template(make_database: Callable[[str], str], settings: Settings) -> str:
    """The name of a database with the source tables, the schema at head, and the shipped jobs in place."""
    url = make_database("template1")
    connection = psycopg2.connect(url)
    try:
        with connection, connection.cursor() as cursor:
            for table in ("visits", "patient_observations", "outcomes"):
                cursor.execute((shipped_root() / "sql" / "source" / f"create_{table}.sql").read_text())
    finally:
        connection.close()
    schema.upgrade(engine(Target.of(url, settings, role=None)))
    admission.install_jobs(url=url, settings=settings)
    refused = [why for why in admission.grant_source(url=url, settings=settings).values() if why]
    assert not refused
    return url.split("?")[0].split("/")[-1]


@pytest.fixture
def database_url(make_database: Callable[[str], str]) -> str:
    """An empty database of its own."""
    return make_database("template1")


@pytest.fixture
def migrated_url(make_database: Callable[[str], str], template: str) -> str:
    """A database of its own, with everything in place and no row in the source tables."""
    return make_database(template)


@pytest.fixture(scope="session")
def settings(home: Path) -> Settings:
    """The defaults, at a home of the tests'."""
    return Settings(home=home)


@pytest.fixture(scope="session")
def sepsis() -> Job:
    """The shipped job."""
    return load_job("sepsis")


@pytest.fixture(scope="session")
def real_cohort() -> Path:
    """The folder of the real cohort; the test is skipped where it is not there."""
    named = os.environ.get("REAL_COHORT")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data" / "physionet2019"
    if not (folder / "visits.csv.gz").exists():
        pytest.skip("needs the real cohort: set REAL_COHORT to the folder of the PhysioNet 2019 files")
    return folder


configure()
