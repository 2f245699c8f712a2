"""The command that runs until it is told to stop."""

from __future__ import annotations

import signal

import click

from scorer.cli.options import database_of
from scorer.config import Settings, load_settings
from scorer.daemon.service_manager import SIGNALS


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
