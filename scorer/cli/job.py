"""The commands about jobs: list, enable, disable; new, check, try, diff, features, tables."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from scorer.cli.options import Moment, database_of, database_url, json_option, opened_session, owners_database
from scorer.cli.output import print_json, print_table, shown_number, shown_time
from scorer.config import Settings
from scorer.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scorer.jobs.folder.difference import Difference
    from scorer.runs.try_one import Tried

_name = click.argument("name", metavar="NAME")
_ROWS_SHOWN = 10  # of those that an entity has


@click.group(name="job")
def jobs() -> None:
    """Jobs as folders: SQL, suites, job.toml."""


@jobs.command(name="list")
@json_option
@click.pass_obj
def list_jobs(settings: Settings, *, as_json: bool) -> None:
    """List the jobs, shipped and your own.

    With each its task, what it scores, the model in production, and whether it runs, or why it does not: because it is not enabled, say.
    """
    from scorer.monitoring.job_list import list_jobs as all_jobs

    try:
        database_url(settings)
    except UserError as error:
        database, stopped = None, str(error)
    else:
        database, stopped = database_of(settings), ""
    found = all_jobs(settings, database=database)
    if as_json:
        print_json({"jobs": [{**asdict(each), "runs": each.why_not is None} for each in found]})
        return
    header = ["job", "of", "task", "entity", "model", "runs"]
    print_table(
        header,
        [
            [
                each.name,
                each.origin,
                each.task,
                each.entity,
                each.model_version,
                "yes" if each.why_not is None else f"no: {each.why_not.partition(';')[0]}",
            ]
            for each in found
        ],
    )
    if stopped:
        click.echo(f"Models were not looked for: {stopped}")


@jobs.command()
@_name
@click.pass_obj
def enable(settings: Settings, name: str) -> None:
    """Have a job run from now on.

    Makes its reporting views, puts its first model into production where it has none, grants the worker what it reads, and records who
    enabled it. For a login that may act as scorer_owner. Daemons take the job up within a minute. Again: what is missing is made. Which
    of the enabled jobs a host runs, its option `jobs` says.
    """
    from scorer.database import schema
    from scorer.database.session import engine
    from scorer.monitoring.job_list import list_jobs as all_jobs
    from scorer.registry import registration

    database = owners_database(settings)
    schema.require_head(engine(database.as_login()))
    is_new = registration.enable_job(name, database=database)
    click.echo(
        f"Job {name} {'is enabled' if is_new else 'was enabled already'}; its views and first model are in place."
    )
    (refused,) = registration.grant_source(database=database, jobs=[name]).values() or (None,)
    (listed,) = (each for each in all_jobs(settings, database=database) if each.name == name)
    if listed.why_not is not None:
        made = ". Where its tables are to be made: scorer load DIR --job " + name
        click.echo(f"It is not run yet: {listed.why_not}{made if 'tables' in listed.why_not else '.'}")
    elif refused is not None:
        click.echo(f"The worker was not granted what job {name} needs, as its grants.sql says: {refused}", err=True)


@jobs.command()
@_name
@click.pass_obj
def disable(settings: Settings, name: str) -> None:
    """Have a job run no more.

    Nothing is taken away: its scores, their ledger, views, models and tables stay, and its current scores read as stale once they
    expire. For a login with the role scorer_owner or scorer_approver. Daemons leave the job within a minute, after the batch in hand.
    """
    from scorer.database import schema
    from scorer.database.session import engine
    from scorer.registry import registration

    database = owners_database(settings)
    schema.require_head(engine(database.as_login()))
    was_enabled = registration.disable_job(name, database=database)
    click.echo(
        f"Job {name} {'is disabled' if was_enabled else 'was disabled already'}. Its scores, ledger, views and models stay; "
        f"its scores read as stale once they expire. `scorer job enable {name}` brings it back."
    )


@jobs.command()
@_name
@click.option(
    "--task",
    type=click.Choice(["binary", "multiclass", "regression"]),
    help="What its model is to publish; binary, where not given.",
)
@click.option("--like", metavar="JOB", help="Copy this job's folder instead.")
@click.option("--source", type=click.Choice(["omop"]), help="With --like: the copy reads an OMOP CDM 5.4.")
@click.pass_obj
def new(settings: Settings, name: str, *, task: str | None, like: str | None, source: str | None) -> None:
    """Make the folder of a new job, in jobs_dir.

    It runs as it stands: a small job.toml, five short statements and three suites, each line explained, and an example to try it on,
    three CSV files in its folder `example`. With --like it is a copy of another job's folder instead, with what must differ changed; with
    --source omop one that reads an OMOP CDM 5.4 in the schema cdm, by the concepts of its concepts.csv, with the same model.
    """
    from scorer.jobs.folder.example import write_example
    from scorer.jobs.folder.new import copy, make
    from scorer.jobs.folder.omop import copy_for_omop
    from scorer.jobs.job import Task, load_job

    if source is not None and like is None:
        raise UserError("Say --like with --source: the job whose copy is to read a CDM.")
    if like is not None:
        if task is not None:
            raise UserError("Say --task or --like, not both: a copy has the task of the job that it copies.")
        made = (copy if source is None else copy_for_omop)(name, jobs_dir=settings.jobs_dir, like=like)
    else:
        chosen = Task(task or Task.BINARY)
        made = make(name, jobs_dir=settings.jobs_dir, task=chosen)
        write_example(made.folder / "example", task=chosen, now=datetime.now(UTC))
    job = load_job(name, jobs_dir=settings.jobs_dir)
    click.echo(f"Job {name} is in {made.folder}, its suites in {made.files[-1].parent}.")
    for each in made.left_out:
        click.echo(f"Left out: {each}.")
    if source is not None:
        click.echo(
            f"Its times are taken as {job.parameters['timezone']}, its concepts as concepts.csv has them: see to both."
        )
    if like is None:
        click.echo(f"Load its example:  scorer load {made.folder / 'example'} --job {name}")
    click.echo(f"Check it:          scorer job check {name}")


@jobs.command()
@_name
@json_option
@click.pass_obj
def check(settings: Settings, name: str, *, as_json: bool) -> None:
    """Check one job against this database, in depth.

    Each statement is planned, and run for twenty entities: columns, types, codes, values, outcomes. Then leaks are searched for: what a
    statement says of a time, although it came to be known only later. A job that has no model yet is checked without. A line each; exit
    1 where something does not hold. Nothing is written.
    """
    from scorer.checks.in_depth.job import check_in_depth
    from scorer.jobs.job import folder_of

    folder_of(name, jobs_dir=settings.jobs_dir)
    results = []
    for result in check_in_depth(name, database=database_of(settings)):
        results.append(result)
        if not as_json:
            click.echo(f"{'ok' if result.holds else 'NO':3} {result.name}: {result.found}")
    failed = [result for result in results if not result.holds]
    if as_json:
        print_json({"job": name, "holds": not failed, "lines": [asdict(result) for result in results]})
    if failed:
        raise UserError(
            f"{len(failed)} of {len(results)} checks failed; the first: {failed[0].name}: {failed[0].found}"
        )


@jobs.command(name="try")
@_name
@click.option("--entity", required=True, help="The entity to score.")
@click.option("--as-of", type=Moment(), help="The moment whose knowledge is used; now, where not given.")
@json_option
@click.pass_obj
def try_one(settings: Settings, name: str, *, entity: str, as_of: datetime | None, as_json: bool) -> None:
    """Score one entity, step by step, writing nothing.

    Prints the rows read and which rule refused which, the features with where each comes from, the score with its reasons, and what a
    run would write.
    """
    from scorer.jobs.job import load_job
    from scorer.runs.try_one import try_one as score_one

    job = load_job(name, jobs_dir=settings.jobs_dir)
    tried = score_one(job, entity, database=database_of(settings), as_of=as_of)
    if as_json:
        print_json(_tried_json(tried))
    else:
        _print_tried(tried, entity=job.entity)


def _tried_json(tried: Tried) -> Mapping[str, Any]:
    """What was tried, for JSON; of the outcome, without its bytes."""
    outcome = None
    if tried.outcome is not None:
        outcome = {**asdict(tried.outcome), "input_hash": tried.outcome.input_hash.hex()}
        outcome.pop("features")
    return {**asdict(tried), "outcome": outcome}


def _print_tried(tried: Tried, *, entity: str) -> None:
    used = sum(row.used for row in tried.rows)
    click.echo(
        f"{entity.capitalize()} {tried.entity_id} of {tried.job} as of {shown_time(tried.as_of)}; nothing is written."
    )
    click.echo(f"\n1. Read: {len(tried.rows)} rows, of which {used} are used; {tried.needed} are needed.")
    shown = [row for place, row in enumerate(tried.rows) if row.rules or place >= len(tried.rows) - _ROWS_SHOWN]
    print_table(
        ["observation", "date", "code", "value", "used", "rules broken"],
        [
            [
                row.observation_id,
                row.observation_date,
                row.code,
                row.value,
                "yes" if row.used else "no",
                ", ".join(row.rules),
            ]
            for row in shown
        ],
    )
    if len(shown) < len(tried.rows):
        click.echo(
            f"Shown are the newest, and those that broke a rule, {len(shown)} of {len(tried.rows)}; --json has all."
        )
    if tried.attributes:
        known = (
            f"{name} {value if not isinstance(value, datetime) else shown_time(value)}"
            for name, value in tried.attributes.items()
        )
        click.echo(f"Attributes: {', '.join(known)}.")
    click.echo("\n2. Refused:" if tried.rejections else "\n2. Refused: nothing.")
    for each in tried.rejections:
        what = f"observation {each.observation_id}" if each.observation_id is not None else f"the {entity}"
        click.echo(f"   {what}: {each.rule} ({each.action}): {each.observed}, where {each.expected} is expected")
    click.echo("\n3. Features:")
    print_table(
        ["feature", "value", "unit", "from"],
        [[each.feature, shown_number(each.value, ".6g"), each.unit, each.source] for each in tried.features],
    )
    _print_outcome(tried)


def _print_outcome(tried: Tried) -> None:
    outcome = tried.outcome
    if outcome is None:
        click.echo(f"4. Score: none: {tried.without}")
        return
    if outcome.score is None:
        click.echo(f"4. Score: none by model {tried.model_version}: {outcome.status}, {outcome.reason}.")
    else:
        label = f", label {outcome.label}" if outcome.label is not None else ""
        band = f", band {outcome.risk_band}" if outcome.risk_band is not None else ""
        click.echo(f"4. Score: {outcome.score:.6g} by model {tried.model_version}{label}{band}.")
    if tried.reasons:
        print_table(
            ["reason", "value", "contribution"],
            [
                [
                    each.feature or f"({each.kind})",
                    shown_number(each.value, ".6g"),
                    shown_number(each.contribution, "+.4f"),
                ]
                for each in tried.reasons
            ],
        )
    until = "" if outcome.valid_until is None else f", valid until {shown_time(outcome.valid_until)}"
    click.echo(f"5. A run would write: {outcome.status} into the ledger{until}; "
               f"{'and the score into the source table' if tried.writes_back else 'nothing into the source tables'}.")  # fmt: skip


@jobs.command()
@click.argument("one", metavar="A")
@click.argument("other", metavar="B")
@json_option
@click.pass_obj
def diff(settings: Settings, one: str, other: str, *, as_json: bool) -> None:
    """Show what differs from job version A to B.

    Each is the name of a job, for its folder as it stands, or the beginning of a version that the database knows. Shown are job.toml,
    statements and suites line by line, and which features were added or removed.
    """
    from scorer.jobs.folder.difference import difference

    found = difference(_definition(settings, one), _definition(settings, other))
    if as_json:
        print_json({"one": one, "other": other, **asdict(found)})
    else:
        _print_difference(found, one, other)


def _definition(settings: Settings, named: str) -> Mapping[str, Any]:
    """The definition of a job by its name, or of a version by its beginning."""
    from scorer.database.store.replays import find_job_versions, read_job_version
    from scorer.jobs.job import job_names, load_job

    if named in job_names(settings.jobs_dir):
        return load_job(named, jobs_dir=settings.jobs_dir).definition
    with opened_session(settings, as_worker=True) as session:
        found = find_job_versions(session, named)
        if len(found) == 1:
            return read_job_version(session, *found[0])
    if found:
        known = ", ".join(f"{version} of {job}" for job, version in found[:5])
        raise UserError(f'"{named}" is the beginning of {len(found)} versions: {known}; write more of it.')
    raise UserError(
        f'There is no job "{named}", and no version that begins so; reporting.score_history has versions, in job_version.'
    )


def _print_difference(found: Difference, one: str, other: str) -> None:
    if found.is_nothing:
        click.echo(f"{one} and {other} are the same.")
        return
    for name, lines in found.files.items():
        click.echo(f"{name}:")
        click.echo("\n".join(f"  {line}" for line in lines))
    if found.features_added is None or found.features_removed is None:
        click.echo("Features cannot be compared: one of the two was made for another release.")
        return
    for what, names in (("added", found.features_added), ("removed", found.features_removed)):
        click.echo(f"Features {what}: {', '.join(names) or 'none'}.")


@jobs.command()
@_name
@json_option
@click.pass_obj
def features(settings: Settings, name: str, *, as_json: bool) -> None:
    """List a job's features, as a table in Markdown.

    By name, meaning, unit, group, statistic and window, as job.toml defines them, in the order of the matrix.
    """
    from scorer.jobs.folder.catalogue import catalogue, markdown
    from scorer.jobs.job import load_job

    found = catalogue(load_job(name, jobs_dir=settings.jobs_dir))
    if as_json:
        print_json({"job": name, "features": [asdict(each) for each in found]})
    else:
        click.echo(markdown(found), nl=False)


@jobs.command()
@_name
@json_option
@click.pass_obj
def tables(settings: Settings, name: str, *, as_json: bool) -> None:
    """Print the SQL that makes a job's source tables.

    They are described in tables.toml in the job's folder, by which `scorer load DIR --job NAME` makes and fills them.
    """
    from scorer.database.source.load_tables import ddl
    from scorer.jobs.folder.tables import read_tables

    found = read_tables(name, jobs_dir=settings.jobs_dir)
    if as_json:
        print_json({"job": name, "tables": [asdict(each) for each in found], "ddl": ddl(found)})
    else:
        click.echo(ddl(found), nl=False)
