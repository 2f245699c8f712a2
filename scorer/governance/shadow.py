"""Shadow runs: two models score the same entities by the pipeline itself, and nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from scorer.config import Settings
from scorer.database.connection import Database
from scorer.database.session import Session
from scorer.database.store.batches import recent_scores
from scorer.database.store.models import Pair, list_current, production_model, read_model
from scorer.database.store.ticks import read_clock
from scorer.errors import UserError
from scorer.jobs.job import Job
from scorer.registry.artefacts import open_version
from scorer.registry.model import LoadedModel
from scorer.scoring.opening import Pipeline, open_pipeline
from scorer.scoring.pipeline import score_batch
from scorer.scoring.timing import StepTimer
from scorer.types.enums import Trigger
from scorer.types.values import Counts, Outcome, Progress, Published, Run, WorkItem


@dataclass(frozen=True, slots=True)
class Beside:
    """The outcomes of entities by two versions, as of a time; `one` is None where only the other scored."""

    one: str | None
    other: str
    as_of: datetime
    pairs: tuple[Pair, ...]


def shadow_run(
    job: Job,
    model_version: str,
    *,
    database: Database,
    beside: str | None = None,
    as_of: datetime | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Beside:
    """Score the current entities, or `limit` of them by lot, by `model_version` and by another version.

    The other is `beside`, else the one in production; where production is empty there is none. Nothing is written, and no transaction is
    open while models score, so that no statement of the hospital waits for them. Raises UserError where either cannot be loaded, a rule
    whose action is `fail` stops either, or `as_of` lies in the future.
    """
    session = Session(database.as_worker())
    try:
        with session.transaction():
            found = production_model(session, job.name)
            one = beside or (found[0] if found else None)
            models = {
                version: _opened(job, version, session, settings=database.settings)
                for version in (model_version, one)
                if version is not None
            }
    finally:
        session.close()
    pipeline = replace(
        open_pipeline(job, database=database, model=models[model_version]), recent_scores=_recent_scores_now
    )
    try:
        with pipeline.session.transaction(keep=False):
            now = read_clock(pipeline.session)
            if as_of is not None and as_of > now:
                raise UserError(f"The as-of time {as_of.isoformat()} lies in the future; say one that has passed.")
            run = unrecorded_run(job.name, as_of=as_of or now)
            items = list_current(pipeline.session, job, as_of=run.as_of, limit=limit)
        pairs: list[Pair] = []
        for part in _portions(items, size=pipeline.batch_size):
            outcomes = [
                None if version is None else _score(replace(pipeline, model=models[version]), run, part)
                for version in (one, model_version)
            ]
            pairs += [_pair(item, place, outcomes) for place, item in enumerate(part)]
            if progress is not None:
                progress(len(pairs), len(items))
    finally:
        pipeline.close()
    return Beside(one=one, other=model_version, as_of=run.as_of, pairs=tuple(pairs))


def _opened(job: Job, version: str, session: Session, *, settings: Settings) -> LoadedModel:
    """The version, loaded.

    Where it is the one in production, the sentence of a failure says how to go on without it.
    """
    registered = read_model(session, job.name, version)
    try:
        return open_version(job, registered, session, settings=settings)
    except UserError as error:
        if registered.status != "production":
            raise
        raise UserError(
            f"Model {version}, in production, cannot score beside another: {error} Where the features were changed on purpose, take it "
            f"out of use first: scorer model archive {job.name} {version}."
        ) from error


def _recent_scores_now(session: Session, job: Job, *, model_version: str, look_back: int) -> list[Published]:
    """The newest scores that a model published, read in a short transaction of its own."""
    with session.transaction():
        return recent_scores(session, job, model_version=model_version, look_back=look_back)


def unrecorded_run(job: str, *, as_of: datetime) -> Run:
    """A run of which nothing is kept, for outcomes that are compared and not recorded."""
    return Run(
        run_id=0,
        job=job,
        trigger=Trigger.MANUAL,
        status="running",
        as_of=as_of,
        started_at=as_of,
        finished_at=None,
        counts=Counts(),
    )


def _portions(items: Sequence[WorkItem], *, size: int) -> Iterator[tuple[WorkItem, ...]]:
    for start in range(0, len(items), size):
        yield tuple(items[start : start + size])


def _score(pipeline: Pipeline, run: Run, items: tuple[WorkItem, ...]) -> list[Outcome]:
    """One outcome for each of `items`, by the pipeline's model alone."""
    try:
        result = score_batch(pipeline, run, items, steps=StepTimer())
    except UserError as error:
        raise UserError(
            f"Model {pipeline.model.manifest.model_version} of {run.job}, in the shadow: {error}"
        ) from error
    by_entity = {outcome.entity_id: outcome for outcome in result.new_outcomes}
    return [by_entity[item.entity_id] for item in items]


def _pair(item: WorkItem, place: int, by_model: Sequence[list[Outcome] | None]) -> Pair:
    one, other = (None if outcomes is None else outcomes[place] for outcomes in by_model)
    assert other is not None
    first = one or other
    return Pair(
        entity_id=item.entity_id,
        as_of=item.as_of,
        statuses=(str(first.status), str(other.status)),
        scores=(first.score, other.score),
        bands=(first.risk_band or first.label, other.risk_band or other.label),
    )
