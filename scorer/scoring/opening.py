"""Opening a line: schema at head, model in production and unaltered, suites and statements in agreement, all before anything is claimed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from scorer.config import Settings
from scorer.database import schema
from scorer.database.connection import Database
from scorer.database.session import Session, engine, process_name
from scorer.database.source.reader import Source
from scorer.database.store.models import Challenge, read_challenge, read_model
from scorer.errors import UserError
from scorer.jobs.job import Job
from scorer.registry.artefacts import open_production, open_version
from scorer.registry.drift_bins import tally_of
from scorer.registry.model import LoadedModel
from scorer.scoring.challenger import Challenger, leave_out
from scorer.scoring.features import build
from scorer.scoring.pipeline import Pipeline
from scorer.scoring.validation.suites import Suites


def open_pipeline(job: Job, *, database: Database, model: LoadedModel | None = None) -> Pipeline:
    """All that a worker needs, checked: schema at head, model in production and unaltered, suites and statements in agreement.

    Where a `model` is given, the line has that one instead, and no challenger.
    """
    target = database.as_worker()
    session, source = Session(target), Source.of(database)
    try:
        source.open_ahead()
        schema.require_head(engine(target))
        pipeline = _line(job, session, source, settings=database.settings, model=model)
        _require_columns(pipeline)
    except BaseException:
        session.close()
        source.close()
        raise
    return pipeline


def _line(job: Job, session: Session, source: Source, *, settings: Settings, model: LoadedModel | None) -> Pipeline:
    challenge = None
    if model is None:
        with session.transaction():
            challenge = read_challenge(session, job.name)
            model = open_production(job, session, settings=settings)
    return Pipeline(
        job=job,
        session=session,
        source=source,
        suites=Suites(job, compiled=settings.validation == "compiled", records=settings.proofs_dir),
        model=model,
        worker=process_name(),
        batch_size=settings.batch_size or job.batch_size,
        challenge=challenge,
        challenger=None if challenge is None else _challenger(job, challenge, session, settings=settings),
        tally=tally_of(model.manifest.content),
    )


def with_own_sessions(pipeline: Pipeline, *, database: Database) -> Pipeline:
    """The same line once more, with sessions of its own; each is used by one thread at a time."""
    source = pipeline.source.beside()
    source.open_ahead()
    return replace(pipeline, session=Session(database.as_worker()), source=source)


def close_pipeline(pipeline: Pipeline) -> None:
    """End the line's sessions; it opens new ones when it is used again."""
    pipeline.session.close()
    pipeline.source.close()


def _challenger(job: Job, challenge: Challenge, session: Session, *, settings: Settings) -> Challenger | None:
    """The version that challenges the one in production, where it can be loaded."""
    try:
        with session.transaction():
            registered = read_model(session, job.name, challenge.model_version)
            return Challenger(open_version(job, registered, session, settings=settings), job=job.name)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, production goes on
        why = str(error) if isinstance(error, UserError) else f"{type(error).__name__} was raised as it was loaded"
        leave_out(job.name, challenge.model_version, why)
        return None


def _require_columns(pipeline: Pipeline) -> None:
    """Read nobody's observations, to see that statements, definition and suites agree before anything is claimed."""
    job = pipeline.job
    observations = pipeline.source.observations(job, ())
    attributes = pipeline.source.attributes(job, ())
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
    pipeline.suites.check_columns(observations, attributes, matrix)
