"""The schema by Alembic: upgrade, check, print; refuses to work on a schema that is not at head."""

from __future__ import annotations

import io
from dataclasses import dataclass

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from scorer.connection import sentences
from scorer.errors import UserError
from scorer.job import shipped_root


@dataclass(frozen=True, slots=True)
class SchemaState:
    """Where the schema stands, and where it should."""

    revision: str | None
    head: str

    @property
    def at_head(self) -> bool:
        """Whether they are the same."""
        return self.revision == self.head


def upgrade(engine: sa.Engine) -> SchemaState:
    """Migrate to head, in one transaction; the state before it."""
    before = state(engine)
    _refuse_newer(before)
    with sentences(), engine.begin() as connection:
        command.upgrade(_config(connection=connection), "head")
    return before


def downgrade(engine: sa.Engine, *, revision: str) -> None:
    """Go back to `revision` ("base": before the first). Takes scores away; no command of the program does it."""
    with sentences(), engine.begin() as connection:
        command.downgrade(_config(connection=connection), revision)


def plan(engine: sa.Engine) -> str:
    """The SQL that `upgrade` would run; empty where the schema is at head."""
    before = state(engine)
    _refuse_newer(before)
    if before.at_head:
        return ""
    printed = io.StringIO()
    command.upgrade(_config(output=printed), f"{before.revision or 'base'}:head", sql=True)
    return printed.getvalue()


def state(engine: sa.Engine) -> SchemaState:
    """Where the schema of the database stands."""
    with sentences(), engine.connect() as connection:
        if not sa.inspect(connection).has_table("alembic_version", schema="scorer"):
            revision = None
        else:
            context = MigrationContext.configure(connection, opts={"version_table_schema": "scorer"})
            revision = context.get_current_revision()
    head = _scripts().get_current_head()
    assert head is not None
    return SchemaState(revision=revision, head=head)


def require_head(engine: sa.Engine) -> None:
    """Raise UserError unless the schema is at head."""
    found = state(engine)
    _refuse_newer(found)
    if not found.at_head:
        standing = f"at revision {found.revision}" if found.revision else "not made yet"
        raise UserError(f"The schema is {standing} and should be at {found.head}; run `scorer db upgrade`.")


def _refuse_newer(found: SchemaState) -> None:
    known = {script.revision for script in _scripts().walk_revisions()}
    if found.revision is not None and found.revision not in known:
        raise UserError(
            f"The schema is at revision {found.revision}, which this version of scorer does not know (its newest is "
            f"{found.head}); install the newer scorer that migrated it."
        )


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config(*, connection: sa.Connection | None = None, output: io.StringIO | None = None) -> Config:
    config = Config(output_buffer=output) if output is not None else Config()
    config.set_main_option("script_location", str(shipped_root() / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
