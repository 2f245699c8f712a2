"""Where the database is, and what every session is to have: encryption, time zone, timeouts, role.

`Target.dsn` is for psycopg2 (session.py puts SQLAlchemy over it), for our own tables; `columns_uri` is for the Arrow session that reads
the hospital's tables. In both libpq itself reads the URL, and one that could carry patients' values over a network unencrypted is
refused. `Target.asked` is what connecting.py sets once the session is there.
"""

from __future__ import annotations

import os
import re
import select
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import psycopg2
import psycopg2.extensions

from scorer.config import Settings, url_place
from scorer.database import tls
from scorer.database.error_messages import write_it_so
from scorer.errors import UserError

# How soon either side notices that the other is gone without a word (a cut network, a host without power), instead of after minutes or
# hours: when data is not acknowledged within _UNACKNOWLEDGED ms, or _PROBES probes are not answered. A server that lost a client releases
# its locks.
_IDLE, _INTERVAL, _PROBES, _UNACKNOWLEDGED = "10", "3", "3", "15000"
_KEEPALIVES = {
    "keepalives": "1",
    "keepalives_idle": _IDLE,
    "keepalives_interval": _INTERVAL,
    "keepalives_count": _PROBES,
    "tcp_user_timeout": _UNACKNOWLEDGED,
}
APPLICATION = "scorer"  # our sessions' application_name in pg_stat_activity

# A session uses one core of the hospital's server and no more; neither parallel plans nor compiled ones help a batch, whose rows go out one
# by one and whose statements are short. A bitmap scan finds a batch's rows in the order of their pages: 64 MB keep it exact for a million
# pages.
_ONE_CORE = {"max_parallel_workers_per_gather": "0", "jit": "off", "work_mem": "64MB"}
_LONGEST = 2**31 - 1  # milliseconds that a timeout of PostgreSQL's can have
_LONGEST_WAIT = 60.0  # seconds of one wait: the kernel's own count ends after some weeks
_EVENTS = {psycopg2.extensions.POLL_READ: select.POLLIN, psycopg2.extensions.POLL_WRITE: select.POLLOUT}

_OF_URLS = {"ssl"}  # parameters that libpq knows in a URL alone

OWNER = "scorer_owner"
READER = "scorer_reader"


@dataclass(frozen=True, slots=True)
class Target:
    """A database, and the settings of our sessions with it."""

    url: str
    role: str | None
    statement_timeout: timedelta
    lock_timeout: timedelta
    idle_timeout: timedelta
    connect_timeout: timedelta

    @classmethod
    def of(cls, url: str, settings: Settings, *, role: str | None) -> Target:
        """The database at `url` with the timeouts of `settings`; every session sets its role to `role`.

        Raises UserError where sessions could be plaintext on a network, and `settings` do not allow that.
        """
        return cls(
            url=encrypted_url(url, settings),
            role=role,
            statement_timeout=settings.statement_timeout,
            lock_timeout=settings.lock_timeout,
            idle_timeout=settings.idle_timeout,
            connect_timeout=settings.connect_timeout,
        )

    @property
    def parameters(self) -> dict[str, str]:
        """What a session is opened with, by libpq's names.

        The server's settings are not among them: a pooler refuses libpq's `options`, and libpq would take a session that is opened
        read-only for one with a standby.
        """
        return (
            _KEEPALIVES
            | tls.pinned(_parsed(self.url), environment=os.environ)
            | {
                "client_encoding": "UTF8",
                "connect_timeout": str(max(1, int(self.connect_timeout.total_seconds()))),
                "application_name": APPLICATION,
            }
        )

    @property
    def dsn(self) -> str:
        """The parameters as one text, for psycopg2."""
        return psycopg2.extensions.make_dsn(**self.parameters)

    def asked(self, *, read_only: bool) -> dict[str, dict[str, str]]:
        """The server's settings that a session is to have, as settle_session.sql takes them.

        Those under `must` are set whatever the session had. Those under `at_most` are timeouts: a shorter one that the database, the
        login's role or the URL's `options` have counts. Those under `unless` are left as one of these has them.
        """
        must = {
            # A function or table that another user made in public is not taken for PostgreSQL's own, or for ours.
            "search_path": "pg_catalog, pg_temp",
            # Where a policy hides rows, the server refuses: else hidden rows would look like nothing being due.
            "row_security": "off",
            "default_transaction_isolation": "read committed",
            "TimeZone": "UTC",
            "DateStyle": "ISO",
            # A backslash in a literal is one, wherever the statement came from: so parameters and comments are found (jobs/sql_text.py).
            "standard_conforming_strings": "on",
            # Notices of the hospital's functions and triggers may quote a patient, and libpq would print them.
            "client_min_messages": "error",
            "tcp_keepalives_idle": _IDLE,
            "tcp_keepalives_interval": _INTERVAL,
            "tcp_keepalives_count": _PROBES,
            "tcp_user_timeout": _UNACKNOWLEDGED,
        }
        if read_only:
            must["default_transaction_read_only"] = "on"
        if self.role:
            must["role"] = self.role
        at_most = {
            "statement_timeout": _milliseconds(self.statement_timeout),
            "lock_timeout": _milliseconds(self.lock_timeout),
            "idle_in_transaction_session_timeout": _milliseconds(self.idle_timeout),
        }
        return {"must": must, "at_most": at_most, "unless": _ONE_CORE}


