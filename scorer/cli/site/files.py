"""The command that scores files: CSV in, CSV out."""

from __future__ import annotations

import signal
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from scorer.cli.options import Moment, json_option
from scorer.cli.output import EXIT_BUG, print_json, print_table
from scorer.config import Settings, require_readable_url
from scorer.errors import UserError


@click.command()
@click.argument("job", metavar="JOB")
@click.option(
    "--in",
    "inbox",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="The folder that files come into.",
)
@click.option(
    "--out", "outbox", type=click.Path(path_type=Path), required=True, metavar="DIR", help="The folder for the results."
)
@click.option(
    "--watch", is_flag=True, help="Go on with what comes, until SIGTERM or Ctrl-C; the file in hand is finished."
)
@click.option(
    "--as-of",
    type=Moment(),
    help="The moment whose knowledge is used, such as 2025-06-01T00:00:00Z; the files' own newest time, where not given.",
)
@click.option(
    "--timezone",
    metavar="ZONE",
    help="Whose clock times without a zone show, such as Europe/Berlin; without it, rows with such times are rejected.",
)
@json_option
@click.pass_obj
def files(settings: Settings, /, job: str, *, as_json: bool, **given: Any) -> None:
    """Score files for JOB, without a database of your own.

    NAME.csv is observations alone, in the guide's seven columns (visit_id, client, observation_date, observation_type_code,
    observation_value, reference_range_min, reference_range_max): a visit begins with its first and is scored as of its last.
    NAME.visits.csv and NAME.patient_observations.csv are scored together; for another job, NAME and its tables. Each may be packed as
    .csv.gz.

    predictions_NAME.csv has a row for each visit, rejects_NAME.csv the rows that could not be loaded. The input goes to done/ in its
    folder, or to failed/ with the reason beside it; one bad file stops no other (exit 1 at the end). A file with the same bytes as one
    that was scored before is not scored again. A process that is killed loses nothing: start it again.
    """
    from scorer.database.connection import Database
    from scorer.database.embedded.server import Server
    from scorer.database.source.files.csv_dialect import Writing, zone_named
    from scorer.jobs.folder.tables import has_tables, read_tables
    from scorer.jobs.job import load_job

    loaded = load_job(job, jobs_dir=settings.jobs_dir)
    tables = read_tables(job, jobs_dir=settings.jobs_dir) if has_tables(job, jobs_dir=settings.jobs_dir) else ()
    require_readable_url()
    zone = given.pop("timezone")
    writing = Writing(zone=None if zone is None else zone_named(zone))
    from scorer.runs.files.conduct import Order, deal, require_folders

    asked: list[int] = []
    order = Order(**given, writing=writing, stopping=lambda: bool(asked))
    require_folders(order)
    if order.as_of is not None and order.as_of > datetime.now(UTC):  # before each file is set aside for it
        raise UserError(f"--as-of {order.as_of.isoformat()} lies in the future; give a moment that has passed.")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda caught, _: asked.append(caught))
    server = Server.at(settings.home_dir)
    server.start()
    database = Database(settings.database_url or server.url, settings)
    summary = deal(loaded, order, server=server, database=database, tables=tables)
    _tell(asdict(summary), job=job, as_json=as_json)
    if summary.bugs:
        raise SystemExit(EXIT_BUG)
    if summary.failed and not order.watch:
        many = f"{summary.failed} deliveries cannot be scored" if summary.failed > 1 else "A delivery cannot be scored"
        raise UserError(f"{many}; see {order.inbox / 'failed'}. {summary.last_reason}")
    if summary.lacking and not order.watch:
        raise UserError(f"{'; '.join(summary.lacking)}: the other file of the delivery is not there; put it beside.")


def _tell(summary: dict[str, Any], *, job: str, as_json: bool) -> None:
    """Print what became of the deliveries."""
    counts = summary.pop("counts")
    told = {"job": job, **summary, **{f"entities_{name}": number for name, number in counts.items()}}
    if as_json:
        print_json(told)
        return
    shown = {name.replace("_", " "): value for name, value in told.items() if value not in (None, 0, (), "")}
    print_table(["of the deliveries", ""], [[name, str(value)] for name, value in shown.items()])
