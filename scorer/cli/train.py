"""The commands that make models: train one, search for the best configuration."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scorer.cli.options import backend_option, database_of, json_option, scheduler_option, with_backend
from scorer.cli.output import print_json, print_table, progress_bar, shown_interval, shown_number
from scorer.config import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from scorer.database.session import Session
    from scorer.database.source.reader import Source
    from scorer.evaluation.landmarks import Landmarks
    from scorer.jobs.job import Job
    from scorer.jobs.training import Recipe
    from scorer.training.search.conduct import Found
    from scorer.training.trainer import Trained

_workers = click.option(
    "--workers", type=click.IntRange(min=1), help="Fits at a time; as many as there are cores, where not given."
)

_HEADS = {"auroc": "AUROC", "f1": "F1", "mae": "mean absolute error"}


@dataclass(frozen=True, slots=True)
class _TrainOptions:
    """The options of `scorer train`."""

    full: bool
    config: Path | None
    model_version: str | None
    data: str | None
    folds: int
    workers: int | None
    into: Path | None
    report: Path | None
    as_json: bool


@click.command()
@click.argument("job", metavar="JOB")
@click.option("--full", is_flag=True, help="Train on all landmarks; without it on one in four, for a quick look.")
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The best_model_config.json of a search; where not given, [training] of job.toml.",
)
@click.option("--version", "model_version", help="Name of the new version; today's date and time, where not given.")
@click.option(
    "--data", help='What its figures are of, where they are of no real outcomes, such as "simulated": told with them.'
)
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
def train(settings: Settings, /, job: str, **given: Any) -> None:
    """Train a model of JOB, as a candidate.

    It is cross-validated by client, for the figures, and then fitted to all landmarks of the source tables, written into a folder of its
    own, and registered. `scorer model promote` alone puts it into production.
    """
    from scorer.database.session import Session
    from scorer.database.source.reader import Source
    from scorer.evaluation.conduct import require_place
    from scorer.jobs.job import load_job
    from scorer.registry.artefacts import copy_hint
    from scorer.registry.registration import register
    from scorer.training.report import report_held_out
    from scorer.training.targets import counted
    from scorer.training.trainer import one_in, require_free
    from scorer.training.trainer import train as fit

    options = _TrainOptions(**given)
    require_place(options.report)
    loaded = load_job(job, jobs_dir=settings.jobs_dir)
    worker = database_of(settings).as_worker()
    with closing(Session(worker)) as session, closing(Source(worker)) as source:
        recipe = _recipe(loaded, options.config)
        models = options.into or settings.home_dir / "models"
        require_free(loaded, models=models, model_version=options.model_version)
        landmarks = replace(_landmarks(loaded, source), data=options.data)
        landmarks = counted(landmarks if options.full else one_in(landmarks, 4), loaded)
        with progress_bar(f"Fitting {recipe.configuration}") as progress:
            trained = fit(
                loaded,
                landmarks,
                recipe,
                models=models,
                model_version=options.model_version,
                folds=options.folds,
                workers=options.workers or _cores(),
                progress=progress,
            )
        with session.transaction():
            register(loaded, trained.folder, session, stored=settings.model_store == "database")
    if options.report is not None:
        report_held_out(loaded, trained, report=options.report, command=" ".join(["scorer", *sys.argv[1:]]))
    _print_trained(trained, job, as_json=options.as_json)
    if settings.model_store != "database" and (hint := copy_hint(loaded, trained.folder, settings)):
        click.echo(hint, err=options.as_json)


def _print_trained(trained: Trained, job: str, *, as_json: bool) -> None:
    """Print where the model is, and its cross-validated figures."""
    from scorer.evaluation.beside_naive import BesideNaive, in_words

    manifest = trained.manifest
    if as_json:
        training = {name: each for name, each in manifest["training"].items() if name != "clients_seen"}
        where = {"job": job, "model_version": trained.model_version, "folder": str(trained.folder)}
        content = {"metrics": manifest["metrics"], "naive": manifest["naive"], "training": training}
        print_json({**where, **content})
        return
    how = "What follows the past" if manifest["recipe"].get("split") == "time" else "Cross-validated by client"
    data = manifest["training"].get("data")
    how += f" (data: {data})" if data else ""
    click.echo(f"Model {trained.model_version} of {job} is in {trained.folder}, registered as a candidate. {how}:")
    naive = manifest["naive"]["figures"]
    print_table(
        ["metric", "value", "95 % interval", "naive forecast"],
        [
            [
                name.replace("_", " "),
                shown_number(each["value"], none="unknown"),
                shown_interval(each["low"], each["high"], none="unknown"),
                shown_number(naive[name]["value"], none="") if name in naive else "",
            ]
            for name, each in manifest["metrics"].items()
        ],
    )
    click.echo(in_words(BesideNaive.of(manifest)))


def _cores() -> int:
    """How many processor cores this process may use."""
    import os

    return len(os.sched_getaffinity(0))


def _recipe(job: Job, config: Path | None) -> Recipe:
    """The recipe in the file `config`, or the job's own where there is no file."""
    from scorer.jobs.training import read_recipe, require_groups

    if config is None:
        return job.training
    recipe = read_recipe(config, job=job.name)
    require_groups(recipe.groups, job.features.group_names, where=str(config))
    return recipe


