"""Requests that were taken, or entities of a cohort, carried to their answers in the open transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from scorer.database.session import Session
from scorer.database.store.ledger import create_staged_outcomes, take_back, withdraw_scores, write_back
from scorer.database.store.requests import (
    Asked,
    Ending,
    acknowledge_requests,
    answer_members,
    find_asked,
    finish_answers,
    hold_asked,
    refuse_requests,
)
from scorer.database.store.runs import begin_run
from scorer.jobs.job import Job
from scorer.scoring.batch import BatchResult
from scorer.scoring.opening import Pipeline
from scorer.scoring.pipeline import score_batch
from scorer.scoring.recording import record
from scorer.scoring.timing import StepTimer
from scorer.types.enums import Status, Trigger, Withdrawal
from scorer.types.values import RuleResult, Run, WorkItem

ABSENT, REFUSED = "ABSENT", "REFUSED"  # how an entity of a cohort ends that there is no outcome of


@dataclass(frozen=True, slots=True)
class Carried:
    """How many requests or entities have ended, how many requests of these by expiring, and what is left.

    Left is what a batch is scoring this moment: keys of requests, or entities of a cohort.
    """

    ended: int
    expired: int = 0
    left: tuple[int | str, ...] = ()


def carry(pipeline: Pipeline, session: Session, taken: Sequence[Asked]) -> Carried:
    """Score the entities of what was taken and answer, in the open transaction.

    All of `taken` are requests of one entity each, or all are entities of one cohort.
    """
    job, steps = pipeline.job, StepTimer()
    as_of = taken[0].as_of
    there = find_asked(session, job, [*{each.entity_id for each in taken}], as_of=as_of)
    absent = [each for each in taken if each.entity_id not in there]
    if absent and withdraw_scores(session, job, {each.entity_id: Withdrawal.GONE for each in absent}):
        take_back(session, job)
    items = hold_asked(session, job, there)
    ours = {item.entity_id for item in items}
    left = [each for each in taken if each.entity_id in there and each.entity_id not in ours]
    run, ended = None, dict[str, Status]()
    if items:
        version = pipeline.model.manifest.model_version
        run = begin_run(session, job, model_version=version, trigger=Trigger.REQUEST, as_of=as_of)
        steps.end("claim")
        result = score_batch(pipeline, run, items, steps=steps)
        record(pipeline, run, replace(result, results=found_something(result.results)), steps=steps)
        ended = _statuses_of(items, result)
        finish_answers(session, run, result.counts)
        write_back(session, job, max_waiting=0, flags=pipeline.flags)
        if result.doubtful:
            take_back(session, job)
    # Last, so that the moment at which the deadline is looked at is the commit's but for a moment.
    expired = _answer(session, job, run, taken, ended=ended, absent=absent)
    return Carried(
        ended=len(taken) - len(left),
        expired=expired,
        left=tuple(each.entity_id if each.of_cohort else each.request_id for each in left),
    )


def _answer(
    session: Session,
    job: Job,
    run: Run | None,
    taken: Sequence[Asked],
    *,
    ended: Mapping[str, Status],
    absent: Sequence[Asked],
) -> int:
    """Answer what has ended or is absent. Returns how many requests expired instead."""
    why = f"there is no such {job.entity} to score at this time"
    if taken[0].of_cohort:
        endings = [Ending(entity_id, status.value) for entity_id, status in ended.items()]
        endings += [Ending(each.entity_id, ABSENT, why) for each in absent]
        return end_members(session, job, taken[0].request_id, endings) if endings else 0
    if absent:
        refuse_requests(session, [each.request_id for each in absent], reason=why)
    answers = [(each, ended[each.entity_id].value) for each in taken if each.entity_id in ended]
    return acknowledge_requests(session, job, run, answers) if run is not None else 0


def end_members(session: Session, job: Job, request_id: int, endings: Sequence[Ending]) -> int:
    """Record how entities of a cohort ended. Returns 1 where the cohort expired instead, 0 otherwise."""
    create_staged_outcomes(session)
    return 0 if answer_members(session, job, request_id=request_id, endings=endings) else 1


def found_something(results: Iterable[RuleResult]) -> tuple[RuleResult, ...]:
    """The results that found something; only a scheduled run, of many entities, records all rules."""
    return tuple(result for result in results if result.unexpected or not result.success)


def _statuses_of(items: Sequence[WorkItem], result: BatchResult) -> dict[str, Status]:
    """The status of each of `items`, by entity: of its new outcome, or else of the one that stands."""
    new = {outcome.entity_id: outcome.status for outcome in result.new_outcomes}
    return {item.entity_id: new.get(item.entity_id) or _standing_status(item) for item in items}


def _standing_status(item: WorkItem) -> Status:
    if item.previous is None:
        raise AssertionError("an entity without an outcome has none that stands")
    return Status.UNCHANGED if item.previous.status is Status.SCORED else item.previous.status
