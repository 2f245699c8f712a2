"""The command line: parsing and exit codes; one plain function per command, whose docstring is its help.

Exit 0: done. 1: something the operator can mend, in one sentence on stderr. 70: a bug, with its traceback. What a command needs is
imported inside it, so that `--help` and `status` do not wait for libraries that they do not use.
"""

from __future__ import annotations

import logging
import shutil
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from scorer import log
from scorer.config import Settings, load_settings
from scorer.errors import UserError
from scorer.printing import print_json, print_load, print_rows, print_run, print_table, progress_bar
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


class _Moment(click.ParamType[datetime]):
    """A point in time with its zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f'"{value}" is not a time; write it as 2025-06-01T00:00:00Z', param, ctx)
        if moment.tzinfo is None:
            whole = moment.isoformat()
            self.fail(f'"{value}" has no time zone; write it as {whole}Z or {whole}+02:00', param, ctx)
        return moment.astimezone(UTC)


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


# The embedded PostgreSQL and the schema


@cli.group()
def db() -> None:
    """The database: the embedded server, and the schema."""


@db.command()
@click.pass_obj
def start(settings: Settings) -> None:
    """Start the embedded PostgreSQL; made first where it is not there."""
    server = _server(settings)
    server.start()
    click.echo(f"PostgreSQL is running; its data is in {server.folder}. Connect: {_connect()}")


@db.command()
@click.pass_obj
def stop(settings: Settings) -> None:
    """Stop the embedded PostgreSQL; its data is kept."""
    _server(settings).stop()
    click.echo("PostgreSQL is stopped; its data is kept.")


@db.command()
@click.pass_obj
def url(settings: Settings) -> None:
    """Print the URL of the database in use, for psql.

    It is printed as libpq reads it, with the password where it has one: psql "$(scorer db url)". Do not keep it in a log.
    """
    click.echo(_libpq_url(settings))


@db.command()
@click.pass_obj
def upgrade(settings: Settings) -> None:
    """Migrate the schema to head, and set up the jobs.

    Makes the roles, the tables and the jobs' reporting views, and puts a job's first model into production where it has none. Nothing
    is taken away, and at head nothing is done.
    """
    from scorer import admission, schema
    from scorer.connection import Target, engine

    target = _database_url(settings)
    before = schema.upgrade(engine(Target.of(target, settings, role=None)))
    jobs = admission.install_jobs(url=target, settings=settings)
    moved = "was at head" if before.at_head else f"is now at head (from {before.revision or 'nothing'})"
    click.echo(f"The schema {moved}, revision {before.head}; jobs: {', '.join(jobs)}.")


@db.command()
@click.pass_obj
def plan(settings: Settings) -> None:
    """Print the SQL that an upgrade would run; run nothing."""
    from scorer import schema
    from scorer.connection import Target, engine

    sql = schema.plan(engine(Target.of(_database_url(settings), settings, role=None)))
    click.echo(sql or "-- The schema is at head: an upgrade would run nothing.")


@db.command(name="check")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def check_schema(settings: Settings, *, as_json: bool) -> None:
    """Say whether the schema is at head; exit 1 where it is not."""
    from scorer import schema
    from scorer.connection import Target, engine

    connected = engine(Target.of(_database_url(settings), settings, role=None))
    state = schema.state(connected)
    if as_json:
        print_json({"revision": state.revision, "head": state.head, "at_head": state.at_head})
    schema.require_head(connected)
    if not as_json:
        click.echo(f"The schema is at head, revision {state.head}.")


# Rows in, scores out


@cli.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR")
@click.option(
    "--rejects",
    type=click.Path(path_type=Path),
    help="The reject file; where not given, a new one in SCORER_HOME/rejects.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def load(settings: Settings, folder: Path, *, rejects: Path | None, as_json: bool) -> None:
    """Load the files in DIR into the source tables.

    These are visits, patient_observations and, where there is one, outcomes, each as .csv or .csv.gz. Tables that are missing are made.
    Rows that are already there are passed over; rows that cannot be loaded go to the reject file, with line and reason.
    """
    from dataclasses import asdict

    from scorer import admission

    target = _database_url(settings)
    report = _load(settings, target, folder, rejects=rejects)
    grants = admission.grant_source(url=target, settings=settings)
    if as_json:
        print_json(
            {"tables": [asdict(table) for table in report.tables], "rejects": report.rejects and str(report.rejects)}
        )
        return
    print_load(report)
    for job, why in grants.items():
        if why is not None:
            click.echo(f"The worker was not granted what job {job} needs: {why}", err=True)


@cli.command()
@click.argument("job", metavar="JOB")
@click.option(
    "--as-of",
    type=_Moment(),
    help="The moment whose knowledge is used, such as 2025-06-01T00:00:00Z; now, where not given.",
)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many entities.")
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes that score.")
@click.option("--dry-run", is_flag=True, help="Do all of it but the write-back, and keep nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def run(
    settings: Settings,
    job: str,
    *,
    as_of: datetime | None,
    limit: int | None,
    workers: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Run JOB once: find what is due, score it, account for it.

    A run that was interrupted is finished first.
    """
    from scorer.job import load_job

    loaded = load_job(job, jobs_dir=settings.jobs_dir)
    target = _database_url(settings)
    # These take seconds; what is wrong with the arguments is told before.
    from scorer.runs import dry_run as try_run
    from scorer.runs import run_job

    with progress_bar(f"Scoring {job}") as progress:
        if dry_run:
            ended = try_run(loaded, url=target, settings=settings, as_of=as_of, limit=limit, progress=progress)
        else:
            ended = run_job(
                loaded, url=target, settings=settings, as_of=as_of, limit=limit, workers=workers, progress=progress
            )
    if as_json:
        print_json(ended.as_json())
    else:
        print_run(ended.as_json())


