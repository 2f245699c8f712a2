"""The commands about the database itself: the embedded server, the schema, and maintenance."""

from __future__ import annotations

from dataclasses import asdict

import click

from scorer.cli.options import database_of, database_url, embedded_server, how_to_connect, json_option, owners_database
from scorer.cli.output import print_json
from scorer.config import Settings


@click.group()
def db() -> None:
    """The database: the embedded server, and the schema."""


@db.command()
@click.pass_obj
def start(settings: Settings) -> None:
    """Start the embedded PostgreSQL; made first where it is not there."""
    server = embedded_server(settings)
    server.start()
    click.echo(f"PostgreSQL is running; its data is in {server.folder}. Connect: {how_to_connect()}")


@db.command()
@click.pass_obj
def stop(settings: Settings) -> None:
    """Stop the embedded PostgreSQL; its data is kept."""
    embedded_server(settings).stop()
    click.echo("PostgreSQL is stopped; its data is kept.")


@db.command()
@click.pass_obj
def url(settings: Settings) -> None:
    """Print the URL of the database in use, for psql.

    It is printed as libpq reads it, with the password where it has one: psql "$(scorer db url)". Do not keep it in a log.
    """
    from scorer.database.connection import libpq_url

    click.echo(libpq_url(database_url(settings)))


@db.command()
@click.pass_obj
def upgrade(settings: Settings) -> None:
    """Migrate the schema to head, and set up the jobs.

    Makes the roles, the tables and the jobs' reporting views, and puts a job's first model into production where it has none. Nothing
    is taken away, and at head nothing is done. What it keeps others waiting for it says before it begins.
    """
    from scorer.database import schema
    from scorer.database.session import engine
    from scorer.database.upkeep import upgrade_locks
    from scorer.registry import registration

    database = owners_database(settings)
    ours = database.as_login()
    for lock in upgrade_locks.pending_locks(ours, revision=schema.state(engine(ours)).revision):
        click.echo(lock.sentence)
    before = schema.upgrade(engine(ours))
    jobs = registration.install_jobs(database=database)
    moved = "was at head" if before.at_head else f"is now at head (from {before.revision or 'nothing'})"
    click.echo(f"The schema {moved}, revision {before.head}; jobs: {', '.join(jobs)}.")


@db.command()
@click.pass_obj
def plan(settings: Settings) -> None:
    """Print the SQL that an upgrade would run; run nothing.

    Above it stands, as comments, which tables it locks for longer than a moment, how many rows they have, and how long that may take.
    """
    from scorer.database import schema
    from scorer.database.session import engine
    from scorer.database.upkeep import upgrade_locks

    ours = owners_database(settings).as_login()
    sql = schema.upgrade_sql(engine(ours))
    for lock in upgrade_locks.pending_locks(ours, revision=schema.state(engine(ours)).revision):
        click.echo(f"-- {lock.sentence}")
    click.echo(sql or "-- The schema is at head: an upgrade would run nothing.")


@db.command(name="check")
@json_option
@click.pass_obj
def check_schema(settings: Settings, *, as_json: bool) -> None:
    """Say whether the schema is at head; exit 1 where it is not."""
    from scorer.database import schema
    from scorer.database.session import engine

    connected = engine(database_of(settings).as_login())
    state = schema.state(connected)
    if as_json:
        print_json({"revision": state.revision, "head": state.head, "at_head": state.at_head})
    schema.require_head(connected)
    if not as_json:
        click.echo(f"The schema is at head, revision {state.head}.")


@click.command()
@json_option
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.pass_obj
def maintain(settings: Settings, *, as_json: bool, dry_run: bool) -> None:
    """Make partitions ahead, end what is kept no longer.

    Makes the ledger's partitions of the months to come; takes those that are older than keep_ledger out of it; prunes what runs,
    requests, mended rejections and captured changes have left behind, by keep_operations, keep_requests, keep_rejections and
    keep_changes; takes the planner's statistics where much has changed. Nobody waits for it: where others hold what it needs, it says
    so and goes on. For a login that may act as scorer_owner; the daemon does the first and the last of these each night by itself.
    """
    from scorer.database import schema
    from scorer.database.session import engine
    from scorer.database.upkeep import maintenance

    database = owners_database(settings)
    schema.require_head(engine(database.as_login()))
    done: list[maintenance.Done] = []

    def report(each: maintenance.Done) -> None:
        done.append(each)
        if not as_json:
            click.echo(each.sentence(dry_run=dry_run))

    maintenance.maintain(database, dry_run=dry_run, report=report)
    if as_json:
        print_json({"dry_run": dry_run, "done": [asdict(each) for each in done]})
    elif not done:
        click.echo("Nothing is to be done.")
