"""What goes wrong round a daemon: nothing is lost, nothing doubled, nobody is needed, and one line says what happened.

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
from unittest.mock import patch

import psycopg2
import pytest

from scorer.config import Settings, shipped_root
from scorer.database import schema
from scorer.database.connection import Database, Target
from scorer.database.embedded import process as embedded_process
from scorer.database.embedded import server as embedded
from scorer.database.embedded.server import Server
from scorer.database.embedded.socket_folder import SOCKET
from scorer.database.session import engine
from scorer.jobs.job import load_job
from scorer.registry import registration

VISITS = 80
BATCH = 4
LASTS = float(os.environ.get("FAULT_SECONDS", "0"))  # how long causes last, at least: see `make faults`
RECOVERY = 30.0  # seconds from the end of a cause until work goes on
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
LISTENING = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%LISTEN%' AND pid <> pg_backend_pid()"
OF_THE_SCHEDULE = "scorer.runs WHERE trigger <> 'request'"


@dataclass
class Hospital:
    """A PostgreSQL that comes and goes, with a template of a ward to score."""

    server: Server
    lives: ExitStack = field(default_factory=ExitStack)

    def start(self, *, address: str = "", environment: Mapping[str, str] | None = None, **settings: str) -> None:
        """Start it; at a TCP address too, in an environment and with settings of its own, where such are given."""
        always = {**embedded._ALWAYS, "listen_addresses": address}
        # The environment is the server's alone: what libfaketime would make as root, an unprivileged server could not use.
        more = f"{{**os.environ, **{dict(environment or {})}}}"
        become = embedded_process._BECOME.replace(
            "os.execv(sys.argv[4], sys.argv[4:])", f"os.execve(sys.argv[4], sys.argv[4:], {more})"
        )
        assert more in become
        with patch.object(embedded, "_ALWAYS", always), patch.object(embedded_process, "_BECOME", become):
            self.lives.enter_context(self.server.serving(settings=SETTINGS | settings))

    def stop(self, manner: int) -> None:
        """Stop it in the manner of a signal, and wait until nothing of it lives."""
        os.kill(int((self.data / "postmaster.pid").read_text().split("\n")[0]), manner)
        self.lives.close()

    @property
    def data(self) -> Path:
        """The folder of its data."""
        return next(self.server.folder.glob("[0-9]*"))

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
    registration.install_jobs(database=Database(url, settings))
    registration.grant_source(database=Database(url, settings))
    fill(url, visits=VISITS, now=datetime.now(UTC))  # the model declines to score a stay of months
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
                while not self._home.wait(0.15):
                    visit = next(visits)
                    with connection, connection.cursor() as cursor:
                        cursor.execute(CHART, [visit])
                        cursor.execute("SELECT scorer.request_scores('sepsis', ARRAY[%s], '1 day')", [str(visit)])
                        found = cursor.fetchall()
                    self.asked += [request_id for (request_id,) in found]
            self._home.wait(0.1)


@dataclass
class Night:
    """One daemon or more at work on a ward of their own, and what may be asked of them."""

    name: str
    hospital: Hospital
    url: str
    environment: dict[str, str]
    nursery: Any
    query: Callable[..., Any]
    eventually: Callable[..., None]
    require_consistent: Callable[..., None]
    nurses: Nurses
    daemons: list[Any] = field(default_factory=list)

    def begin(self, *, daemons: int = 1, network: Path | None = None, **settings: str) -> Any:
        """Start daemons; return the first once a scheduled run is in the middle, and requests have been answered."""
        for _ in range(daemons):
            self.add(network=network, **settings)
        self.eventually(self.in_the_middle, what=self.log)
        return self.daemons[0]

    def add(self, *, network: Path | None = None, **settings: str) -> Any:
        """One more daemon."""
        self.daemons.append(self.nursery.daemon(self.environment | settings, network=network))
        return self.daemons[-1]

    def fetch(self, text: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Rows of a statement, as the database's owner."""
        return list(self.query(self.url, text, *parameters))

    def in_the_middle(self) -> bool:
        """Whether the scheduled run has carried some batches, and requests were answered."""
        return self.batches() >= 2 and self.answered() >= 1

    def batches(self) -> int:
        """How many batches of scheduled runs are committed."""
        return int(
            self._count(f"SELECT count(*) FROM scorer.batches WHERE run_id IN (SELECT run_id FROM {OF_THE_SCHEDULE})")
        )

    def answered(self) -> int:
        """How many requests are done."""
        return int(self._count("SELECT count(*) FROM scorer.requests WHERE status = 'done'"))

    def _count(self, text: str) -> int:
        return int(self.query(self.url, text)[0][0])

    def log(self) -> str:
        """What the daemons said."""
        return "".join(daemon.log() for daemon in self.daemons if daemon.log_file.exists())

    def command(self, text: str) -> None:
        """Carry out a statement that cannot be in a transaction."""
        with closing(psycopg2.connect(self.url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(text)

    def told(self, *, level: str = "warning") -> Counter[str]:
        """The events of a level and above, with how often each was told; ticks that are gone are `make_due`'s doing."""
        levels = ("info", "warning", "error", "critical")
        whole = self.log().split("\n")[:-1]
        lines = [
            json.loads(line) for line in whole if line.startswith("{")
        ]  # libpq prints a server's last words as they come
        found = (line["event"] for line in lines if line["level"] in levels[levels.index(level) :])
        return Counter(event for event in found if event != "DATABASE_WENT_BACK")

    def told_once(self, *names: str, times: int = 1) -> None:
        """Fail unless these are the events at WARNING and above, each told so many times, as soon as all that will be told is."""
        wanted = dict.fromkeys(names, times)
        self.eventually(
            lambda: self.told() == wanted, what=lambda: f"{self.told()} was told, not {wanted}: {self.log()}"
        )

    def heard(self, name: str, *, times: int = 1) -> None:
        """Return once an event was told so many times."""
        self.eventually(lambda: self.told(level="info")[name] == times, what=self.log)

    def recover(self) -> float:
        """Seconds from now, the cause being gone, until a request made now is answered and the scheduled run goes on, or is done."""
        began = time.monotonic()
        before = self.batches()
        asked = self.fetch("SELECT scorer.request_scores('sepsis', ARRAY['1'], '1 day')")[0][0]
        self.eventually(
            lambda: (
                self.fetch("SELECT status FROM scorer.requests WHERE request_id = %s", asked) == [("done",)]
                and (self.batches() > before or self.is_done())
            ),
            what=self.log,
        )
        seconds = time.monotonic() - began
        print(f"\n{self.name}: recovered after {seconds:.1f} s", flush=True)
        assert seconds < RECOVERY, self.log()
        return seconds

    def is_done(self) -> bool:
        """Whether the scheduled runs are ended."""
        return self.fetch(f"SELECT DISTINCT status FROM {OF_THE_SCHEDULE}") == [("succeeded",)]

    def make_due(self) -> None:
        """Have the tick that was settled be open again, and so the job due."""
        self.fetch("DELETE FROM scorer.ticks WHERE recorded_by <> 'test'")

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
        assert self.query(
            self.url, "SELECT outcome, recorded_by <> 'test' FROM scorer.ticks ORDER BY scheduled_for"
        ) == [
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
        """INSERT INTO scorer.ticks (job, scheduled_for, outcome, reason, schedule, recorded_at, recorded_by)
        VALUES ('sepsis', %s, 'missed', 'before', %s, %s, 'test')""",
        before,
        str(load_job("sepsis", jobs_dir=jobs_dir).schedule),
        before,
    )
    quick = {
        "SCORER_POLL": "1 s",
        "SCORER_CONNECT_TIMEOUT": "2 s",
        "SCORER_RETRY_FIRST_WAIT": "100 ms",
        "SCORER_RETRY_LAST_WAIT": "1 s",
    }
    environment = {
        "PATH": os.environ["PATH"],
        "SCORER_CONFIG": os.devnull,
        "SCORER_DATABASE_URL": url,
        "SCORER_HOME": str(settings.home),
        "SCORER_JOBS_DIR": str(jobs_dir),
        "SCORER_LOG_FORMAT": "json",
        "SCORER_BATCH_SIZE": str(BATCH),
        "SCORER_LATE_AFTER": "2 h",
        **({} if LASTS else quick),
    }
    nurses = Nurses(url)
    found = Night(request.node.name, hospital, url, environment, nursery, query, eventually, require_consistent, nurses)
    yield found
    nurses.send_home()
    for daemon in found.daemons:
        with suppress(ProcessLookupError):
            daemon.kill()
    if not hospital.server.running():
        hospital.lives.close()
        hospital.start()


_numbers = itertools.count(1)


def test_a_server_that_is_stopped_and_started_in_every_manner(night: Night) -> None:
    night.begin()
    for times, manner in enumerate((signal.SIGINT, signal.SIGQUIT, signal.SIGKILL), start=1):
        night.hospital.stop(manner)
        night.hospital.start()
        night.recover()
        night.told_once("DATABASE_LOST", times=times)
        night.heard("DATABASE_BACK", times=times)
        night.eventually(lambda: night.fetch(LISTENING) != [(0,)], what=night.log)  # whole again
    night.end(server_died=True)


def test_a_server_that_comes_after_the_daemon_and_stays_away_for_longer_than_a_run_waits(night: Night) -> None:
    night.hospital.stop(signal.SIGINT)
    night.add()
    night.heard("NOT_READY")
    night.hospital.start()
    night.eventually(night.in_the_middle, what=night.log)
    night.hospital.stop(signal.SIGQUIT)
    time.sleep(max(4, LASTS))
    night.hospital.start()
    night.recover()
    night.end(server_died=True)
    night.told_once("NOT_READY", "DATABASE_LOST")


def test_a_server_without_a_session_left_to_give(night: Night) -> None:
    night.begin()
    with ExitStack() as crowd:

        def come() -> Any:
            return crowd.enter_context(closing(psycopg2.connect(night.hospital.server.url)))

        first = come()
        first.autocommit = True
        until = time.monotonic() + max(2, LASTS)
        while time.monotonic() < until:
            with suppress(psycopg2.OperationalError):
                while True:
                    come()
            with first.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'scorer'"
                )
    night.recover()
    night.end()
    night.told_once("DATABASE_LOST")


class Proxy:
    """A way to the server over TCP that can be cut; see slow_proxy.py."""

    def __init__(self, target: Path) -> None:
        command = [sys.executable, Path(__file__).with_name("slow_proxy.py"), "127.0.0.1", target]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = self._hear()

    def order(self, word: str) -> None:
        """Have it do so from now on."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        assert self._hear() == word

    def _hear(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        """End it."""
        with self._process as process:
            process.kill()


def test_a_network_that_holds_everything_back_and_then_resets_it(night: Night) -> None:
    socket_folder = psycopg2.extensions.parse_dsn(night.url)["host"]
    with closing(Proxy(Path(socket_folder) / SOCKET)) as proxy:
        database = psycopg2.extensions.parse_dsn(night.url)["dbname"]
        night.begin(SCORER_DATABASE_URL=f"postgresql://scorer@127.0.0.1:{proxy.port}/{database}")
        proxy.order("hold")
        time.sleep(2)
        proxy.order("pass")
        night.recover()
        night.told_once()
        proxy.order("hold")
        time.sleep(max(2, LASTS))
        proxy.order("cut")
        time.sleep(1)
        proxy.order("pass")
        night.recover()
        night.end()
    night.told_once("DATABASE_LOST")


@dataclass
class Cable:
    """Between this machine's network and one that has nothing else; what is sent while it is pulled is gone without a word."""

    name: str

    @property
    def network(self) -> Path:
        """The other network, as a file."""
        return Path("/run/netns") / self.name

    @property
    def address(self) -> str:
        """This machine's, as seen from there."""
        return f"10.213.{os.getpid() % 256}.1"

    def lay(self) -> None:
        """Lay it."""
        there = f"{self.address[:-1]}2"
        _ip(f"netns add {self.name}")
        _ip(f"link add {self.name} type veth peer name far netns {self.name}")
        _ip(f"addr add {self.address}/30 dev {self.name}")
        _ip(f"link set {self.name} up")
        _ip(f"-n {self.name} addr add {there}/30 dev far")
        self.plug()

    def pull(self) -> None:
        """Pull it."""
        _ip(f"-n {self.name} link set far down")

    def plug(self) -> None:
        """Plug it in."""
        _ip(f"-n {self.name} link set far up")

    def remove(self) -> None:
        """Take all of it away."""
        _ip(f"link del {self.name}")
        _ip(f"netns del {self.name}")


def _ip(words: str) -> None:
    subprocess.run(["ip", *words.split()], check=True, capture_output=True)


@pytest.fixture
def cable(request: pytest.FixtureRequest) -> Iterator[Cable]:
    """A network of its own, one cable away."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and iproute2, to lay a cable that can be pulled")
    found = Cable(f"f{os.getpid() % 100_000}")
    found.lay()
    yield found
    found.remove()


def test_a_network_that_is_cut_without_a_word(night: Night, cable: Cable) -> None:
    hospital = night.hospital
    access = hospital.data / "pg_hba.conf"
    before = access.read_text()
    access.write_text(f"{before}host all scorer {cable.address}/30 trust\n")
    hospital.stop(signal.SIGINT)
    hospital.start(address=cable.address)
    try:
        database = psycopg2.extensions.parse_dsn(night.url)["dbname"]
        night.begin(
            network=cable.network,
            SCORER_DATABASE_URL=f"postgresql://scorer@{cable.address}:5432/{database}",
            SCORER_ALLOW_PLAINTEXT="true",
        )
        cable.pull()
        time.sleep(max(10, LASTS))
        cable.plug()
        night.recover()
        night.end()
    finally:
        access.write_text(before)
        hospital.stop(signal.SIGINT)
        hospital.start()
    night.told_once("DATABASE_LOST")


# Disks


@dataclass(frozen=True)
class Disk:
    """A small one."""

    folder: Path

    def fill(self) -> None:
        """Leave no byte."""
        with suppress(OSError), (self.folder / "ballast").open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4096))

    def clear(self) -> None:
        """Take away what filled it."""
        (self.folder / "ballast").unlink()


@pytest.fixture
def small_disk(hospital: Hospital, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    """A disk of its own, of 256 MB, that belongs to the server's user."""
    folder = hospital.server.home / "small"
    folder.mkdir()
    owner = hospital.data.stat()
    options = f"size=256m,uid={owner.st_uid},gid={owner.st_gid},mode=0700"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False)
    if mounted.returncode:
        folder.rmdir()
        pytest.skip("needs root, to mount a disk small enough to be filled")
    yield Disk(folder)
    subprocess.run(["umount", folder], check=True)
    folder.rmdir()


