"""The line, and nothing else: claim -> read -> validate -> features -> score -> write -> record; one batch, one transaction."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from scorer.database.session import Session
from scorer.database.source.reader import Source, microseconds
from scorer.database.store.batches import (
    BatchRecord,
    claim_work,
    finish_work,
    lock_against_recalls,
    next_batch,
    recent_scores,
    record_batch,
    record_feature_counts,
    record_validation,
    write_rejections,
)
from scorer.database.store.ledger import write_back, write_outcomes
from scorer.database.store.models import Challenge, production_model
from scorer.jobs.job import Job
from scorer.log import events
from scorer.log.logger import about, say
from scorer.registry.model import LoadedModel
from scorer.scoring import features
from scorer.scoring.challenger import Challenger
from scorer.scoring.input_hash import input_hashes
from scorer.scoring.isolation import isolate_failures
from scorer.scoring.outcomes import BatchInputs, BatchResult, outcomes_of
from scorer.scoring.predictions import Predictions, predict, swapped
from scorer.scoring.reasons import reasons_for
from scorer.scoring.timing import StepTimer
from scorer.scoring.unchanged import is_unchanged
from scorer.scoring.validation.frames import Pool, pool_of
from scorer.scoring.validation.suites import Suites
from scorer.types.arrays import Features
from scorer.types.enums import Trigger
from scorer.types.values import Counts, Outcome, Published, Run, WorkItem

_log = logging.getLogger(__name__)
# Rows of the ledger that are looked at for published scores: for each that is needed, and where those are too few.
_A_SHORT_LOOK = 4
_A_LONG_LOOK = 10_000
_COUNTED_REQUESTS = 16  # of so many batches of requests, which are small and many, the rows of one are counted

# Counts scored rows by the bins of the model's baseline: how many were counted, and the counts; None where there are none.
Tally = Callable[[Sequence[Outcome]], tuple[int, list[int]] | None]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What a worker carries batches with; where a `challenge` stands and can be loaded, a `challenger` scores beside the model.

    `recent_scores` reads what the model published before, for batches too small for the scores suite to judge alone.

    `tally` counts what the model publishes, where its manifest has a baseline. Lines with sessions of their own may share all else: of
    what they have read, one judges and scores `at_a_time`.
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
    at_a_time: threading.Lock = field(default_factory=threading.Lock)

    @property
    def publishers(self) -> tuple[str, ...]:
        """The model versions whose scores are published."""
        models = (self.model,) if self.challenger is None else (self.model, self.challenger.model)
        return tuple(model.manifest.model_version for model in models)

    def publisher_of(self, entity_id: str) -> str:
        """The model version whose score of an entity is published."""
        if self.challenger is not None and self.job.split.takes(self.job.name, entity_id):
            return self.challenger.model_version
        return self.model.manifest.model_version


class ModelChanged(Exception):
    """Another model is in production than the line has, or none: the batch is rolled back, for whoever carries it to open the line anew."""


def carry_batch(pipeline: Pipeline, run: Run, *, watch: Callable[[str], None] | None = None) -> Counts | None:
    """Carry one batch down the line in one transaction; its counts, or None where nothing was left to claim.

    `watch` is told the name of each step as it ends. Raises ModelChanged where the line's model is no longer the one in production.
    """
    steps = StepTimer(watch)
    with about(run_id=run.run_id, job=run.job, model_version=pipeline.model.manifest.model_version):
        with pipeline.session.transaction():
            carried = _carry(pipeline, run, steps=steps)
        steps.end("commit")
        if carried is None:
            return None
        batch, counts = carried
        say(_log, events.BATCH_COMMITTED, batch=batch, **asdict(counts), seconds=round(sum(steps.seconds.values()), 3))
        return counts


def _carry(pipeline: Pipeline, run: Run, *, steps: StepTimer) -> tuple[int, Counts] | None:
    """The batch's number and counts."""
    session, job = pipeline.session, pipeline.job
    lock_against_recalls(session, job, model_version=pipeline.model.manifest.model_version, run=run)
    items = claim_work(session, job, run, size=pipeline.batch_size)
    steps.end("claim")
    if not items:
        return None
    if not has_production_model(pipeline):
        raise ModelChanged

    judged = score_batch(pipeline, run, items, steps=steps)
    finish_work(session, items)
    batch_id = record(pipeline, run, judged, steps=steps)
    write_back(session, job)
    steps.end("write back")
    return batch_id, judged.counts


def has_production_model(pipeline: Pipeline) -> bool:
    """Whether the line's model is the one that is in production, in the transaction that is open."""
    manifest = pipeline.model.manifest
    return production_model(pipeline.session, pipeline.job.name) == (manifest.model_version, manifest.sha256)


def record(pipeline: Pipeline, run: Run, judged: BatchResult, *, steps: StepTimer) -> int:
    """The number of a batch, what became of it being written: outcomes, rejections, counts, what each rule found."""
    session, job = pipeline.session, pipeline.job
    batch_id = next_batch(session)
    write_outcomes(
        session,
        job,
        run,
        batch_id=batch_id,
        model_version=pipeline.model.manifest.model_version,
        outcomes=judged.new_outcomes + judged.shadows,
    )
    write_rejections(session, job, run, rejections=judged.rejections, judged=judged.judged)
    steps.end("write")
    of_batch = BatchRecord(
        model_version=pipeline.model.manifest.model_version,
        worker=pipeline.worker,
        counts=judged.counts,
        observations_read=judged.observations_read,
        observations_dropped=judged.observations_dropped,
        unknown_codes=judged.unknown_codes,
        seconds=steps.seconds,
        shadows=len(judged.shadows),
    )
    record_batch(session, run, of_batch, batch_id=batch_id)
    record_validation(session, run, batch_id=batch_id, results=judged.results)
    _record_counts(pipeline, run, judged, batch_id=batch_id)
    steps.end("record")
    return batch_id


