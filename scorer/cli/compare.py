"""The commands that compare two models: a shadow run, and a comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from scorer.cli.options import Moment, database_of, json_option, opened_session
from scorer.cli.output import print_json, print_migration, print_table, progress_bar, shown_interval, shown_number
from scorer.config import Settings
from scorer.errors import UserError

if TYPE_CHECKING:
    from scorer.database.connection import Database
    from scorer.database.store.models import Pair
    from scorer.jobs.job import Job

_as_of = click.option("--as-of", type=Moment(), help="Score as of this time; now, where not given.")
_limit = click.option("--limit", type=click.IntRange(min=1), help="No more than so many entities, by lot.")


@click.command()
@click.argument("job", metavar="JOB")
@click.argument("model_version", metavar="VERSION")
@_as_of
@_limit
@json_option
@click.pass_obj
def shadow(
    settings: Settings, job: str, model_version: str, *, as_of: datetime | None, limit: int | None, as_json: bool
) -> None:
    """Show who would change band if VERSION were in production.

    All current entities are scored by it and by the model in production, and nothing is written.
    """
    from scorer.governance.comparison import migration
    from scorer.governance.promotion import band_order, shadow_result
    from scorer.governance.shadow import shadow_run
    from scorer.jobs.job import load_job

    loaded = load_job(job, jobs_dir=settings.jobs_dir)
    database = _database_at_head(settings)
    with progress_bar(f"Scoring in the shadow of {job}") as progress:
        beside = shadow_run(loaded, model_version, database=database, as_of=as_of, limit=limit, progress=progress)
    moved = migration(beside.pairs, bands=band_order(loaded))
    if as_json:
        print_json({"job": job, "model_version": model_version, **shadow_result(beside, moved, at=beside.as_of)})
        return
    print_migration(moved, one=beside.one, other=model_version, bands=band_order(loaded))


@dataclass(frozen=True, slots=True)
class _CompareOptions:
    """The options of `scorer model compare`."""

    as_of: datetime | None
    limit: int | None
    ledger: bool
    days: int
    outcomes: bool
    as_json: bool


@click.command()
@click.argument("job", metavar="JOB")
@click.argument("one", metavar="A")
@click.argument("other", metavar="B")
@_as_of
@_limit
@click.option(
    "--ledger", is_flag=True, help="By what the ledger holds of both (a challenger's shadow), not by scoring."
)
@click.option("--days", type=click.IntRange(min=1), default=30, show_default=True, help="So far back, with --ledger.")
@click.option("--outcomes", is_flag=True, help="Metrics and calibration too, at the landmarks whose outcome is known.")
@json_option
@click.pass_obj
def compare(settings: Settings, /, job: str, one: str, other: str, **given: Any) -> None:
    """Compare two models of JOB over the same entities.

    Both score all current entities; nothing is written. Shown are who would change band and how alike the scores are; with --outcomes,
    which of the two is right more often.
    """
    from scorer.governance.comparison import agreement, migration
    from scorer.governance.known_outcomes import on_outcomes
    from scorer.governance.promotion import band_order
    from scorer.governance.shadow import shadow_run
    from scorer.jobs.job import load_job

    options = _CompareOptions(**given)
    if options.ledger and options.as_of is not None:
        raise UserError("Say --ledger or --as-of, not both: the ledger's scores are as of their own times.")
    loaded = load_job(job, jobs_dir=settings.jobs_dir)
    database = _database_at_head(settings)
    pairs: list[Pair]
    if options.ledger:
        since = timedelta(days=options.days)
        pairs = _pairs_of_ledger(settings, loaded, one=one, other=other, limit=options.limit, since=since)
    else:
        with progress_bar(f"Scoring by {one} and {other}") as progress:
            beside = shadow_run(
                loaded,
                other,
                beside=one,
                database=database,
                as_of=options.as_of,
                limit=options.limit,
                progress=progress,
            )
        pairs = list(beside.pairs)
    moved, alike = migration(pairs, bands=band_order(loaded)), agreement(pairs)
    measured: Mapping[str, Any] | None = None
    if options.outcomes:
        with progress_bar(f"Reading landmarks of {job}") as progress:
            measured = on_outcomes(loaded, (one, other), database=database, progress=progress)
    if options.as_json:
        named = {"job": job, "one": one, "other": other, "of": "ledger" if options.ledger else "current entities"}
        print_json({**named, "migration": moved.as_json(), "agreement": alike, "outcomes": measured})
        return
    print_migration(moved, one=one, other=other, bands=band_order(loaded))
    print_table(
        ["agreement", ""],
        [[name.replace("_", " "), "none" if value is None else value] for name, value in alike.items()],
    )
    if measured is not None:
        _print_measured(measured, one=one, other=other)


def _database_at_head(settings: Settings) -> Database:
    """The database in use. Raises UserError where its schema is not at head."""
    from scorer.database import schema
    from scorer.database.session import engine

    database = database_of(settings)
    schema.require_head(engine(database.as_worker()))
    return database


def _pairs_of_ledger(
    settings: Settings, job: Job, *, one: str, other: str, limit: int | None, since: timedelta
) -> list[Pair]:
    """Entities that both models scored as of the same time, with both scores, by the ledger.

    Raises UserError where there are none.
    """
    from scorer.database.store.models import list_pairs, read_model
    from scorer.database.store.ticks import read_clock

    with opened_session(settings, as_worker=True) as session:
        for version in (one, other):
            read_model(session, job.name, version)
        now = read_clock(session)
        pairs = list_pairs(session, job, one=one, other=other, since=since, now=now, limit=limit)
    if not pairs:
        raise UserError(
            f"The ledger holds no entity that {one} and {other} scored as of the same time in {since.days} days; leave --ledger out, or "
            f"have one challenge the other (`scorer model challenge`)."
        )
    return pairs


def _print_measured(measured: Mapping[str, Any], *, one: str, other: str) -> None:
    """Print both models' figures with their intervals, and the calibration of each."""
    rows = f"{measured['rows']:,} landmarks of {measured['clients']:,} clients"
    rows += f", {measured['events']:,} with the event" if measured["events"] else ""
    click.echo(f"Where the outcome is known: {rows}.")
    names = list(measured["models"][one]["metrics"])
    print_table(
        ["metric", one, other],
        [
            [
                name.replace("_", " "),
                *(_shown_figure(measured["models"][version]["metrics"][name]) for version in (one, other)),
            ]
            for name in names
        ],
    )
    for version in (one, other):
        bins = measured["models"][version]["calibration"]
        if not bins:
            continue
        print_table(
            [f"calibration of {version}: predicted", "observed", "landmarks", *(["of"] if "of" in bins[0] else [])],
            [
                [each["predicted"], each["observed"], each["rows"], *([each["of"]] if "of" in each else [])]
                for each in bins
            ],
        )


def _shown_figure(figure: Mapping[str, float | None]) -> str:
    """The figure's value, with its interval where it has one."""
    value = shown_number(figure["value"], ".4f", none="none")
    if figure["value"] is None or figure["low"] is None:
        return value
    return f"{value} ({shown_interval(figure['low'], figure['high'], '.4f')})"