def test_a_full_disk_under_the_ledger_and_under_home(night: Night, small_disk: Disk) -> None:
    place = small_disk.folder / "tables"
    place.mkdir(mode=0o700)
    shutil.chown(place, *(getattr(small_disk.folder.stat(), each) for each in ("st_uid", "st_gid")))
    night.command(f"CREATE TABLESPACE small LOCATION '{place}'")
    month = f"{datetime.now(UTC):%Y_%m}"
    night.command(f"ALTER TABLE scorer.scores_{month} SET TABLESPACE small")
    try:
        night.begin(SCORER_HOME=str(small_disk.folder))
        small_disk.fill()
        night.heard("DATABASE_LOST")
        time.sleep(max(1, LASTS))
        small_disk.clear()
        night.recover()
        night.end()
    finally:
        night.command(f"ALTER TABLE scorer.scores_{month} SET TABLESPACE pg_default")
        night.command("DROP TABLESPACE small")
    night.told_once("DATABASE_LOST")
    assert "No space left" in night.log()


def test_a_full_disk_under_the_servers_log_of_writes(night: Night, small_disk: Disk) -> None:
    hospital, log = night.hospital, night.hospital.data / "pg_wal"
    hospital.stop(signal.SIGINT)
    moved = small_disk.folder / "pg_wal"
    shutil.copytree(log, moved, copy_function=shutil.copy2)
    for path in (moved, *moved.rglob("*")):
        shutil.chown(path, small_disk.folder.stat().st_uid, small_disk.folder.stat().st_gid)
    log.rename(log.with_name("kept_wal"))
    log.symlink_to(moved)
    try:
        hospital.start(max_wal_size="32MB", min_wal_size="32MB")
        night.begin()
        small_disk.fill()
        with suppress(psycopg2.Error):
            while True:
                night.fetch("SELECT pg_switch_wal()")
                night.fetch("CREATE TABLE IF NOT EXISTS ballast AS SELECT 1; DROP TABLE ballast")
        night.heard("DATABASE_LOST")
        small_disk.clear()
        with suppress(OSError):  # where it has given up, its file is gone
            hospital.stop(signal.SIGQUIT)
        hospital.lives.close()
        hospital.start(max_wal_size="32MB", min_wal_size="32MB")
        night.recover()
        night.end(server_died=True)
    finally:
        with suppress(OSError):  # where it did not come up again, its file is gone
            hospital.stop(signal.SIGINT)
        hospital.lives.close()
        log.unlink()
        shutil.copytree(moved, log)
        for path in (log, *log.rglob("*")):
            shutil.chown(path, hospital.data.stat().st_uid, hospital.data.stat().st_gid)
        hospital.start()
    night.told_once("DATABASE_LOST")


