"""The commands of daily operation: the daemon, its status, what it needs, what a run would do."""

from __future__ import annotations

import signal
from contextlib import closing
from dataclasses import asdict

import click

from scorer.cli.options import database_of, json_option
from scorer.cli.output import print_json, print_plan, screen_width
from scorer.config import Settings, load_settings
from scorer.daemon.service_manager import SIGNALS
from scorer.errors import UserError


@click.command()
@click.pass_obj
def daemon(settings: Settings) -> None:
    """Run every job on its schedule, and answer requests.

    It is ready once all that `scorer check` looks at holds, and runs until it is told to stop. SIGTERM ends it after the batch in hand;
    SIGHUP reads settings, jobs and models anew. Under systemd, see scorer.service.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    database = database_of(settings)
    from scorer.daemon.daemon import Daemon

    raise SystemExit(Daemon(database=database, reload_settings=load_settings).run())


@click.command()
@json_option
@click.pass_obj
def status(settings: Settings, *, as_json: bool) -> None:
    """Show where the jobs stand, and what waits.

    By job: last and next run, ticks missed, backlog and requests that wait, current scores, quarantine, model in production, breaker;
    then the daemons at work.
    """
    from scorer.database.readonly_session import ReadOnlySession
    from scorer.monitoring.status import as_json as status_as_json
    from scorer.monitoring.status import as_text, read_status

    target = database_of(settings).as_worker()
    with closing(ReadOnlySession(target, patience=settings.connect_timeout)) as session:
        found = read_status(session, settings=settings)
    if as_json:
        print_json(status_as_json(found))
    else:
        click.echo(as_text(found, width=screen_width()))


@click.command()
@click.argument("job", metavar="JOB")
@json_option
@click.pass_obj
def plan(settings: Settings, job: str, *, as_json: bool) -> None:
    """Print the statements of a run of JOB with plans and locks.

    For whoever has to approve the job: each statement, what EXPLAIN says of it, how many rows the planner expects, and which tables it
    locks how. Nothing is run, written or held.
    """
    from scorer.jobs.job import load_scheduled
    from scorer.runs.plan import plan_run

    loaded = load_scheduled(job, settings=settings)
    found = plan_run(loaded, database=database_of(settings))
    if as_json:
        print_json({"job": loaded.name, "job_version": loaded.version, "statements": [asdict(each) for each in found]})
    else:
        print_plan(loaded, found, settings=settings)


@click.command()
@json_option
@click.pass_obj
def check(settings: Settings, *, as_json: bool) -> None:
    """Check all that must hold before scoring.

    A line each; exit 1 where something does not hold. Nothing is written.
    """
    from scorer.checks.check import check as check_all

    results = []
    for result in check_all(database=database_of(settings)):
        results.append(result)
        if not as_json:
            click.echo(f"{'ok' if result.holds else 'NO':3} {result.name}: {result.found}")
    failed = [result for result in results if not result.holds]
    if as_json:
        print_json({"holds": not failed, "lines": [asdict(result) for result in results]})
    if failed:
        raise UserError(
            f"{len(failed)} of {len(results)} checks failed; the first: {failed[0].name}: {failed[0].found}"
        )
