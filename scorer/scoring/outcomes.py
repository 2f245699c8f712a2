"""One outcome for each entity of a batch, from what was read, validated and predicted; pure."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from scorer.jobs.job import Job
from scorer.registry.estimator import require_probabilities
from scorer.scoring.batch import BatchInputs, BatchResult
from scorer.scoring.challenger import shadow_outcomes
from scorer.scoring.predictions import Predictions
from scorer.scoring.validation.suites import EntityResult, ObservationResult
from scorer.tasks.known import task_of
from scorer.types.arrays import NO_TIME, Attributes, Booleans, Features
from scorer.types.enums import Status
from scorer.types.flags import NONE_SET, JobFlags, Switch
from scorer.types.values import Counts, Outcome, Reason, Rejection, RuleResult, Run, WorkItem

# Up to here every whole number has a float64 of its own.
_WHOLE = 2**53


@dataclass(frozen=True, slots=True)
class SuiteResults:
    """What a job's three suites found in a batch."""

    observations: ObservationResult
    features: EntityResult
    scores: EntityResult

    @property
    def rejections(self) -> tuple[Rejection, ...]:
        """The rejections of all suites."""
        return self.observations.rejections + self.features.rejections + self.scores.rejections

    @property
    def results(self) -> tuple[RuleResult, ...]:
        """The results of the rules of all suites."""
        return self.observations.results + self.features.results + self.scores.results


@dataclass(frozen=True, slots=True)
class Scored:
    """What was computed for the entities of a batch.

    matrix       a row per entity
    held         by an entity's place, the rule that keeps it from being scored
    scorable     (entities,): those that are not held and have enough observations
    predictions  a row per True of `scorable`, in order; so has `shadow`, the predictions that are kept beside the published ones
    reasons      by a prediction's place, why the score is what it is
    """

    matrix: Features
    held: Mapping[int, str]
    scorable: Booleans
    predictions: Predictions
    shadow: Predictions | None = None
    reasons: Mapping[int, tuple[Reason, ...]] = field(default_factory=dict)


def outcomes_of(
    inputs: BatchInputs,
    run: Run,
    *,
    job: Job,
    results: SuiteResults,
    scored: Scored,
    unchanged: int,
    model_version: str,
    flags: JobFlags = NONE_SET,
) -> BatchResult:
    """Decide the outcome of every entity of a batch. Returns the new ones and the counts of all.

    `unchanged` is how many entities of the batch are not among the `inputs`. `model_version` is recorded for entities without a prediction.
    Where `flags` say that the scores of an entity are off, its score is kept in the shadow.
    Raises UserError where a probability that would be published lies outside 0 to 1.
    """
    off = inputs.off(flags, Switch.SCORES, job=job)
    computed = _outcomes(inputs, job=job, results=results, scored=scored)
    outcomes = [unpublished(each, flags) if is_off else each for each, is_off in zip(computed, off, strict=True)]
    statuses = Counter(outcome.status for outcome in outcomes)
    is_new = _are_new(inputs, outcomes, run, job=job, model_version=model_version)
    new = tuple(itertools.compress(outcomes, is_new))
    hidden = [
        replace(was, shadow=True, reasons=())
        for was, is_written, outcome in zip(computed, is_new, outcomes, strict=True)
        if is_written and was.status is not outcome.status
    ]
    doubtful = [
        (item, is_off)
        for item, is_written, is_off, outcome in zip(inputs.items, is_new, off, outcomes, strict=True)
        if (is_written or is_off) and outcome.status is not Status.SCORED and item.may_have_score
    ]
    beside = () if scored.shadow is None else _beside(scored.shadow, new, inputs, job=job, scored=scored, hidden=hidden)
    return BatchResult(
        counts=Counts(
            eligible=len(outcomes) + unchanged,
            scored=statuses[Status.SCORED],
            unchanged=unchanged,
            quarantined=statuses[Status.QUARANTINED],
            insufficient=statuses[Status.INSUFFICIENT],
            indeterminate=statuses[Status.INDETERMINATE],
        ),
        new_outcomes=new,
        shadows=(*hidden, *beside),
        doubtful=tuple(item for item, _ in doubtful),
        switched_off=tuple(item.entity_id for item, is_off in doubtful if is_off),
        rejections=results.rejections,
        validated=tuple(inputs.entity_ids),
        results=results.results,
        observations_read=len(inputs.observations),
        observations_dropped=int((~results.observations.usable).sum()),
        unknown_codes={**results.observations.unknown_codes, **results.features.unknown_words},
    )


def _are_new(inputs: BatchInputs, outcomes: Sequence[Outcome], run: Run, *, job: Job, model_version: str) -> list[bool]:
    """Whether each outcome says what the ledger does not say yet."""
    return [
        item.previous is None
        or not outcome.repeats(
            item.previous, model_version=outcome.model_version or model_version, job_version=job.version
        )
        or _is_first_of_its_end(item, as_of=run.as_of)
        for item, outcome in zip(inputs.items, outcomes, strict=True)
    ]


