"""The commands about single models: register, show, verify, promote and challenge."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scorer.cli.options import database_of, json_option, opened_session
from scorer.cli.output import print_json, print_migration, print_rows, print_table, progress_bar
from scorer.config import Settings
from scorer.errors import UserError

if TYPE_CHECKING:
    from scorer.database.store.models import Registered

_job = click.argument("job", metavar="JOB")
_version = click.argument("model_version", metavar="VERSION")
_why = click.option("--why", required=True, help="The reason, kept with who did it and when.")


@click.group(name="model")
def models() -> None:
    """The registry of models."""


@models.command(name="list")
@click.argument("job", metavar="[JOB]", required=False)
@json_option
@click.pass_obj
def list_models(settings: Settings, *, job: str | None, as_json: bool) -> None:
    """List the registered models, with their metrics."""
    from scorer.database.store import models as models_store

    with opened_session(settings, as_worker=False) as session:
        rows = [row for row in models_store.list_models(session) if job in {None, row["job"]}]
    if as_json:
        print_json({"models": rows})
    else:
        print_rows(rows, none="No model is registered; `scorer db upgrade` registers the shipped ones.")


@models.command()
@_job
@click.argument("version_or_dir", metavar="VERSION|DIR")
@click.option(
    "--store", "stored", is_flag=True, help="Keep its bytes in the database too, for hosts without the files."
)
@click.pass_obj
def register(settings: Settings, job: str, *, version_or_dir: str, stored: bool) -> None:
    """Register a model of JOB, as a candidate.

    VERSION is looked for under SCORER_HOME/models and where the job's models are; DIR is its folder, manifest.json and pipeline.joblib
    in it. With --store, a version that is registered already has its bytes put into the database.
    """
    from scorer.jobs.job import load_job
    from scorer.registry.artefacts import copy_hint, model_folders
    from scorer.registry.manifest import find_version
    from scorer.registry.registration import register as register_folder

    loaded = load_job(job, jobs_dir=settings.jobs_dir)
    folders = model_folders(loaded, settings)
    keep = stored or settings.model_store == "database"
    given = Path(version_or_dir)
    if given.is_dir():
        folder = given.absolute()
    else:
        nowhere = "cannot be registered: it is no folder, and"
        folder = find_version(job, version_or_dir, folders=folders, known=nowhere, cure="there, or name it")
    with opened_session(settings, as_worker=True) as session:
        manifest = register_folder(loaded, folder, session, stored=keep)
    click.echo(
        f"Model {manifest.model_version} of {job} is registered as a candidate{', its bytes in the database' if keep else ''}."
    )
    if not keep and (hint := copy_hint(loaded, folder, settings)):
        click.echo(hint)


@models.command()
@_job
@_version
@json_option
@click.pass_obj
def show(settings: Settings, job: str, model_version: str, *, as_json: bool) -> None:
    """Show all that is known of a model.

    Its status and how it came there, its figures, its card, and the evidence for it.
    """
    from scorer.database.store import models as models_store
    from scorer.database.store.models import list_evidence, list_model_events, promotion_lacks, read_model
    from scorer.registry.cards import facts

    with opened_session(settings, as_worker=False) as session:
        model = read_model(session, job, model_version)
        card = models_store.read_card(session, job, model_version)
        happened = list_model_events(session, job, model_version)
        evidence = list_evidence(session, job, model_version)
        lack = None if model.status == "production" else promotion_lacks(session, job, model_version, tried=False)
    about = None if card is None else {"gaps": card.gaps, "written_at": card.written_at, "written_by": card.written_by}
    shown = {**facts(model), "status": model.status, "promoted_at": model.promoted_at, "stored": model.stored}
    if as_json:
        print_json({**shown, "card": about, "events": happened, "evidence": evidence, "promotion_lacks": lack})
        return
    shown["stored"] = "in the database too" if model.stored else "in files alone"
    rows = [[name.replace("_", " "), value] for name, value in shown.items() if value is not None]
    print_table(["", ""], [*rows, ["card", _shown_card(about)]])
    print_rows(happened, none="Nothing happened to it.")
    if evidence:
        print_table(
            ["evidence", "at", "by", "host", "found"],
            [
                [each["kind"], each["recorded_at"], each["recorded_by"], each["host"], _shown_result(each)]
                for each in evidence
            ],
        )
    if lack is not None:
        click.echo(f"Not to be promoted by you: {lack}.")


def _shown_card(card: Mapping[str, Any] | None) -> str:
    """Which fields of the card are empty, and who wrote it."""
    if card is None:
        return "none"
    gaps = ", ".join(card["gaps"])
    return f"{'to be filled: ' + gaps if gaps else 'filled'}, by {card['written_by']}"


def _shown_result(evidence: Mapping[str, Any]) -> str:
    """What the golden vectors or the shadow run found, in one line."""
    result = evidence["result"]
    if evidence["kind"] == "golden":
        return f"{result.get('rows')} vectors, off by {result.get('max_difference')}"
    return (
        f"beside {result.get('production') or 'nothing'}: {result.get('entities')} entities, {result.get('moved')} moved, "
        f"{result.get('up')} up, {result.get('down')} down"
    )


@models.command()
@_job
@_version
@click.option(
    "--write",
    "to",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the card into a new file, to be filled.",
)
@click.option("--set", "of", type=click.Path(path_type=Path, dir_okay=False), help="Set the card that this file is.")
@click.option(
    "--html",
    "as_page",
    is_flag=True,
    help="As a page, with the 31 source attributes that HTI-1 asks for; to be read, and not to be set.",
)
@click.pass_obj
def card(settings: Settings, job: str, model_version: str, *, to: Path | None, of: Path | None, as_page: bool) -> None:
    """Print a model's card, write it to a file, or set it from one.

    What the manifest knows is filled in; a person fills the rest. A model whose card has an empty field is not promoted.
    """
    from scorer.database.store import models as models_store
    from scorer.database.store.models import read_model, write_card
    from scorer.registry.cards import draft, read_card

    if to is not None and of is not None:
        raise UserError("Say --write or --set, not both.")
    if of is not None and as_page:
        raise UserError("A page is no card to be set: --set takes the file that --write makes without --html.")
    with opened_session(settings, as_worker=False) as session:
        model = read_model(session, job, model_version)
        if of is not None:
            gaps = write_card(session, job, model_version, card=read_card(of, model))
            left = (
                f"; to be filled before it can be promoted: {', '.join(gaps)}"
                if gaps
                else ", and every field is filled"
            )
            click.echo(f"The card of model {model_version} of {job} is set{left}.")
            return
        present = models_store.read_card(session, job, model_version)
    filled = present.content if present else {}
    text = _card_page(settings, model, card=filled) if as_page else draft(model, card=filled)
    if to is None:
        click.echo(text, nl=False)
        return
    try:
        with to.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UserError(f"The card cannot be written to {to}: {error.strerror}; name a new file.") from error
    fill = "" if as_page else f" Fill it, then: scorer model card {job} {model_version} --set {to}"
    click.echo(f"The card is in {to}.{fill}")


def _card_page(settings: Settings, model: Registered, *, card: Mapping[str, Any]) -> str:
    """The card as a page, with the version's live figures in this database."""
    from scorer.database.readonly_session import ReadOnlySession
    from scorer.database.reporting.models import list_live_figures
    from scorer.database.reporting.standing import Asked, read_own_clock, require_views
    from scorer.governance.card_page import card_page

    with closing(ReadOnlySession(database_of(settings).as_login(), patience=settings.connect_timeout)) as views:
        require_views(views)
        now = read_own_clock(views)
        known = list_live_figures(views, Asked(since=now, until=now, step="day", jobs=[model.job]))
    return card_page(model, card=card, live=[each for each in known if each.model_version == model.model_version])


