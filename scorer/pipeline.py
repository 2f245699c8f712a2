"""The line, and nothing else: claim -> read -> validate -> features -> score -> write -> record; one batch, one transaction."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np

from scorer import events, features
from scorer.frames import Pool, pool_of
from scorer.inputs import input_hashes
from scorer.job import Job
from scorer.judgement import Judgement, Known, halving, is_unchanged, outcomes_of
from scorer.log import about, say
from scorer.model import ProductionPipeline
from scorer.source import Source, microseconds
from scorer.steps import Steps
from scorer.store import Store
from scorer.types import Counts, Run, WorkItem
from scorer.validation import Suites

_log = logging.getLogger(__name__)
# Rows of the ledger that are looked at for published scores: for each that is needed, and where those are too few.
_A_SHORT_LOOK = 4
_A_LONG_LOOK = 10_000


@dataclass(frozen=True, slots=True)
class Line:
    """What a worker carries batches with."""

    job: Job
    store: Store
    source: Source
    suites: Suites
    model: ProductionPipeline
    worker: str
    batch_size: int


def carry_batch(line: Line, run: Run, *, watch: Callable[[str], None] | None = None) -> Counts | None:
    """Carry one batch down the line in one transaction; its counts, or None where nothing was left to claim.

    `watch` is told the name of each step as it ends.
    """
    steps = Steps(watch)
    with about(run_id=run.run_id, job=run.job, model_version=line.model.manifest.model_version):
        with line.store.transaction():
            carried = _carry(line, run, steps=steps)
        steps.end("commit")
        if carried is None:
            return None
        batch, counts = carried
        say(_log, events.BATCH_COMMITTED, batch=batch, **asdict(counts), seconds=round(sum(steps.seconds.values()), 3))
        return counts


def _carry(line: Line, run: Run, *, steps: Steps) -> tuple[int, Counts] | None:
    """The batch's number and counts."""
    store, job = line.store, line.job
    items = store.claim_work(job, run, size=line.batch_size)
    steps.end("claim")
    if not items:
        return None

    judged = judge_all(line, run, items, steps=steps)
    store.finish_work(items)
    batch_id = record(line, run, judged, steps=steps)
    store.write_back(job)
    steps.end("write back")
    return batch_id, judged.counts


def record(line: Line, run: Run, judged: Judgement, *, steps: Steps) -> int:
    """The number of a batch, what became of it being written: outcomes, rejections, counts, what each rule found."""
    store, job = line.store, line.job
    batch_id = store.next_batch()
    store.write_outcomes(
        job, run, batch_id=batch_id, model_version=line.model.manifest.model_version, outcomes=judged.new_outcomes
    )
    store.write_rejections(job, run, rejections=judged.rejections, judged=judged.judged)
    steps.end("write")
    store.record_batch(
        run,
        batch_id=batch_id,
        worker=line.worker,
        counts=judged.counts,
        observations_read=judged.observations_read,
        observations_dropped=judged.observations_dropped,
        unknown_codes=judged.unknown_codes,
        seconds=steps.seconds,
    )
    store.record_validation(run, batch_id=batch_id, results=judged.results)
    steps.end("record")
    return batch_id


def judge_all(line: Line, run: Run, items: tuple[WorkItem, ...], *, steps: Steps) -> Judgement:
    """What becomes of `items`, each culprit that makes scoring raise having been found and set apart."""
    return halving(lambda part: judge(line, run, part, steps=steps), items)


def judge(line: Line, run: Run, items: tuple[WorkItem, ...], *, steps: Steps) -> Judgement:
    """What becomes of `items`: read, validate, features, score. Writes nothing."""
    job, model = line.job, line.model
    observations = line.source.observations(job, items)
    attributes = line.source.attributes(job, items)
    known = Known(
        items=items, hashes=input_hashes(observations, attributes), observations=observations, attributes=attributes
    )
    unchanged = [
        is_unchanged(item, known.hashes[place], run=run, job=job, model_version=model.manifest.model_version)
        for place, item in enumerate(items)
    ]
    fresh = known.without(unchanged)
    steps.end("read")

    as_of = np.array([microseconds(item.as_of) for item in fresh.items], dtype=np.int64)
    seen = line.suites.judge_observations(fresh.observations, fresh.attributes, as_of=as_of)
    usable = fresh.observations.only(seen.usable)
    steps.end("validate")

    matrix = features.build(usable, fresh.attributes, as_of=as_of, spec=job.features)
    steps.end("features")

    read, used = fresh.count(fresh.observations), fresh.count(usable)
    fit = line.suites.judge_features(fresh.entity_ids, matrix, fresh.attributes, read=read, used=used)
    steps.end("validate")

    held = {**fit.held, **seen.held}
    wanted = np.array(
        [place not in held and used[place] >= job.min_observations for place in range(len(fresh.items))], dtype=bool
    )
    scores = model.score(matrix.only(wanted))
    steps.end("score")

    quantile = model.training_quantile(scores.score)
    asked = [entity_id for entity_id, want in zip(fresh.entity_ids, wanted, strict=True) if want]
    hashes = [each for each, want in zip(fresh.hashes, wanted, strict=True) if want]
    pool = _pool(line, entity_ids=asked, input_hashes=hashes)
    fit_to_publish = line.suites.judge_scores(asked, score=scores.score, training_quantile=quantile, pool=pool)
    steps.end("validate")

    return outcomes_of(
        fresh,
        job=job,
        matrix=matrix,
        held=held,
        wanted=wanted,
        scores=scores,
        verdicts=(seen, fit, fit_to_publish),
        unchanged=sum(unchanged),
        model_version=model.manifest.model_version,
    )


def _pool(line: Line, *, entity_ids: list[str], input_hashes: list[bytes]) -> Pool | None:
    """What this model published before, where these entities are too few to show whether its scores can be right."""
    need = line.suites.pool_rows
    if not 0 < len(entity_ids) < need:
        return None
    # Newest first: where a short look finds enough, a long one finds the same before all else.
    for look_back in (need * _A_SHORT_LOOK, _A_LONG_LOOK):
        pool = pool_of(
            line.store.recent_scores(line.job, model_version=line.model.manifest.model_version, look_back=look_back),
            entity_ids=entity_ids,
            input_hashes=input_hashes,
            training_quantile=line.model.training_quantile,
        )
        if len(pool.by_entity) >= need:
            break
    return pool