@cli.command()
@click.option("--visits", type=click.IntRange(min=1), default=500, show_default=True, help="Size of the sample cohort.")
@click.pass_obj
def demo(settings: Settings, *, visits: int) -> None:
    """Show it all on a sample cohort.

    Starts the embedded PostgreSQL, migrates it, loads a generated cohort with dirt planted in it, scores it, and says where to look.
    Again: scores only what is new.
    """
    import psycopg2

    from scorer import admission, schema
    from scorer.connection import Target, engine, libpq_url, sentences
    from scorer.demo import JOB, load_sample
    from scorer.job import load_job
    from scorer.runs import run_job

    if settings.database_url is None:
        _server(settings).start()
    target = _database_url(settings)
    schema.upgrade(engine(Target.of(target, settings, role=None)))
    admission.install_jobs(url=target, settings=settings)
    job = load_job(JOB, jobs_dir=settings.jobs_dir)
    with sentences():
        connection = psycopg2.connect(libpq_url(target))
    try:
        sample = load_sample(job, visits=visits, connection=connection, rejects=_rejects(settings, Path("demo")))
    finally:
        connection.close()
    admission.grant_source(url=target, settings=settings)
    if sample.report is not None:
        click.echo(f"A sample cohort of {sample.visits} visits, generated, with dirt planted in it:")
        print_table(["planted", "how many"], [[kind.replace("_", " "), times] for kind, times in sample.dirty.items()])
        print_load(sample.report)
    else:
        click.echo("The sample cohort is there already; only what is new is scored.")
    with progress_bar(f"Scoring {JOB}") as progress:
        ended = run_job(job, url=target, settings=settings, progress=progress)
    print_run(ended.as_json())
    _print_standing(settings, target, JOB)
    _print_where_to_look(settings)


@cli.command()
@click.argument("job", metavar="JOB")
@click.option("--version", "model_version", help="Name of the new version; today's date and time, where not given.")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of models to write into; where not given, SCORER_HOME/models.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def train(settings: Settings, job: str, *, model_version: str | None, into: Path | None, as_json: bool) -> None:
    """Train a model of JOB, as a candidate.

    It is trained on the landmarks of the source tables, written into a folder of its own, and registered.
    `scorer model promote` alone puts it into production.
    """
    from scorer.connection import Target
    from scorer.job import load_job
    from scorer.source import Source
    from scorer.store import Store
    from scorer.training import train as fit

    loaded = load_job(job, jobs_dir=settings.jobs_dir)
    target = Target.of(_database_url(settings), settings, role=settings.worker_role)
    source, store = Source(target), Store(target)
    try:
        with progress_bar(f"Reading landmarks of {job}") as progress:
            trained = fit(
                loaded,
                source,
                models=into or settings.home_dir / "models",
                model_version=model_version,
                progress=progress,
            )
        with store.transaction():
            store.register_model(
                job, model_version=trained.model_version, sha256=trained.sha256, manifest=trained.manifest
            )
    finally:
        source.close()
        store.close()
    shown = {"job": job, "model_version": trained.model_version, "folder": str(trained.folder)}
    if as_json:
        print_json({**shown, "metrics": trained.manifest["metrics"], "training": trained.manifest["training"]})
        return
    click.echo(f"Model {trained.model_version} of {job} is in {trained.folder}, registered as a candidate. Held out:")
    print_table(
        ["metric", "value", "95 % interval"],
        [
            [name.replace("_", " "), f"{each['value']:.3f}", f"{each['low']:.3f} to {each['high']:.3f}"]
            for name, each in trained.manifest["metrics"].items()
        ],
    )


# What stands


@cli.group(name="model")
def models() -> None:
    """The registry of models."""


@models.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def list_models(settings: Settings, *, as_json: bool) -> None:
    """List the registered model versions, with their held-out metrics."""
    with _store(settings, role=settings.worker_role) as store:
        rows = store.list_models()
    if as_json:
        print_json({"models": rows})
    else:
        print_rows(rows, none="No model is registered; `scorer db upgrade` registers the shipped ones.")


