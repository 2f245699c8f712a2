"""The command line: parsing and exit codes. The commands are in the modules beside this one.

A command is one plain function; its docstring is its help. Exit 0: done. 1: something the operator can correct, in one sentence on
stderr. 70: a bug, with its traceback. 130: interrupted. What a command needs is imported inside it, so that `--help` and `status` start
without libraries that they do not use.
"""

from __future__ import annotations

import gc
import logging
import sys
from collections.abc import Sequence

import click

from scorer import __version__
from scorer.cli.audit import explain, recall, replay
from scorer.cli.compare import compare, recalibrate, shadow, transport
from scorer.cli.database import db, maintain
from scorer.cli.evaluate import evaluate, monitor
from scorer.cli.features import features, training_set
from scorer.cli.job import jobs
from scorer.cli.models import models
from scorer.cli.operate import cancel, check, daemon, plan, report, request, status
from scorer.cli.output import EXIT_BUG, print_bug, print_refusal
from scorer.cli.run import demo, load, run
from scorer.cli.site.export import exports
from scorer.cli.site.facility import facility
from scorer.cli.site.files import files
from scorer.cli.site.flag import flags
from scorer.cli.site.quota import quota
from scorer.cli.train import optimize, train
from scorer.config import load_settings
from scorer.errors import UserError
from scorer.log import logger

EXIT_MENDABLE = 1
EXIT_INTERRUPTED = 130
# Imports make objects by the hundred thousand and free none: looking among them for circles takes a tenth of a cold run.
_COLLECTED_AFTER = (100_000, 20, 20)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that `arguments` name (those of the process, where None), and exit with its code."""
    gc.set_threshold(*_COLLECTED_AFTER)
    try:
        code = cli.main(
            args=list(arguments) if arguments is not None else None, prog_name="scorer", standalone_mode=False
        )
    except UserError as error:
        print_refusal(str(error))
        sys.exit(EXIT_MENDABLE)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(EXIT_MENDABLE)
    except click.ClickException as error:
        print_refusal(_usage_sentence(error))
        sys.exit(EXIT_MENDABLE)
    except (click.Abort, KeyboardInterrupt) as error:
        if isinstance(
            error.__cause__, EOFError
        ):  # click takes it for the end of an operator's input, which no command reads
            print_bug(error.__cause__)
            sys.exit(EXIT_BUG)
        click.echo("scorer: interrupted; what was not committed is rolled back.", err=True)
        sys.exit(EXIT_INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the edge of the process: whatever is left is a bug
        print_bug(error)
        sys.exit(EXIT_BUG)
    sys.exit(code or 0)


def _usage_sentence(error: click.ClickException) -> str:
    """What click says of wrong arguments, in one sentence, with where to read more."""
    sentence = " ".join(error.format_message().split()).replace(". Did you mean", "; did you mean")
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is None or sentence.endswith("?"):
        return sentence
    return f"{sentence.rstrip('.')}; see `{context.command_path} --help`."


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, message="scorer %(version)s")
@click.option("-v", "--verbose", is_flag=True, help="Log every step.")
@click.pass_context
def cli(context: click.Context, *, verbose: bool) -> None:
    """Score what is due in a PostgreSQL database, one batch in one transaction, and account for every row.

    The database is the one that SCORER_DATABASE_URL names; where that is not set, an embedded PostgreSQL under SCORER_HOME.
    """
    level = logging.DEBUG if verbose else logging.INFO
    logger.configure(level=level)  # first by the defaults, since the settings may be what is wrong
    settings = load_settings()
    logger.configure(level=level, log_format=settings.log_format)
    context.obj = settings


for _command in (
    cancel,
    check,
    daemon,
    db,
    demo,
    evaluate,
    explain,
    facility,
    exports,
    features,
    files,
    flags,
    jobs,
    load,
    maintain,
    models,
    optimize,
    monitor,
    plan,
    quota,
    recall,
    replay,
    report,
    request,
    run,
    status,
    train,
    recalibrate,
    transport,
    training_set,
):
    cli.add_command(_command)
for _command in (compare, shadow):
    models.add_command(_command)