@models.command()
@_job
@_version
@json_option
@click.pass_obj
def verify(settings: Settings, job: str, model_version: str, *, as_json: bool) -> None:
    """Verify a model on this machine.

    Its bytes are compared with the registry, its features with the job, its libraries with those here. The stored inputs of its golden
    vectors are scored again, and no score may be off by 1e-6. Exit 1 where anything would keep it from being promoted here.
    """
    from scorer.database.store.models import read_model
    from scorer.governance.promotion import require_admissible
    from scorer.governance.promotion import verify as verify_here
    from scorer.jobs.job import load_job

    loaded = load_job(job, jobs_dir=settings.jobs_dir)
    with opened_session(settings, as_worker=False) as session:
        registered = read_model(session, job, model_version)
        found = verify_here(loaded, registered, session, settings=settings)
    off = "none" if found.difference is None else f"off by {found.difference:.2g}"
    if as_json:
        named = {"job": job, "model_version": model_version, "sha256": registered.sha256, "features": found.features}
        print_json({**named, "golden": found.golden, "max_difference": found.difference, "unlike": found.unlike})
    else:
        rows = [
            ["bytes", f"SHA-256 {registered.sha256[:12]}..., as registered"],
            ["features", f"{found.features}, those of the job"],
            ["libraries", ", ".join(found.unlike) or "those of its manifest"],
            ["golden vectors", f"{found.golden}, {off}" if found.golden else "none"],
        ]
        print_table(["", "found"], rows)
    require_admissible(registered, found)


