"""The drivers' errors as sentences that say what is wrong and what to do.

A server speaks the language of its lc_messages, so nothing is decided by words: SQLSTATE decides; where there is none, the form in which
libpq passes on what a server said ("severity:  message"), or the type of the driver's error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import psycopg2
import psycopg2.errors
import psycopg2.extensions

from scorer.config import url_place
from scorer.errors import DatabaseUnavailable, DataRefused, StatementFailed, TimedOut, UserError

# Connection failures, serialization, deadlock, lock timeout, server shutting down or starting up, disk full, memory or sessions used up.
_WORTH_A_RETRY = re.compile(r"08...|40001|40P01|55P03|57P0[1-5]|53[123]00")


# What functions of our schema raise for the user, in a sentence without a patient's value.
_FOR_THE_USER = "SC001"


_IDLE_TOO_LONG = "25P03"
_READ_ONLY = "25006"
_NOT_ALLOWED = "42501"
_TIMED_OUT = "57014"
_NOT_FOUND = re.compile(r"42...|3F000")  # in a function: mostly a name that search_path does not lead to


# The URL itself is never quoted: it may be, or hold, a password.
def write_it_so() -> str:
    """How the database's URL is to be written, and where."""
    return f"write {url_place()} as postgresql://user@host:5432/database."


# For a function that does not find what it names in a session of ours.
SEARCH_PATH_REMEDY = (
    "name the schema in it, or ALTER FUNCTION {function} SET search_path = public (or where its tables are)."
)

# The `where` of the statements that make our temporary tables.
TEMPORARY_TABLE = "The making of a temporary table"

# How a line of CONTEXT names a function, in any language: PL/pgSQL function public.f(integer) line 3 at RAISE; SQL function "f"
# statement 1; PL/Python function "f". A line of COPY's, or one that quotes a statement, has neither form.
_WITH_ARGUMENTS = re.compile(r"""[^"«»„:]*PL/\w[^"«»„:]*?((?:[\w$]+\.)*(?:[\w$]+|"[^"]+")\([\w\s,.\[\]]*\))""")
_IN_QUOTES = re.compile(
    r"""(?:[^"«»„:]*PL/\w[^"«»„:]*|SQL[^"«»„:]*(?=\S+\s+\w+))["«»„]\s?([A-Za-z_][\w.$]*)\s?["«»“](?:\s+\w+){0,3}$"""
)

_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")  # libpq's parameters that name one
_HIDDEN = {"home", "root", "tmp"}  # folders of / that the unit hides from the service


# A statement of the program's own; any other is a job's, whose errors are its data's, its own or the hospital's, and no bug.
_OURS = "A statement"


_WRITES = re.compile("write_back|take_back")  # the `where` of the statements that write into the hospital's table


# Text whose bytes are not of the encoding that the session asks for.
NOT_UTF8 = "22021"


# What the data make of a statement: cardinality, values, what a function raises, what is not supported of a value, limits, damage.
_OF_DATA = re.compile(r"(21|22|23|2F|38|39|P0|0A|54|XX)...")
# What the server lacks, whatever the data are: resources, files, a foreign server, its settings.
_OF_THE_SERVER = {"53", "58", "72", "HV", "F0"}


@contextmanager
def sentences(*more: type[Exception], where: str = _OURS) -> Iterator[None]:
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
    return f"SQLSTATE {sqlstate_of(original)}" + (f", constraint {constraint}" if constraint else "")


def sqlstate_of(error: BaseException) -> str | None:
    """The SQLSTATE of a driver's error; None where it has none."""
    return getattr(error, "pgcode", None) or getattr(error, "sqlstate", None)


