"""claim -> read -> validate -> features -> score -> write -> record: one batch, one transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
from itertools import compress

from scorer.database.store.batches import claim_work, finish_work, lock_against_recalls
from scorer.database.store.ledger import write_back
from scorer.log import events
from scorer.log.logger import about, say
from scorer.scoring.batch import BatchInputs, BatchResult
from scorer.scoring.challenger import predict_both
from scorer.scoring.isolation import isolate_failures
from scorer.scoring.opening import Pipeline
from scorer.scoring.outcomes import Scored, SuiteResults, outcomes_of
from scorer.scoring.prepared import prepare
from scorer.scoring.reasons import reasons_for, unexplained
from scorer.scoring.recording import record
from scorer.scoring.timing import StepTimer
from scorer.scoring.unchanged import find_unchanged, known_by_now, not_on_other_inputs
from scorer.types.flags import Switch
from scorer.types.values import Counts, Run, WorkItem

_log = logging.getLogger(__name__)


class ModelChanged(Exception):
    """Another model is in production than the pipeline's, or none; the pipeline must be opened again."""


def carry_batch(pipeline: Pipeline, run: Run, *, watch: Callable[[str], None] | None = None) -> Counts | None:
    """Carry one batch through the pipeline. Returns its counts, or None where nothing is left to claim.

    `watch` is called with the name of each step as it ends. Raises ModelChanged, and then has written nothing.
    """
    steps = StepTimer(watch)
    with about(run_id=run.run_id, job=run.job, model_version=pipeline.model_version):
        with pipeline.session.transaction():
            carried = _carry(pipeline, run, steps=steps)
        steps.end("commit")
        if carried is None:
            return None
        batch, counts = carried
        say(_log, events.BATCH_COMMITTED, batch=batch, **asdict(counts), seconds=round(sum(steps.seconds.values()), 3))
        return counts


def _carry(pipeline: Pipeline, run: Run, *, steps: StepTimer) -> tuple[int, Counts] | None:
    session, job = pipeline.session, pipeline.job
    lock_against_recalls(session, job, model_version=pipeline.model_version, run=run)
    items = claim_work(session, job, run, size=pipeline.batch_size)
    steps.end("claim")
    if not items:
        return None
    ready = pipeline.for_batch()
    if ready is None:
        raise ModelChanged

    result = score_batch(ready, run, items, steps=steps)
    finish_work(session, items)
    batch = record(ready, run, result, steps=steps)
    write_back(session, job, flags=ready.flags)
    steps.end("write back")
    return batch, result.counts


def score_batch(pipeline: Pipeline, run: Run, items: tuple[WorkItem, ...], *, steps: StepTimer) -> BatchResult:
    """Read, validate and score `items`, those that raise set apart. Returns what to record."""
    return isolate_failures(lambda part: _score_items(pipeline, run, part, steps=steps), items)


def _score_items(pipeline: Pipeline, run: Run, items: tuple[WorkItem, ...], *, steps: StepTimer) -> BatchResult:
    """Read `items`, and score those whose current outcome does not stand."""
    read = BatchInputs.read(pipeline.source, pipeline.job, known_by_now(items, run=run, job=pipeline.job))
    off = read.off(pipeline.flags, Switch.SCORES, job=pipeline.job)
    unchanged = find_unchanged(read, run=run, job=pipeline.job, publisher_of=pipeline.publisher_of, off=off)
    inputs = read.without(not_on_other_inputs(unchanged, read, source=pipeline.source, job=pipeline.job))
    steps.end("read")
    with pipeline.at_a_time:
        return _score_inputs(pipeline, run, inputs, unchanged=len(items) - len(inputs.items), steps=steps)


def _score_inputs(
    pipeline: Pipeline, run: Run, inputs: BatchInputs, *, unchanged: int, steps: StepTimer
) -> BatchResult:
    """Validate, build features and score. `unchanged` is how many were left out."""
    job, suites, as_of = pipeline.job, pipeline.suites, inputs.as_of
    entity_ids = inputs.entity_ids
    ready = prepare(
        job, suites, inputs.observations, inputs.attributes, entity_ids=entity_ids, as_of=as_of, steps=steps
    )
    scorable, held = ready.scorable, ready.held
    rows, ids = ready.matrix.only(scorable), [*compress(entity_ids, scorable)]
    predictions, shadow = predict_both(pipeline.model, pipeline.challenger, rows, entity_ids=ids, job=job)
    steps.end("score")

    pool = pipeline.pool_for(ids, input_hashes=[*compress(inputs.hashes, scorable)])
    score, quantile = predictions.undeclined, predictions.quantile
    by_scores = suites.validate_scores(ids, score=score, training_quantile=quantile, pool=pool)
    steps.end("validate")

    models, flags = pipeline.models, pipeline.flags
    silent = {*by_scores.held, *unexplained(inputs, flags, scorable=scorable, job=job)}
    reasons = reasons_for(predictions, models, rows, ready.usable, as_of=as_of, scorable=scorable, held=silent, job=job)
    steps.end("score")
    results = SuiteResults(ready.by_observations, ready.by_features, by_scores)
    scored = Scored(ready.matrix, held, scorable, predictions, shadow, reasons)
    version = pipeline.model_version
    return outcomes_of(
        inputs, run, job=job, results=results, scored=scored, unchanged=unchanged, model_version=version, flags=flags
    )