def _landmarks(job: Job, source: Source, **parameters: str) -> Landmarks:
    """Read the job's landmarks from the source tables, with a progress bar."""
    from scorer.evaluation.landmarks import read_landmarks

    with progress_bar(f"Reading landmarks of {job.name}") as progress:
        return read_landmarks(job, source, parameters=parameters, progress=progress)


@dataclass(frozen=True, slots=True)
class _SearchOptions:
    """The options of `scorer optimize`."""

    landmark_step: str | None
    folds: int
    workers: int | None
    backend: str | None
    scheduler: str | None
    max_minutes: float | None
    into: Path | None
    again: bool
    as_json: bool


@click.command()
@click.argument("job", metavar="JOB")
@click.option(
    "--landmark-step",
    help="Time from one landmark of an entity to its next, where the job has it as a parameter; where not given, 4 h, or the job's own if "
    "that is longer.",
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
def optimize(settings: Settings, /, job: str, **given: Any) -> None:
    """Search for the best model of JOB.

    Every combination of feature groups that job.toml names is tried with every model configuration, cross-validated by client, with the
    objective ROC AUC + average precision (of several classes, AUROC + F1; of values, how far the error is below the median's). A search
    that was interrupted goes on where it stopped when the command is given again.
    `scorer train --full --config` makes the best one that it writes down.
    """
    import time

    from scorer.database.session import Session
    from scorer.database.source.reader import Source
    from scorer.database.store.experiments import upsert_experiment, upsert_trials
    from scorer.jobs.job import load_job, steps_of, usual_step
    from scorer.jobs.training import OWN_LANDMARKS
    from scorer.training.search.conduct import SearchOptions, search
    from scorer.training.search.report import write_findings
    from scorer.types.options import parse_span

    options = _SearchOptions(**given)
    settings = with_backend(settings, backend=options.backend, scheduler=options.scheduler)
    if options.landmark_step is not None:
        parse_span(options.landmark_step, where="--landmark-step")
    folder = options.into or settings.home_dir / "searches" / job
    until = None if options.max_minutes is None else time.time() + 60 * options.max_minutes
    loaded = load_job(job, jobs_dir=settings.jobs_dir)
    step = options.landmark_step or usual_step(loaded)
    worker = database_of(settings).as_worker()
    with closing(Session(worker)) as session, closing(Source(worker)) as source:
        remote = _remote_trials(settings, loaded, session, step, options.folds) if settings.backend == "dask" else None
        landmarks = _landmarks(loaded, source, **steps_of(loaded, step))
        with progress_bar(f"Trying models of {job}") as progress:
            how = SearchOptions(
                into=folder,
                folds=options.folds,
                landmark_step=step if steps_of(loaded, step) else OWN_LANDMARKS,
                workers=options.workers or _cores(),
                again=options.again,
                until=until,
                threads=settings.backend == "threads",
                remote=remote,
            )
            found = search(loaded, landmarks, how, progress=progress)
        written = write_findings(found, folder)
        with session.transaction():
            upsert_experiment(session, found.about)
            upsert_trials(session, found.about["experiment_id"], trials=found.trials)
    if options.as_json:
        _print_search_json(found, job, folder)
    else:
        _print_search(found, job, folder, written)


def _print_search_json(found: Found, job: str, folder: Path) -> None:
    """Print the search's counts and its best trial as JSON."""
    best = ("trial", "combination", "configuration", "auroc", "average_precision", "figures", "objective")
    print_json(
        {
            "job": job,
            "experiment_id": found.about["experiment_id"],
            "planned": found.about["planned"],
            "trials": len(found.trials),
            "failed": len(found.trials) - len(found.ranked),
            "best": {name: found.ranked[0][name] for name in best},
            "folder": str(folder),
        }
    )


def _print_search(found: Found, job: str, folder: Path, written: Collection[Path]) -> None:
    """Print the ten best trials, and what to do next."""
    from scorer.training.search.report import CONFIG, PICTURE

    names = list(found.ranked[0]["figures"])
    heads = [_HEADS.get(name, name.replace("_", " ")) for name in names]
    failed = len(found.trials) - len(found.ranked)
    click.echo(
        f"{len(found.trials)} of {found.about['planned']} models of {job} tried, {failed} failed; the best ten of {folder}:"
    )
    print_table(
        ["rank", "configuration", "combination", "features", *heads, "objective", "seconds"],
        [
            [rank, *(each[key] for key in ("configuration", "combination", "features")),
             *(each["figures"][name] for name in names), *(each[key] for key in ("objective", "seconds"))]
            for rank, each in enumerate(found.ranked[:10], start=1)
        ],
    )  # fmt: skip
    if folder / PICTURE not in written:
        click.echo("No picture was drawn, since matplotlib is not installed: pip install 'scorer[report]'.")
    if not found.is_whole:
        click.echo("The time was up before all were tried; the same command goes on.")
    click.echo(f"Train the best: scorer train {job} --full --config {folder / CONFIG}")


def _remote_trials(
    settings: Settings, job: Job, session: Session, landmark_step: str, folds: int
) -> Callable[..., Any]:
    """The function that runs trials on the settings' Dask cluster, for `search`.

    Raises UserError where the cluster cannot be used for it, before anything is read.
    """
    from functools import partial

    from scorer.runs.cluster import Cluster
    from scorer.runs.remote import remote_task_of
    from scorer.training.search.remote_trials import RemoteSearch, try_remotely

    with Cluster(settings):
        return partial(try_remotely, settings, RemoteSearch(remote_task_of(job, session), landmark_step, folds))