def _record_counts(pipeline: Pipeline, run: Run, judged: BatchResult, *, batch_id: int) -> None:
    """Record where the scored rows lie among those of training, for whoever looks for drift; a backfill's are of another time."""
    passed_over = run.trigger is Trigger.REQUEST and batch_id % _COUNTED_REQUESTS
    if pipeline.tally is None or run.trigger is Trigger.BACKFILL or passed_over:
        return
    counted = pipeline.tally(judged.new_outcomes)
    if counted is not None:
        scores, counts = counted
        model_version = pipeline.model.manifest.model_version
        record_feature_counts(
            pipeline.session, run, batch_id=batch_id, model_version=model_version, scores=scores, counts=counts
        )


def score_batch(pipeline: Pipeline, run: Run, items: tuple[WorkItem, ...], *, steps: StepTimer) -> BatchResult:
    """What becomes of `items`, each culprit that makes scoring raise having been found and set apart."""
    return isolate_failures(lambda part: score_items(pipeline, run, part, steps=steps), items)


def score_items(pipeline: Pipeline, run: Run, items: tuple[WorkItem, ...], *, steps: StepTimer) -> BatchResult:
    """What becomes of `items`: read, validate, features, score. Writes nothing."""
    job = pipeline.job
    observations = pipeline.source.observations(job, items)
    attributes = pipeline.source.attributes(job, items)
    known = BatchInputs(
        items=items, hashes=input_hashes(observations, attributes), observations=observations, attributes=attributes
    )
    unchanged = [
        item.previous is not None
        and is_unchanged(
            item, known.hashes[place], run=run, job=job, model_version=pipeline.publisher_of(item.entity_id)
        )
        for place, item in enumerate(items)
    ]
    fresh = known.without(unchanged)
    steps.end("read")
    with pipeline.at_a_time:
        return _judge_fresh(pipeline, run, fresh, unchanged=sum(unchanged), steps=steps)


def _judge_fresh(pipeline: Pipeline, run: Run, fresh: BatchInputs, *, unchanged: int, steps: StepTimer) -> BatchResult:
    """What becomes of those who are not unchanged: validate, features, score."""
    job, model = pipeline.job, pipeline.model
    as_of = np.array([microseconds(item.as_of) for item in fresh.items], dtype=np.int64)
    seen = pipeline.suites.validate_observations(fresh.observations, fresh.attributes, as_of=as_of)
    usable = fresh.observations.only(seen.usable)
    steps.end("validate")

    matrix = features.build(usable, fresh.attributes, as_of=as_of, spec=job.features)
    steps.end("features")

    read, used = fresh.count(fresh.observations), fresh.count(usable)
    fit = pipeline.suites.validate_features(fresh.entity_ids, matrix, fresh.attributes, read=read, used=used)
    steps.end("validate")

    held = {**fit.held, **seen.held}
    wanted = np.array(
        [place not in held and used[place] >= job.min_observations for place in range(len(fresh.items))], dtype=bool
    )
    asked = [entity_id for entity_id, want in zip(fresh.entity_ids, wanted, strict=True) if want]
    scored = matrix.only(wanted)
    said, shadow = _opinions(pipeline, scored, entity_ids=asked)
    steps.end("score")

    hashes = [each for each, want in zip(fresh.hashes, wanted, strict=True) if want]
    pool = _pool(pipeline, entity_ids=asked, input_hashes=hashes)
    fit_to_publish = pipeline.suites.validate_scores(
        asked, score=said.given, training_quantile=said.quantile, pool=pool
    )
    steps.end("validate")

    models = [model] if pipeline.challenger is None else [model, pipeline.challenger.model]
    reasons = reasons_for(said, models, scored, usable, as_of=as_of, wanted=wanted, held=fit_to_publish.held, job=job)
    steps.end("score")

    return outcomes_of(
        fresh,
        job=job,
        as_of=run.as_of,
        matrix=matrix,
        held=held,
        wanted=wanted,
        said=said,
        verdicts=(seen, fit, fit_to_publish),
        unchanged=unchanged,
        model_version=model.manifest.model_version,
        reasons=reasons,
        shadow=shadow,
    )


def _opinions(pipeline: Pipeline, scored: Features, *, entity_ids: list[str]) -> tuple[Predictions, Predictions | None]:
    """What is published of the rows of `scored`, and what is said in the shadow, where a challenger can say something."""
    job = pipeline.job
    said = predict(pipeline.model, scored, spec=job.declining)
    beside = None if pipeline.challenger is None else pipeline.challenger.predict(scored, spec=job.declining)
    if beside is None:
        return said, None
    taken = [job.split.takes(job.name, entity_id) for entity_id in entity_ids]
    return swapped(said, beside, np.array(taken, dtype=bool))


def _pool(pipeline: Pipeline, *, entity_ids: list[str], input_hashes: list[bytes]) -> Pool | None:
    """What this model published before, where these entities are too few to show whether its scores can be right."""
    need = pipeline.suites.pool_rows
    if not 0 < len(entity_ids) < need:
        return None
    # Newest first: where a short look finds enough, a long one finds the same before all else.
    for look_back in (need * _A_SHORT_LOOK, _A_LONG_LOOK):
        pool = pool_of(
            pipeline.recent_scores(
                pipeline.session, pipeline.job, model_version=pipeline.model.manifest.model_version, look_back=look_back
            ),
            entity_ids=entity_ids,
            input_hashes=input_hashes,
            training_quantile=pipeline.model.training_quantile,
        )
        if len(pool.by_entity) >= need:
            break
    return pool
