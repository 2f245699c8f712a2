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
import logging
import os
import pwd
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self
from urllib.parse import quote

import psycopg2

from scorer.database.embedded.installs import OLDEST, Account, Install, environment, installs, newest_first
from scorer.errors import UserError
from scorer.log import events
from scorer.log.logger import say

log = logging.getLogger(__name__)

NAME = "scorer"  # of the database, and of the superuser that owns it
PATIENCE = 60.0  # seconds for a start or a stop
SOCKET = ".s.PGSQL.5432"
SOCKET_PATH_BYTES = 107  # the kernel's limit

THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}  # for tests alone

# Written once into postgresql.conf, where an operator may change them.
_DEFAULTS = {
    "search_path": "public",  # "$user" would be our own schema
    "shared_buffers": "256MB",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

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
class Server:
    """The embedded PostgreSQL of one home; `programs` names the folder of its binaries where `installs` shall not choose."""

    home: Path
    programs: Path | None = None

    @classmethod
    def at(cls, home: Path, *, programs: Path | None = None) -> Self:
        """The server whose data are, or will be, under `home`."""
        return cls(home=home.expanduser().resolve(), programs=programs)

    @property
    def folder(self) -> Path:
        """Where all of it is kept."""
        return self.home / "postgres"

    @property
    def url(self) -> str:
        """Its database, as libpq reads it; with it libpq refuses a server that another user runs in this one's place."""
        return self._url(NAME)

    def running(self) -> bool:
        """Whether a server listens at its socket."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            try:
                client.connect(str(self._socket_folder / SOCKET))
            except OSError:
                return False
        return True

    def start(self, *, settings: Mapping[str, str] | None = None) -> None:
        """Start it to stay, made first where it is new; return once its database answers. Nothing is done where it runs.

        `settings` are PostgreSQL's own, for this start.
        """
        account = self._account()
        with self._alone(account):
            if not self._answers(self._chosen(), over=lambda: not self.running()):
                _left(self._begin(account, settings=settings or {}, parent=0))
                say(log, events.EMBEDDED_STARTED, folder=self.folder, user=account.name)

    @contextmanager
    def serving(self, *, settings: Mapping[str, str] = THROWAWAY) -> Iterator[Self]:
        """Within it the server runs as a child that dies with this process, however that ends; for tests.

        To be called from the main thread: Linux takes the end of the thread that forked for the parent's death.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("Server.serving() was called outside the main thread")
        account = self._account()
        with self._alone(account):
            if self.running():
                raise UserError(f"A PostgreSQL runs in {self.folder} already; stop it first.")
            process = self._begin(account, settings=settings, parent=os.getpid())
        try:
            yield self
        finally:
            _ended(process)

    def stop(self) -> None:
        """End it: open transactions are rolled back, its data are on disk. Nothing is done where it does not run."""
        if not self.running() and self._postmaster() is None:
            return
        with self._alone(self._account()):
            pid = self._postmaster()
            if pid is None:
                raise UserError(f"The PostgreSQL of {self.folder} does not run on this machine; stop it where it does.")
            os.kill(pid, signal.SIGINT)
            deadline = time.monotonic() + PATIENCE
            while self._postmaster() is not None:
                if time.monotonic() > deadline:
                    raise UserError(f"The embedded PostgreSQL is still stopping; see {self._log_file} and try again.")
                time.sleep(0.02)
        say(log, events.EMBEDDED_STOPPED, folder=self.folder)

    @property
    def _log_file(self) -> Path:
        return self.folder / "server.log"

    @property
    def _socket_folder(self) -> Path:
        return (self.folder / "socket").resolve()

    def _url(self, database: str) -> str:
        folder = quote(os.fsencode(self._socket_folder))
        return f"postgresql://{NAME}@/{database}?host={folder}&port=5432&requirepeer={quote(self._account().name)}"

    def _data(self) -> Path | None:
        """The newest data there are; None before the first start."""
        majors = [int(path.name) for path in self.folder.glob("[0-9]*") if path.name.isdigit()]
        return self.folder / str(max(majors)) if majors else None

    def _account(self) -> Account:
        """Who runs the server: the owner of the data, if there are any."""
        data = self._data()
        owner = data.stat().st_uid if data else 0
        return Account.of(owner) if owner else Account.unprivileged()

    def _postmaster(self) -> int | None:
        """The process id of its server, or None. What postmaster.pid says may be stale, and the number another's by now."""
        data, pid = self._data(), self._recorded()
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            return None
        return pid if os.fsencode(str(data)) in command else None

    def _recorded(self) -> int:
        """The process id in postmaster.pid, or 0."""
        data = self._data()
        try:
            return int((data / "postmaster.pid").read_text(encoding="utf-8").split("\n")[0]) if data else 0
        except (OSError, ValueError):
            return 0

    @contextmanager
    def _alone(self, account: Account) -> Iterator[None]:
        """Within it nobody else starts or stops the server. What the folder refuses becomes one sentence."""
        try:
            self._make_folder(account)
            lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
            finally:
                os.close(lock)
        except OSError as error:
            raise UserError(
                f"The embedded PostgreSQL cannot be kept in {self.folder}: {error}; set SCORER_HOME to another folder."
            ) from error

    def _make_folder(self, account: Account) -> None:
        for folder in reversed((self.folder, *self.folder.parents)):
            if not folder.exists():
                folder.mkdir()
                folder.chmod(0o711 if os.geteuid() == 0 else 0o700)
            elif not account.reaches(folder):
                raise UserError(
                    f"PostgreSQL runs as user {account.name}, who may not enter {folder}; "
                    "set SCORER_HOME to a folder that everybody may enter, such as /var/lib/scorer."
                )

    def _chosen(self) -> Install:
        """The programs that fit the data; the first that are found where there are no data yet."""
        found = newest_first([self.programs]) if self.programs else installs()
        data = self._data()
        fitting = [install for install in found if data is None or str(install.major) == data.name]
        if not found:
            raise UserError(
                f"No PostgreSQL {OLDEST} or newer is on this machine; "
                "pip install 'scorer[embedded]' or set SCORER_DATABASE_URL."
            )
        if not fitting:
            raise UserError(
                f"{data} was made by PostgreSQL {data and data.name}, which is not on this machine (newest: "
                f"{found[0].version}); install PostgreSQL {data and data.name}, or set SCORER_HOME to another folder."
            )
        return fitting[0]

    def _begin(self, account: Account, *, settings: Mapping[str, str], parent: int) -> subprocess.Popen[bytes]:
        """The process that was started, once the database answers."""
        chosen = self._chosen()
        programs = self._reachable(chosen, account=account)
        if self._data() is None:
            self._initialise(chosen, programs=programs, account=account, durable=settings.get("fsync") != "off")
        for pause in (0.2, 0.5, 1.0, 2.0, 5.0, None):
            process = self._launch(programs, account=account, settings=settings, parent=parent)
            try:
                if self._answers(chosen, over=partial(_is_over, process)):
                    return process
            except BaseException:
                _ended(process)
                raise
            _ended(process)
            words = _last_words(self._log_file.read_text(encoding="utf-8", errors="replace"))
            # The processes of a server that was killed, or is just ending, take a moment to go.
            if pause is None or not re.search("shared memory block|lock file", words):
                break
            time.sleep(pause)
        raise UserError(f"The embedded PostgreSQL did not start: {words}; see {self._log_file}.")

    def _reachable(self, install: Install, *, account: Account) -> Path:
        """The folder of the programs, or of a copy of them where the account cannot reach them."""
        if account.reaches(install.programs / "postgres"):
            return install.programs
        tree = install.programs.parent
        copy = self.folder / f"binaries-{install.version}"
        if not copy.exists():
            unfinished = copy.with_name(f"{copy.name}.new")
            shutil.rmtree(unfinished, ignore_errors=True)
            # The wheel's programs look for their libraries beside the package, three folders up.
            libraries = tree.parent.with_name(f"{tree.parent.name}.libs")
            for part in (tree / "bin", tree / "lib", tree / "share", libraries):
                if part.is_dir():
                    shutil.copytree(part, unfinished / part.relative_to(tree.parent.parent), symlinks=True)
            for path in (unfinished, *unfinished.rglob("*")):
                if not path.is_symlink():
                    mode = path.stat().st_mode
                    path.chmod(stat.S_IMODE(mode) | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)
            unfinished.rename(copy)
        return copy / install.programs.relative_to(tree.parent.parent)

    def _initialise(self, install: Install, *, programs: Path, account: Account, durable: bool) -> None:
        """Make the data, under another name until they are whole."""
        unfinished = self.folder / f"{install.major}.new"
        manner = (
            f"-U {NAME} -A reject -E UTF8 --data-checksums --no-instructions {'' if durable else '--no-sync'}".split()
        )
        for locale in ("C.UTF-8", "C"):
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(mode=0o700)
            os.chown(unfinished, account.uid, account.gid)
            made = account.run(programs / "initdb", "-D", unfinished, f"--locale={locale}", *manner)
            if made.returncode == 0:
                break
        else:
            raise UserError(f"initdb could not make {unfinished}: {_last_words(made.stderr)}.")
        caller = pwd.getpwuid(os.geteuid()).pw_name
        people = "".join(f'{NAME} "{person}" {NAME}\n' for person in sorted({"root", caller}))
        defaults = "".join(f"{name} = '{value}'\n" for name, value in _DEFAULTS.items())
        # As the account, because root would follow a link that the account may have laid there.
        account.run("tee", unfinished / "pg_hba.conf", text=_ACCESS).check_returncode()
        account.run("tee", unfinished / "pg_ident.conf", text=people).check_returncode()
        account.run("tee", "-a", unfinished / "postgresql.conf", text=defaults).check_returncode()
        unfinished.rename(self.folder / str(install.major))

    def _launch(
        self, programs: Path, *, account: Account, settings: Mapping[str, str], parent: int
    ) -> subprocess.Popen[bytes]:
        """The process of the server or, where `parent` is 0, one that starts it and ends."""
        options = {**settings, **_ALWAYS, "unix_socket_directories": str(self._make_socket_folder(account))}
        server = [programs / "postgres", "-D", self._data(), *(f"--{name}={value}" for name, value in options.items())]
        # Lock files left by a server that was killed may name a process that is another's by now; this, pg_ctl's own way,
        # tells the new server so. Whether sessions of the old one live on, it still checks for itself.
        stale = self._recorded() if self._postmaster() is None else 0
        told = {**environment(), "PG_GRANDPARENT_PID": str(stale)}
        with suppress(FileNotFoundError):
            self._log_file.replace(self._log_file.with_name("server.log.1"))
        with os.fdopen(os.open(self._log_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)) as errors:
            return subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _BECOME, *map(str, (parent, account.uid, account.gid, *server))],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd="/",
                env=told,
                start_new_session=True,
            )

    def _make_socket_folder(self, account: Account) -> Path:
        """A folder for the socket that its owner and root alone may enter, with a path that fits into a socket's address."""
        place = self.folder / "socket"
        if place.is_symlink():
            place.unlink()
        if _fits(place):
            return _private(place, account=account)
        name = f"{NAME}-{hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]}"
        for base in (Path(tempfile.gettempdir()).resolve(), Path("/tmp")):  # noqa: S108 - _private checks
            if _fits(base / name) and account.reaches(base):
                place.symlink_to(_private(base / name, account=account))
                return base / name
        raise UserError(f"{place} is too long for a socket's path; set SCORER_HOME to a folder less deep.")

    def _answers(self, install: Install, *, over: Callable[[], bool]) -> bool:
        """Wait until the database answers, and make it if it is missing; false where the server is `over` before."""
        deadline = time.monotonic() + PATIENCE
        while (refusal := self._refusal()) is not None:
            if f'database "{NAME}" does not exist' in refusal:
                self._make_database(install)
            elif over():
                return False
            elif time.monotonic() > deadline:
                raise UserError(
                    f"The embedded PostgreSQL does not answer: {_last_words(refusal)}; see {self._log_file}."
                )
            else:
                time.sleep(0.05)
        return True

    def _refusal(self) -> str | None:
        """Why the database cannot be used yet; None where it can."""
        try:
            psycopg2.connect(self.url, connect_timeout=10).close()
        except psycopg2.OperationalError as error:
            return str(error)
        return None

    def _make_database(self, install: Install) -> None:
        command = [str(install.programs / "createdb"), "--maintenance-db", self._url("postgres"), NAME]
        made = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", env=environment())
        if made.returncode != 0:
            raise UserError(f"The database {NAME} could not be made: {_last_words(made.stderr)}.")


