"""The commands that say how a model would do: beside another one, and at another hospital."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scorer.cli.options import Moment, database_of, json_option, opened_session
from scorer.cli.output import print_json, print_migration, print_table, progress_bar, shown_interval, shown_number
from scorer.config import Settings
from scorer.errors import UserError

if TYPE_CHECKING:
    from scorer.database.connection import Database
    from scorer.database.session import Session
    from scorer.database.store.models import Pair, Registered
    from scorer.evaluation.landmarks import Landmarks
    from scorer.governance.transport import Transport
    from scorer.jobs.job import Job
    from scorer.registry.model import LoadedModel
    from scorer.training.trainer import Trained

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


@dataclass(frozen=True, slots=True)
class _Site:
    """A registered model, and the landmarks of the site or facility where it is looked at."""

    registered: Registered
    model: LoadedModel
    landmarks: Landmarks
    session: Session


@contextmanager
def _at_site(
    job: Job,
    settings: Settings,
    *,
    model_version: str | None,
    facility: str | None,
    first: datetime | None,
    end: datetime | None,
) -> Iterator[_Site]:
    """Open a model, that in production where none is named, and read the site's landmarks.

    They lie in `first` to before `end`.
    """
    from scorer.database.session import Session
    from scorer.database.source.reader import Source
    from scorer.database.store.models import read_model
    from scorer.evaluation.landmarks import read_landmarks
    from scorer.registry.artefacts import open_version, production_version
    from scorer.training.calibrations import of_facility

    worker = database_of(settings).as_worker()
    with closing(Session(worker)) as session, closing(Source(worker)) as source:
        with session.transaction():
            registered = read_model(session, job.name, model_version or production_version(job, session))
            model = open_version(job, registered, session, settings=settings)
        with progress_bar(f"Reading landmarks of {job.name}") as progress:
            classes = model.rules.classes
            landmarks = read_landmarks(job, source, between=(first, end), classes=classes, progress=progress)
        yield _Site(registered, model, of_facility(landmarks, facility, job), session)


@click.command()
@click.argument("job", metavar="JOB")
@click.option("--model", "model_version", help="The model version; the one in production, where not given.")
@click.option("--facility", help="Of the entities those of this facility; all of them, where not given.")
@click.option("--from", "first", type=Moment(), help="Landmarks from this moment on, such as 2025-06-01T00:00:00Z.")
@click.option("--to", "end", type=Moment(), help="Landmarks before this moment.")
@json_option
@click.pass_obj
def transport(settings: Settings, /, job: str, *, as_json: bool, **given: Any) -> None:
    """Say whether a model of JOB may go live at this site.

    The site's own entities and outcomes are compared with what the model was made on: units, inputs, figures, and what calibrating it anew
    would give, measured on a half of the clients that it was not calibrated by. Nothing is changed.
    """
    from scorer.governance.transport import transport as advise
    from scorer.jobs.job import load_job

    loaded = load_job(job, jobs_dir=settings.jobs_dir)
    with _at_site(loaded, settings, **given) as site, site.session.transaction():
        found = advise(loaded, site.model, site.landmarks, session=site.session)
    version = site.registered.model_version
    if as_json:
        print_json({"job": job, "model_version": version, "facility": given["facility"], **asdict(found)})
    else:
        _print_transport(found, job, version, given["facility"])


def _print_transport(found: Transport, job: str, version: str, facility: str | None) -> None:
    """Print the advice, the figures as they are and calibrated anew, and what has shifted."""
    from scorer.evaluation import wording
    from scorer.governance.transport import farthest

    where = "" if facility is None else f" at facility {facility}"
    click.echo(
        f"Model {version} of {job}{where}: {found.advice}: {found.why}.\n{found.clients:,} clients, {found.events:,} of whom tell of the "
        f"outcome, {found.landmarks:,} landmarks; a verdict takes {found.needed:,}."
    )
    if found.left_out:
        click.echo(f"{found.left_out:,} clients more were left out: the model was trained on them.")
    for each in found.units:
        if each.unit is None:
            click.echo(f"{each.sentence}: another assay, or a unit that job.toml does not know?")
    again = found.recalibrated
    if found.figures and again is not None:
        print_table(
            ["figure", "where it was made", "as it is", "as it is, on one half", "calibrated by the other"],
            [
                [
                    wording.title(name),
                    *(_shown(each.get(name)) for each in (found.own, found.figures, again.before, again.after)),
                ]
                for name in found.figures
            ],
        )
    if found.shifts:
        print_table(
            ["feature", "index of its shift", "missing", "missing in training"],
            [
                [
                    each.feature,
                    shown_number(each.psi, none=""),
                    shown_number(each.missing, none=""),
                    each.baseline_missing,
                ]
                for each in farthest(found.shifts, 10)
            ],
        )


def _shown(figure: Mapping[str, float | None] | None) -> str:
    """A figure of a manifest with its interval; empty where there is none."""
    from scorer.evaluation import wording
    from scorer.evaluation.beside_naive import figure_of

    return "" if figure is None else wording.written(figure_of(figure))


@click.command()
@click.argument("job", metavar="JOB")
@click.option("--model", "model_version", help="The version to calibrate; the one in production, where not given.")
@click.option("--facility", required=True, help="The facility by whose outcomes it is calibrated.")
@click.option("--version", "new_version", help="Name of the new version; today's date and time, where not given.")
@click.option("--from", "first", type=Moment(), help="Landmarks from this moment on, such as 2025-06-01T00:00:00Z.")
@click.option("--to", "end", type=Moment(), help="Landmarks before this moment.")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of models to write into; where not given, SCORER_HOME/models.",
)
@json_option
@click.pass_obj
def recalibrate(settings: Settings, /, job: str, **given: Any) -> None:
    """Calibrate a model of JOB for a facility, as a candidate.

    The new version has the same artefact. Its scores of the facility are calibrated by that facility's outcomes, and so is its alarm
    threshold; all other scores stay as they are. `scorer model promote` alone puts it into production.
    """
    from scorer.jobs.job import load_job
    from scorer.registry.artefacts import copy_hint, read_bytes
    from scorer.registry.registration import register
    from scorer.training.recalibration import recalibrate as calibrate
    from scorer.training.trainer import require_free

    as_json, into, new_version = (given.pop(name) for name in ("as_json", "into", "new_version"))
    loaded = load_job(job, jobs_dir=settings.jobs_dir)
    models = into or settings.home_dir / "models"
    require_free(loaded, models=models, model_version=new_version)
    with _at_site(loaded, settings, **given) as site:
        with site.session.transaction():
            artefact = read_bytes(loaded, site.registered, site.session, settings=settings)
        trained = calibrate(
            loaded,
            site.model,
            artefact,
            site.landmarks,
            facility=given["facility"],
            models=models,
            model_version=new_version,
        )
        with site.session.transaction():
            register(loaded, trained.folder, site.session, stored=settings.model_store == "database")
    _print_recalibrated(trained, job, given["facility"], before=site.registered.model_version, as_json=as_json)
    if settings.model_store != "database" and (hint := copy_hint(loaded, trained.folder, settings)):
        click.echo(hint, err=as_json)


def _print_recalibrated(trained: Trained, job: str, facility: str, *, before: str, as_json: bool) -> None:
    """Print where the version is, and the facility's cross-validated figures."""
    found = trained.manifest["facilities"][facility]
    if as_json:
        where = {"job": job, "model_version": trained.model_version, "folder": str(trained.folder), "from": before}
        print_json({**where, "facility": facility, **found})
        return
    click.echo(
        f"Model {trained.model_version} of {job} is {before} calibrated for facility {facility} by {found['clients']:,} clients, in "
        f"{trained.folder}, registered as a candidate. Cross-validated by client:"
    )
    print_table(
        ["metric", "value", "95 % interval"],
        [
            [
                name.replace("_", " "),
                shown_number(each["value"], none="unknown"),
                shown_interval(each["low"], each["high"], none="unknown"),
            ]
            for name, each in found["metrics"].items()
        ],
    )