def translate_error(error: BaseException, *, where: str = _OURS) -> UserError | None:
    """The sentence for a driver's error; None where it is a bug of ours."""
    original = getattr(error, "orig", None) or error
    sqlstate = sqlstate_of(original)
    reason = _first_line(original)
    if sqlstate is None:
        return _lost(original, reason)
    if _WORTH_A_RETRY.fullmatch(sqlstate):
        return DatabaseUnavailable(
            f"The database gave up on us ({sqlstate}): {reason}; try again, and see the server's log if it goes on.",
            sqlstate=sqlstate,
        )
    unavailable = {
        _READ_ONLY: f"The database is read-only, a standby perhaps; point {url_place()} at the primary "
        "(target_session_attrs=primary finds it among several hosts).",
        # Also after a process was stopped for a while, so the batch is worth another try.
        _IDLE_TOO_LONG: "A batch was judged for longer than idle_timeout (or, if shorter, the idle_in_transaction_session_timeout of the "
        "login's role) allows; raise it, or lower batch_size.",
    }
    if sqlstate in unavailable:
        return DatabaseUnavailable(unavailable[sqlstate], sqlstate=sqlstate)
    if sqlstate != _FOR_THE_USER and (where == TEMPORARY_TABLE or hospitals_function(original) is not None):
        return _of_the_hospitals_function(sqlstate, reason, function=hospitals_function(original), where=where)
    by_state = {
        _NOT_ALLOWED: f"A privilege is missing: {reason}{_of(where)}; grant it (or, where a policy hides rows, ALTER ROLE scorer_worker "
        "BYPASSRLS; see the README, Roles) and run `scorer check`.",
        "42P01": f"{where} names a table that is not there: {reason}; make the table (`scorer load` makes the source tables), "
        "mend the job's statement, or run `scorer db upgrade`.",
        "54000": f"{where} gives a text too long to be a key: {reason}; mend the data, or the job's statement.",
        _TIMED_OUT: f"{where} took longer than statement_timeout allows: {reason}; raise it (in scorer.toml, and for the login's role if "
        "that has a shorter one), or see what the server waits for.",
        "25P04": f"{where} stood in a transaction for longer than the server's transaction_timeout allows; raise it for the login's role, "
        "or lower batch_size.",
        _FOR_THE_USER: f"{reason[:1].upper()}{reason[1:]}.",
    }
    if sqlstate in by_state:
        return (TimedOut if sqlstate == _TIMED_OUT else UserError)(by_state[sqlstate])
    if sqlstate.startswith("42") or sqlstate == "3F000":
        return UserError(
            f"{where} does not fit the database: {reason}; mend the job's statement or run `scorer db upgrade`."
        )
    if sqlstate[:2] in {"P0", "23"} and _WRITES.search(where):
        return UserError(
            f"{where} was refused by the hospital's table (SQLSTATE {sqlstate}): a trigger or constraint there."
        )
    if sqlstate[:2] in {"28", "3D"}:
        return UserError(f"The database refuses the connection: {reason}; check {url_place()}.")
    if where == _OURS or sqlstate[:2] in _OF_THE_SERVER:
        return _of_the_server(sqlstate, reason, where=where)
    return _refused(sqlstate, where=where)


def _of_the_server(sqlstate: str, reason: str, *, where: str) -> UserError | None:
    """The sentence for what the server, or what is in it, fails at; None where it is a bug of ours.

    Its words are quoted only where they name files, limits or kinds of statement.
    """
    if sqlstate[:2] in {"53", "58", "0A", "72"}:
        return UserError(f"{where} is more than the server can do ({sqlstate}): {reason}; see its log.")
    if sqlstate[:2] in {"HV", "P0", "38", "39", "2F"}:
        return UserError(
            f"{where} was refused by a function, a trigger or a foreign server of the database (SQLSTATE {sqlstate}); see the server's log."
        )
    if sqlstate[:2] in {"XX", "F0"}:
        return UserError(f"{where} met a fault of the server's own (SQLSTATE {sqlstate}); see the server's log.")
    return None


def _of(where: str) -> str:
    """Which statement it was, where that is known: many jobs may have a table of that name."""
    return "" if where == _OURS else f" ({where[:1].lower()}{where[1:]})"


def _refused(sqlstate: str, *, where: str) -> UserError:
    """The sentence for an error that a job's own statement met.

    The server's words are left out: they may quote a patient.
    """
    cause = f"{in_words(sqlstate)} (SQLSTATE {sqlstate})"
    if _WRITES.search(where):
        return UserError(
            f"{where} cannot write into the hospital's table: {cause}; compare the columns' types with what is written "
            "(`scorer check` tries each), or mend the statement."
        )
    if _OF_DATA.fullmatch(sqlstate):
        return DataRefused(
            f"{where} meets data that it cannot take: {cause}; mend the data, or have the statement allow for them.",
            cause=cause,
        )
    return UserError(f"{where} failed: {cause}; see the server's log, and mend the statement or what it calls.")


def refuse_text(*, where: str, encoding: str) -> DataRefused:
    """The error of a job's statement that met text which a database of that encoding cannot give as UTF-8."""
    cause = f"its text is not UTF-8 (the database's encoding is {encoding})"
    return DataRefused(f"{where} meets data that it cannot take: {cause}; mend the text.", cause=cause)


def in_words(sqlstate: str) -> str:
    """The name that PostgreSQL gives to an SQLSTATE, in words.

    >>> in_words("22001"), in_words("22P02"), in_words("ZX123")
    ('string data right truncation', 'invalid text representation', 'an error of its own')
    """
    if sqlstate == NOT_UTF8:
        return "its text is not UTF-8"
    for code in (sqlstate, f"{sqlstate[:2]}000"):
        try:
            name = psycopg2.errors.lookup(code).__name__
        except KeyError:
            continue
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    return "an error of its own"


