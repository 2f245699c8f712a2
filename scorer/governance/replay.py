"""Replays: past scores computed again from the stored features and the source, compared bit by bit.

A row is replayed by the job as it stood (the definition that the database keeps, not today's files) and by the model version that scored
it, whatever its status now, and compared with the ledger. It is replayed by itself: rules on a whole batch, which may stop a run, do not
apply.
"""

from __future__ import annotations

import itertools
import json
import logging
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from scorer.config import Settings, shipped_root
from scorer.database.connection import Database
from scorer.database.session import Session
from scorer.database.store.models import read_model
from scorer.database.store.replays import (
    Part,
    Past,
    Replayed,
    ReplayVerdict,
    draw_scores,
    read_job_version,
    read_past_scores,
    record_replays,
)
from scorer.errors import DatabaseUnavailable, Stopping, UserError
from scorer.governance.shadow import unrecorded_run
from scorer.jobs.features import feature_names
from scorer.jobs.job import Job, job_names, job_of, load_job
from scorer.log import events
from scorer.log.logger import say
from scorer.registry.artefacts import open_version
from scorer.registry.model import LoadedModel
from scorer.scoring.opening import Pipeline, open_pipeline
from scorer.scoring.pipeline import score_batch
from scorer.scoring.predictions import Predictions, predict
from scorer.scoring.timing import StepTimer
from scorer.scoring.validation.rules import read_rules
from scorer.types.arrays import Features
from scorer.types.enums import Action, Status
from scorer.types.flags import JobFlags, Switch, as_named
from scorer.types.values import Outcome, Progress, WorkItem

_log = logging.getLogger(__name__)
_FLOAT = 8  # bytes of a number
_NAMED = 5  # features that are named where they differ


@dataclass(frozen=True, slots=True)
class _Published:
    """What is published of an outcome, computed again."""

    status: Status
    reason: str | None
    score: float | None
    risk_band: str | None
    label: str | None
    outputs: Mapping[str, Any]


