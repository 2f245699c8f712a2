"""The pipeline and its opening: all is checked before anything is claimed.

The schema is at head, the model is in production and unaltered, suites and statements agree with the job's definition.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

import numpy as np

from scorer.config import Settings
from scorer.database import schema
from scorer.database.connection import Database
from scorer.database.session import Session, process_name
from scorer.database.source.kept import Kept
from scorer.database.source.reader import Source
from scorer.database.store.batches import recent_scores
from scorer.database.store.models import Challenge, production_model, read_challenge, read_model
from scorer.errors import UserError
from scorer.jobs.job import Job
from scorer.registry.artefacts import open_production, open_version
from scorer.registry.drift_bins import Tally, tally_of
from scorer.registry.model import LoadedModel
from scorer.scoring.challenger import Challenger
from scorer.scoring.features.build import build
from scorer.scoring.isolation import leave_out
from scorer.scoring.validation.frames import Pool, pool_of
from scorer.scoring.validation.suites import Suites
from scorer.types.flags import NONE_SET, JobFlags
from scorer.types.values import Published

# How many of the ledger's newest rows are searched for published scores: for each that is needed, and where those hold too few.
_A_SHORT_LOOK = 4
_A_LONG_LOOK = 10_000


class CarriedOver:
    """What a daemon keeps of a job from run to run: rows that it has read, and the model loaded last.

    Of rows as many megabytes as `kept_rows` says; without it there are none.
    """

    def __init__(self, *, kept_rows: int = 0) -> None:
        self.rows = Kept(kept_rows) if kept_rows else None
        self.model: LoadedModel | None = None


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What carries batches: a job with its model, suites and database sessions.

    challenge      the challenge that stands, if any
    challenger     the version that scores beside the model, where there is a challenge and it could be loaded
    tally          counts what the model publishes, where its manifest has bins
    recent_scores  reads what the model published before, see `pool_for`
    flags          those of the job that are set, as a batch read them (see `for_batch`)
    at_a_time      held while a batch is validated and scored: pipelines of several threads may share all but their sessions
    """

    job: Job
    session: Session
    source: Source
    suites: Suites
    model: LoadedModel
    worker: str
    batch_size: int
    challenge: Challenge | None = None
    challenger: Challenger | None = None
    tally: Tally | None = None
    recent_scores: Callable[..., list[Published]] = recent_scores
    flags: JobFlags = NONE_SET
    at_a_time: threading.Lock = field(default_factory=threading.Lock)

    @property
    def model_version(self) -> str:
        """The model's version."""
        return self.model.manifest.model_version

    @property
    def models(self) -> tuple[LoadedModel, ...]:
        """The model and, if there is one, its challenger's."""
        return (self.model,) if self.challenger is None else (self.model, self.challenger.model)

    @property
    def publishers(self) -> tuple[str, ...]:
        """The model versions whose scores are published."""
        return tuple(model.manifest.model_version for model in self.models)

    def for_batch(self) -> Pipeline | None:
        """This pipeline with the job's flags, as the open transaction sees them.

        None where another model than the pipeline's is in production.
        """
        manifest, found = self.model.manifest, production_model(self.session, self.job.name)
        if found is None or (found.model_version, found.sha256) != (manifest.model_version, manifest.sha256):
            return None
        return self if found.flags is None else replace(self, flags=JobFlags.of(self.job.name, found.flags))

    def publisher_of(self, entity_id: str) -> str:
        """The model version whose score of an entity is published."""
        if self.challenger is not None and self.job.split.takes(self.job.name, entity_id):
            return self.challenger.model_version
        return self.model_version

    def pool_for(self, entity_ids: list[str], *, input_hashes: list[bytes]) -> Pool | None:
        """What the model published before, to validate the scores of these entities with, where they are few.

        It holds no score of the same entity and inputs. None where the entities are enough to be validated alone, or none at all.
        """
        need = self.suites.pool_rows
        if not 0 < len(entity_ids) < need:
            return None
        # Newest first: where a short look finds enough, a long one finds the same before all else.
        for look_back in (need * _A_SHORT_LOOK, _A_LONG_LOOK):
            pool = pool_of(
                self.recent_scores(self.session, self.job, model_version=self.model_version, look_back=look_back),
                entity_ids=entity_ids,
                input_hashes=input_hashes,
                training_quantile=self.model.training_quantile,
            )
            if len(pool.by_entity) >= need:
                break
        return pool

    def with_own_sessions(self, database: Database) -> Pipeline:
        """A copy of this pipeline with its own database sessions, for a second thread."""
        source = self.source.beside()
        source.open_ahead()
        return replace(self, session=Session(database.as_worker()), source=source)

    def close(self) -> None:
        """End the pipeline's sessions; it opens new ones when it is used again."""
        self.session.close()
        self.source.close()


