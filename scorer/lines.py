"""Opening a line: schema at head, model in production and unaltered, suites and statements in agreement, all before anything is claimed."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection
from pathlib import Path

import numpy as np

from scorer import schema
from scorer.config import Settings
from scorer.connection import Target
from scorer.errors import UserError
from scorer.features import build, feature_names
from scorer.job import Job, shipped_root
from scorer.model import ProductionPipeline, find_version
from scorer.pipeline import Line
from scorer.session import engine
from scorer.source import Source
from scorer.store import Store
from scorer.validation import Suites


def open_line(job: Job, *, url: str, settings: Settings) -> Line:
    """All that a worker needs, checked: schema at head, model in production and unaltered, suites and statements in agreement."""
    target = Target.of(url, settings, role=settings.worker_role)
    schema.require_head(engine(target))
    line = Line(
        job=job,
        store=Store(target),
        source=Source.of(url, settings),
        suites=Suites(job, compiled=settings.validation == "compiled", records=settings.proofs_dir),
        model=_production_pipeline(job, target, settings=settings),
        worker=f"{socket.gethostname()}/{os.getpid()}",
        batch_size=settings.batch_size or job.batch_size,
    )
    try:
        _require_columns(line)
    except BaseException:
        close_line(line)
        raise
    return line


def close_line(line: Line) -> None:
    """End the line's sessions; it opens new ones when it is used again."""
    line.store.close()
    line.source.close()


def model_folders(job: Job, settings: Settings) -> tuple[Path, ...]:
    """Where the folders of model versions are looked for, in order."""
    return settings.home_dir / "models", job.model_folder.parent, shipped_root() / "models"


def _production_pipeline(job: Job, target: Target, *, settings: Settings) -> ProductionPipeline:
    store = Store(target)
    try:
        with store.transaction():
            found = store.production_model(job.name)
    finally:
        store.close()
    if found is None:
        raise UserError(
            f"Job {job.name} has no model in production; see `scorer model list` and `scorer model promote`."
        )
    model_version, sha256 = found
    folder = find_version(job.name, model_version, folders=model_folders(job, settings))
    return ProductionPipeline.load(folder, sha256=sha256, task=job.task, features=feature_names(job.features))


def _require_columns(line: Line) -> None:
    """Read nobody's observations, to see that statements, definition and suites agree before anything is claimed."""
    job = line.job
    observations = line.source.observations(job, ())
    attributes = line.source.attributes(job, ())
    have = {*attributes.numbers, *attributes.times, *attributes.texts}
    named: list[tuple[str, Collection[str]]] = [
        *((name, attributes.numbers) for name in job.features.numbers),
        *((name, attributes.times) for name in job.features.hours_since),
        *((name, attributes.texts) for name, _ in job.features.categories),
        *((name, have) for name in job.published),
    ]
    for name, there in named:
        if name not in there:
            kind = "give" if name not in have else "give in the type that job.toml needs"
            raise UserError(
                f"The statement attributes of job {job.name} does not {kind} the column {name!r}, which job.toml names."
            )
    matrix = build(observations, attributes, as_of=np.empty(0, np.int64), spec=job.features)
    line.suites.check_columns(observations, attributes, matrix)
