"""The driver's errors as sentences that say what is wrong and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import psycopg2.extensions

from scorer.errors import DatabaseUnavailable, StatementFailed, UserError

# Connection failures, serialization, deadlock, lock timeout, server shutting down or starting up, disk full, memory or sessions used up.
_WORTH_A_RETRY = re.compile(r"08...|40001|40P01|55P03|57P0[1-5]|53[123]00")


# The words of a server that starts, recovers or has no session left: it gives no SQLSTATE.
_NOT_READY = (
    "starting up|shutting down|recovery mode|not yet accepting connections|terminating connection|"
    "too many (clients|connections)|remaining connection slots"
)


# What functions of our schema raise for the user, in a sentence without a patient's value.
_FOR_THE_USER = "SC001"


# TLS that is missing, or proves another server: waiting would not help.
_NOT_TRUSTED = "certificate|does not support SSL|sslmode value|no encryption"


_IDLE_TOO_LONG = "25P03"


# The URL itself is never quoted: it may be, or hold, a password.
WRITE_IT_SO = "write SCORER_DATABASE_URL as postgresql://user@host:5432/database."


_ANY = "A statement"  # where none is named


@contextmanager
def sentences(*more: type[Exception], where: str = _ANY) -> Iterator[None]:
    """Within it, the driver's errors (and types `more`) that an operator can correct become a sentence.

    `where` names the statement in that sentence. Raises UserError or DatabaseUnavailable, as `translate_error` decides, and
    StatementFailed, without the server's words, for the other errors.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(getattr(error, "orig", None) or error, (psycopg2.Error, *more)):
            raise
        translated = translate_error(error, where=where)
        if translated is None:
            raise StatementFailed(f"{where}: {_bare(error)}") from None
        raise translated from None


def _bare(error: BaseException) -> str:
    """SQLSTATE and constraint of an error, which hold no patient's value."""
    original = getattr(error, "orig", None) or error
    constraint = getattr(getattr(original, "diag", None), "constraint_name", None)
    return f"SQLSTATE {_sqlstate(original)}" + (f", constraint {constraint}" if constraint else "")


def _sqlstate(error: BaseException) -> str | None:
    return getattr(error, "pgcode", None) or getattr(error, "sqlstate", None)


def translate_error(error: BaseException, *, where: str = _ANY) -> UserError | None:
    """The sentence for a driver's error; None where it is a bug of ours."""
    original = getattr(error, "orig", None) or error
    sqlstate = _sqlstate(original)
    reason = _first_line(original)
    if sqlstate is None or sqlstate == _IDLE_TOO_LONG:
        return translate_connection_error(original, reason)
    if _WORTH_A_RETRY.fullmatch(sqlstate):
        return DatabaseUnavailable(
            f"The database gave up on us ({sqlstate}): {reason}; try again, and see the server's log if it goes on.",
            sqlstate=sqlstate,
        )
    by_state = {
        "42501": f"A privilege is missing: {reason}{_of(where)}; grant it (see the README, Roles) and run `scorer check`.",
        "42P01": f"{where} names a table that is not there: {reason}; make the table (`scorer load` makes the source tables), "
        "mend the job's statement, or run `scorer db upgrade`.",
        "25006": "The database is read-only, a standby perhaps; point SCORER_DATABASE_URL at the primary.",
        "54000": f"{where} gives a text too long to be a key: {reason}; mend the data, or the job's statement.",
        "57014": f"{where} took longer than statement_timeout allows: {reason}; raise it, or see what the server waits for.",
        _FOR_THE_USER: f"{reason[:1].upper()}{reason[1:]}.",
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


def _of(where: str) -> str:
    """Which statement it was, where that is known: many jobs may have a table of that name."""
    return "" if where == _ANY else f" ({where[:1].lower()}{where[1:]})"


def translate_connection_error(error: BaseException, reason: str) -> UserError | None:
    """The sentence for an error of connecting with the server's `reason`; None where it is another error."""
    text = str(error)
    unread = re.search(r"invalid dsn|missing \"=\" after|invalid URI|invalid connection option", text)
    if unread:
        parameter = re.search(r'(?:URI query parameter|connection option):? "(\w+)"', text)
        where = (
            f" has the parameter {parameter[1]!r}, which PostgreSQL does not know" if parameter else " cannot be read"
        )
        return UserError(f"The database URL{where}; {WRITE_IT_SO}")
    if re.search(r"could not translate host name", text):
        return UserError(f"The database's host is unknown: {reason}; check SCORER_DATABASE_URL.")
    if re.search(_NOT_TRUSTED, text):
        return UserError(
            f"The database's TLS is refused: {reason}; check sslmode, sslrootcert and the server's certificate."
        )
    if "idle-in-transaction timeout" in text:
        # Also after a process was stopped for a while, so the batch is worth another try.
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
    """The server's message without DETAIL, HINT and CONTEXT, which may hold a patient's values."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    fatal = [line for line in lines if "FATAL" in line]
    text = (fatal or lines or ["no reason given"])[0]
    return re.sub(r"^.*?(?:FATAL|ERROR):\s+", "", text).rstrip(".")
