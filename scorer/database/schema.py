"""The schema: its state; by Alembic its upgrade, and the SQL of an upgrade.

Alembic is imported by what migrates alone: every run asks for the state.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from scorer.config import shipped_root
from scorer.database.error_messages import sentences
from scorer.database.revisions import known_revisions, refuse_newer, require_newest
from scorer.database.session import Session
from scorer.database.statements import statement

if TYPE_CHECKING:
    from alembic.config import Config


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The schema's revision, and the newest one that this program knows."""

    revision: str | None
    head: str

    @property
    def at_head(self) -> bool:
        """Whether the schema is at the newest revision."""
        return self.revision == self.head


def upgrade(engine: sa.Engine) -> SchemaState:
    """Migrate to head, in one transaction. Returns the state before it."""
    from alembic import command

    before = state(engine)
    refuse_newer(before.revision)
    with sentences(), engine.begin() as connection:
        command.upgrade(_config(connection=connection), "head")
    return before


def downgrade(engine: sa.Engine, *, revision: str) -> None:
    """Go back to `revision` ("base": before the first), which deletes scores. No command does it."""
    from alembic import command

    with sentences(), engine.begin() as connection:
        command.downgrade(_config(connection=connection), revision)


def upgrade_sql(engine: sa.Engine) -> str:
    """The SQL that `upgrade` would run; empty where the schema is at head."""
    from alembic import command

    before = state(engine)
    refuse_newer(before.revision)
    if before.at_head:
        return ""
    printed = io.StringIO()
    command.upgrade(_config(output=printed), f"{before.revision or 'base'}:head", sql=True)
    return printed.getvalue().replace("%%", "%")  # doubled, as for a driver that fills in parameters


def state(engine: sa.Engine) -> SchemaState:
    """The state of the database's schema."""
    return SchemaState(revision=_revision(engine), head=known_revisions()[-1])


def require_head(engine: sa.Engine) -> None:
    """Check that the database's schema is at head. Raises UserError where it is not."""
    require_newest(_revision(engine))


def require_head_of(session: Session) -> None:
    """Check the same within the session's transaction, which spares a session of its own."""
    is_made = session.one("find_revision").is_there
    require_newest(session.one("read_revision").revision if is_made else None)


def _revision(engine: sa.Engine) -> str | None:
    """The schema's revision in the database; None where there is no schema."""
    with sentences(), engine.connect() as connection:
        if not connection.exec_driver_sql(statement("find_revision")).scalar_one():
            return None
        revision: str | None = connection.exec_driver_sql(statement("read_revision")).scalar_one()
        return revision


def _config(*, connection: sa.Connection | None = None, output: io.StringIO | None = None) -> Config:
    from alembic.config import Config

    config = Config(output_buffer=output) if output is not None else Config()
    config.set_main_option("script_location", str(shipped_root() / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
