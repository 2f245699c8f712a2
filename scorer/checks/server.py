"""Checks of the database that scores are written to: version, role, schema."""

from __future__ import annotations

from scorer.database import schema
from scorer.database.connection import Target
from scorer.database.session import Session, engine
from scorer.database.store.server import describe_session
from scorer.errors import UserError

_OLDEST_SERVER = 14


def check_server(target: Target) -> str:
    """Connect, and ask who is there. Raises UserError where the server is too old."""
    session = Session(target)
    try:
        with session.transaction():
            found = describe_session(session)
    finally:
        session.close()
    if found["major"] < _OLDEST_SERVER:
        raise UserError(f"The server is PostgreSQL {found['version']}; {_OLDEST_SERVER} or newer is needed.")
    return f"PostgreSQL {found['version']}, as {found['login']}, acting as {found['role']}"


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
