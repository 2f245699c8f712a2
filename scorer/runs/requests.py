"""Scores on demand: what waits of a job is answered in one transaction with its scores.

    take -> find -> hold -> score -> record -> write back -> acknowledge          (one micro-batch, one transaction, one run)

A crash rolls all of it back, and the requests still wait; none is ever done without its row in the ledger. Nothing here waits for what
others hold: an entity that a scheduled batch is scoring this moment is passed over and asked for again a moment later, and one that merely
waits for a batch is taken before it, which then finds it unchanged. A cohort is answered portion by portion, in turn with requests of one
entity: these wait for one portion at the most.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from scorer.database.connection import Database
from scorer.database.session import Session
from scorer.database.source.reader import Source
from scorer.database.store.batches import lock_against_recalls, record_validation
from scorer.database.store.models import read_challenge
from scorer.database.store.requests import (
    Asked,
    Ending,
    Taken,
    ask_for_arrivals,
    expire_requests,
    list_asked_jobs,
    list_strange_jobs,
    refuse_left_out,
    refuse_requests,
    refuse_strangers,
    take_members,
    take_requests,
)
from scorer.database.store.runs import begin_run, end_run, register_job_version
from scorer.errors import DatabaseUnavailable, DataRefused, RunStopped, StatementFailed, UserError
from scorer.jobs.job import Job
from scorer.log import events
from scorer.log.bug_reports import BugReports
from scorer.log.logger import say
from scorer.runs.answers.carry import REFUSED, Carried, carry, end_members, found_something
from scorer.scoring.opening import Pipeline, open_pipeline
from scorer.types.enums import Trigger

_log = logging.getLogger(__name__)

_AT_ONCE = 500  # requests that are answered together
_PORTION = 200  # entities of a cohort that are
_TRIES = 2
# What a process that stops in the middle of an answer holds is released after this time, by the server.
_IDLE = timedelta(seconds=30)
# A request of a job that this process does not know is left to another daemon, which may know it. After the first time that is logged;
# after the second it is refused, so that a daemon that knows the job has the time to be restarted.
_STRANGE, _PATIENCE = timedelta(minutes=5), timedelta(hours=1)
# One of a job that this process knows and does not run is refused sooner, unless another daemon runs it: time enough for that to restart.
_LEFT_OUT = timedelta(minutes=1)
# Seconds until a request that could not be taken is looked at again, while others are answered.
_PASSED_OVER = 0.2


class RequestAnswering:
    """Answers requests for the jobs it knows, with a pipeline kept open for each; used by one thread."""

    def __init__(self, *, database: Database, jobs: Iterable[Job]) -> None:
        self._database = database
        target = database.as_worker()
        self._session = Session(replace(target, idle_timeout=min(target.idle_timeout, _IDLE)))
        self._source = Source(target)
        self._pipelines: dict[str, Pipeline] = {}
        self._jobs: dict[str, Job] = {}
        self._reason_logged: dict[str, str] = {}
        self._bugs = BugReports()
        self._strange: set[str] = set()
        # By job, and whether of cohorts: the requests, or entities, that could not be taken at this look.
        self._held: dict[tuple[str, bool], set[int | str]] = {}
        self._all_held: set[str] = set()  # the jobs of which no request could
        self._held_at = 0.0
        self._cohorts: dict[str, bool] = {}  # by job of which a cohort waits, whether it is that one's turn
        self.holds_back = False
        self.reload(jobs)

    def close(self) -> None:
        """End the sessions; they are opened again when there is something to do."""
        self._session.close()
        self._source.close()

    def reload(self, jobs: Iterable[Job]) -> None:
        """Know `jobs` from now on; the pipeline of a changed job is opened anew when it is next needed."""
        self._jobs = {job.name: job for job in jobs}
        kept = {name: pipeline for name, pipeline in self._pipelines.items() if self._jobs.get(name) == pipeline.job}
        self._pipelines = kept

    def warm(self) -> None:
        """Open every job's pipeline, with the model now in production, so that no request waits for that.

        Raises UserError where a pipeline cannot be opened, once the others are; bugs are logged.
        """
        self._for_each_job(self._refresh)

    def answer_waiting(self) -> int:
        """Answer or refuse waiting requests of one job, in one transaction. Returns how many.

        Where none can be answered now it returns 0, and `holds_back` says whether any waits that could not be taken this moment, and is
        to be looked at again soon. Where a job cannot answer, its requests are refused with the reason, which is logged once, as a bug
        is. Raises DatabaseUnavailable where the database fails: the requests still wait.
        """
        if time.monotonic() - self._held_at > _PASSED_OVER:
            self._forget_held()
        with self._in_new_sessions_after_failure():
            for job in self._asked_jobs():
                if answered := self._answer_some(job):
                    return answered
        self.holds_back = bool(self._held or self._all_held)
        self._forget_held()
        return 0

    def refuse_strangers(self, left_out: Mapping[str, str]) -> int:
        """Refuse requests of jobs that no daemon has known for an hour. Returns how many.

        That such requests wait is logged once, after some minutes. Those of jobs that are `left_out` here are refused with that reason
        after a minute, unless another daemon runs the job.
        """
        with self._in_new_sessions_after_failure(), self._session.transaction():
            of_left_out = refuse_left_out(self._session, left_out, patience=_LEFT_OUT) if left_out else []
            refused = refuse_strangers(self._session, self._jobs, patience=_PATIENCE)
            strange = list_strange_jobs(self._session, self._jobs, patience=_STRANGE)
        for job in strange.keys() - self._strange:
            say(_log, events.REQUESTS_STRANGE, job=job, requests=strange[job])
        self._strange = set(strange)
        for request_id, job in refused:
            say(_log, events.REQUEST_REFUSED, request_id=request_id, job=job, reason="no daemon knows the job")
        for request_id, job in of_left_out:
            say(_log, events.REQUEST_REFUSED, request_id=request_id, job=job, reason=left_out[job])
        return len(refused) + len(of_left_out)

    def expire(self) -> int:
        """Mark the requests whose deadline has passed as expired. Returns how many."""
        with self._in_new_sessions_after_failure(), self._session.transaction():
            expired = expire_requests(self._session)
        for job, requests in expired.items():
            say(_log, events.REQUESTS_EXPIRED, job=job, requests=requests)
        return sum(expired.values())

    def ask_for_arrivals(self) -> int:
        """Make a request for each entity with enough new observations. Returns how many.

        How many are enough is said in a job's new_observations.sql. Raises UserError where that cannot be done for a job, once it is done
        for the others; bugs are logged.
        """
        asked: list[int] = []

        def ask(job: Job) -> None:
            if "new_observations" in job.statements:
                with self._session.transaction():
                    asked.append(ask_for_arrivals(self._session, job))

        self._for_each_job(ask)
        return sum(asked)

    def _for_each_job(self, do: Callable[[Job], None]) -> None:
        """Do it for every job, whatever it raises for the others."""
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
                    self._bugs.report(error, job=job.name)
        if refused is not None:
            raise refused

    def _forget_held(self) -> None:
        self._held, self._all_held, self._held_at = {}, set(), time.monotonic()

    @contextmanager
    def _in_new_sessions_after_failure(self) -> Iterator[None]:
        try:
            yield
        except DatabaseUnavailable:
            self.close()
            raise

    def _asked_jobs(self) -> list[Job]:
        """The jobs of which requests wait; a job that is the only one, and open, in any case."""
        if len(self._jobs) == 1 and self._pipelines:
            return list(self._jobs.values())
        with self._session.transaction():
            return [self._jobs[name] for name in list_asked_jobs(self._session, self._jobs)]

    def _answer_some(self, job: Job) -> int:
        """Answer or refuse requests of one entity, or a portion of a cohort, in turn. Returns how many."""
        for of_cohort in (True, False) if self._cohorts.get(job.name) else (False, True):
            if of_cohort and job.name not in self._cohorts:
                continue
            if answered := self._answer_past_held(job, of_cohort=of_cohort):
                if job.name in self._cohorts:
                    self._cohorts[job.name] = not of_cohort
                return answered
        return 0

    def _answer_past_held(self, job: Job, *, of_cohort: bool) -> int:
        """Answer or refuse what can be taken, past what cannot be this moment. Returns how many."""
        kind = (job.name, of_cohort)
        while True:
            held = self._held.get(kind, set())
            passed_over = len(held)
            answered = self._answer(job, of_cohort=of_cohort)
            if answered or len(self._held.get(kind, held)) == passed_over:
                return answered

    def _answer(self, job: Job, *, of_cohort: bool) -> int:
        """Answer or refuse what is taken; a first try that raises is repeated with a new pipeline.

        Returns how many were answered or refused.
        """
        raised: Exception | None = None
        taken: list[Asked] = []
        tries, at_once = _TRIES, _PORTION if of_cohort else _AT_ONCE
        while tries:
            taken.clear()
            try:
                pipeline = self._pipeline_of(job)
                answered = self._answer_together(pipeline, taken, of_cohort=of_cohort, at_once=at_once)
            except DatabaseUnavailable:
                raise
            except DataRefused as error:
                if len(taken) > 1:  # the others are not refused for the sake of one
                    at_once = len(taken) // 2
                    continue
                return self._give_up(job, taken, error, of_cohort=of_cohort)
            except RunStopped as stopped:
                return self._stop(pipeline, taken, stopped)
            except Exception as error:  # noqa: BLE001 - the edge of a run: the requests get the reason, and a bug is logged
                raised = error
            else:
                if answered:
                    self._reason_logged.pop(job.name, None)
                if answered is not None:
                    return answered
            tries -= 1
            self._pipelines.pop(job.name, None)
            self.close()
        return self._give_up(job, taken, raised, of_cohort=of_cohort) if raised is not None else 0

    def _take(self, job: Job, *, of_cohort: bool, at_once: int) -> Taken:
        """Take what waits and is not passed over, in the open transaction."""
        held = self._held.get((job.name, of_cohort), set())
        if of_cohort:
            entities = [each for each in held if isinstance(each, str)]
            return take_members(self._session, job, max_entities=at_once, passed_over=entities)
        keys = [each for each in held if isinstance(each, int)]
        taken = take_requests(self._session, job, max_requests=at_once, passed_over=keys)
        if taken.cohort_waits:
            self._cohorts.setdefault(job.name, False)
        else:
            self._cohorts.pop(job.name, None)
        return taken

    def _answer_together(self, pipeline: Pipeline, taken: list[Asked], *, of_cohort: bool, at_once: int) -> int | None:
        """Answer up to `at_once` requests, or entities of a cohort, in one transaction. Returns how many.

        It is None where another model is in production. What was taken is added to `taken`, so that the caller can refuse it if this
        raises.
        """
        job = pipeline.job
        with pipeline.session.transaction():
            lock_against_recalls(pipeline.session, job, model_version=pipeline.model.manifest.model_version, run=None)
            took = self._take(job, of_cohort=of_cohort, at_once=at_once)
            taken += took.asked
            ready = pipeline.for_batch() if taken else pipeline
            if ready is None:
                return None
            carried = carry(ready, self._session, taken) if taken else Carried(0)
        if took.blocked:
            self._all_held.add(job.name)
        if held := {*took.held, *carried.left}:
            self._held.setdefault((job.name, of_cohort), set()).update(held)
        if carried.ended:
            say(_log, events.REQUESTS_ANSWERED, job=job.name, requests=carried.ended)
        if carried.expired:
            say(_log, events.REQUESTS_EXPIRED, job=job.name, requests=carried.expired)
        return carried.ended

    def _pipeline_of(self, job: Job) -> Pipeline:
        """The job's pipeline, open."""
        if job.name not in self._pipelines:
            opened = open_pipeline(job, database=self._database)
            opened.close()
            # One session of each kind for all jobs: there is one thread.
            pipeline = replace(opened, session=self._session, source=self._source)
            # Not while answering: that could wait for a run that waits for the answer.
            with self._session.transaction():
                register_job_version(self._session, job)
            self._pipelines[job.name] = pipeline
        return self._pipelines[job.name]

    def _refresh(self, job: Job) -> None:
        pipeline = self._pipeline_of(job)
        with self._session.transaction():
            current = (
                pipeline.for_batch() is not None and read_challenge(pipeline.session, job.name) == pipeline.challenge
            )
        if not current:
            del self._pipelines[job.name]
            self._pipeline_of(job)

    def _stop(self, pipeline: Pipeline, taken: Sequence[Asked], stopped: RunStopped) -> int:
        """Refuse requests whose run a rule has stopped, and record that run as failed. Returns how many."""
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
            record_validation(session, run, batch_id=None, results=found_something(stopped.results))
        self._log_refusal(job, refused, why=str(stopped))
        return refused

    def _give_up(self, job: Job, taken: Sequence[Asked], error: Exception, *, of_cohort: bool) -> int:
        """Refuse requests that the job cannot answer; a bug is logged. Returns how many.

        A cohort is refused as a whole, but for one entity whose data alone cannot be taken.
        """
        is_sentence = isinstance(error, UserError | StatementFailed)
        sentence = str(error) if is_sentence else f"a bug: {type(error).__name__}"
        with self._session.transaction():
            if of_cohort and taken and isinstance(error, DataRefused):
                end_members(self._session, job, taken[0].request_id, [Ending(taken[0].entity_id, REFUSED, sentence)])
                return 1
            waiting = taken or self._take(job, of_cohort=of_cohort, at_once=1 if of_cohort else _AT_ONCE).asked
            refused = self._refuse(waiting, why=sentence)
        self._log_refusal(job, refused, why=sentence)
        if not is_sentence:
            self._bugs.report(error, job=job.name)
        return refused

    def _log_refusal(self, job: Job, refused: int, *, why: str) -> None:
        """Log that requests were refused; once, until the job answers again or there is another reason."""
        if refused and self._reason_logged.get(job.name) != why:
            say(_log, events.REQUESTS_FAILED, job=job.name, requests=refused, error=why)
            self._reason_logged[job.name] = why

    def _refuse(self, asked: Sequence[Asked], *, why: str) -> int:
        return refuse_requests(self._session, [*{each.request_id for each in asked}], reason=why)