# Clocks


@dataclass(frozen=True)
class Clock:
    """A process's own idea of the time, by libfaketime."""

    library: Path
    file: Path

    def set(self, offset: str) -> None:
        """Put it forward, or right with +0."""
        draft = self.file.with_suffix(".new")
        draft.write_text(f"{offset}\n")
        draft.chmod(0o644)
        draft.replace(self.file)

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to live by it."""
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@pytest.fixture
def clock(home: Path) -> Iterator[Clock]:
    """One that is right as yet."""
    libraries = [*Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")]
    if not libraries:
        pytest.skip("needs libfaketime (Debian's package faketime)")
    found = Clock(libraries[0], home / "faked")
    found.set("+0")
    there = {*Path("/dev/shm").glob("*faketime*")}
    yield found
    for left in {*Path("/dev/shm").glob("*faketime*")} - there:
        left.unlink()


def test_the_servers_clock_jumps_ahead_and_back(night: Night, clock: Clock) -> None:
    hospital = night.hospital
    hospital.stop(signal.SIGINT)
    hospital.start(environment=clock.environment)
    try:
        night.begin()
        clock.set("+70m")
        night.recover()
        night.eventually(
            # First that the second run is there, and then that none goes on: the other way round it may begin in between.
            lambda: night.fetch(f"SELECT count(*) FROM {OF_THE_SCHEDULE}") == [(2,)] and night.is_done(),
            what=night.log,
        )
        night.heard("CLOCK_JUMPED")
        clock.set("+0")
        night.nurses.send_home()
        of_the_future = "SELECT count(*) FROM reporting.current_scores WHERE status_at > clock_timestamp()"
        assert night.fetch(of_the_future)[0][0] > VISITS // 5
        assert night.fetch(
            "SELECT DISTINCT stale FROM reporting.current_scores WHERE scored_at > clock_timestamp()"
        ) == [(True,)]
        night.recover()
        (visit,) = night.fetch(
            "SELECT entity_id FROM reporting.current_scores WHERE scored_at > clock_timestamp() AND status = 'SCORED' LIMIT 1"
        )
        answer = """
            SELECT s.scored_at <= clock_timestamp() FROM scorer.requests q LEFT JOIN scorer.scores s USING (score_id)
            WHERE q.request_id = %s AND q.status = 'done'"""
        asked = night.fetch("SELECT scorer.request_scores('sepsis', ARRAY[%s], '1 day')", *visit)[0][0]
        night.eventually(lambda: night.fetch(answer, asked) == [(True,)], what=night.log)
        night.heard("CLOCK_JUMPED", times=2)
        assert night.fetch(of_the_future)[0][0] > 0
        night.make_due()
        night.eventually(lambda: night.fetch(of_the_future) == [(0,)], what=night.log)
        night.end()
        # Whoever cannot be scored any more keeps an earlier score, which is stale.
        left = (
            "SELECT DISTINCT stale, status = 'SCORED' FROM reporting.current_scores WHERE scored_at > clock_timestamp()"
        )
        assert set(night.fetch(left)) <= {(True, False)}
    finally:
        hospital.stop(signal.SIGINT)
        hospital.start()
    night.told_once("CLOCK_JUMPED", times=2)


@dataclass(frozen=True)
class Process:
    """`scorer daemon`, started as a command."""

    process: subprocess.Popen[bytes]
    log_file: Path

    @property
    def pid(self) -> int:
        """Its id."""
        return self.process.pid

    def log(self) -> str:
        """What it said."""
        return self.log_file.read_text()

    def wait(self) -> int:
        """Its exit code."""
        return self.process.wait(60)

    def kill(self) -> None:
        """SIGKILL, now."""
        self.process.kill()
        self.process.wait()


def test_the_daemons_own_clock_jumps_both_ways(night: Night, clock: Clock, tmp_path: Path) -> None:
    # libfaketime refuses the sleeps of Python, which end at a time of the steady clock.
    (tmp_path / "sitecustomize.py").write_text(
        "import select, time\ntime.sleep = lambda s: select.select([], [], [], s)\n"
    )
    with (tmp_path / "said").open("wb") as said:
        command = [Path(sys.executable).with_name("scorer"), "daemon"]
        seldom = {"FAKETIME_NO_CACHE": "0", "FAKETIME_CACHE_DURATION": "1", "PYTHONPATH": str(tmp_path)}
        environment = night.environment | clock.environment | seldom
        process = subprocess.Popen(command, env=environment, stderr=said)
    night.daemons.append(Process(process, tmp_path / "said"))
    night.eventually(night.in_the_middle, what=night.log)
    clock.set("+1d")
    night.heard("CLOCK_JUMPED")
    night.recover()
    clock.set("-1d")
    night.heard("CLOCK_JUMPED", times=2)
    night.recover()
    night.end()
    night.told_once("CLOCK_JUMPED", times=2)


# The model


def test_a_model_file_that_is_replaced(night: Night, jobs_dir: Path) -> None:
    model = jobs_dir / "models" / "sepsis" / load_job("sepsis").first_model / "pipeline.joblib"
    right = model.read_bytes()
    night.begin()
    replace_file(model, right)
    night.recover()
    night.eventually(night.is_done, what=night.log)
    replace_file(model, right[:-1] + bytes([right[-1] ^ 1]))
    night.make_due()
    night.heard("JOB_HINDERED")
    asked = night.fetch("SELECT scorer.request_scores('sepsis', ARRAY['7'], '1 day')")[0][0]
    night.eventually(
        lambda: (
            night.fetch("SELECT outcome IS NOT NULL FROM scorer.requests WHERE request_id = %s", asked) == [(True,)]
        ),
        what=night.log,
    )
    before = night.batches()
    replace_file(model, right)
    night.recover()
    night.eventually(lambda: night.batches() > before and night.is_done(), what=night.log)
    night.end()
    night.told_once("JOB_HINDERED")


def replace_file(path: Path, content: bytes) -> None:
    """Put another in its place, at once."""
    draft = path.with_suffix(".new")
    draft.write_bytes(content)
    draft.replace(path)


# Processes


HOLDER = """
    SELECT a.state, a.xact_start FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'advisory' AND l.mode = 'ExclusiveLock' AND a.datname = current_database()
    AND a.query_start > a.backend_start AND a.state LIKE 'idle in transaction%'"""


def test_a_daemon_that_stood_still_for_longer_than_every_timeout(night: Night) -> None:
    short = {"SCORER_STATEMENT_TIMEOUT": "2 s", "SCORER_IDLE_TIMEOUT": "2 s"}
    first = night.begin(**short)

    def stopped_in_a_batch() -> bool:
        os.kill(first.pid, signal.SIGSTOP)
        time.sleep(0.3)  # a commit that is on its way has come to its end by then
        if night.fetch(HOLDER):
            return True
        os.kill(first.pid, signal.SIGCONT)
        time.sleep(0.02)
        return False

    night.eventually(stopped_in_a_batch, what=night.log)
    began = time.monotonic()
    assert not night.is_done()
    night.add(**short)
    night.eventually(night.is_done, what=night.log)  # the second went on with what the first held
    time.sleep(max(0.0, max(7, LASTS) - (time.monotonic() - began)))
    os.kill(first.pid, signal.SIGCONT)
    night.recover()
    night.end()
    assert night.told(level="info")["RUN_RESUMED"] == 1
    night.told_once("STOOD_STILL")


def test_one_of_two_daemons_is_killed_in_the_middle_of_a_run(night: Night) -> None:
    night.begin(daemons=2)
    (number,) = (number for number, daemon in enumerate(night.daemons) if "RUN_BEGAN" in daemon.log())
    assert not night.is_done()
    night.daemons[number].kill()
    night.recover()
    night.end(codes={number: -signal.SIGKILL})
    assert night.told(level="info")["RUN_RESUMED"] == 1
    night.told_once()
