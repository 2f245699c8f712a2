"""Alembic's entry: prepares roles and schemas, then runs the revisions as scorer_owner, all in one transaction.

Called by scorer.schema alone, which hands over the connection (or none, to print the SQL).
"""

from pathlib import Path

from alembic import context

_HERE = Path(__file__).parent


def _statement(name: str) -> str:
    return (_HERE / f"{name}.sql").read_text(encoding="utf-8").replace(":", r"\:")


def _run() -> None:
    connection = context.config.attributes.get("connection")
    options = {"version_table_schema": "scorer", "transactional_ddl": True}
    if connection is None:
        context.configure(dialect_name="postgresql", as_sql=True, literal_binds=True, **options)
    else:
        context.configure(connection=connection, **options)
    with context.begin_transaction():
        context.execute(_statement("prepare"))
        context.execute(_statement("become_owner"))
        context.run_migrations()


_run()
