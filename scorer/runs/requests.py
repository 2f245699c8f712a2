"""Scores on demand: waiting requests of one job are answered together, in one transaction with their scores.

    take -> find -> hold -> judge -> record -> acknowledge -> write back          (one micro-batch, one transaction, one run)

A crash rolls all of it back, and the requests still wait; none is ever done without its row in the ledger. Nothing here waits for what
others hold: an entity that a scheduled batch is scoring this moment is passed over and asked for again a moment later, and one that merely
waits for a batch is taken before it, which then finds it unchanged.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from scorer.database.connection import Database
from scorer.database.session import Session
from scorer.database.source.reader import Source
from scorer.database.store.batches import lock_against_recalls, record_validation
from scorer.database.store.ledger import take_back, write_back
from scorer.database.store.models import read_challenge
from scorer.database.store.requests import (
    Asked,
    acknowledge_requests,
    ask_for_arrivals,
    find_asked,
    finish_answers,
    hold_asked,
    list_asked_jobs,
    list_strange_jobs,
    refuse_requests,
    refuse_strangers,
    take_requests,
)
from scorer.database.store.runs import begin_run, end_run, register_job_version
from scorer.errors import DatabaseUnavailable, RunStopped, StatementFailed, UserError
from scorer.jobs.job import Job
from scorer.log import events
from scorer.log.bug_reports import BugReports
from scorer.log.logger import say
from scorer.scoring.opening import close_pipeline, open_pipeline
from scorer.scoring.outcomes import BatchResult
from scorer.scoring.pipeline import Pipeline, has_production_model, record, score_batch
from scorer.scoring.timing import StepTimer
from scorer.types.enums import Status, Trigger
from scorer.types.values import RuleResult, WorkItem

_log = logging.getLogger(__name__)

_AT_ONCE = 500  # requests that are answered together
_TRIES = 2
# A desk that stops in the middle of an answer lets go of what it holds after this time, by the server's hand.
_IDLE = timedelta(seconds=30)
# For so long a request of a job that this desk does not know is left to another daemon, which may know it; when that is told; and when
# such a request is refused: after a restart, however long it takes, of the daemon that knows the job.
_STRANGE, _PATIENCE = timedelta(minutes=5), timedelta(hours=1)
# Seconds until a request that could not be taken is looked at again, where others keep the desk busy.
_PASSED_OVER = 0.2


class Answers:
    """A desk that answers requests for the jobs it knows, with a line kept warm for each; used by one thread."""

    def __init__(self, *, database: Database, jobs: Iterable[Job]) -> None:
        self._database = database
        target = database.as_worker()
        self._session = Session(replace(target, idle_timeout=min(target.idle_timeout, _IDLE)))
        self._source = Source(target)
        self._lines: dict[str, Pipeline] = {}
        self._jobs: dict[str, Job] = {}
        self._told: dict[str, str] = {}
        self._bugs = BugReports()
        self._strange: set[str] = set()
        self._held: dict[str, set[int]] = {}  # by job, requests that could not be taken at this look
        self._gate_closed: set[str] = set()  # jobs of which no request could
        self._held_at = 0.0
        self.holds_back = False
        self.reload(jobs)

    def close(self) -> None:
        """End the sessions; they are opened again when there is something to do."""
        self._session.close()
        self._source.close()

    def reload(self, jobs: Iterable[Job]) -> None:
        """Know `jobs` from now on; a line whose job has changed is opened anew when it is next needed."""
        self._jobs = {job.name: job for job in jobs}
        kept = {name: pipeline for name, pipeline in self._lines.items() if self._jobs.get(name) == pipeline.job}
        self._lines = kept

    def warm(self) -> None:
        """Open every job's line, with the model now in production, so that no request need wait for that; for a call now and then.

        Raises UserError where a line cannot be opened, once the others are; bugs are told.
        """
        self._for_each_job(self._refresh)

    def answer_waiting(self) -> int:
        """How many requests were answered or refused, all of one job, in one transaction; 0 where none waits that can be answered now.

        Then `holds_back` says whether any waits that could not be taken this moment, and is to be asked for again soon. Raises
        DatabaseUnavailable where the database fails: the requests still wait. Where a job cannot answer, its requests are refused with
        the reason, which is told once, as a bug is.
        """
        if time.monotonic() - self._held_at > _PASSED_OVER:
            self._forget_held()
        with self._in_new_sessions_after_failure():
            for job in self._asked_jobs():
                if answered := self._answer_some(job):
                    return answered
        self.holds_back = bool(self._held or self._gate_closed)
        self._forget_held()
        return 0

    def refuse_strangers(self) -> int:
        """How many requests of jobs that no daemon knew for an hour were refused; for a call now and then.

        That such requests wait is told once, after some minutes.
        """
        with self._in_new_sessions_after_failure(), self._session.transaction():
            refused = refuse_strangers(self._session, self._jobs, patience=_PATIENCE)
            strange = list_strange_jobs(self._session, self._jobs, patience=_STRANGE)
        for job in strange.keys() - self._strange:
            say(_log, events.REQUESTS_STRANGE, job=job, requests=strange[job])
        self._strange = set(strange)
        for request_id, job in refused:
            say(_log, events.REQUEST_REFUSED, request_id=request_id, job=job, reason="no daemon knows the job")
        return len(refused)

    def ask_for_arrivals(self) -> int:
        """How many requests were made for entities of which new observations enough have arrived (see a job's new_observations.sql).

        Raises UserError where that cannot be done for a job, once it is done for the others; bugs are told.
        """
        asked: list[int] = []

        def ask(job: Job) -> None:
            if "new_observations" in job.statements:
                with self._session.transaction():
                    asked.append(ask_for_arrivals(self._session, job))

        self._for_each_job(ask)
        return sum(asked)

    def take_back(self) -> None:
        """Have recalled scores that still stand in the hospital's own tables taken out of them, without waiting for a run.

        Raises UserError where that cannot be done for a job, once it is done for the others; bugs are told.
        """

        def take(job: Job) -> None:
            with self._session.transaction():
                take_back(self._session, job)

        self._for_each_job(take)

    def _for_each_job(self, do: Callable[[Job], None]) -> None:
        """Do it for every job, whatever becomes of the others."""
        refused: UserError | None = None
        with self._in_new_sessions_after_failure():
            for job in self._jobs.values():
                try:
                    do(job)
                except DatabaseUnavailable:
                    raise
                except UserError as error:
                    refused = refused or error
                except Exception as error:  # noqa: BLE001 - the edge of a job: the others go on
                    self._bugs.tell(error, job=job.name)
        if refused is not None:
            raise refused

    def _forget_held(self) -> None:
        self._held, self._gate_closed, self._held_at = {}, set(), time.monotonic()

    @contextmanager
    def _in_new_sessions_after_failure(self) -> Iterator[None]:
        try:
            yield
        except DatabaseUnavailable:
            self.close()
            raise

    def _asked_jobs(self) -> list[Job]:
        """The jobs of which requests wait; the only one that there is, where it is ready to answer, whether or not."""
        if len(self._jobs) == 1 and self._lines:
            return list(self._jobs.values())
        with self._session.transaction():
            return [self._jobs[name] for name in list_asked_jobs(self._session, self._jobs)]

    def _answer_some(self, job: Job) -> int:
        """How many requests of a job were answered or refused, those that cannot be taken this moment not standing in the way."""
        while True:
            held = self._held.get(job.name, set())
            passed_over = len(held)
            answered = self._answer(job)
            if answered or len(self._held.get(job.name, held)) == passed_over:
                return answered

    def _answer(self, job: Job) -> int:
        """How many requests of a job were answered or refused; tried again on a line opened anew, where the first try raised."""
        raised: Exception | None = None
        taken: list[Asked] = []
        for _ in range(_TRIES):
            taken.clear()
            try:
                pipeline = self._line(job)
                answered = self._answer_together(pipeline, taken)
            except DatabaseUnavailable:
                raise
            except RunStopped as stopped:
                return self._stop(pipeline, taken, stopped)
            except Exception as error:  # noqa: BLE001 - the edge of a run: the requests are told, and so is a bug
                raised = error
            else:
                if answered is not None:
                    self._told.pop(job.name, None)
                    return answered
            self._lines.pop(job.name, None)
            self.close()
        return self._give_up(job, taken, raised) if raised is not None else 0

    def _answer_together(self, pipeline: Pipeline, taken: list[Asked]) -> int | None:
        """How many requests were answered in one transaction; None where the line's model is no longer the one in production.

        `taken` is told which were taken, for whoever must refuse them if this raises.
        """
        job = pipeline.job
        held: set[int] = set()
        with pipeline.session.transaction():
            lock_against_recalls(pipeline.session, job, model_version=pipeline.model.manifest.model_version, run=None)
            took = take_requests(self._session, job, max_requests=_AT_ONCE, passed_over=self._held.get(job.name, ()))
            taken += took.asked
            if taken and not has_production_model(pipeline):
                return None
            answered, left = _carry(pipeline, self._session, taken) if taken else (0, [])
            held.update(took.held, left)
        if took.blocked:
            self._gate_closed.add(job.name)
        if held:
            self._held.setdefault(job.name, set()).update(held)
        if answered:
            say(_log, events.REQUESTS_ANSWERED, job=job.name, requests=answered)
        return answered

    def _line(self, job: Job) -> Pipeline:
        """The job's line, warm."""
        if job.name not in self._lines:
            opened = open_pipeline(job, database=self._database)
            close_pipeline(opened)
            # One session of each kind for all jobs: there is one thread.
            pipeline = replace(opened, session=self._session, source=self._source)
            # Not while answering: that could wait for a run that waits for the answer.
            with self._session.transaction():
                register_job_version(self._session, job)
            self._lines[job.name] = pipeline
        return self._lines[job.name]

    def _refresh(self, job: Job) -> None:
        pipeline = self._line(job)
        with self._session.transaction():
            current = (
                has_production_model(pipeline) and read_challenge(pipeline.session, job.name) == pipeline.challenge
            )
        if not current:
            del self._lines[job.name]
            self._line(job)

    def _stop(self, pipeline: Pipeline, taken: Sequence[Asked], stopped: RunStopped) -> int:
        """How many requests are refused, a rule having stopped their run, which is recorded as failed."""
        job, session = pipeline.job, self._session
        with session.transaction():
            refused = self._refuse(taken, why=str(stopped))
            run = begin_run(
                session,
                job,
                model_version=pipeline.model.manifest.model_version,
                trigger=Trigger.REQUEST,
                as_of=taken[0].as_of,
            )
            end_run(session, run.run_id, error=str(stopped))
            record_validation(session, run, batch_id=None, results=_found_something(stopped.results))
        self._tell(job, refused, why=str(stopped))
        return refused

    def _give_up(self, job: Job, taken: Sequence[Asked], error: Exception) -> int:
        """How many requests are refused, the job being unable to answer; a bug is told."""
        is_told = isinstance(error, UserError | StatementFailed)
        sentence = str(error) if is_told else f"a bug: {type(error).__name__}"
        with self._session.transaction():
            waiting = taken or take_requests(self._session, job, max_requests=_AT_ONCE).asked
            refused = self._refuse(waiting, why=sentence)
        self._tell(job, refused, why=sentence)
        if not is_told:
            self._bugs.tell(error, job=job.name)
        return refused

    def _tell(self, job: Job, refused: int, *, why: str) -> None:
        """Log that requests were refused; once, until the job answers again or there is another reason."""
        if refused and self._told.get(job.name) != why:
            say(_log, events.REQUESTS_FAILED, job=job.name, requests=refused, error=why)
            self._told[job.name] = why

    def _refuse(self, asked: Sequence[Asked], *, why: str) -> int:
        return refuse_requests(self._session, [each.request_id for each in asked], reason=why)


def _carry(pipeline: Pipeline, session: Session, taken: Sequence[Asked]) -> tuple[int, list[int]]:
    """How many of the requests were answered or refused, and the keys of those whose entity is being scored by a batch this moment."""
    job, session, steps = pipeline.job, pipeline.session, StepTimer()
    as_of = taken[0].as_of
    there = find_asked(session, job, [*{each.entity_id for each in taken}], as_of=as_of)
    absent = [each.request_id for each in taken if each.entity_id not in there]
    if absent:
        refuse_requests(session, absent, reason=f"there is no such {job.entity} to score at this time")
    items = hold_asked(session, job, there)
    ours = {item.entity_id for item in items}
    left = [each.request_id for each in taken if each.entity_id in there and each.entity_id not in ours]
    if not items:
        return len(absent), left
    run = begin_run(
        session, job, model_version=pipeline.model.manifest.model_version, trigger=Trigger.REQUEST, as_of=as_of
    )
    steps.end("claim")

    judged = score_batch(pipeline, run, items, steps=steps)
    record(pipeline, run, replace(judged, results=_found_something(judged.results)), steps=steps)
    ended = how_ended(items, judged)
    answers = [(each, ended[each.entity_id].value) for each in taken if each.entity_id in ended]
    acknowledge_requests(session, job, run, answers)
    finish_answers(session, run, judged.counts)
    write_back(session, job, max_waiting=0)
    return len(answers) + len(absent), left


def _found_something(results: Iterable[RuleResult]) -> tuple[RuleResult, ...]:
    """Those that are worth a row of their own for each answer: a scheduled run records all rules, by the thousand entities."""
    return tuple(result for result in results if result.unexpected or not result.success)


def how_ended(items: Sequence[WorkItem], judged: BatchResult) -> dict[str, Status]:
    """How each of `items` ended, by entity: as its new outcome says, or, where nothing new had to be written, as the one that stands."""
    new = {outcome.entity_id: outcome.status for outcome in judged.new_outcomes}
    return {item.entity_id: new.get(item.entity_id) or _standing(item) for item in items}


def _standing(item: WorkItem) -> Status:
    if item.previous is None:
        raise AssertionError("an entity without an outcome has none that stands")
    return Status.UNCHANGED if item.previous.status is Status.SCORED else item.previous.status
