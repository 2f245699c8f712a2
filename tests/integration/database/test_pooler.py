"""Behind a real pgbouncer: sessions are pooled by session, or refused; without pgbouncer (Debian: pgbouncer) these are skipped."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer.config import Settings
from scorer.database import pooler
from scorer.database.connecting import connect, lost_settings
from scorer.database.connection import Database, Target
from scorer.database.embedded.server import Server
from scorer.database.session import Session
from scorer.database.source.arrow_session import ArrowSession
from scorer.errors import UserError

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs pgbouncer (Debian: pgbouncer)")

LOGIN, PASSWORD = "scorer_pooled", "Zwetschgen-Datschi-7"
POOLED = "stands before the database and gives each transaction, or each statement, another"


@pytest.fixture(autouse=True)
def _nothing_is_proven() -> None:
    pooler._found_at.clear()


@pytest.fixture(scope="module")
def plain_url(make_database: Callable[[str], str], template: str) -> Iterator[str]:
    """A database with everything in place, reached without a pooler."""
    url = make_database(template)
    run_sql(url, f"CREATE ROLE {LOGIN} LOGIN PASSWORD '{PASSWORD}'; GRANT scorer_worker TO {LOGIN}")
    yield url
    run_sql(url, f"DROP ROLE {LOGIN}")


def run_sql(url: str, text: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(text)


@pytest.fixture(scope="module")
def bouncer(server: Server, plain_url: str, home: Path) -> Callable[..., Any]:
    """Starts a pgbouncer before the database, by the settings given; gives the URL that leads through it."""
    own = psycopg2.extensions.parse_dsn(plain_url)["dbname"]

    @contextmanager
    def started(database: str = own, **settings: str) -> Iterator[str]:
        assert PROGRAM is not None
        with closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        place = f"host={server.folder.resolve() / 'socket'} port=5432 user={LOGIN} password={PASSWORD}"
        asked = {
            "listen_addr": "127.0.0.1",
            "listen_port": str(port),
            "auth_type": "any",
            "unix_socket_dir": "",
        } | settings
        file = home / f"pgbouncer-{port}.ini"
        lines = [f"{name} = {value}" for name, value in asked.items()]
        file.write_text("\n".join([f"[databases]\n{database} = {place}\n[pgbouncer]", *lines, ""]))
        file.chmod(0o644)
        user = Path(server.folder / "socket").owner() if os.geteuid() == 0 else None  # it refuses to run as root
        with subprocess.Popen(
            [PROGRAM, "-q", str(file)], user=user, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        ) as process:
            try:
                _await(port)
                yield f"postgresql://{LOGIN}@127.0.0.1:{port}/{database}"
            finally:
                process.kill()

    return started


def _await(port: int) -> None:
    for _ in range(200):
        with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port))):
            return
        time.sleep(0.05)
    raise AssertionError("pgbouncer did not start")


def target(url: str, settings: Settings) -> Target:
    return Database(url, settings).as_worker()


def test_a_pooler_by_session_keeps_every_setting(bouncer: Any, settings: Settings) -> None:
    with bouncer(pool_mode="session") as url:
        connection, lost = lost_settings(target(url, settings))
        assert connection.pooled
        assert lost == []
        with closing(Session(target(url, settings))) as session:
            for _ in range(2):
                with session.transaction():
                    session.run_script("SELECT 1")
        with closing(ArrowSession(target(url, settings))) as arrow:
            asked = "SELECT current_setting('role') AS role, current_setting('row_security') AS row_security"
            assert arrow.query(asked, {}, where="It").to_pylist() == [{"role": "scorer_worker", "row_security": "off"}]


@pytest.mark.parametrize("round_robin", ["0", "1"])
@pytest.mark.parametrize("pool_size", ["1", "2", "20"])
@pytest.mark.parametrize("pool_mode", ["transaction", "statement"])
def test_a_pooler_by_transaction_is_refused_by_name(
    bouncer: Any, settings: Settings, pool_mode: str, pool_size: str, round_robin: str
) -> None:
    more = {"ignore_startup_parameters": "extra_float_digits,options"}
    with bouncer(pool_mode=pool_mode, default_pool_size=pool_size, server_round_robin=round_robin, **more) as url:
        for _ in range(2):
            with pytest.raises(UserError, match=POOLED):
                connect(target(url, settings), read_only=False)


def test_sessions_of_others_in_the_pool_do_not_hide_it(bouncer: Any, settings: Settings) -> None:
    with bouncer(pool_mode="transaction") as url:
        others = [psycopg2.connect(url) for _ in range(5)]
        try:
            for other in others:
                with other.cursor() as cursor:
                    cursor.execute("SELECT 1")
            for other in others[::2]:
                other.rollback()
            with pytest.raises(UserError, match=POOLED):
                connect(target(url, settings), read_only=False)
        finally:
            for other in others:
                other.close()


def test_a_session_that_is_pooled_by_transaction_later_is_noticed(bouncer: Any, settings: Settings) -> None:
    with bouncer(pool_mode="transaction") as url:
        pooler._found_at[target(url, settings).url] = time.monotonic()
        with closing(Session(target(url, settings))) as session, closing(psycopg2.connect(url)) as other:
            with session.transaction():
                session.run_script("SELECT 1")
            with other.cursor() as cursor:
                cursor.execute("SELECT 1")  # its transaction stays open, with what our session had
            with pytest.raises(UserError, match=POOLED), session.transaction():
                session.run_script("SELECT 1")


def test_a_pool_without_a_free_session_is_one_sentence(
    bouncer: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooler, "_PATIENCE", 0.5)
    with (
        bouncer(pool_mode="session", default_pool_size="1") as url,
        pytest.raises(UserError, match="has no session free"),
    ):
        connect(target(url, settings), read_only=False)


def test_options_of_a_url_that_the_pooler_refuses_are_told(bouncer: Any, settings: Settings) -> None:
    with bouncer(pool_mode="session") as url, pytest.raises(UserError, match=r"a pooler may refuse its options"):
        connect(target(f"{url}?options=-c%20work_mem%3D7MB", settings), read_only=False)


def test_a_whole_run_goes_through_a_pooler_by_session(
    hospital: Any, bouncer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital.admit(1, 2, 3)
    database = psycopg2.extensions.parse_dsn(hospital.url)["dbname"]
    with bouncer(database, pool_mode="session") as url:
        monkeypatch.setattr(hospital, "url", url)
        assert hospital.run().counts.scored == 3


def test_hidden_rows_are_refused_through_a_pooler_too(
    hospital: Any, bouncer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hospital.admit(1, 2, 3)
    hospital.execute("ALTER TABLE visits ENABLE ROW LEVEL SECURITY")
    database = psycopg2.extensions.parse_dsn(hospital.url)["dbname"]
    with bouncer(database, pool_mode="session", ignore_startup_parameters="extra_float_digits,options") as url:
        monkeypatch.setattr(hospital, "url", url)
        with pytest.raises(UserError, match="BYPASSRLS"):
            hospital.run()
