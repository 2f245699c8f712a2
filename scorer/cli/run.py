"""The commands that put rows in and scores out: load, run, demo."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scorer.cli.options import (
    Moment,
    backend_option,
    database_of,
    embedded_server,
    how_to_connect,
    json_option,
    program,
    reject_file,
    scheduler_option,
    with_backend,
)
from scorer.cli.output import (
    EXIT_BUG,
    load_as_json,
    print_bug,
    print_json,
    print_load,
    print_refusal,
    print_rows,
    print_run,
    print_table,
    progress_bar,
)
from scorer.config import Settings
from scorer.errors import UserError

if TYPE_CHECKING:
    from scorer.database.connection import Database
    from scorer.database.source.files.csv_dialect import Writing
    from scorer.database.source.load import LoadReport
    from scorer.jobs.job import Job


@dataclass(frozen=True, slots=True)
class _LoadOptions:
    """The options of `scorer load`."""

    rejects: Path | None
    timezone: str | None
    dialect: str
    null_words: tuple[str, ...]
    update: bool
    job: str | None
    as_json: bool


@dataclass(frozen=True, slots=True)
class _RunOptions:
    """The options of `scorer run`."""

    every: bool
    as_of: datetime | None
    as_known_at: datetime | None
    limit: int | None
    workers: int | None
    backend: str | None
    scheduler: str | None
    dry_run: bool
    as_json: bool


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR")
@click.option(
    "--rejects",
    type=click.Path(path_type=Path),
    help="The reject file; where not given, a new one in SCORER_HOME/rejects.",
)
@click.option(
    "--timezone",
    metavar="ZONE",
    help="Whose clock times without a zone show, such as Europe/Berlin; without it, rows with such times are rejected.",
)
@click.option(
    "--dialect",
    type=click.Choice(["iso", "de", "fr", "gb", "us"]),
    default="iso",
    show_default=True,
    help="How numbers and dates may be written beside 93.5 and 2026-01-15: de 93,5 and 15.01.2026; fr 93,5 and 15/01/2026; "
    "gb 1,234.5 and 15/01/2026; us 1,234.5 and 01/15/2026.",
)
@click.option(
    "--null",
    "null_words",
    multiple=True,
    metavar="WORD",
    help="A word that stands for an empty field in every column, text included; may be given several times.",
)
@click.option(
    "--update", is_flag=True, help="Change rows that are there with other values; without it they are rejected."
)
@click.option("--job", metavar="JOB", help="Load the tables that this job's tables.toml describes.")
@json_option
@click.pass_obj
def load(settings: Settings, /, folder: Path, **given: Any) -> None:
    """Load a folder into the source tables.

    Its files are visits, patient_observations and, where there is one, outcomes, each as .csv or .csv.gz, in UTF-8; with --job, those that
    the job's tables.toml names. Their fields are separated by commas, semicolons, tabs or bars. Tables that are missing are made. Rows that
    are already there are passed over; rows that cannot be loaded go to the reject file, with line and reason. A file of which no row can be
    loaded is an error, and nothing is loaded.

    A time needs its zone (2026-01-15T05:30:00+01:00), or --timezone; the hour that a clock shows twice, and the one that it leaves out, are
    rejected. NULL, NA, \\N, - and the like are empty fields in columns of numbers and times. In columns of text they may be meant: they are
    told or, like NULL, rejected.

    A visit or outcome, or a row with a key in tables.toml, that is there with other values is an error (exit 1; the other rows are loaded).
    With --update it gets the file's values, in the columns that the file has, as an observation does that is the only one of its visit,
    time and code. Rows that the file no longer has stay as they are.
    """
    from scorer.database.source.files.csv_dialect import Writing, zone_named
    from scorer.jobs.folder.tables import has_tables
    from scorer.registry import registration

    options = _LoadOptions(**given)
    zone = None if options.timezone is None else zone_named(options.timezone)
    writing = Writing(dialect=options.dialect, zone=zone, null_words=frozenset(options.null_words))
    database = database_of(settings)
    report = _load(database, folder, rejects=options.rejects, job=options.job, writing=writing, update=options.update)
    grants = registration.grant_source(database=database, jobs=None if options.job is None else [options.job])
    if options.as_json:
        print_json(load_as_json(report))
    else:
        print_load(report, zone=options.timezone)
        for name, why in grants.items():
            if why is not None and (options.job is not None or not has_tables(name, jobs_dir=settings.jobs_dir)):
                click.echo(f"The worker was not granted what job {name} needs: {why}", err=True)
    report.require_no_differing()


@click.command()
@click.argument("job", metavar="[JOB]", required=False)
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="Run all jobs that the daemon would run here, one after the other. One that fails does not stop the others.",
)
@click.option(
    "--as-of",
    type=Moment(),
    help="The moment whose knowledge is used, such as 2025-06-01T00:00:00Z; now, where not given.",
)
@click.option(
    "--as-known-at",
    type=Moment(),
    help="Use what was recorded up to this moment, of what happened up to the as-of time; the as-of time, where not given. "
    "An entity whose current outcome knew more keeps it, and is counted as unchanged.",
)
@click.option("--limit", type=click.IntRange(min=1), help="At most so many entities.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="How many score at a time; where not given, 1, or all of a Dask cluster.",
)
@backend_option
@scheduler_option
@click.option("--dry-run", is_flag=True, help="Find and judge what is due, and write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; with --all, one in a line for each job.")
@click.pass_context
def run(context: click.Context, /, job: str | None, **given: Any) -> None:
    """Run JOB once: find what is due, score it, account for it.

    A run that was interrupted is finished first.
    """
    options = _RunOptions(**given)
    settings = with_backend(context.obj, backend=options.backend, scheduler=options.scheduler)
    if options.every:
        if job is not None:
            raise click.UsageError(f"--all runs every job, and {job} is named; leave one of them out", ctx=context)
        _run_all(settings, options)
        return
    if job is None:
        raise click.MissingParameter(ctx=context, param_hint="'JOB'", param_type="argument")
    from scorer.jobs.job import load_job

    loaded = load_job(job, jobs_dir=settings.jobs_dir)
    database = database_of(settings)
    # Imported only now: they take seconds, and what is wrong with the arguments is said before.
    from scorer.registry.registration import require_enabled

    require_enabled(loaded.name, database=database)
    _run_one(loaded, options, database=database, workers=_workers(settings, options))


def _workers(settings: Settings, options: _RunOptions) -> int:
    """How many workers score at a time. Raises UserError where they are a cluster's that cannot be used."""
    if options.backend != "dask":
        return options.workers or 1
    from scorer.runs.cluster import Cluster

    with Cluster(settings) as cluster:  # one that cannot be used is refused before anything begins
        return options.workers or cluster.workers


