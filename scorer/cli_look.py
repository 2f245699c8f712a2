"""The commands that only look: where the jobs stand, and whether all holds that must."""

from __future__ import annotations

import click

from scorer.cli_settings import database_url, json_option, opened_store
from scorer.config import Settings
from scorer.errors import UserError
from scorer.printing import print_json, print_rows


@click.command()
@json_option
@click.pass_obj
def status(settings: Settings, *, as_json: bool) -> None:
    """Show the jobs: last run, backlog, quarantine, model in production."""
    from scorer.job import job_names

    with opened_store(settings, role=settings.worker_role) as store:
        rows = [{"job": name, **store.job_status(name)} for name in job_names(settings.jobs_dir)]
    if as_json:
        print_json({"jobs": rows})
        return
    shown = ("job", "status", "as_of", "finished_at", "eligible", "scored", "backlog", "held", "model_version")
    print_rows([{name: row[name] for name in shown} for row in rows], none="There is no job.")


@click.command()
@json_option
@click.pass_obj
def check(settings: Settings, *, as_json: bool) -> None:
    """Check all that must hold before scoring.

    A line each; exit 1 where something does not hold. Nothing is written.
    """
    from dataclasses import asdict

    from scorer.check import check as look

    lines = []
    for line in look(url=database_url(settings), settings=settings):
        lines.append(line)
        if not as_json:
            click.echo(f"{'ok' if line.holds else 'NO':3} {line.name}: {line.found}")
    if as_json:
        print_json({"holds": all(line.holds for line in lines), "lines": [asdict(line) for line in lines]})
    failed = [line for line in lines if not line.holds]
    if failed:
        raise UserError(f"{len(failed)} of {len(lines)} checks failed; the first: {failed[0].name}: {failed[0].found}")
