"""How every session with PostgreSQL is opened: encryption, time zone, timeouts, role; and what its errors mean in one sentence.

`engine` gives SQLAlchemy over psycopg2, for our own tables; `columns_uri` is what source.py opens for the hospital's tables, read-only,
to receive rows as Arrow columns; `plain_session` is psycopg2 alone. All are read from the URL by libpq itself, and refused alike where
they would carry patients' values over a network unencrypted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import psycopg2
import psycopg2.extensions

from scorer.config import Settings
from scorer.database import tls
from scorer.errors import DatabaseUnavailable, StatementFailed, UserError

# Connection failures, serialization, deadlock, lock not had in time, server shutting down or starting up, disk full, memory or sessions
# used up.
_WORTH_WAITING = re.compile(r"08...|40001|40P01|55P03|57P0[1-5]|53[123]00")
# A server that says why, instead of an SQLSTATE, while it starts, recovers or has no session left to give.
_NOT_READY = (
    "starting up|shutting down|recovery mode|not yet accepting connections|terminating connection|"
    "too many (clients|connections)|remaining connection slots"
)
# What functions of our schema raise for whoever asked, in a sentence that bears no patient's value.
_TOLD_BY_US = "SC001"
# TLS that is not there, or that proves somebody else: nothing that waiting would mend.
_NOT_TRUSTED = "certificate|does not support SSL|sslmode value|no encryption"
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
_IDLE_TOO_LONG = "25P03"
APPLICATION = "scorer"  # what our sessions are called in pg_stat_activity
# What stands there instead is never quoted: it may be, or hold, a password.
_WRITE_IT_SO = "write SCORER_DATABASE_URL as postgresql://user@host:5432/database."


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
        raise UserError(f"The database URL is not one of PostgreSQL's; {_WRITE_IT_SO}")
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
        raise _explain_connection(error, "") or UserError(f"The database URL cannot be read; {_WRITE_IT_SO}") from None


@contextmanager
def sentences(*more: type[Exception], where: str = "A statement") -> Iterator[None]:
    """Within it, the driver's errors (and those of types `more`) that an operator can mend become one sentence.

    `where` begins the sentences about a statement: which one it was.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(getattr(error, "orig", None) or error, (psycopg2.Error, *more)):
            raise
        told = translate_error(error, where=where)
        if told is None:
            raise StatementFailed(f"{where}: {_bare(error)}") from None
        raise told from None


def _bare(error: BaseException) -> str:
    original = getattr(error, "orig", None) or error
    constraint = getattr(getattr(original, "diag", None), "constraint_name", None)
    return f"SQLSTATE {_sqlstate(original)}" + (f", constraint {constraint}" if constraint else "")


def _sqlstate(error: BaseException) -> str | None:
    return getattr(error, "pgcode", None) or getattr(error, "sqlstate", None)


def translate_error(error: BaseException, *, where: str = "A statement") -> UserError | None:
    """The sentence for a driver's error, or None where it is a bug of ours."""
    original = getattr(error, "orig", None) or error
    sqlstate = _sqlstate(original)
    reason = _first_line(original)
    if sqlstate is None or sqlstate == _IDLE_TOO_LONG:
        return _explain_connection(original, reason)
    if _WORTH_WAITING.fullmatch(sqlstate):
        return DatabaseUnavailable(
            f"The database gave up on us ({sqlstate}): {reason}; try again, and see the server's log if it goes on.",
            sqlstate=sqlstate,
        )
    by_state = {
        "42501": f"A privilege is missing: {reason}; grant it (see the README, Roles) and run `scorer check`.",
        "42P01": f"{where} names a table that is not there: {reason}; make the table (`scorer load` makes the source tables), "
        "mend the job's statement, or run `scorer db upgrade`.",
        "25006": "The database is read-only, a standby perhaps; point SCORER_DATABASE_URL at the primary.",
        "54000": f"{where} gives a text too long to be a key: {reason}; mend the data, or the job's statement.",
        "57014": f"{where} took longer than statement_timeout allows: {reason}; raise it, or see what the server waits for.",
        _TOLD_BY_US: f"{reason[:1].upper()}{reason[1:]}.",
    }
    if sqlstate in by_state:
        return UserError(by_state[sqlstate])
    if sqlstate.startswith("42") or sqlstate == "3F000":
        return UserError(
            f"{where} does not fit the database: {reason}; mend the job's statement or run `scorer db upgrade`."
        )
    if sqlstate[:2] in {"P0", "23"} and re.search("write_back|take_back", where):
        return UserError(
            f"{where} was refused by the hospital's table (SQLSTATE {sqlstate}): a trigger or constraint there."
        )
    if sqlstate in {"28000", "28P01", "3D000"}:
        return UserError(f"The database refuses the connection: {reason}; check SCORER_DATABASE_URL.")
    return None


def _explain_connection(error: BaseException, reason: str) -> UserError | None:
    text = str(error)
    unread = re.search(r"invalid dsn|missing \"=\" after|invalid URI|invalid connection option", text)
    if unread:
        parameter = re.search(r'(?:URI query parameter|connection option):? "(\w+)"', text)
        where = (
            f" has the parameter {parameter[1]!r}, which PostgreSQL does not know" if parameter else " cannot be read"
        )
        return UserError(f"The database URL{where}; {_WRITE_IT_SO}")
    if re.search(r"could not translate host name", text):
        return UserError(f"The database's host is unknown: {reason}; check SCORER_DATABASE_URL.")
    if re.search(_NOT_TRUSTED, text):
        return UserError(
            f"The database's TLS is refused: {reason}; check sslmode, sslrootcert and the server's certificate."
        )
    if "idle-in-transaction timeout" in text:
        # Of a process that was stopped for a while, too: the batch is worth another try.
        return DatabaseUnavailable(
            "A batch was judged for longer than idle_timeout allows; raise idle_timeout, or lower batch_size.",
            sqlstate=_IDLE_TOO_LONG,
        )
    if re.search(_NOT_READY, text):
        return DatabaseUnavailable(f"The database is not ready: {reason}; try again in a while.")
    if re.search(r"permission denied to set role", text):
        return UserError(f"A privilege is missing: {reason}; GRANT that role to the user of SCORER_DATABASE_URL.")
    if re.search(r'role ".*" does not exist', text):
        return UserError(
            f"The database refuses the connection: {reason}; run `scorer db upgrade`, which makes scorer's roles, "
            "or check the user in SCORER_DATABASE_URL."
        )
    if re.search(r"authentication failed|FATAL|no password supplied|invalid .*option", text):
        return UserError(f"The database refuses the connection: {reason}; check SCORER_DATABASE_URL and the roles.")
    if re.search(r"connect|server closed|SSL|terminat|no results to fetch|EOF", text, re.IGNORECASE):
        return DatabaseUnavailable(
            f"The database does not answer: {reason}; start the server, or check SCORER_DATABASE_URL."
        )
    return None


def _first_line(error: BaseException) -> str:
    """The server's own words without its DETAIL, HINT and CONTEXT, which may hold a patient's values."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    fatal = [line for line in lines if "FATAL" in line]
    text = (fatal or lines or ["no reason given"])[0]
    return re.sub(r"^.*?(?:FATAL|ERROR):\s+", "", text).rstrip(".")
