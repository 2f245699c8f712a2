"""The commands that give features without scores: the matrix of a job, and its training set."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scorer.cli.options import Moment, database_of, json_option
from scorer.cli.output import print_json, progress_bar
from scorer.config import Settings
from scorer.errors import UserError

if TYPE_CHECKING:
    from scorer.training.matrices import FeatureMatrix


@dataclass(frozen=True, slots=True)
class _FeaturesOptions:
    """The options of `scorer features`."""

    as_of: datetime | None
    entities: str | None
    out: Path | None
    table: bool
    as_json: bool


@click.command()
@click.argument("job", metavar="JOB")
@click.option("--as-of", type=Moment(), help="Features as known at this moment; now, where not given.")
@click.option("--entities", help="Ids, with commas between; all that may be scored, where not given.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the matrix into this file: .parquet, .csv, or .json with a line for each entity.",
)
@click.option("--table", is_flag=True, help="Write the matrix into reporting.feature_vectors.")
@json_option
@click.pass_obj
def features(settings: Settings, /, job: str, **given: Any) -> None:
    """Build the features of JOB, and score nothing.

    Inputs are validated as in a run. An entity that a run would hold, or find too few observations of, has no features and says why.
    """
    from scorer.database.session import Session
    from scorer.jobs.job import load_job
    from scorer.training.matrices import feature_matrix, record_matrix, require_file, write_table

    options = _FeaturesOptions(**given)
    if options.out is None and not options.table:
        raise UserError("Say where the features go: --out FILE, --table, or both.")
    if options.out is not None:
        require_file(options.out)
    loaded, database = load_job(job, jobs_dir=settings.jobs_dir), database_of(settings)
    with progress_bar(f"Building features of {job}") as progress:
        matrix = feature_matrix(
            loaded, database=database, as_of=options.as_of, entity_ids=_ids(options.entities), progress=progress
        )
    if options.table:
        with closing(Session(database.as_worker())) as session, session.transaction():
            record_matrix(loaded, matrix, session)
    if options.out is not None:
        write_table(matrix.table(), options.out)
    _print_matrix(matrix, options)


def _ids(text: str | None) -> list[str] | None:
    return None if text is None else list(dict.fromkeys(each.strip() for each in text.split(",") if each.strip()))


def _print_matrix(matrix: FeatureMatrix, options: _FeaturesOptions) -> None:
    counts = {status: matrix.statuses.count(status) for status in sorted(set(matrix.statuses))}
    width = len(matrix.features.names)
    if options.as_json:
        out = None if options.out is None else str(options.out)
        print_json({"entities": len(matrix.statuses), "features": width, "statuses": counts, "out": out})
        return
    told = ", ".join(f"{count:,} {status}" for status, count in counts.items())
    where = [*([str(options.out)] if options.out else []), *(["reporting.feature_vectors"] if options.table else [])]
    click.echo(f"{width} features of {len(matrix.statuses):,} entities ({told}): {' and '.join(where)}.")


@click.command("training-set")
@click.argument("job", metavar="JOB")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file to write: .parquet, .csv, or .json with a line for each landmark.",
)
@json_option
@click.pass_obj
def training_set(settings: Settings, /, job: str, *, out: Path, as_json: bool) -> None:
    """Write landmarks of JOB, with features and labels.

    They are what `scorer train` learns from: a row for each entity and as-of time, with the cohort that keeps a client's rows together.
    """
    from scorer.database.source.reader import Source
    from scorer.evaluation.landmarks import read_landmarks
    from scorer.jobs.job import load_job
    from scorer.training.matrices import require_file, write_table
    from scorer.training.matrices import training_set as table_of

    require_file(out)
    loaded = load_job(job, jobs_dir=settings.jobs_dir)
    with closing(Source(database_of(settings).as_worker())) as source, progress_bar(f"Reading {job}") as progress:
        landmarks = read_landmarks(loaded, source, progress=progress)
    write_table(table_of(landmarks), out)
    if as_json:
        print_json({"out": str(out), "features": len(landmarks.features.names), "attrition": dict(landmarks.attrition)})
        return
    click.echo(
        f"{len(landmarks):,} landmarks of {landmarks.attrition['entities']:,} entities, {landmarks.attrition['trainable']:,} of them "
        f"to train on, with {len(landmarks.features.names)} features: {out}."
    )