def _run_all(settings: Settings, options: _RunOptions) -> None:
    """Run the jobs that this host runs, in alphabetical order.

    Raises UserError where some failed, once each has had its run; where one failed by a bug, ends the command as a bug does.
    """
    from scorer.checks.installation import jobs_here

    database = database_of(settings)
    jobs, workers = jobs_here(database), _workers(settings, options)
    failed: list[str] = []
    bugs = False
    for each in jobs:
        try:
            _run_one(each.loaded(), options, database=database, workers=workers)
        except Exception as error:  # noqa: BLE001 - the other jobs have their runs
            failed.append(each.name)
            bugs = bugs or not isinstance(error, UserError)
            _print_failure(each.name, error, as_json=options.as_json)
    if bugs:
        raise SystemExit(EXIT_BUG)
    if failed:
        raise UserError(f"{len(failed)} of {len(jobs)} jobs failed: {', '.join(failed)}.")


def _print_failure(job: str, error: Exception, *, as_json: bool) -> None:
    """Print why a job's run failed, on stderr; as JSON on stdout too, so that each job has its line there."""
    sentence = str(error) if isinstance(error, UserError) else f"a bug: {type(error).__name__}"
    if as_json:
        print_json({"job": job, "status": "failed", "error": sentence})
    if isinstance(error, UserError):
        print_refusal(f"Job {job}: {sentence}")
    else:
        print_bug(error)


def _run_one(loaded: Job, options: _RunOptions, *, database: Database, workers: int) -> None:
    """Run a job as the options say, and print how it ended. Raises UserError where it stops."""
    from scorer.runs.run import dry_run, run_job
    from scorer.runs.worker import Hooks

    given: dict[str, Any] = {"as_of": options.as_of, "as_known_at": options.as_known_at, "limit": options.limit}
    with progress_bar(f"Scoring {loaded.name}") as progress:
        if options.dry_run:
            ended = dry_run(loaded, database=database, **given, progress=progress)
        else:
            ended = run_job(loaded, database=database, **given, workers=workers, hooks=Hooks(progress=progress))
    if options.as_json:
        print_json(ended.as_json())
    else:
        print_run(ended.as_json())
    if ended.counts.eligible and ended.counts.insufficient == ended.counts.eligible and options.as_known_at is None:
        _print_late_recording(loaded, database=database, as_of=options.as_of)


def _print_late_recording(job: Job, *, database: Database, as_of: datetime | None) -> None:
    """Print on stderr that observations were recorded too late, where that is why none was scored."""
    from scorer.checks.recording import look_for_late_recording

    late = look_for_late_recording(job, database=database, as_of=as_of)
    if late is not None:
        click.echo(f"scorer: {late}", err=True)


