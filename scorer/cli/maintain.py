"""The command that keeps the database in shape as it grows."""

from __future__ import annotations

import click

from scorer.cli.options import database_of, json_option
from scorer.cli.output import print_json
from scorer.config import Settings


@click.command()
@json_option
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.pass_obj
def maintain(settings: Settings, *, as_json: bool, dry_run: bool) -> None:
    """Make partitions ahead, end what is kept no longer.

    Makes the ledger's partitions of the months to come; takes those that are older than keep_ledger out of it; prunes what runs,
    requests and mended rejections have left behind, by keep_operations, keep_requests and keep_rejections; takes the planner's
    statistics where much has changed. Nobody waits for it: where others hold what it needs, it says so and goes on. For a login that
    may act as scorer_owner; the daemon does the first and the last of these each night by itself.
    """
    from dataclasses import asdict

    from scorer.database import schema
    from scorer.database.session import engine
    from scorer.database.upkeep import maintenance

    database = database_of(settings)
    schema.require_head(engine(database.as_login()))
    done: list[maintenance.Done] = []

    def tell(each: maintenance.Done) -> None:
        done.append(each)
        if not as_json:
            click.echo(each.sentence(dry_run=dry_run))

    maintenance.maintain(database, dry_run=dry_run, report=tell)
    if as_json:
        print_json({"dry_run": dry_run, "done": [asdict(each) for each in done]})
    elif not done:
        click.echo("Nothing is to be done.")
