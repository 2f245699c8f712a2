"""The commands that make models: search for the best configuration, train it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from scorer.cli.options import backend_option, database_of, json_option, scheduler_option, with_backend
from scorer.cli.output import print_json, print_table, progress_bar
from scorer.config import Settings

_workers = click.option(
    "--workers", type=click.IntRange(min=1), help="Fits at a time; as many as there are cores, where not given."
)


@click.command()
@click.argument("job", metavar="JOB")
@click.option("--full", is_flag=True, help="Train on all landmarks; without it on one in four, for a quick look.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The best_model_config.json of a search; where not given, [training] of job.toml.",
)
@click.option("--version", "model_version", help="Name of the new version; today's date and time, where not given.")
@click.option("--folds", type=click.IntRange(min=2), default=5, show_default=True, help="Of the cross-validation.")
@_workers
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder of models to write into; where not given, SCORER_HOME/models.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the cross-validated figures as one HTML page, with plots.",
)
@json_option
@click.pass_obj
def train(
    settings: Settings,
    job: str,
    *,
    full: bool,
    config: Path | None,
    model_version: str | None,
    folds: int,
    workers: int | None,
    into: Path | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Train a model of JOB, as a candidate.

    It is cross-validated by client, for the figures, and then fitted to all landmarks of the source tables, written into a folder of its
    own, and registered. `scorer model promote` alone puts it into production.
    """

    from scorer.database.store.models import read_model, register_model
    from scorer.evaluation.conduct import require_place
    from scorer.registry.artefacts import store_bytes
    from scorer.training.report import report_held_out
    from scorer.training.trainer import one_in, require_free
    from scorer.training.trainer import train as fit

    require_place(report)
    with _opened(settings, job) as (loaded, source, session):
        recipe = _recipe(loaded, config)
        models = into or settings.home_dir / "models"
        require_free(loaded, models=models, model_version=model_version)
        landmarks = _landmarks(loaded, source)
        with progress_bar(f"Fitting {recipe.configuration}") as progress:
            trained = fit(
                loaded,
                landmarks if full else one_in(landmarks, 4),
                recipe,
                models=models,
                model_version=model_version,
                folds=folds,
                workers=workers or _cores(),
                progress=progress,
            )
        with session.transaction():
            register_model(
                session, job, model_version=trained.model_version, sha256=trained.sha256, manifest=trained.manifest
            )
            if settings.model_store == "database":
                store_bytes(trained.folder, read_model(session, job, trained.model_version), session)
    if report is not None:
        report_held_out(loaded, trained, report=report, command=" ".join(["scorer", *sys.argv[1:]]))
    shown = {"job": job, "model_version": trained.model_version, "folder": str(trained.folder)}
    if as_json:
        told = {name: each for name, each in trained.manifest["training"].items() if name != "clients_seen"}
        print_json({**shown, "metrics": trained.manifest["metrics"], "training": told})
        return
    click.echo(
        f"Model {trained.model_version} of {job} is in {trained.folder}, registered as a candidate. Cross-validated by client:"
    )
    print_table(
        ["metric", "value", "95 % interval"],
        [
            [name.replace("_", " "), _number(each["value"]), f"{_number(each['low'])} to {_number(each['high'])}"]
            for name, each in trained.manifest["metrics"].items()
        ],
    )


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0))


@contextmanager
def _opened(settings: Settings, job: str) -> Iterator[tuple[Any, Any, Any]]:
    """The job, the source tables and the store, as the worker."""

    from scorer.database.session import Session
    from scorer.database.source.reader import Source
    from scorer.jobs.job import load_job

    loaded = load_job(job, jobs_dir=settings.jobs_dir)
    target = database_of(settings).as_worker()
    source, session = Source(target), Session(target)
    try:
        yield loaded, source, session
    finally:
        source.close()
        session.close()


def _recipe(job: Any, config: Path | None) -> Any:
    """The recipe in `config`, else the job's own."""
    from scorer.jobs.training import read_recipe, require_groups

    if config is None:
        return job.training
    recipe = read_recipe(config, job=job.name)
    require_groups(recipe.groups, job.features.group_names, where=str(config))
    return recipe


def _landmarks(job: Any, source: Any, **parameters: str) -> Any:
    from scorer.evaluation.landmarks import read_landmarks

    with progress_bar(f"Reading landmarks of {job.name}") as progress:
        return read_landmarks(job, source, parameters=parameters, progress=progress)


