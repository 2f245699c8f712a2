"""How every session with PostgreSQL is opened: encryption, time zone, timeouts, role.

`Target.dsn` is for psycopg2 (session.py puts SQLAlchemy over it), for our own tables; `columns_uri` is for the Arrow session that reads
the hospital's tables; `plain_session` is psycopg2 with the server's own settings. In all of them libpq itself reads the URL, and one that
could carry patients' values over a network unencrypted is refused.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import psycopg2
import psycopg2.extensions

from scorer.config import Settings
from scorer.database import tls
from scorer.database.error_messages import WRITE_IT_SO, sentences, translate_connection_error
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

# Settings that a database's URL may change. A session uses one core of the hospital's server and no more; neither parallel plans nor
# compiled ones help a batch, whose rows go out one by one and whose statements are short. A bitmap scan finds a batch's rows in the order
# of their pages: 64 MB keep it exact for a million pages.
_ONE_CORE = "-c max_parallel_workers_per_gather=0 -c jit=off -c work_mem=64MB"

OWNER = "scorer_owner"


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

    def parameters(self, *, read_only: bool) -> dict[str, str]:
        """The parameters of a session, by libpq's names."""
        of_url = _parsed(self.url)
        return (
            _KEEPALIVES
            | tls.pinned(of_url, environment=os.environ)
            | {
                "options": " ".join(
                    filter(None, [_ONE_CORE, of_url.get("options"), self.options(read_only=read_only)])
                ),
                "connect_timeout": str(max(1, int(self.connect_timeout.total_seconds()))),
                "application_name": APPLICATION,
            }
        )

    def dsn(self, *, read_only: bool) -> str:
        """The parameters as one text, for psycopg2."""
        return psycopg2.extensions.make_dsn(**self.parameters(read_only=read_only))

    def options(self, *, read_only: bool) -> str:
        """The server settings of a session, as libpq's `options`."""
        values = {
            # A function or table that another user made in public is not taken for PostgreSQL's own, or for ours.
            "search_path": "pg_catalog,pg_temp",
            "client_encoding": "UTF8",
            # Where a policy hides rows, the server refuses: else hidden rows would look like nothing being due.
            "row_security": "off",
            "default_transaction_isolation": r"read\ committed",
            "TimeZone": "UTC",
            "DateStyle": "ISO",
            # A backslash in a literal is one, wherever the statement came from: so parameters and comments are found (jobs/sql_text.py).
            "standard_conforming_strings": "on",
            # Notices of the hospital's functions and triggers may quote a patient, and libpq would print them.
            "client_min_messages": "error",
            "statement_timeout": _milliseconds(self.statement_timeout),
            "lock_timeout": _milliseconds(self.lock_timeout),
            "idle_in_transaction_session_timeout": _milliseconds(self.idle_timeout),
            "tcp_keepalives_idle": _IDLE,
            "tcp_keepalives_interval": _INTERVAL,
            "tcp_keepalives_count": _PROBES,
            "tcp_user_timeout": _UNACKNOWLEDGED,
        }
        if read_only:
            values["default_transaction_read_only"] = "on"
        if self.role:
            values["role"] = self.role
        return " ".join(f"-c {name}={value}" for name, value in values.items())


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

    def as_login(self) -> Target:
        """The target of sessions with the rights of the login itself. Raises as `as_worker` does."""
        return Target.of(self.url, self.settings, role=None)


def _milliseconds(span: timedelta) -> str:
    return str(int(span.total_seconds() * 1000))


def libpq_url(url: str) -> str:
    """`url` in libpq's form, whether it came in that or in SQLAlchemy's.

    Raises UserError where it is no URL of PostgreSQL's, or cannot be read.

    >>> libpq_url("postgresql+psycopg2://u@h/d")
    'postgresql://u@h/d'
    """
    match = re.fullmatch(r"(?:postgresql|postgres)(?:\+\w+)?://(.*)", url, flags=re.DOTALL)
    if match is None:
        raise UserError(f"The database URL is not one of PostgreSQL's; {WRITE_IT_SO}")
    if re.match(r"[^/?]*@[^/?]*@", match[1]):
        raise UserError(
            "The database URL has more than one @ before its host; write one that is in the password as %40."
        )
    _parsed(f"postgresql://{match[1]}")
    return f"postgresql://{match[1]}"


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
    """The URI of a read-only session, with all the parameters of `target`, as ADBC takes it."""
    return f"postgresql://?{urlencode(target.parameters(read_only=True), quote_via=quote, safe='')}"


def plain_session(database: Database, *, application_name: str) -> Any:
    """Open a psycopg2 connection with the server's own settings, for loading files. Its caller commits."""
    pinned = tls.pinned(_parsed(encrypted_url(database.url, database.settings)), environment=os.environ)
    with sentences():
        return psycopg2.connect(psycopg2.extensions.make_dsn(**pinned | {"application_name": application_name}))


def _parsed(url: str) -> dict[str, str]:
    try:
        return dict(psycopg2.extensions.parse_dsn(url))
    except psycopg2.ProgrammingError as error:
        raise translate_connection_error(error, "") or UserError(
            f"The database URL cannot be read; {WRITE_IT_SO}"
        ) from None
