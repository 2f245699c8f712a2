"""The process of the embedded server: whose it is, and when it ends."""

from __future__ import annotations

import json
import os
import re
import stat
import threading
from pathlib import Path

import pytest

from scorer.database.embedded.account import Account
from scorer.database.embedded.server import Server
from scorer.errors import UserError
from tests.integration.database.embedded.servers import (
    ONE_ROUND,
    PYTHONPATH,
    alive,
    gone,
    needs_postgresql,
    ordinary,
    postmaster,
    python,
    root_only,
    said,
)

pytestmark = needs_postgresql


@root_only
def test_root_runs_it_as_an_ordinary_user(server: Server) -> None:
    account = Account.unprivileged()
    status = Path(f"/proc/{postmaster(server)}/status").read_text()
    assert set(re.search(r"^Uid:\t(.*)$", status, re.MULTILINE)[1].split()) == {str(account.uid)}  # type: ignore[index]
    assert re.search(r"^Groups:\t\s*$", status, re.MULTILINE)
    (data,) = server.folder.glob("[0-9]*")
    assert data.stat().st_uid == account.uid
    assert server.folder.stat().st_uid == 0


@root_only
def test_an_ordinary_user_runs_it_as_oneself(folder: Path) -> None:
    """Under a folder that no other user may enter, and without any of the usual variables."""
    account = ordinary()
    private = folder / "private"
    private.mkdir(mode=0o700)
    os.chown(private, account.uid, account.gid)
    bare = {"PYTHONPATH": PYTHONPATH, "TMPDIR": str(private)}
    seen = json.loads(said(python(ONE_ROUND, private / "home", account=account, env=bare)))
    assert seen == {"user": "scorer", "owner": account.uid, "running": False}
    assert stat.S_IMODE((private / "home").stat().st_mode) == 0o700


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


def test_why_it_did_not_start_is_reported(folder: Path) -> None:
    with pytest.raises(UserError, match=r"did not start: .*shared_buffers.*; see .*server\.log\.$") as raised:
        Server.at(folder / "home").start(settings={"shared_buffers": "plenty"})
    assert "\n" not in str(raised.value)


def test_it_needs_nothing_of_the_environment(folder: Path) -> None:
    """Libpq's own variables, which name another server, are no hindrance."""
    environment = {
        "PYTHONPATH": PYTHONPATH,
        "TMPDIR": str(folder),
        "PGPORT": "5999",
        "PGDATA": "/nowhere",
        "PGDATABASE": "x",
        "LANG": "xx_XX",
    }
    for more in ({}, {"HOME": "/nonexistent"}, {"HOME": ""}):
        seen = json.loads(said(python(ONE_ROUND, folder / "home", env=environment | more)))
        assert seen["user"] == "scorer"
