"""The schema, by Alembic: its state, its upgrade, and the SQL of an upgrade."""

from __future__ import annotations

import io
from dataclasses import dataclass

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from scorer.config import shipped_root
from scorer.database.error_messages import sentences
from scorer.database.revisions import refuse_newer, require_newest


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
    before = state(engine)
    refuse_newer(before.revision)
    with sentences(), engine.begin() as connection:
        command.upgrade(_config(connection=connection), "head")
    return before


def downgrade(engine: sa.Engine, *, revision: str) -> None:
    """Go back to `revision` ("base": before the first), which deletes scores. No command does it."""
    with sentences(), engine.begin() as connection:
        command.downgrade(_config(connection=connection), revision)


def upgrade_sql(engine: sa.Engine) -> str:
    """The SQL that `upgrade` would run; empty where the schema is at head."""
    before = state(engine)
    refuse_newer(before.revision)
    if before.at_head:
        return ""
    printed = io.StringIO()
    command.upgrade(_config(output=printed), f"{before.revision or 'base'}:head", sql=True)
    return printed.getvalue().replace("%%", "%")  # doubled, as for a driver that fills in parameters


def state(engine: sa.Engine) -> SchemaState:
    """The state of the database's schema."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return SchemaState(revision=_revision(engine), head=head)


def require_head(engine: sa.Engine) -> None:
    """Check that the database's schema is at head. Raises UserError where it is not."""
    require_newest(_revision(engine))


def _revision(engine: sa.Engine) -> str | None:
    """The schema's revision in the database; None where there is no schema."""
    with sentences(), engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version", schema="scorer"):
            return None
        return MigrationContext.configure(connection, opts={"version_table_schema": "scorer"}).get_current_revision()


def _config(*, connection: sa.Connection | None = None, output: io.StringIO | None = None) -> Config:
    config = Config(output_buffer=output) if output is not None else Config()
    config.set_main_option("script_location", str(shipped_root() / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
