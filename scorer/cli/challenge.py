"""The command that has a version in staging score beside production."""

from __future__ import annotations

import click

from scorer.cli.options import opened_session
from scorer.config import Settings
from scorer.errors import UserError


@click.command()
@click.argument("job", metavar="JOB")
@click.argument("model_version", metavar="[VERSION]", required=False)
@click.option("--stop", is_flag=True, help="Stop the challenge of JOB.")
@click.option("--why", required=True, help="The reason, kept with the challenge.")
@click.pass_obj
def challenge(settings: Settings, job: str, model_version: str | None, *, stop: bool, why: str) -> None:
    """Have VERSION of JOB, in staging, score beside production.

    From the next run on it scores what production scores; its scores stand in the ledger, marked as shadow, and are published nowhere. It
    stops when it leaves staging. Needs the role scorer_approver.
    """
    from scorer.database.store.models import start_challenge, stop_challenge

    if stop == (model_version is not None):
        raise UserError("Name the version that is to challenge production, or say --stop.")
    with opened_session(settings, as_worker=False) as session:
        if model_version is not None:
            start_challenge(session, job, model_version=model_version, why=why)
        elif not stop_challenge(session, job, why=why):
            raise UserError(f"No version challenges production of {job}; there is nothing to stop.")
    told = "is over" if model_version is None else f"by model {model_version} begins with the next run"
    click.echo(f"The challenge to production of {job} {told}.")
