"""How every session with PostgreSQL is opened: encryption, time zone, timeouts, role; and what its errors mean in one sentence.

`engine` gives SQLAlchemy over psycopg2, for our own tables; `columns_uri` is what source.py opens for the hospital's tables, read-only,
to receive rows as Arrow columns; `plain_session` is psycopg2 alone. All are read from the URL by libpq itself, and refused alike where
they would carry patients' values over a network unencrypted.
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

# How soon either side finds out that the other is gone without a word (a cut network, a host without power), instead of after minutes or
# hours: whatever is not acknowledged within _DEAF ms, or does not answer _PROBES probes. A server that lost us lets go of what it held.
_IDLE, _INTERVAL, _PROBES, _DEAF = "10", "3", "3", "15000"
_WATCHED = {
    "keepalives": "1",
    "keepalives_idle": _IDLE,
    "keepalives_interval": _INTERVAL,
    "keepalives_count": _PROBES,
    "tcp_user_timeout": _DEAF,
}
APPLICATION = "scorer"  # what our sessions are called in pg_stat_activity


# Settings that a database's URL may change. A session takes one core of the hospital's server and no more, and neither parallel plans nor
# compiled ones help a batch: rows that go out one by one are not sent faster by several, and its statements are short. A batch's rows are
# found in the order of their pages, told apart one by one: 64 MB do so for a million pages.
_THRIFTY = "-c max_parallel_workers_per_gather=0 -c jit=off -c work_mem=64MB"

OWNER = "scorer_owner"


@dataclass(frozen=True, slots=True)
class Target:
    """A database and the manners of our sessions in it."""

    url: str
    role: str | None
    statement_timeout: timedelta
    lock_timeout: timedelta
    idle_timeout: timedelta
    connect_timeout: timedelta

    @classmethod
    def of(cls, url: str, settings: Settings, *, role: str | None) -> Target:
        """The database at `url`, in the manners of `settings`; `role` is taken on by every session.

        Raises UserError where sessions with it could be plaintext on a network, and `settings` do not allow that.
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
        """All that libpq is told of a session, by its names."""
        of_url = _parsed(self.url)
        return (
            _WATCHED
            | tls.pinned(of_url, environment=os.environ)
            | {
                "options": " ".join(filter(None, [_THRIFTY, of_url.get("options"), self.options(read_only=read_only)])),
                "connect_timeout": str(max(1, int(self.connect_timeout.total_seconds()))),
                "application_name": APPLICATION,
            }
        )

    def dsn(self, *, read_only: bool) -> str:
        """The same as one text, for psycopg2."""
        return psycopg2.extensions.make_dsn(**self.parameters(read_only=read_only))

    def options(self, *, read_only: bool) -> str:
        """The server settings of a session, as libpq's `options`."""
        values = {
            # A function or table that somebody planted in public is not taken for PostgreSQL's own, or for ours.
            "search_path": "pg_catalog,pg_temp",
            "client_encoding": "UTF8",
            # A policy that hides rows makes the server refuse, instead of letting "nothing is due" stand for "nothing to be seen".
            "row_security": "off",
            "default_transaction_isolation": r"read\ committed",
            "TimeZone": "UTC",
            "DateStyle": "ISO",
            # What the hospital's functions and triggers tell may quote a patient, and libpq would print it.
            "client_min_messages": "error",
            "statement_timeout": _milliseconds(self.statement_timeout),
            "lock_timeout": _milliseconds(self.lock_timeout),
            "idle_in_transaction_session_timeout": _milliseconds(self.idle_timeout),
            "tcp_keepalives_idle": _IDLE,
            "tcp_keepalives_interval": _INTERVAL,
            "tcp_keepalives_count": _PROBES,
            "tcp_user_timeout": _DEAF,
        }
        if read_only:
            values["default_transaction_read_only"] = "on"
        if self.role:
            values["role"] = self.role
        return " ".join(f"-c {name}={value}" for name, value in values.items())


@dataclass(frozen=True, slots=True)
class Database:
    """Where the database is, and the settings that our sessions with it follow."""

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
    """`url` as libpq reads it, whether it came as libpq's or SQLAlchemy's.

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
    """`url` as libpq reads it. Raises UserError where it leads beyond this machine in plaintext, unless `allow_plaintext` is set."""
    read = libpq_url(url)
    place = tls.plaintext_place(_parsed(read), environment=os.environ)
    if place is not None and not settings.allow_plaintext:
        raise UserError(
            f"The connection to {place} could be unencrypted; add sslmode=verify-full to its URL (and sslrootcert=, the file of "
            "the authority that signed the server's certificate), or set allow_plaintext = true."
        )
    return read


def columns_uri(target: Target) -> str:
    """The URI of a read-only session in the same manners, for a driver that takes all of them from its URI."""
    return f"postgresql://?{urlencode(target.parameters(read_only=True), quote_via=quote, safe='')}"


def plain_session(database: Database, *, application_name: str) -> Any:
    """A psycopg2 connection in the server's own manners, for loading files, in a transaction that whoever asked is to end."""
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