@click.command()
@click.option("--visits", type=click.IntRange(min=1), default=500, show_default=True, help="Size of the sample cohort.")
@click.option("--job", metavar="JOB", help="Show this job instead, on the files in its folder `example`.")
@click.pass_obj
def demo(settings: Settings, *, visits: int, job: str | None) -> None:
    """Show it all on a sample cohort.

    Starts the embedded PostgreSQL, migrates it, loads a generated cohort with dirt planted in it, scores it, and says where to look.
    Again: scores only what is new.
    """
    from scorer.database import schema
    from scorer.database.connecting import plain_session
    from scorer.database.session import engine
    from scorer.database.source.demo import JOB, load_sample
    from scorer.jobs.job import load_job
    from scorer.registry import registration
    from scorer.runs.run import run_job
    from scorer.runs.worker import Hooks

    if settings.database_url is None:
        embedded_server(settings).start()
    database = database_of(settings)
    schema.upgrade(engine(database.as_login()))
    registration.install_jobs(database=database)
    if registration.enable_job(job or JOB, database=database):
        click.echo(
            f"Job {job or JOB} is enabled in this database; `scorer job disable {job or JOB}` has it run no more."
        )
    if job not in {None, JOB}:
        _show_example(database, job)
        return
    shown = load_job(JOB, jobs_dir=settings.jobs_dir)
    with closing(plain_session(database, application_name="scorer demo")) as connection:
        sample = load_sample(shown, visits=visits, connection=connection, rejects=reject_file(settings, Path("demo")))
    registration.grant_source(database=database, jobs=[JOB])
    if sample.report is not None:
        click.echo(f"A sample cohort of {sample.visits} visits, generated, with dirt planted in it:")
        print_table(["planted", "how many"], [[kind.replace("_", " "), times] for kind, times in sample.dirty.items()])
        print_load(sample.report)
    else:
        click.echo("The sample cohort is there already; only what is new is scored.")
    with progress_bar(f"Scoring {JOB}") as progress:
        ended = run_job(shown, database=database, hooks=Hooks(progress=progress))
    print_run(ended.as_json())
    _print_outcomes(database, JOB)
    _print_where_to_look(database, shown)


def _show_example(database: Database, name: str) -> None:
    """Load the example in a job's folder, and score it, if the job has a model."""
    from scorer.database.source.files.csv_dialect import Writing
    from scorer.jobs.folder.example import as_of_example
    from scorer.jobs.job import folder_of, load_job
    from scorer.monitoring.job_list import list_jobs
    from scorer.registry import registration
    from scorer.runs.run import run_job

    folder = folder_of(name, jobs_dir=database.settings.jobs_dir) / "example"
    if not folder.is_dir():
        raise UserError(
            f"Job {name} has no example: there is no folder {folder}; put files there, as tables.toml names them."
        )
    print_load(_load(database, folder, rejects=None, job=name, writing=Writing(), update=False))
    registration.grant_source(database=database, jobs=[name])
    (listed,) = (each for each in list_jobs(database.settings, database=database) if each.name == name)
    if listed.model_version is None:
        click.echo(f"No model of {name} is in production yet: scorer train {name} --full, then scorer model promote.")
        return
    loaded = load_job(name, jobs_dir=database.settings.jobs_dir)
    at = as_of_example(folder)
    print_run(run_job(loaded, database=database, as_of=at).as_json())
    _print_outcomes(database, name)
    if at is not None:
        click.echo(f"The example's rows are of {at:%Y-%m-%d} and before: a score that has expired since then is stale.")
    _print_where_to_look(database, loaded)


def _load(
    database: Database, folder: Path, *, rejects: Path | None, job: str | None, writing: Writing, update: bool
) -> LoadReport:
    """Load the files of `folder`, a job's own where one is named. Returns the counts of each."""
    from scorer.database.connecting import plain_session
    from scorer.database.source.load import load as load_folder
    from scorer.jobs.folder.tables import read_tables

    tables = () if job is None else read_tables(job, jobs_dir=database.settings.jobs_dir)

    with (
        closing(plain_session(database, application_name="scorer load")) as connection,
        progress_bar("Loading") as progress,
    ):
        return load_folder(
            folder,
            connection=connection,
            rejects=rejects or reject_file(database.settings, folder),
            writing=writing,
            update=update,
            progress=lambda table, done, total: progress(done, total, table) if progress else None,
            job_tables=tables,
        )


def _print_outcomes(database: Database, job: str) -> None:
    """Print how many entities are in each band, and what was refused."""
    from scorer.database.session import Session
    from scorer.database.store.status import band_counts, open_findings

    with closing(Session(database.as_worker())) as session, session.transaction():
        bands, findings = band_counts(session, job), open_findings(session, job)
    print_rows(bands, none="Nobody has an outcome yet.")
    print_rows(findings, none="Nothing was refused.")


def _print_where_to_look(database: Database, job: Job) -> None:
    """Print which views show what the demo of a job made, and how to connect."""
    from scorer.database.source.demo import where_to_look

    click.echo(f"Where to look ({how_to_connect()}):")
    for relation, says in where_to_look(job):
        click.echo(f"  {relation:30} {says}")
    if database.settings.database_url is None:
        click.echo(f"The embedded PostgreSQL goes on running; `{program()} db stop` stops it and keeps its data.")
