"""Checks of the database that scores are written to: version, role, schema."""

from __future__ import annotations

import re
from contextlib import closing

from scorer.config import url_place
from scorer.database import schema
from scorer.database.connecting import lost_settings
from scorer.database.connection import Target
from scorer.database.session import Session, engine
from scorer.database.store.server import create_tried, describe_session, list_event_triggers, read_session_limits
from scorer.errors import UserError

_OLDEST_SERVER = 14


# Sessions of a daemon: for beats, health and chores; of each job: its schedule and its requests; of each worker of a run.
_OF_A_DAEMON, _OF_A_JOB, _OF_A_WORKER = 6, 3, 4
# What is a time limit of the login's own, or the URL's, where it is shorter than ours; the rest of what is kept is not worth a word.
_LIMITS = re.compile(r".*_timeout")


def check_server(target: Target) -> str:
    """Connect, and compare the session with what it was given. Returns who is there, and as whom.

    Time limits that are not ours are told too. Raises UserError where the server is too old, or a setting is lost: the role, say.
    """
    connection, lost = lost_settings(target)
    if lost:
        raise UserError(
            f"The session loses what scorer sets in it, {', '.join(lost)}: a pooler, perhaps; set its pool_mode = session, or have "
            f"{url_place()} lead to the server itself."
        )
    session = Session(target)
    try:
        with session.transaction():
            found = describe_session(session)
    finally:
        session.close()
    if found["major"] < _OLDEST_SERVER:
        raise UserError(f"The server is PostgreSQL {found['version']}; {_OLDEST_SERVER} or newer is needed.")
    kept = [f"{each.name} {each.value}" for each in connection.settings if each.kept and _LIMITS.fullmatch(each.name)]
    pooled = ", through a pooler by session" if connection.pooled else ""
    own = (
        f"; shorter than scorer.toml has it, by the login's role, the database or the URL: {', '.join(kept)}"
        if kept
        else ""
    )
    return f"PostgreSQL {found['version']}, as {found['login']}, acting as {found['role']}{pooled}{own}"


def check_temporary_tables(target: Target) -> str:
    """Make a temporary table, as each run does. Raises UserError where the database does not let us."""
    with closing(Session(target)) as session:
        with session.transaction():
            triggers = list_event_triggers(session)
        try:
            with session.transaction(keep=False):
                create_tried(session)
        except UserError as error:
            told = f" There are: {', '.join(triggers)}." if triggers else ""
            raise UserError(f"{error}{told}") from None
    return f"can be made, with the event triggers {', '.join(triggers)}" if triggers else "can be made"


def check_sessions(target: Target, *, jobs: int, workers: int) -> str:
    """Compare the sessions that a daemon may need with those that it may have.

    Raises UserError where the login's role, the database or the server allows fewer.
    """
    needed = _OF_A_DAEMON + jobs * (_OF_A_JOB + workers * _OF_A_WORKER)
    with closing(Session(target)) as session, session.transaction():
        limits = read_session_limits(session)
    known = {
        "the CONNECTION LIMIT of the login's role": limits.login,
        "the CONNECTION LIMIT of the database": limits.database,
        "max_connections": limits.server,
    }
    for name, limit in known.items():
        if limit is not None and limit < needed:
            raise UserError(
                f"A daemon with {jobs} jobs and {workers} workers needs up to {needed} sessions, and {name} allows {limit}; raise it."
            )
    return f"a daemon needs up to {needed}, which may be had"


def check_encoding(target: Target) -> str:
    """Ask for the encoding of the database's text. Raises UserError where it has none."""
    session = Session(target)
    try:
        with session.transaction():
            encoding = str(describe_session(session)["encoding"])
    finally:
        session.close()
    if encoding == "SQL_ASCII":
        raise UserError(
            "The database's encoding is SQL_ASCII: PostgreSQL does not know what its bytes stand for, and an entity with text that is not "
            "UTF-8 is held by the rule data_readable; load the database into one of encoding UTF8, or mend that text."
        )
    return encoding


def check_schema(target: Target) -> str:
    """Compare the schema with this release's. Raises UserError where it is not at head."""
    schema.require_head(engine(target))
    return f"at head, revision {schema.state(engine(target)).head}"