def replay(
    score_ids: Sequence[int],
    *,
    database: Database,
    progress: Progress | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> list[Replayed]:
    """Replay ledger rows and record the results. Returns the parts of each row, in order of the keys.

    Raises UserError where a key is not in the ledger, and Stopping, with nothing recorded, where `stopping` returns True.
    """
    session = Session(database.as_worker())
    found: list[Replayed] = []
    with closing(session):
        with session.transaction():
            past = sorted(read_past_scores(session, score_ids), key=_kind)
        for _, together in itertools.groupby(past, key=_kind):
            for part in _replayed(list(together), session, database=database):
                if stopping():
                    raise Stopping
                found.append(part)
                if progress is not None:
                    progress(len({each.score_id for each in found}), len(past))
        found.sort(key=lambda each: (each.score_id, each.part is Part.SOURCE))
        with session.transaction():
            record_replays(session, found)
    return found


def replay_by_lot(job: Job, database: Database, stopping: Callable[[], bool]) -> None:
    """Replay a sample of the job's newest scores: a nightly chore.

    Logs an alarm where the same inputs gave another outcome.
    """
    if not database.settings.replay_sample:
        return
    with closing(Session(database.as_worker())) as session, session.transaction():
        drawn = draw_scores(session, job=job.name, since=None, size=database.settings.replay_sample)
    if not drawn:
        return
    found = replay(drawn, database=database, stopping=stopping)
    alarming = [each for each in found if each.alarming]
    counts = counted(found)
    if alarming:
        say(
            _log,
            events.REPLAY_DIFFERED,
            job=job.name,
            scores=len(drawn),
            alarming=counts["alarming"],
            score_id=alarming[0].score_id,
            reason=alarming[0].why,
        )
    else:
        say(
            _log,
            events.REPLAYED,
            job=job.name,
            scores=len(drawn),
            corrected=counts["corrected"],
            not_replayable=counts["not_replayable"],
        )


def counted(found: Sequence[Replayed]) -> dict[str, int]:
    """Counts of scores: `alarming`, `corrected` and `not_replayable`.

    Alarming: they differ though their inputs do not. Corrected: their inputs have changed in the source. Not replayable: at least in part.
    """

    def scores(which: Callable[[Replayed], bool]) -> int:
        return len({each.score_id for each in found if which(each)})

    return {
        "alarming": scores(lambda each: each.alarming),
        "corrected": scores(lambda each: each.verdict is ReplayVerdict.DIFFERS and not each.alarming),
        "not_replayable": scores(lambda each: each.verdict is ReplayVerdict.NOT_REPLAYABLE),
    }


def _kind(past: Past) -> tuple[str, str, str]:
    """Rows with the same of it are replayed with the same job and model."""
    return past.job, past.job_version, past.model_version or ""


def _replayed(past: Sequence[Past], session: Session, *, database: Database) -> Iterator[Replayed]:
    """Replay ledger rows of one kind, part by part."""
    try:
        with session.transaction():
            job = _job_then(past[0], session, settings=database.settings)
            model = _model_then(past[0], job, session, settings=database.settings)
    except DatabaseUnavailable:
        raise
    except UserError as error:
        yield from (_lost(each, part, str(error)) for each in past for part in _parts(each))
        return
    for each in past:
        if Part.VECTOR in _parts(each):
            yield _from_vector(each, job, model)
    try:
        pipeline = _pipeline(job, model, database=database)
    except DatabaseUnavailable:
        raise
    except UserError as error:
        yield from (_lost(each, Part.SOURCE, str(error)) for each in past)
        return
    try:
        for each in past:
            yield _from_source(each, pipeline)
    finally:
        pipeline.close()


def _parts(past: Past) -> tuple[Part, ...]:
    """The parts of a row that can be replayed; an entity held or with too few observations has no vector."""
    predicted = past.status in {Status.SCORED, Status.INDETERMINATE} and past.features is not None
    return (Part.VECTOR, Part.SOURCE) if predicted else (Part.SOURCE,)


def _lost(past: Past, part: Part, why: str) -> Replayed:
    return Replayed(score_id=past.score_id, part=part, verdict=ReplayVerdict.NOT_REPLAYABLE, why=why)


# Job and model as they were


def _job_then(past: Past, session: Session, *, settings: Settings) -> Job:
    """The job as it stood, but without rules that stop a run: a row by itself is no batch."""
    here = past.job in job_names(settings.jobs_dir)
    folder = (
        load_job(past.job, jobs_dir=settings.jobs_dir).model_folder if here else shipped_root() / "models" / past.job
    )
    job = job_of(past.job, past.job_version, read_job_version(session, past.job, past.job_version), model_folder=folder)
    rules = [
        rule
        for name, suite in job.suites.items()
        for rule in read_rules(suite["expectations"], where=f"Suite {name} of job {job.name}")
    ]
    stops = {rule.name for rule in rules if job.actions.get(rule.name, rule.action) is Action.FAIL}
    return replace(job, actions={**job.actions, **dict.fromkeys(stops, Action.WARN)})


def _model_then(past: Past, job: Job, session: Session, *, settings: Settings) -> LoadedModel:
    """The model version that scored, checked against the registry before it is unpickled."""
    if past.model_version is None:
        raise UserError("The ledger does not say which model scored.")
    return open_version(job, read_model(session, job.name, past.model_version), session, settings=settings)


def _pipeline(job: Job, model: LoadedModel, *, database: Database) -> Pipeline:
    """A pipeline for rows by themselves: without the recent scores, which only matter to a batch."""
    return replace(open_pipeline(job, database=database, model=model), recent_scores=lambda *_, **__: [])


# Computing again


def _from_vector(past: Past, job: Job, model: LoadedModel) -> Replayed:
    names = model.manifest.features
    assert past.features is not None
    if len(past.features) != len(names) * _FLOAT:
        return _lost(
            past,
            Part.VECTOR,
            f"The ledger keeps {len(past.features) // _FLOAT} features, where model {past.model_version} has {len(names)}.",
        )
    facility = None if job.features.facility is None else [past.attributes.get(job.features.facility)]
    matrix = Features.stored(names, [past.features], facility=facility)
    now = _published(predict(model, matrix, spec=job.declining), job)
    flags, facilities = _flags_then(past), [as_named(past.attributes.get(job.features.facility_attribute))]
    if now.status is Status.SCORED and flags.off(Switch.SCORES, [past.entity_id], facilities=facilities)[0]:
        now = _Published(Status.INDETERMINATE, flags.why_unpublished, None, None, None, {})
    differing = _differing(past, now)
    return Replayed(
        score_id=past.score_id,
        part=Part.VECTOR,
        verdict=ReplayVerdict.DIFFERS if differing else ReplayVerdict.IDENTICAL,
        difference=_difference(past.score, now.score),
        why=f"The stored vector gives another {_listed(differing)}." if differing else None,
        alarming=bool(differing),
    )


def _flags_then(past: Past) -> JobFlags:
    """The job's flags as the batch of a row read them.

    What stands in the shadow was made whatever they said. Where the batch has left the database, the row says itself that it was scored
    with its scores off.
    """
    flags = JobFlags.of(past.job, None if past.shadow else past.flags)
    if past.flags is None and not past.shadow and past.reason == flags.why_unpublished:
        return JobFlags.of(past.job, {flags.name(Switch.SCORES): {"enabled": False}})
    return flags


def _published(predictions: Predictions, job: Job) -> _Published:
    """What the prediction of one row publishes."""
    score = float(predictions.scores.score[0])
    if np.isnan(score):
        silence = predictions.without_score(0)
        return _Published(silence["status"], silence["reason"], None, None, None, silence["outputs"])
    return _Published(
        status=Status.SCORED,
        reason=None,
        score=score,
        risk_band=predictions.bands(job.bands)[0],
        label=predictions.scores.labels[0] if predictions.scores.labels else None,
        outputs=predictions.outputs(0),
    )


def _from_source(past: Past, pipeline: Pipeline) -> Replayed:
    known_at = None if past.as_known_at == past.as_of else past.as_known_at
    item = WorkItem(entity_id=past.entity_id, as_of=past.as_of, as_known_at=known_at)
    then = replace(pipeline, flags=_flags_then(past))
    result = score_batch(then, unrecorded_run(past.job, as_of=past.as_of), (item,), steps=StepTimer())
    (now,) = result.new_outcomes
    # An entity whose scoring raised may not have been read to its end: its hash says nothing.
    changed = None if Status.FAILED in {past.status, now.status} else now.input_hash != past.input_hash
    differing = _differing(past, _outcome(now)) + _differing_features(past, now, feature_names(pipeline.job.features))
    difference = _difference(past.score, now.score)
    if differing and changed and not result.observations_read:
        return replace(
            _lost(past, Part.SOURCE, "The source holds no observation of it from that time any more."),
            inputs_changed=True,
        )
    return Replayed(
        score_id=past.score_id,
        part=Part.SOURCE,
        verdict=ReplayVerdict.DIFFERS if differing else ReplayVerdict.IDENTICAL,
        difference=difference,
        why=_why(differing, changed=changed),
        inputs_changed=changed,
        alarming=bool(differing) and changed is False,
    )


def _outcome(outcome: Outcome) -> _Published:
    return _Published(outcome.status, outcome.reason, outcome.score, outcome.risk_band, outcome.label, outcome.outputs)


# Comparing


def _differing(past: Past, now: _Published) -> list[str]:
    """What of an outcome differs from the ledger, in words."""
    if now.status is not past.status:
        why = f" ({now.reason})" if now.reason else ""
        return [f"status ({past.status}, now {now.status}{why})"]
    pairs = {
        "reason": (past.reason, now.reason),
        "score": (_bits(past.score), _bits(now.score)),
        "risk band": (past.risk_band, now.risk_band),
        "label": (past.label, now.label),
        "outputs": (past.outputs, json.loads(json.dumps(dict(now.outputs)))),
    }
    return [name for name, (then, anew) in pairs.items() if then != anew]


def _differing_features(past: Past, now: Outcome, names: Sequence[str]) -> list[str]:
    """The features that differ in any bit, in words."""
    if past.features is None or now.features is None or past.features == now.features:
        return []
    then, anew = (np.frombuffer(each, dtype="<i8") for each in (past.features, now.features))
    if not len(then) == len(anew) == len(names):
        return [f"number of features ({len(then)}, now {len(anew)})"]
    found = [names[place] for place in np.flatnonzero(then != anew).tolist()]
    named = ", ".join(found[:_NAMED]) + (", ..." if len(found) > _NAMED else "")
    return [f"value of {len(found)} features ({named})"]


def _bits(score: float | None) -> bytes | None:
    return None if score is None else struct.pack("<d", score)


def _difference(then: float | None, anew: float | None) -> float | None:
    return None if then is None or anew is None else anew - then


def _why(differing: Sequence[str], *, changed: bool | None) -> str | None:
    if not differing:
        return "The source's rows have changed since, in nothing that counts." if changed else None
    if changed:
        return f"The source's rows have changed since; they give another {_listed(differing)}."
    if changed is None:
        return f"Scoring raised then or raises now: another {_listed(differing)}."
    return f"The same rows of the source give another {_listed(differing)}."


def _listed(differing: Sequence[str]) -> str:
    """The names as a list in words.

    >>> _listed(["score"]), _listed(["score", "risk band", "label"])
    ('score', 'score, risk band and label')
    """
    return differing[0] if len(differing) == 1 else f"{', '.join(differing[:-1])} and {differing[-1]}"