@models.command()
@click.argument("job", metavar="JOB")
@click.argument("model_version", metavar="VERSION")
@click.option("--why", required=True, help="The reason, kept with the promotion.")
@click.pass_obj
def promote(settings: Settings, job: str, model_version: str, *, why: str) -> None:
    """Put VERSION of JOB into production.

    The one that was there is archived. Needs the role scorer_approver.
    """
    with _store(settings, role=None) as store:
        standing = {row["model_version"]: row["status"] for row in store.list_models() if row["job"] == job}
        if model_version not in standing:
            raise UserError(f"Model {model_version} of {job} is not registered; see `scorer model list`.")
        if standing[model_version] == "production":
            raise UserError(f"Model {model_version} of {job} is in production already.")
        steps = ("production",) if standing[model_version] == "staging" else ("staging", "production")
        for status in steps:
            store.move_model(job, model_version=model_version, status=status, why=why)
    click.echo(f"Model {model_version} of {job} is in production from the next batch on.")


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def status(settings: Settings, *, as_json: bool) -> None:
    """Show the jobs: last run, backlog, quarantine, model in production."""
    from scorer.job import job_names

    with _store(settings, role=settings.worker_role) as store:
        rows = [{"job": name, **store.job_status(name)} for name in job_names(settings.jobs_dir)]
    if as_json:
        print_json({"jobs": rows})
        return
    shown = ("job", "status", "as_of", "finished_at", "eligible", "scored", "backlog", "held", "model_version")
    print_rows([{name: row[name] for name in shown} for row in rows], none="There is no job.")


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def check(settings: Settings, *, as_json: bool) -> None:
    """Check all that must hold before scoring.

    A line each; exit 1 where something does not hold. Nothing is written.
    """
    from dataclasses import asdict

    from scorer.check import check as look

    lines = []
    for line in look(url=_database_url(settings), settings=settings):
        lines.append(line)
        if not as_json:
            click.echo(f"{'ok' if line.holds else 'NO':3} {line.name}: {line.found}")
    if as_json:
        print_json({"holds": all(line.holds for line in lines), "lines": [asdict(line) for line in lines]})
    failed = [line for line in lines if not line.holds]
    if failed:
        raise UserError(f"{len(failed)} of {len(lines)} checks failed; the first: {failed[0].name}: {failed[0].found}")


# Which database


def _server(settings: Settings) -> Any:
    from scorer.embedded import Server

    if settings.database_url is not None:
        raise UserError("SCORER_DATABASE_URL is set: that server is not ours to start or stop.")
    return Server.at(settings.home_dir)


def _database_url(settings: Settings) -> str:
    if settings.database_url is not None:
        return settings.database_url
    server = _server(settings)
    if not server.running():
        raise UserError(
            "The embedded PostgreSQL is not running; `scorer db start` starts it (or set SCORER_DATABASE_URL)."
        )
    return str(server.url)


def _libpq_url(settings: Settings) -> str:
    from scorer.connection import libpq_url

    return libpq_url(_database_url(settings))


@contextmanager
def _store(settings: Settings, *, role: str | None) -> Iterator[Any]:
    from scorer import schema
    from scorer.connection import Target, engine
    from scorer.store import Store

    target = Target.of(_database_url(settings), settings, role=role)
    schema.require_head(engine(target))
    store = Store(target)
    try:
        with store.transaction():
            yield store
    finally:
        store.close()


def _program() -> str:
    """What to type to run this program: its path, where the shell does not find it by name."""
    return "scorer" if shutil.which("scorer") else sys.argv[0]


def _connect() -> str:
    return f'psql "$({_program()} db url)"'


def _rejects(settings: Settings, folder: Path) -> Path:
    return settings.home_dir / "rejects" / f"{folder.name}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.csv"


def _load(settings: Settings, target: str, folder: Path, *, rejects: Path | None) -> Any:
    import psycopg2

    from scorer.connection import libpq_url, sentences
    from scorer.load import load as load_folder

    with sentences():
        connection = psycopg2.connect(libpq_url(target), application_name="scorer load")
    try:
        with progress_bar("Loading") as progress:
            return load_folder(
                folder,
                connection=connection,
                rejects=rejects or _rejects(settings, folder),
                progress=lambda table, done, total: progress(done, total, table) if progress else None,
            )
    finally:
        connection.close()


# What the demo ends with


def _print_standing(settings: Settings, target: str, job: str) -> None:
    from scorer.connection import Target
    from scorer.store import Store

    store = Store(Target.of(target, settings, role=settings.worker_role))
    try:
        with store.transaction():
            bands, findings = store.band_counts(job), store.open_findings(job)
    finally:
        store.close()
    print_rows(bands, none="Nobody has an outcome yet.")
    print_rows(findings, none="Nothing was refused.")


def _print_where_to_look(settings: Settings) -> None:
    from scorer.demo import WHERE_TO_LOOK

    click.echo(f"Where to look ({_connect()}):")
    for relation, says in WHERE_TO_LOOK:
        click.echo(f"  {relation:30} {says}")
    if settings.database_url is None:
        click.echo(f"The embedded PostgreSQL goes on running; `{_program()} db stop` stops it and keeps its data.")