@click.command()
@click.argument("job", metavar="JOB")
@click.option(
    "--landmark-step", default="4 h", show_default=True, help="Time from one landmark of an entity to its next."
)
@click.option("--folds", type=click.IntRange(min=2), default=5, show_default=True, help="Of the cross-validation.")
@_workers
@backend_option
@scheduler_option
@click.option(
    "--max-minutes", type=click.FloatRange(min=0), help="Begin no trial after so long; the same command goes on."
)
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to write into; where not given, SCORER_HOME/searches/JOB.",
)
@click.option("--again", is_flag=True, help="Begin again, whatever the folder tells of an earlier search.")
@json_option
@click.pass_obj
def optimize(
    settings: Settings,
    job: str,
    *,
    landmark_step: str,
    folds: int,
    workers: int | None,
    backend: str | None,
    scheduler: str | None,
    max_minutes: float | None,
    into: Path | None,
    again: bool,
    as_json: bool,
) -> None:
    """Search for the best model of JOB.

    Every combination of feature groups that job.toml names is tried with every model configuration, cross-validated by client, with the
    objective ROC AUC + average precision. A search that was interrupted goes on where it stopped when the command is given again.
    `scorer train --full --config` makes the best one that it writes down.
    """

    import time

    from scorer.config import parse_span
    from scorer.database.store.experiments import upsert_experiment, upsert_trials
    from scorer.training.search import search
    from scorer.training.search_report import CONFIG, PICTURE, write_findings

    settings = with_backend(settings, backend=backend, scheduler=scheduler)
    parse_span(landmark_step, where="--landmark-step")
    folder = into or settings.home_dir / "searches" / job
    until = None if max_minutes is None else time.time() + 60 * max_minutes
    with _opened(settings, job) as (loaded, source, session):
        away = _away(settings, loaded, session, landmark_step, folds) if settings.backend == "dask" else None
        landmarks = _landmarks(loaded, source, first_landmark=landmark_step, landmark_step=landmark_step)
        with progress_bar(f"Trying models of {job}") as progress:
            found = search(
                loaded,
                landmarks,
                into=folder,
                folds=folds,
                landmark_step=landmark_step,
                workers=workers or _cores(),
                again=again,
                until=until,
                progress=progress,
                threads=settings.backend == "threads",
                away=away,
            )
        written = write_findings(found, folder)
        with session.transaction():
            upsert_experiment(session, found.about)
            upsert_trials(session, found.about["experiment_id"], trials=found.trials)
    best = found.ranked[0]
    failed = len(found.trials) - len(found.ranked)
    if as_json:
        shown = {
            key: best[key]
            for key in ("trial", "combination", "configuration", "auroc", "average_precision", "objective")
        }
        told = {
            "experiment_id": found.about["experiment_id"],
            "planned": found.about["planned"],
            "trials": len(found.trials),
        }
        print_json({"job": job, **told, "failed": failed, "best": shown, "folder": str(folder)})
        return
    click.echo(
        f"{len(found.trials)} of {found.about['planned']} models of {job} tried, {failed} failed; the best ten of {folder}:"
    )
    print_table(
        ["rank", "configuration", "combination", "features", "AUROC", "average precision", "objective", "seconds"],
        [
            [rank, *(each[key] for key in ("configuration", "combination", "features")),
             *(each[key] for key in ("auroc", "average_precision", "objective", "seconds"))]
            for rank, each in enumerate(found.ranked[:10], start=1)
        ],
    )  # fmt: skip
    if folder / PICTURE not in written:
        click.echo("No picture was drawn, since matplotlib is not installed: pip install 'scorer[training]'.")
    if not found.is_whole:
        click.echo("The time was up before all were tried; the same command goes on.")
    click.echo(f"Train the best: scorer train {job} --full --config {folder / CONFIG}")


def _away(settings: Settings, job: Any, session: Any, landmark_step: str, folds: int) -> Any:
    """What tries on a Dask cluster. Raises UserError where that is not fit for it, before anything is read."""
    from functools import partial

    from scorer.runs.cluster import Cluster
    from scorer.runs.remote import remote_task_of
    from scorer.training.remote_trials import RemoteSearch, try_away

    with Cluster(settings):
        return partial(try_away, settings, RemoteSearch(remote_task_of(job, session), landmark_step, folds))