def _is_over(process: subprocess.Popen[bytes]) -> bool:
    """Whether nothing of it lives: nobody holds the other end of its stdout, to which nothing is ever written."""
    assert process.stdout is not None
    return bool(select.select([process.stdout], [], [], 0)[0])


def _left(process: subprocess.Popen[bytes]) -> None:
    """Let go of what was started to stay."""
    with process:
        pass


def _ended(process: subprocess.Popen[bytes]) -> None:
    """End our child, if it still runs."""
    with process:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)


def _fits(folder: Path) -> bool:
    """Whether a socket in it can be named: to the kernel by its length, to libpq without a comma, which parts two hosts."""
    path = os.fsencode(folder / SOCKET)
    return len(path) <= SOCKET_PATH_BYTES and not set(b',"') & set(path)


def _private(folder: Path, *, account: Account) -> Path:
    """`folder`, made for the account alone; UserError where somebody else made it."""
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid == os.geteuid():
        os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid or found.st_mode & 0o077:
        raise UserError(f"{folder} is not a folder of user {account.name} alone, as the socket needs; remove it.")
    return folder


def _last_words(text: str) -> str:
    """The line of a server's or a program's output that says what went wrong."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    grave = [line for line in lines if re.search("FATAL|PANIC|error:", line)]
    return re.sub(r"^.*?(FATAL|PANIC|error):\s+", "", (grave or lines or ["it left no message"])[-1]).rstrip(".")