@models.command()
@_job
@_version
@_why
@click.pass_obj
def stage(settings: Settings, job: str, model_version: str, *, why: str) -> None:
    """Put VERSION of JOB into staging.

    There it may challenge production. It is verified first. `scorer model promote` does this by itself. Needs the role scorer_approver.
    """
    from scorer.database.store.models import move_model, read_model
    from scorer.governance.promotion import verify as verify_here
    from scorer.jobs.job import load_job

    loaded = load_job(job, jobs_dir=settings.jobs_dir)
    with opened_session(settings, as_worker=False) as session:
        verify_here(loaded, read_model(session, job, model_version), session, settings=settings)
        move_model(session, job, model_version=model_version, status="staging", why=why)
    click.echo(f"Model {model_version} of {job} is in staging.")


@models.command()
@_job
@_version
@_why
@json_option
@click.pass_obj
def promote(settings: Settings, job: str, model_version: str, *, why: str, as_json: bool) -> None:
    """Put VERSION of JOB into production.

    Needs the role scorer_approver (and scorer_worker, to read), another login than the one that registered it, a filled card, golden
    vectors that pass here, and the libraries it was fitted with. It is run in the shadow of the present model over all current
    entities first; that and the golden vectors are recorded as evidence with the promotion. The one that was there is archived.
    """
    from scorer.database import schema
    from scorer.database.session import engine
    from scorer.governance.promotion import band_order
    from scorer.governance.promotion import promote as put_into_production
    from scorer.jobs.job import load_job

    database = database_of(settings)
    schema.require_head(engine(database.as_login()))
    loaded = load_job(job, jobs_dir=settings.jobs_dir)
    with progress_bar(f"Scoring in the shadow of {job}") as progress:
        done = put_into_production(loaded, model_version, why=why, database=database, progress=progress)
    shown = {"job": job, "model_version": model_version, "replaced": done.replaced}
    if as_json:
        golden = {"rows": done.verified.golden, "max_difference": done.verified.difference}
        print_json({**shown, "golden": golden, "migration": done.migration.as_json()})
        return
    click.echo(f"{done.verified.golden} golden vectors passed, off by {done.verified.difference:.2g} at most.")
    print_migration(done.migration, one=done.replaced, other=model_version, bands=band_order(loaded))
    click.echo(f"Model {model_version} of {job} is in production from the next batch on.")
    if done.beats_naive is False:
        click.echo("Note: in its training it did not beat the naive forecast; see `scorer model show`.")


@models.command()
@_job
@_why
@json_option
@click.pass_obj
def rollback(settings: Settings, job: str, *, why: str, as_json: bool) -> None:
    """Bring back the model that JOB had before.

    The version that was in production before the present one: one transaction, after its bytes and golden vectors were verified here.
    Needs the role scorer_approver; that it was approved once is enough, so whoever registered it may bring it back too.
    """
    from scorer.database import schema
    from scorer.database.session import engine
    from scorer.governance.promotion import roll_back
    from scorer.jobs.job import load_job

    database = database_of(settings)
    schema.require_head(engine(database.as_login()))
    left, back = roll_back(load_job(job, jobs_dir=settings.jobs_dir), why=why, database=database)
    if as_json:
        print_json({"job": job, "model_version": back, "replaced": left})
        return
    gone = f"; {left} is archived" if left else ""
    click.echo(f"Model {back} of {job} is back in production from the next batch on{gone}.")


@models.command()
@_job
@_version
@_why
@click.pass_obj
def archive(settings: Settings, job: str, model_version: str, *, why: str) -> None:
    """Archive VERSION of JOB. Needs the role scorer_approver.

    Where it is in production nothing takes its place: runs stop until another is promoted, or it is rolled back.
    """
    from scorer.database.store.models import move_model, read_model

    with opened_session(settings, as_worker=False) as session:
        before = read_model(session, job, model_version)
        move_model(session, job, model_version=model_version, status="archived", why=why)
    effect = f"; {job} has no model in production now, and its runs stop" if before.status == "production" else ""
    click.echo(f"Model {model_version} of {job} is archived{effect}.")


@models.command()
@_job
@click.argument("model_version", metavar="[VERSION]", required=False)
@click.option("--stop", is_flag=True, help="Stop the challenge of JOB.")
@click.option("--why", required=True, help="The reason, kept with the challenge.")
@click.pass_obj
def challenge(settings: Settings, job: str, model_version: str | None, *, stop: bool, why: str) -> None:
    """Have VERSION of JOB, in staging, score beside production.

    From the next run on it scores what production scores; its scores stand in the ledger, marked as shadow, and are published nowhere. It
    stops when it leaves staging. Needs the role scorer_approver.
    """
    from scorer.database.store.models import start_challenge, stop_challenge

    if stop == (model_version is not None):
        raise UserError("Name the version that is to challenge production, or say --stop.")
    with opened_session(settings, as_worker=False) as session:
        if model_version is not None:
            start_challenge(session, job, model_version=model_version, why=why)
        elif not stop_challenge(session, job, why=why):
            raise UserError(f"No version challenges production of {job}; there is nothing to stop.")
    state = "is over" if model_version is None else f"by model {model_version} begins with the next run"
    click.echo(f"The challenge to production of {job} {state}.")
