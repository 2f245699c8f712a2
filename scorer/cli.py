"""The command line: parsing and exit codes. The commands are in the modules cli_*: one plain function each, whose docstring is its help.

Exit 0: done. 1: something the operator can mend, in one sentence on stderr. 70: a bug, with its traceback. What a command needs is
imported inside it, so that `--help` and `status` do not wait for libraries that they do not use.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Sequence

import click

from scorer import log
from scorer.cli_db import db
from scorer.cli_look import check, status
from scorer.cli_models import models, train
from scorer.cli_work import demo, load, run
from scorer.config import load_settings
from scorer.errors import UserError
from scorer.version import __version__

EXIT_MENDABLE = 1
EXIT_BUG = 70
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """The program."""
    try:
        code = cli.main(
            args=list(arguments) if arguments is not None else None, prog_name="scorer", standalone_mode=False
        )
    except UserError as error:
        click.echo(f"scorer: {error}", err=True)
        sys.exit(EXIT_MENDABLE)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(EXIT_MENDABLE)
    except click.ClickException as error:
        click.echo(f"scorer: {_usage_sentence(error)}", err=True)
        sys.exit(EXIT_MENDABLE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("scorer: interrupted; what was not committed is rolled back.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except Exception:  # noqa: BLE001 - the edge of the process: whatever is left is a bug
        traceback.print_exc()
        click.echo(f"scorer: this is a bug in scorer {__version__}; please report it with the lines above.", err=True)
        sys.exit(EXIT_BUG)
    sys.exit(code or 0)


def _usage_sentence(error: click.ClickException) -> str:
    said = " ".join(error.format_message().split()).replace(". Did you mean", "; did you mean")
    context = error.ctx if isinstance(error, click.UsageError) else None
    return (
        said if context is None or said.endswith("?") else f"{said.rstrip('.')}; see `{context.command_path} --help`."
    )


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="scorer %(version)s")
@click.option("-v", "--verbose", is_flag=True, help="Log every step.")
@click.pass_context
def cli(context: click.Context, *, verbose: bool) -> None:
    """Score what is due in a PostgreSQL database, one batch in one transaction, and account for every row.

    The database is the one that SCORER_DATABASE_URL names; where that is not set, an embedded PostgreSQL under SCORER_HOME.
    """
    log.configure(level=logging.DEBUG if verbose else logging.INFO)
    context.obj = load_settings()


for _command in (check, db, demo, load, models, run, status, train):
    cli.add_command(_command)