def _of_the_hospitals_function(sqlstate: str, reason: str, *, function: str | None, where: str) -> UserError:
    """The sentence for an error of the hospital's function, or of our making a temporary table.

    What it said is quoted only where those are names of tables and columns.
    """
    if where == TEMPORARY_TABLE:
        if function is None and sqlstate == _NOT_ALLOWED:
            return UserError(f"A privilege is missing: {reason}; GRANT TEMPORARY on the database to the worker's role.")
        return UserError(
            f"The database refused to make a temporary table ({sqlstate}): an event trigger there, which must let those of scorer's login "
            f"pass{'' if function is None else f', in its function {function}'}?"
        )
    if sqlstate == _NOT_ALLOWED:
        return UserError(
            f"{where} calls or fires the hospital's function {function}, which lacks a privilege: {reason}; grant it to the role that "
            "scorer acts as, or have the function run as its owner (SECURITY DEFINER)."
        )
    if _NOT_FOUND.fullmatch(sqlstate):
        return UserError(
            f"{where} calls or fires the hospital's function {function}, which fails: {reason}; scorer's sessions search pg_catalog alone, "
            f"so {SEARCH_PATH_REMEDY.format(function=function)}"
        )
    refused = f"{where} was refused by the hospital's function {function} (SQLSTATE {sqlstate}); see in the server's log what it raised."
    if _OF_DATA.fullmatch(sqlstate) and not _WRITES.search(where):
        cause = f"the hospital's function {function} refuses them, {in_words(sqlstate)} (SQLSTATE {sqlstate})"
        return DataRefused(refused, cause=cause)
    return UserError(refused)


def hospitals_function(error: BaseException) -> str | None:
    """The innermost function, none of ours, that an error was raised in; None where there is none.

    It is read from the server's CONTEXT, of which nothing else is ever quoted: that may hold statements with a patient's values.
    """
    for line in _context(error).splitlines():
        found = _WITH_ARGUMENTS.match(line) or _IN_QUOTES.match(line)
        if found and not found[1].startswith("scorer."):
            return found[1] if found[1].endswith(")") else f"{found[1]}()"
    return None


def _context(error: BaseException) -> str:
    """The server's CONTEXT of a driver's error: psycopg2's, or ADBC's."""
    return str(getattr(getattr(error, "diag", None), "context", None) or _detail(error, "PG_DIAG_CONTEXT") or "")


def _detail(error: BaseException, name: str) -> str | None:
    """A field of the server's error, as ADBC has it."""
    for key, value in getattr(error, "details", None) or ():
        if (key.decode() if isinstance(key, bytes) else key) == name:
            return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return None


def _lost(error: BaseException, reason: str) -> DatabaseUnavailable | None:
    """The sentence for an error without a SQLSTATE; None where the session is there all the same."""
    connection = getattr(getattr(error, "cursor", None), "connection", None)
    gone = (
        isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError))
        or type(error) is psycopg2.DatabaseError
        or getattr(connection, "closed", 0) != 0
        or getattr(getattr(error, "status_code", None), "name", None) == "IO"  # ADBC's
    )
    if not gone:
        return None
    return DatabaseUnavailable(f"The database does not answer: {reason}; start the server, or check {url_place()}.")


def unreachable(error: BaseException, parameters: Mapping[str, str]) -> DatabaseUnavailable:
    """The sentence for a session that could not be opened with libpq's `parameters`.

    A server that refuses it is told from one that does not answer; both may change within a run, and are worth waiting for.
    """
    lines = [line for line in str(error).splitlines() if line.strip() and not line.startswith(("\t", " "))]
    several = "," in parameters.get("host", "") and parameters["host"] != "localhost,localhost"
    said = [match[1] for line in lines if (match := re.search(r"(?:^|: )[^\s:]+:  (.+)", line))]
    told = said or [re.sub(r"^\w+: \[libpq\] [^:]*: ", "", line) for line in lines] or ["no reason given"]
    reason = ", ".join(dict.fromkeys(each.strip().rstrip(".") for each in (told if several else told[:1])))
    hidden = next((path for name in _FILES if (path := parameters.get(name, "")) and _is_hidden(path)), None)
    if hidden is not None:
        why = (
            "which the service does not see under /home, /root or /tmp"
            if hidden.split("/")[1] in _HIDDEN
            else "which is not there for us"
        )
        return DatabaseUnavailable(
            f"The database's URL names the file {hidden}, {why}: {reason}; put it where the user that runs scorer may read it, "
            "/etc/scorer say, and name it there."
        )
    if said:
        options = "options" in parameters or "PGOPTIONS" in os.environ
        return DatabaseUnavailable(
            f"The database refuses the connection: {reason}; if it only starts, or has no session free, try again in a while, else check "
            f"{url_place()} and the roles{' (a pooler may refuse its options)' if options else ''}."
        )
    if parameters.get("sslmode", "").startswith(("require", "verify")):
        return DatabaseUnavailable(
            f"The database does not answer, or its TLS is refused: {reason}; start the server, or check {url_place()}, its sslmode, "
            "its sslrootcert and the server's certificate."
        )
    return DatabaseUnavailable(f"The database does not answer: {reason}; start the server, or check {url_place()}.")


def _is_hidden(path: str) -> bool:
    return path.startswith("/") and not os.access(path, os.R_OK)


def _first_line(error: BaseException) -> str:
    """The server's message without DETAIL, HINT and CONTEXT, which may hold a patient's values."""
    told = getattr(getattr(error, "diag", None), "message_primary", None) or _detail(error, "PG_DIAG_MESSAGE_PRIMARY")
    lines = [line.strip() for line in str(told or error).splitlines() if line.strip()]
    return re.sub(r"^(?:.*?: )?[^\s:]+:  ", "", (lines or ["no reason given"])[0]).rstrip(".")