@dataclass(frozen=True, slots=True)
class Database:
    """A database's URL and the settings; the targets of our sessions are made of both."""

    url: str
    settings: Settings

    def as_worker(self) -> Target:
        """The target of sessions that run jobs. Raises UserError where they could be plaintext on a network."""
        return Target.of(self.url, self.settings, role=self.settings.worker_role)

    def as_owner(self) -> Target:
        """The target of sessions that own our tables. Raises as `as_worker` does."""
        return Target.of(self.url, self.settings, role=OWNER)

    def as_reader(self) -> Target:
        """The target of sessions that read the reporting views alone. Raises as `as_worker` does."""
        return Target.of(self.url, self.settings, role=READER)

    def as_login(self) -> Target:
        """The target of sessions with the rights of the login itself. Raises as `as_worker` does."""
        return Target.of(self.url, self.settings, role=None)


def _milliseconds(span: timedelta) -> str:
    return str(min(int(span.total_seconds() * 1000), _LONGEST))


def libpq_url(url: str) -> str:
    """`url` in libpq's form, whether it came in that or in SQLAlchemy's.

    Raises UserError where it is no URL of PostgreSQL's, or cannot be read.

    >>> libpq_url("postgresql+psycopg2://u@h/d")
    'postgresql://u@h/d'
    """
    match = re.fullmatch(r"(?:postgresql|postgres)(?:\+\w+)?://(.*)", url, flags=re.DOTALL)
    if match is None:
        raise UserError(f"The database URL is not one of PostgreSQL's; {write_it_so()}")
    _refuse_a_raw_password(match[1])
    _refuse_uneven_lists(_parsed(f"postgresql://{match[1]}"))
    return f"postgresql://{match[1]}"


def _refuse_a_raw_password(place: str) -> None:
    """Raise UserError where a special character of a password could have been taken for the end of it.

    Else a piece of the password would count as host, port, database or parameter, and be named in errors.
    """
    authority, _, rest = place.partition("/")
    has_password = ":" in authority
    if (authority if has_password else authority.partition("?")[0]).count("@") > 1 or (has_password and "@" in rest):
        raise UserError(
            "The database URL has more than one @, or one behind its host; write an @, a / or a ? that is in the password as %40, %2F or "
            "%3F, and an @ elsewhere as %40."
        )
    hosts = authority.rpartition("@")[2].partition("?")[0]
    if not all(re.fullmatch(r"(?:\[[^\]]*\]|[^:\[]*)(?::[0-9]*)?", each) for each in hosts.split(",")):
        raise UserError(
            f"The database URL's port is no number; check {url_place()}, and write a / that is in the password as %2F, and a : as %3A."
        )


def _refuse_uneven_lists(parameters: Mapping[str, str]) -> None:
    """Raise UserError where hosts, addresses and ports are lists that do not belong together."""
    known = tls.in_force(parameters, environment=os.environ)
    counts = {name: len(known[name].split(",")) for name in ("host", "hostaddr", "port") if known.get(name)}
    places = max(counts.get("host", 0), counts.get("hostaddr", 0)) or 1
    if counts.get("host", places) != counts.get("hostaddr", places) or counts.get("port", 1) not in {1, places}:
        told = " and ".join(f"{count} of {name}" for name, count in counts.items())
        raise UserError(f"The database URL's lists differ in length: {told}; give each host its hostaddr and its port.")
    for port in filter(None, known.get("port", "").split(",")):
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
            raise UserError(f"The database URL's port is no number from 1 to 65535; check {url_place()}.")


def encrypted_url(url: str, settings: Settings) -> str:
    """`url` in libpq's form.

    Raises UserError where it could lead beyond this machine in plaintext, unless `allow_plaintext` is set.
    """
    read = libpq_url(url)
    place = tls.plaintext_place(_parsed(read), environment=os.environ)
    if place is not None and not settings.allow_plaintext:
        raise UserError(
            f"The connection to {place} could be unencrypted; add sslmode=verify-full to its URL (and sslrootcert=, the file of "
            "the authority that signed the server's certificate), or set allow_plaintext = true."
        )
    return read


def columns_uri(target: Target) -> str:
    """The URI of a session, with all the parameters of `target`, as ADBC takes it."""
    return f"postgresql://?{urlencode(target.parameters, quote_via=quote, safe='')}"


def plain_parameters(database: Database) -> dict[str, str]:
    """What a session with the server's own settings is opened with, by libpq's names."""
    return tls.pinned(_parsed(encrypted_url(database.url, database.settings)), environment=os.environ)


def answers(session: Any, *, deadline: float) -> bool:
    """Wait until an asynchronous session is ready for its next step.

    Returns False where `deadline`, a monotonic time, comes first.
    """
    while (state := session.poll()) != psycopg2.extensions.POLL_OK:
        poller = select.poll()
        poller.register(session.fileno(), _EVENTS[state])
        poller.poll(max(0.0, min(deadline - time.monotonic(), _LONGEST_WAIT)) * 1000)
        if time.monotonic() >= deadline:
            return False
    return True


def _parsed(url: str) -> dict[str, str]:
    try:
        return dict(psycopg2.extensions.parse_dsn(url))
    except (psycopg2.ProgrammingError, UnicodeError):
        # Where there is a password, what looks like a parameter's name may be a piece of it.
        user = url.partition("//")[2].partition("/")[0].rpartition("@")[0]
        names = [] if ":" in user or "password" in url else re.findall(r"[?&](\w+)=", url)
        unknown = next(filter(_is_unknown, names), None)
        where = (
            " cannot be read: a special character in its user or password, % for one, is to be written as %25 and the like"
            if unknown is None
            else f" has the parameter {unknown!r}, which PostgreSQL does not know"
        )
        raise UserError(f"The database URL{where}; {write_it_so()}") from None


def _is_unknown(parameter: str) -> bool:
    """Whether libpq knows no parameter of this name."""
    try:
        psycopg2.extensions.parse_dsn(f"{parameter}=1")
    except (psycopg2.ProgrammingError, UnicodeError):
        return parameter not in _OF_URLS
    return False
