"""The data of the embedded server: how they are made, and who may connect to them."""

from __future__ import annotations

from pathlib import Path

import psycopg2
import pytest

from scorer.database.embedded.account import Account
from scorer.database.embedded.installs import Install
from scorer.database.embedded.server import Server
from tests.integration.database.embedded.servers import (
    INSTALLS,
    needs_postgresql,
    ordinary,
    python,
    root_only,
    rows,
    said,
)

pytestmark = needs_postgresql


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


@root_only
def test_another_user_of_the_machine_is_refused(server: Server) -> None:
    """The user that the server runs as may reach the socket, and is refused by its name; other users cannot reach it."""
    connect = "import sys, psycopg2\ntry: psycopg2.connect(sys.argv[1])\nexcept psycopg2.Error as error: print(error)"
    same = said(python(connect, server.url, account=Account.unprivileged()))
    assert 'Peer authentication failed for user "scorer"' in same
    assert "Permission denied" in said(python(connect, server.url, account=ordinary()))


def test_other_roles_need_their_password(server: Server) -> None:
    rows(server.url, "CREATE ROLE embedded_reader LOGIN PASSWORD 'right'")
    rows(server.url, "CREATE ROLE embedded_other SUPERUSER LOGIN")
    try:
        as_reader = server.url.replace("scorer@", "embedded_reader:right@")
        assert rows(as_reader, "SELECT current_user::text") == [("embedded_reader",)]
        for refused in ("embedded_reader:wrong@", "embedded_reader@", "embedded_other@"):
            with pytest.raises(psycopg2.OperationalError, match=r"password authentication failed|no password supplied"):
                rows(server.url.replace("scorer@", refused), "SELECT 1")
    finally:
        rows(server.url, "DROP ROLE embedded_reader, embedded_other")
