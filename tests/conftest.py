"""What the tests share: one real PostgreSQL for the session, a fresh database of it for each test that asks, and the installed command."""

from __future__ import annotations

import importlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
import pytest

from scorer.config import Settings, shipped_root
from scorer.database import schema
from scorer.database.connection import Database, Target
from scorer.database.embedded.server import THROWAWAY, Server
from scorer.database.session import engine
from scorer.jobs.job import Job, load_job
from scorer.log.logger import configure
from scorer.registry import registration

_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with a long test come first, so that what runs beside them ends no sooner than they do."""
    long = {item.path for item in items if item.get_closest_marker("long")}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(scope="session", autouse=True)
def _interrupts_are_heard() -> None:
    """A shell that starts the tests in the background has them, and the programs that they start, ignore Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _clean_environment() -> Iterator[None]:
    """Nothing of the developer's own settings reaches the tests; what one process proved of a suite the next need not prove again."""
    kept = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("SCORER_")}
    os.environ["SCORER_CONFIG"] = os.devnull
    with tempfile.TemporaryDirectory(prefix="scorer-cache-") as cache:
        os.environ["CACHE_DIRECTORY"] = cache
        yield
        del os.environ["CACHE_DIRECTORY"]
    os.environ.update(kept)


# What the tests' servers write is thrown away: memory is the place for it where there is enough. A database is copied there in an eighth
# of the time.
MEMORY = Path("/dev/shm")
ENOUGH = 2 << 30  # bytes: a server's databases and log of writes take some hundred MB


def throwaway_folder(prefix: str) -> Path:
    """Make a folder for a server's data, in memory where there is room for it. Returns its path."""
    roomy = (
        os.access(MEMORY, os.W_OK)
        and shutil.disk_usage(MEMORY).free >= ENOUGH
        and not os.statvfs(MEMORY).f_flag & os.ST_NOEXEC  # the server's programs may be copied there
    )
    return Path(tempfile.mkdtemp(prefix=prefix, dir=MEMORY if roomy else None))


@pytest.fixture(scope="session")
def home() -> Iterator[Path]:
    """A folder that the server's unprivileged user can reach; pytest's own are closed to it."""
    folder = throwaway_folder("scorer-tests-")
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def server(home: Path) -> Iterator[Server]:
    """A PostgreSQL that dies with the tests, however they end."""
    small_log = {"wal_init_zero": "off", "max_wal_size": "256MB"}
    with Server.at(home).serving(settings=THROWAWAY | small_log) as running:
        yield running
        # At once: nobody will ask again for what it would otherwise write down first.
        (pid_file,) = running.folder.glob("[0-9]*/postmaster.pid")
        os.kill(int(pid_file.read_text().split("\n")[0]), signal.SIGQUIT)


