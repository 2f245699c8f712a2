"""What the tests of the embedded server share: the installations here, processes that run Python, and looks at a server."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.extras
import pytest

import scorer
from scorer.database.embedded.account import Account
from scorer.database.embedded.installs import installs
from scorer.database.embedded.server import Server

INSTALLS = installs()
ROOT = os.geteuid() == 0
needs_postgresql = pytest.mark.skipif(not INSTALLS, reason="no PostgreSQL is on this machine")
root_only = pytest.mark.skipif(not ROOT, reason="only root can become another user")
PYTHONPATH = os.pathsep.join(map(str, (Path(scorer.__file__).parents[1], Path(psycopg2.__file__).parents[1])))


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


@contextmanager
def busy(server: Server, statement: str) -> Iterator[int]:
    """The process of a session that is at work on `statement`."""
    with closing(psycopg2.connect(server.url, async_=True)) as connection:
        psycopg2.extras.wait_select(connection)
        with connection.cursor() as cursor:
            cursor.execute(statement)
            time.sleep(0.3)
            yield connection.info.backend_pid


# Starts a server under argv[1], asks it and stops it; prints what it saw.
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

# Starts a server under argv[1] to stay.
START = """
import sys
from pathlib import Path
from scorer.database.embedded.server import Server
Server.at(Path(sys.argv[1])).start()
"""
