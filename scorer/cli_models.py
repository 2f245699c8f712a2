"""The commands about models: fit one, list them, put one into production."""

from __future__ import annotations

from pathlib import Path

import click

from scorer.cli_settings import database_url, json_option, opened_store
from scorer.config import Settings
from scorer.errors import UserError
from scorer.printing import print_json, print_rows, print_table, progress_bar


@click.command()
@click.argument("job", metavar="JOB")
@click.option("--version", "model_version", help="Name of the new version; today's date and time, where not given.")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of models to write into; where not given, SCORER_HOME/models.",
)
@json_option
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
    target = Target.of(database_url(settings), settings, role=settings.worker_role)
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


@click.group(name="model")
def models() -> None:
    """The registry of models."""


@models.command(name="list")
@json_option
@click.pass_obj
def list_models(settings: Settings, *, as_json: bool) -> None:
    """List the registered model versions, with their held-out metrics."""
    with opened_store(settings, role=settings.worker_role) as store:
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
    with opened_store(settings, role=None) as store:
        standing = {row["model_version"]: row["status"] for row in store.list_models() if row["job"] == job}
        if model_version not in standing:
            raise UserError(f"Model {model_version} of {job} is not registered; see `scorer model list`.")
        if standing[model_version] == "production":
            raise UserError(f"Model {model_version} of {job} is in production already.")
        steps = ("production",) if standing[model_version] == "staging" else ("staging", "production")
        for status in steps:
            store.move_model(job, model_version=model_version, status=status, why=why)
    click.echo(f"Model {model_version} of {job} is in production from the next batch on.")