@dataclass(frozen=True)
class Databases:
    """Makes databases on the tests' server, and drops those that their test is done with."""

    server: Server
    done: list[str] = field(default_factory=list)

    def __call__(self, template: str = "template1") -> str:
        """Make a database, a copy of the template named. Returns its URL."""
        name = f"test_{next(_numbers)}"
        with closing(psycopg2.connect(self.server.url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                while (
                    self.done
                ):  # only now, when the sessions of the test before have ended: PostgreSQL would wait for them
                    cursor.execute(f"DROP DATABASE {self.done.pop()} WITH (FORCE)")
                cursor.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.server.url.replace("/scorer?", f"/{name}?", 1)

    def lend(self, template: str) -> Iterator[str]:
        """Give the URL of a new database, which is dropped some time after."""
        url = self(template)
        yield url
        self.done.append(str(psycopg2.extensions.parse_dsn(url)["dbname"]))


@pytest.fixture(scope="session")
def make_database(server: Server) -> Databases:
    """Makes a database, a copy of the template named, and gives its URL."""
    return Databases(server)


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
    registration.install_jobs(database=Database(url, settings))
    refused = [
        registration.grant_source(database=Database(url, settings))["sepsis"]
    ]  # of the others there are no tables
    assert refused == [None]
    return url.split("?")[0].split("/")[-1]


@pytest.fixture
def database_url(make_database: Databases) -> Iterator[str]:
    """An empty database of its own."""
    yield from make_database.lend("template1")


@pytest.fixture
def migrated_url(make_database: Databases, template: str) -> Iterator[str]:
    """A database of its own, with everything in place and no row in the source tables."""
    yield from make_database.lend(template)


@pytest.fixture(scope="session")
def settings(home: Path) -> Settings:
    """The defaults, at a home of the tests'."""
    return Settings(home=home)


@pytest.fixture(scope="session")
def sepsis() -> Job:
    """The shipped job."""
    return load_job("sepsis")


# A process that has imported what is slow to import and waits for orders: each is the installed command, run in a fork of it. At its end a
# child does what a program does at its own, but for taking its modules apart.
WARM = """
import atexit, gc, json, os, runpy, sys, threading
import scorer.cli.main, scorer.database.source.demo, scorer.database.source.load, scorer.checks.check, scorer.runs.run
gc.freeze()
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if not child:
        for number in (1, 2):
            os.dup2(os.open(asked["written"][number - 1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(asked["folder"])
        os.environ.clear()
        os.environ.update(asked["environment"])
        sys.argv = [sys.argv[1], *asked["arguments"]]
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@dataclass(frozen=True)
class Ended:
    """How a call of the command ended, and what it printed."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Program:
    """The installed command, each call a process of its own that need not import anything anew."""

    process: subprocess.Popen[str]
    folder: Path

    def __call__(self, *arguments: str, environment: Mapping[str, str], cwd: Path | str = "/") -> Ended:
        """Call it with these arguments, in this environment and no other."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        written = [str(self.folder / "out"), str(self.folder / "err")]
        asked = {"arguments": arguments, "environment": {**environment}, "folder": str(cwd), "written": written}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        code = int(self.process.stdout.readline())
        return Ended(code, *(Path(path).read_text() for path in written))


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """Calls the installed command; where it is the start that is tested, call the script instead."""
    script = Path(sys.executable).with_name("scorer")
    with subprocess.Popen(
        [sys.executable, "-c", WARM, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        yield Program(process, tmp_path_factory.mktemp("program"))
        process.stdin.close()


@pytest.fixture(scope="session")
def real_cohort() -> Path:
    """The folder of the real cohort; the test is skipped where it is not there."""
    named = os.environ.get("REAL_COHORT")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data" / "physionet2019"
    if not (folder / "visits.csv.gz").exists():
        pytest.skip("needs the real cohort: set REAL_COHORT to the folder of the PhysioNet 2019 files")
    return folder


PATIENCE = 60.0  # seconds for what a cluster does in one
# LACKS names a package that this worker is to seem to lack.
DASK = """
import ctypes, importlib.metadata, os, sys
ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG: nobody outlives the tests
version, lacks = importlib.metadata.version, os.environ.get("LACKS")
def seem(package):
    if package == lacks:
        raise importlib.metadata.PackageNotFoundError(package)
    return version(package)
if lacks:
    seem.__module__, seem.__qualname__, importlib.metadata.version = version.__module__, version.__qualname__, seem
from distributed.cli import dask_scheduler, dask_worker
{"scheduler": dask_scheduler, "worker": dask_worker}[sys.argv.pop(1)].main()
"""


class Cluster:
    """A Dask cluster: a scheduler and workers, each a process of its own on the loopback; `stand` starts again whoever was killed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.address = folder, ""
        self.config = folder / "scorer.toml"
        self._scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    def stand(self, *, workers: int = 2, **settings: str) -> None:
        """Have it stand, with so many workers of one thread that have imported what they need, and read these `settings`."""
        self.settle(**settings)
        if self._scheduler is None or self._scheduler.poll() is not None:
            self.fall()
            told = self.folder / "scheduler.json"
            told.unlink(missing_ok=True)
            self._scheduler = self._start(
                "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(told)
            )
            self._wait_for(lambda: told.exists() and told.read_text().endswith("}"))
            self.address = json.loads(told.read_text())["address"]
        self.workers = [each for each in self.workers if each.poll() is None]
        while len(self.workers) < workers:
            self.add_worker()
        from distributed import Client

        with Client(self.address, set_as_default=False, timeout=PATIENCE) as client:
            client.wait_for_workers(workers, timeout=PATIENCE)
            for module in ("scorer.runs.parallel", "scorer.training.search.remote_trials"):
                client.run(importlib.import_module, module)

    def settle(self, **settings: str) -> None:
        """Have the workers read these settings from now on."""
        self.config.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))

    def add_worker(self, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """One more, with more in its environment."""
        self.workers.append(
            self._start("worker", self.address, "--nthreads", "1", "--no-nanny", environment=environment or {})
        )
        return self.workers[-1]

    def kill_scheduler(self) -> None:
        """SIGKILL it."""
        assert self._scheduler is not None
        self._scheduler.kill()
        self._scheduler.wait()

    def fall(self) -> None:
        """End all of it."""
        for each in (*self.workers, *filter(None, [self._scheduler])):
            each.send_signal(signal.SIGKILL)
            each.wait()
        self.workers, self._scheduler = [], None

    def _start(
        self, what: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-c", DASK, what, *arguments, "--no-dashboard"],
                env={**os.environ, "SCORER_CONFIG": str(self.config), **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )

    def _wait_for(self, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE
        while not holds():
            assert time.monotonic() < until, (self.folder / "log").read_text()
            time.sleep(0.02)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Dask cluster, which a test is to have `stand`."""
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield made
    finally:
        made.fall()


configure()
