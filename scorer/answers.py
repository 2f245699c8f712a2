"""Scores on demand: waiting requests of one job are answered together, in one transaction with their scores.

    take -> find -> hold -> judge -> record -> acknowledge -> write back          (one micro-batch, one transaction, one run)

A crash rolls all of it back, and the requests still wait; none is ever done without its row in the ledger. Nothing here waits for what
others hold: an entity that a scheduled batch is scoring this moment is asked for again at the next call, and one that merely waits for a
batch is taken before it, which then finds it unchanged.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from scorer import events
from scorer.config import Settings
from scorer.connection import Target
from scorer.desk import Asked, Desk
from scorer.errors import DatabaseUnavailable, RunStopped, UserError
from scorer.job import Job
from scorer.judgement import Judgement
from scorer.lines import close_line, open_line
from scorer.log import say
from scorer.pipeline import Line, judge_all, record
from scorer.source import Source
from scorer.steps import Steps
from scorer.store import Store
from scorer.types import Status, Trigger, WorkItem

_log = logging.getLogger(__name__)

_AT_ONCE = 500  # requests that are answered together
_TRIES = 2
# A desk that stops in the middle of an answer lets go of what it holds after this time, by the server's hand.
_IDLE = timedelta(seconds=30)
# For so long a request of a job that this desk does not know is left to another daemon, which may know it.
_PATIENCE = timedelta(minutes=1)


class Answers:
    """A desk that answers requests for the jobs it knows, with a line kept warm for each; used by one thread."""

    def __init__(self, *, url: str, settings: Settings, jobs: Iterable[Job]) -> None:
        self._url, self._settings = url, settings
        target = Target.of(url, settings, role=settings.worker_role)
        self._store = Store(replace(target, idle_timeout=min(target.idle_timeout, _IDLE)))
        self._source = Source(target)
        self._desk = Desk(self._store)
        self._lines: dict[str, Line] = {}
        self._jobs: dict[str, Job] = {}
        self._told: dict[str, str] = {}
        self.reload(jobs)

    def close(self) -> None:
        """End the sessions; they are opened again when there is something to do."""
        self._store.close()
        self._source.close()

    def reload(self, jobs: Iterable[Job]) -> None:
        """Know `jobs` from now on; a line whose job has changed is opened anew when it is next needed."""
        self._jobs = {job.name: job for job in jobs}
        kept = {name: line for name, line in self._lines.items() if self._jobs.get(name) == line.job}
        self._lines = kept

    def warm(self) -> None:
        """Open every job's line, with the model now in production, so that no request need wait for that; for a call now and then.

        Raises UserError where a line cannot be opened, once the others are.
        """
        refused: UserError | None = None
        with self._in_new_sessions_after_failure():
            for job in self._jobs.values():
                try:
                    self._refresh(job)
                except DatabaseUnavailable:
                    raise
                except UserError as error:
                    refused = refused or error
        if refused is not None:
            raise refused

    def answer_waiting(self) -> int:
        """How many requests were answered or refused, all of one job, in one transaction; 0 where none waits that can be answered now.

        Raises DatabaseUnavailable where the database fails: the requests still wait. Where a job cannot answer, its requests are refused
        with the reason; so they are where there is a bug, which is raised after that.
        """
        with self._in_new_sessions_after_failure():
            return next(filter(None, map(self._answer, self._asked_jobs())), 0)

    def refuse_strangers(self) -> int:
        """How many requests of jobs that no daemon knew for a minute were refused; for a call now and then."""
        with self._in_new_sessions_after_failure(), self._store.transaction():
            refused = self._desk.refuse_strangers(self._jobs, patience=_PATIENCE)
        for request_id, job in refused:
            say(_log, events.REQUEST_REFUSED, request_id=request_id, job=job, reason="no daemon knows the job")
        return len(refused)

    def ask_for_arrivals(self) -> int:
        """How many requests were made for entities of which new observations enough have arrived (see a job's new_observations.sql)."""
        asked = 0
        with self._in_new_sessions_after_failure():
            for job in self._jobs.values():
                if "new_observations" in job.statements:
                    with self._store.transaction():
                        asked += self._desk.ask_for_arrivals(job)
        return asked

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
        with self._store.transaction():
            return [self._jobs[name] for name in self._desk.list_asked_jobs(self._jobs)]

    def _answer(self, job: Job) -> int:
        """How many requests of a job were answered or refused; tried again on a line opened anew, where the first try raised."""
        raised: Exception | None = None
        taken: list[Asked] = []
        for _ in range(_TRIES):
            taken.clear()
            try:
                line = self._line(job)
                answered = _answer_together(line, self._desk, taken)
            except DatabaseUnavailable:
                raise
            except RunStopped as stopped:
                return self._stop(line, taken, stopped)
            except Exception as error:  # noqa: BLE001 - the edge of a run: the requests are told, and a bug is raised
                raised = error
            else:
                if answered is not None:
                    self._told.pop(job.name, None)
                    return answered
            self._lines.pop(job.name, None)
            self.close()
        return self._give_up(job, taken, raised) if raised is not None else 0

    def _line(self, job: Job) -> Line:
        """The job's line, warm."""
        if job.name not in self._lines:
            opened = open_line(job, url=self._url, settings=self._settings)
            close_line(opened)
            # One session of each kind for all jobs: there is one thread.
            line = replace(opened, store=self._store, source=self._source)
            with self._store.transaction():
                self._store.register_job_version(
                    job
                )  # not while answering: that could wait for a run that waits for the answer
            self._lines[job.name] = line
        return self._lines[job.name]

    def _refresh(self, job: Job) -> None:
        line = self._line(job)
        with self._store.transaction():
            current = _has_production_model(line)
        if not current:
            del self._lines[job.name]
            self._line(job)

    def _stop(self, line: Line, taken: Sequence[Asked], stopped: RunStopped) -> int:
        """How many requests are refused, a rule having stopped their run, which is recorded as failed."""
        job, store = line.job, self._store
        with store.transaction():
            refused = self._refuse(taken, why=str(stopped))
            run = store.begin_run(
                job,
                model_version=line.model.manifest.model_version,
                trigger=Trigger.REQUEST,
                as_of=taken[0].as_of,
            )
            store.end_run(run.run_id, error=str(stopped))
            store.record_validation(run, batch_id=None, results=stopped.results)
        self._tell(job, refused, why=str(stopped))
        return refused

    def _give_up(self, job: Job, taken: Sequence[Asked], error: Exception) -> int:
        """How many requests are refused, the job being unable to answer; raises what is a bug after that."""
        sentence = str(error) if isinstance(error, UserError) else f"a bug: {type(error).__name__}"
        with self._store.transaction():
            refused = self._refuse(taken or self._desk.take_requests(job, max_requests=_AT_ONCE), why=sentence)
        self._tell(job, refused, why=sentence)
        if not isinstance(error, UserError):
            raise error
        return refused

    def _tell(self, job: Job, refused: int, *, why: str) -> None:
        """Log that requests were refused; once, until the job answers again or there is another reason."""
        if refused and self._told.get(job.name) != why:
            say(_log, events.REQUESTS_FAILED, job=job.name, requests=refused, error=why)
            self._told[job.name] = why

    def _refuse(self, asked: Sequence[Asked], *, why: str) -> int:
        return self._desk.refuse_requests([each.request_id for each in asked], reason=why)


def _answer_together(line: Line, desk: Desk, taken: list[Asked]) -> int | None:
    """How many requests were answered in one transaction; None where the line's model is no longer the one in production.

    `taken` is told which were taken, for whoever must refuse them if this raises.
    """
    with line.store.transaction():
        taken += desk.take_requests(line.job, max_requests=_AT_ONCE)
        if taken and not _has_production_model(line):
            return None
        answered = _carry(line, desk, taken) if taken else 0
    if answered:
        say(_log, events.REQUESTS_ANSWERED, job=line.job.name, requests=answered)
    return answered


def _has_production_model(line: Line) -> bool:
    """Whether the line's model is the one that is in production, in the transaction that is open."""
    manifest = line.model.manifest
    return line.store.production_model(line.job.name) == (manifest.model_version, manifest.sha256)


def _carry(line: Line, desk: Desk, taken: Sequence[Asked]) -> int:
    """How many of the requests were answered or refused, in the transaction that is open."""
    job, store, steps = line.job, line.store, Steps()
    as_of = taken[0].as_of
    there = desk.find_asked(job, [*{each.entity_id for each in taken}], as_of=as_of)
    absent = [each.request_id for each in taken if each.entity_id not in there]
    if absent:
        desk.refuse_requests(absent, reason=f"there is no such {job.entity} to score at this time")
    items = desk.hold_asked(job, there)
    if not items:
        return len(absent)
    run = store.begin_run(job, model_version=line.model.manifest.model_version, trigger=Trigger.REQUEST, as_of=as_of)
    steps.end("claim")

    judged = judge_all(line, run, items, steps=steps)
    record(line, run, judged, steps=steps)
    ended = how_ended(items, judged)
    answers = [(each, ended[each.entity_id].value) for each in taken if each.entity_id in ended]
    desk.acknowledge_requests(job, run, answers)
    desk.finish_answers(run, judged.counts)
    store.write_back(job, max_waiting=0)
    return len(answers) + len(absent)


def how_ended(items: Sequence[WorkItem], judged: Judgement) -> dict[str, Status]:
    """How each of `items` ended, by entity: as its new outcome says, or, where nothing new had to be written, as the one that stands."""
    new = {outcome.entity_id: outcome.status for outcome in judged.new_outcomes}
    return {item.entity_id: new.get(item.entity_id) or _standing(item) for item in items}


def _standing(item: WorkItem) -> Status:
    if item.previous is None:
        raise AssertionError("an entity without an outcome has none that stands")
    return Status.UNCHANGED if item.previous.status is Status.SCORED else item.previous.status