def open_pipeline(
    job: Job, *, database: Database, model: LoadedModel | None = None, carried: CarriedOver | None = None
) -> Pipeline:
    """Open the pipeline of a job. Returns it checked; raises UserError where a check fails.

    A `model` that is given stands instead of the one in production and its challenger. `carried` is what a daemon
    keeps from run to run.
    """
    carried = carried or CarriedOver()
    session, source = Session(database.as_worker()), Source.of(database, kept=carried.rows)
    try:
        source.open_ahead()
        with session.transaction():
            schema.require_head_of(session)
        pipeline = _pipeline(job, session, source, settings=database.settings, model=model, loaded=carried.model)
        require_columns(job, source, pipeline.suites)
    except BaseException:
        session.close()
        source.close()
        raise
    carried.model = pipeline.model
    return pipeline


def _pipeline(
    job: Job,
    session: Session,
    source: Source,
    *,
    settings: Settings,
    model: LoadedModel | None,
    loaded: LoadedModel | None,
) -> Pipeline:
    challenge = None
    if model is None:
        with session.transaction():
            challenge = read_challenge(session, job.name)
            model = open_production(job, session, settings=settings, loaded=loaded)
    model.rules.require_job(job)
    return Pipeline(
        job=job,
        session=session,
        source=source,
        suites=Suites(job, compiled=settings.validation == "compiled", records=settings.proofs_dir),
        model=model,
        worker=process_name(),
        batch_size=settings.batch_size or job.batch_size,
        challenge=challenge,
        challenger=None if challenge is None else _challenger(job, challenge, model, session, settings=settings),
        tally=tally_of(model.manifest.content, facility=job.features.facility),
    )


def _challenger(
    job: Job, challenge: Challenge, model: LoadedModel, session: Session, *, settings: Settings
) -> Challenger | None:
    """The version that challenges the one in production; None, with a warning, where it cannot be loaded."""
    try:
        with session.transaction():
            registered = read_model(session, job.name, challenge.model_version)
            challenger = open_version(job, registered, session, settings=settings)
        if challenger.rules.classes != model.rules.classes:
            raise UserError("its classes are not those of the model in production")  # noqa: TRY301 - told as the others
        return Challenger(challenger, job=job.name)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with it, production goes on
        why = str(error) if isinstance(error, UserError) else f"{type(error).__name__} was raised as it was loaded"
        leave_out("challenger", job=job.name, model_version=challenge.model_version, why=why)
        return None


def require_columns(job: Job, source: Source, suites: Suites) -> None:
    """Read the inputs of no entity at all, whose columns show what does not agree.

    Raises UserError where statements, definition and suites do not.
    """
    observations = source.observations(job, ())
    attributes = source.attributes(job, ())
    have = {*attributes.numbers, *attributes.times, *attributes.texts}
    named: list[tuple[str, Collection[str]]] = [
        *((name, attributes.numbers) for name in job.features.numbers),
        *((name, attributes.times) for name in job.features.hours_since),
        *((name, attributes.texts) for name, _ in job.features.categories),
        *((name, have) for name in job.published),
    ]
    for name, there in named:
        if name not in there:
            kind, remedy = "give", ""
            if name in have:
                kind = "give in the type that job.toml needs"
                remedy = (
                    f"; CAST it AS {'text' if name in dict(job.features.categories) else 'a number or a time'} there"
                )
            raise UserError(
                f"The statement attributes of job {job.name} does not {kind} the column {name!r}, which job.toml "
                f"names{remedy}."
            )
    matrix = build(observations, attributes, as_of=np.empty(0, np.int64), spec=job.features)
    suites.check_columns(observations, attributes, matrix)