def unpublished(outcome: Outcome, flags: JobFlags) -> Outcome:
    """What is published of an entity whose scores are off: that it has none, where it has one."""
    if outcome.status is not Status.SCORED:
        return outcome
    return replace(
        outcome,
        status=Status.INDETERMINATE,
        reason=flags.why_unpublished,
        score=None,
        risk_band=None,
        label=None,
        outputs={},
        valid_until=None,
        reasons=(),
    )


def _beside(
    shadow: Predictions,
    new: Sequence[Outcome],
    inputs: BatchInputs,
    *,
    job: Job,
    scored: Scored,
    hidden: Sequence[Outcome],
) -> tuple[Outcome, ...]:
    """A challenger's outcomes beside the new ones, but for entities with a `hidden` score.

    An entity has one shadow a run.
    """
    taken = {outcome.entity_id for outcome in hidden}
    published = [outcome for outcome in new if outcome.entity_id not in taken]
    return shadow_outcomes(shadow, published, inputs, job=job, scorable=scored.scorable)


def _outcomes(inputs: BatchInputs, *, job: Job, results: SuiteResults, scored: Scored) -> list[Outcome]:
    """The outcome of each entity, in order."""
    predictions, unfit = scored.predictions, results.scores.held
    if task_of(job.task).gives_probabilities:
        fit = np.delete(predictions.scores.score, [*unfit])
        require_probabilities(fit, name=f"The model of job {job.name}")
    positions = inputs.observations.position[results.observations.usable]
    used = np.bincount(positions, minlength=len(inputs.items)).tolist()
    place_of_score = (np.cumsum(scored.scorable) - 1).tolist()
    values = predictions.scores.score.tolist()
    bands = predictions.bands(job.bands)
    labels = predictions.scores.labels
    vectors = scored.matrix.values.astype("<f8", copy=False)
    attributes = published(job, inputs.attributes, entities=len(inputs.items))
    outcomes = []
    for place, (item, input_hash) in enumerate(zip(inputs.items, inputs.hashes, strict=True)):
        plain = {
            "entity_id": item.entity_id,
            "as_of": item.as_of,
            "input_hash": input_hash,
            "attributes": attributes[place],
            "features": vectors[place].tobytes(),
            "as_known_at": item.as_known_at,
        }
        row = place_of_score[place]
        if place in scored.held:
            outcome = Outcome(**plain, status=Status.QUARANTINED, reason=scored.held[place])
        elif not scored.scorable[place]:
            reason = f"{used[place]} usable observations, {job.min_observations} needed"
            outcome = Outcome(**plain, status=Status.INSUFFICIENT, reason=reason)
        elif row in unfit:
            by = predictions.model_versions[row]
            outcome = Outcome(**plain, status=Status.QUARANTINED, reason=unfit[row], model_version=by)
        elif values[row] != values[row]:
            outcome = Outcome(**plain, **predictions.without_score(row))
        else:
            outcome = Outcome(
                **plain,
                status=Status.SCORED,
                outputs=predictions.outputs(row),
                model_version=predictions.model_versions[row],
                score=values[row],
                risk_band=bands[row],
                label=labels[row] if labels else None,
                valid_until=item.as_of + job.valid_for,
                reasons=scored.reasons.get(row, ()),
            )
        outcomes.append(outcome)
    return outcomes


def _is_first_of_its_end(item: WorkItem, *, as_of: datetime) -> bool:
    """Whether this is the first outcome as of the record's end: the record ended before `as_of`.

    It is, where the current outcome is of another moment or knew less. It is written even if it says the same again: it shows that the
    entity was tried as of its end, and is settled.
    """
    previous = item.previous
    if previous is None or item.as_of >= as_of:
        return False
    return previous.as_of != item.as_of or previous.known_at < min(item.as_of, item.known_at)


def published(job: Job, attributes: Attributes, *, entities: int) -> list[dict[str, Any]]:
    """The attributes that the job publishes, of each entity."""
    columns = [_plain(name, attributes) for name in job.published]
    if not columns:
        return [{} for _ in range(entities)]
    return [dict(zip(job.published, values, strict=True)) for values in zip(*columns, strict=True)]


def _plain(name: str, attributes: Attributes) -> list[str | int | float | None]:
    """An attribute of each entity, as JSON holds it."""
    if name in attributes.texts:
        return [None if text is None else str(text) for text in attributes.texts[name]]
    if name in attributes.numbers:
        return [_plain_number(number) for number in attributes.numbers[name].tolist()]
    return [_plain_time(moment) for moment in attributes.times[name].tolist()]


def _plain_number(number: float) -> int | float | None:
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) <= _WHOLE else number


def _plain_time(moment: int) -> str | None:
    return None if moment == NO_TIME else datetime.fromtimestamp(moment / 1e6, tz=UTC).isoformat()
