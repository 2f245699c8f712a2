"""The result of a batch, recorded: outcomes, rejections, counts, rule results, counts by drift bin."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import compress

from scorer.database.session import Session
from scorer.database.store.batches import (
    BatchRecord,
    next_batch,
    record_batch,
    record_feature_counts,
    record_validation,
    write_rejections,
)
from scorer.database.store.ledger import read_standing, withdraw_scores, write_outcomes
from scorer.jobs.job import Job
from scorer.log import events
from scorer.log.logger import say
from scorer.scoring.batch import BatchResult
from scorer.scoring.opening import Pipeline
from scorer.scoring.timing import StepTimer
from scorer.scoring.unchanged import find_unfounded
from scorer.types.enums import Trigger, Withdrawal
from scorer.types.flags import JobFlags, Switch, as_named
from scorer.types.values import Run, Standing

_log = logging.getLogger(__name__)
_COUNTED_REQUESTS = 16  # batches of requests are small and many: of so many of them, the rows of one are counted


def record(pipeline: Pipeline, run: Run, result: BatchResult, *, steps: StepTimer) -> int:
    """Write the outcomes and rejections of a batch, then its counts and rule results. Returns its number.

    The earlier scores that do not stand any more are withdrawn first.
    """
    session, job = pipeline.session, pipeline.job
    model_version = pipeline.model_version
    batch_id = next_batch(session)
    if result.doubtful:
        off = dict.fromkeys(result.switched_off, Withdrawal.SWITCHED_OFF)
        ids = [item.entity_id for item in result.doubtful if item.entity_id not in off]
        standing = read_standing(session, job, ids) if ids else []
        unfounded = find_unfounded(standing, source=pipeline.source, job=job)
        withdraw(session, job, run, reasons=_switched_off(standing, pipeline.flags, job=job) | unfounded | off)
    write_outcomes(
        session,
        job,
        run,
        batch_id=batch_id,
        model_version=model_version,
        outcomes=result.new_outcomes + result.shadows,
    )
    write_rejections(session, job, run, rejections=result.rejections, judged=result.validated)
    steps.end("write")
    batch = BatchRecord(
        model_version=model_version,
        worker=pipeline.worker,
        counts=result.counts,
        observations_read=result.observations_read,
        observations_dropped=result.observations_dropped,
        unknown_codes=result.unknown_codes,
        seconds=steps.seconds,
        shadows=len(result.shadows),
        flags=pipeline.flags.settings,
    )
    record_batch(session, run, batch, batch_id=batch_id)
    record_validation(session, run, batch_id=batch_id, results=result.results)
    _record_feature_counts(pipeline, run, result, batch_id=batch_id)
    steps.end("record")
    return batch_id


def withdraw(session: Session, job: Job, run: Run, *, reasons: Mapping[str, Withdrawal]) -> int:
    """Take back the current scores of entities, each for its reason, and log how many. Returns that."""
    withdrawn = withdraw_scores(session, job, reasons) if reasons else 0
    if withdrawn:
        say(_log, events.SCORES_WITHDRAWN, run_id=run.run_id, job=job.name, entities=withdrawn)
    return withdrawn


def _switched_off(standing: Sequence[Standing], flags: JobFlags, *, job: Job) -> dict[str, Withdrawal]:
    """The entities whose scores are off by now, by the facility that the standing one was published with.

    An entity that raised was not read: nothing else tells its facility.
    """
    entity_ids = [each.item.entity_id for each in standing]
    facilities = [as_named(each.attributes.get(job.features.facility_attribute)) for each in standing]
    off = flags.off(Switch.SCORES, entity_ids, facilities=facilities)
    return dict.fromkeys(compress(entity_ids, off), Withdrawal.SWITCHED_OFF)


def _record_feature_counts(pipeline: Pipeline, run: Run, result: BatchResult, *, batch_id: int) -> None:
    """Record where the scored rows lie in the training data's bins, from which drift is measured.

    The rows of a backfill are of another time, and are not counted.
    """
    passed_over = run.trigger is Trigger.REQUEST and batch_id % _COUNTED_REQUESTS
    if pipeline.tally is None or run.trigger is Trigger.BACKFILL or passed_over:
        return
    for each in pipeline.tally(result.new_outcomes):
        record_feature_counts(
            pipeline.session, run, batch_id=batch_id, model_version=pipeline.model_version, **asdict(each)
        )
