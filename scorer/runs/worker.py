"""One worker: carries batches one by one, through promotions of models and failures of the database.

Between batches it gives way to the database's other users, where limits for them are set.
"""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from scorer.database.connection import Database
from scorer.database.store.runs import hold_run, is_waiting, list_unfinished_runs
from scorer.database.store.server import ServerLoad, mark_position, read_server_load
from scorer.errors import DatabaseUnavailable, Stopping, UserError
from scorer.log import events
from scorer.log.logger import say
from scorer.runs.neighbour import Governor, Neighbour
from scorer.scoring.opening import Pipeline, open_pipeline
from scorer.scoring.pipeline import ModelChanged, carry_batch
from scorer.types.values import Counts, Progress, Run

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")
_POLL_SECONDS = 0.2
_COLLECTED_AFTER = (100_000, 20, 20)
_PROMOTIONS = 5  # within one batch: more are a mistake
OPENING = threading.Lock()  # Great Expectations' parts, and a model that is loaded, are not for two threads at once


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What the caller of a run is called with while it lasts, and how the caller ends it.

    `progress` is called with the entities that are done and their total, `watch` with the name of each step as it ends. Once `stopping`
    is true, the run ends after the batch in hand, by Stopping. With `quiet`, the caller logs a failure itself.
    """

    progress: Progress | None = None
    watch: Callable[[str], None] | None = None
    stopping: Callable[[], bool] = _never
    quiet: bool = False


NO_HOOKS = Hooks()


class Worker:
    """Carries batches of a job's runs, through failures of the database; used by one thread."""

    def __init__(self, pipeline: Pipeline, *, database: Database, workers: int = 1, hooks: Hooks = NO_HOOKS) -> None:
        """`workers` is how many are to carry a run that this one begins."""
        # A batch makes and frees a hundred thousand objects, none of them in a circle: Python need not look for circles so often.
        gc.set_threshold(*_COLLECTED_AFTER)
        self.pipeline, self.database, self.workers, self.hooks = pipeline, database, workers, hooks
        self.governor = Governor(Neighbour.of(database.settings), look=self._read_server_load, pause=self.rest)
        self._followed: int | None = None  # the run for which the standby has caught up

    def close(self) -> None:
        """End the pipeline's sessions; they are opened again when they are used."""
        self.pipeline.close()

    def carry_one(self, run: Run, *, size: int | None = None) -> Counts | None:
        """Carry one batch, as large as the limits of a good neighbour allow.

        Returns its counts; None where nothing was left to claim.
        """
        self._follow(run)
        size = size or self.pipeline.batch_size
        if self.governor.needed and self._is_waiting(run):
            size = self.governor.batch_size(run, full=size)
        return self.carry_exactly(run, size=size)

    def carry_exactly(self, run: Run, *, size: int) -> Counts | None:
        """Carry one batch of `size`, by the model that is in production at its commit.

        Returns its counts; None where nothing was left to claim. Raises UserError where models are promoted faster than they are loaded.
        """
        for _ in range(_PROMOTIONS):
            try:
                return carry_batch(replace(self.pipeline, batch_size=size), run, watch=self.hooks.watch)
            except ModelChanged:
                self._adopt(run)
        raise UserError(f"Other models of {run.job} went into production as fast as they were loaded; run it again.")

    def help_others(self) -> None:
        """Carry batches of the scheduled runs that other processes have begun, until none is left to claim."""
        session = self.pipeline.session
        with session.transaction():
            unfinished = list_unfinished_runs(session, self.pipeline.job)
        for run in unfinished:
            if run.trigger.by_schedule:
                while not self.hooks.stopping() and self.carry_one(run) is not None:
                    pass

    def with_retries(self, action: Callable[[], _Result], *, run: Run | None = None) -> _Result:
        """Do `action`; where the database fails, wait and do it again, in new sessions. Returns its result.

        The new session takes the lock of `run`, which the old one lost. Raises DatabaseUnavailable after the last try.
        """
        for wait in self.database.settings.retry_waits:
            try:
                return action()
            except DatabaseUnavailable as error:
                say(_log, events.DATABASE_RETRIED, seconds=round(wait, 1), sqlstate=error.sqlstate)
            self.close()
            self.rest(wait)
            self._hold_again(run)
        return action()

    def rest(self, seconds: float = _POLL_SECONDS) -> None:
        """Wait, showing life. Raises Stopping where the run is to end."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.stop_if_asked()
            self.show("wait")
            time.sleep(min(left, _POLL_SECONDS))

    def stop_if_asked(self) -> None:
        """Raises Stopping where the run is to end."""
        if self.hooks.stopping():
            raise Stopping

    def show(self, step: str) -> None:
        """Call the hook `watch` with a step that has ended."""
        if self.hooks.watch is not None:
            self.hooks.watch(step)

    def _adopt(self, run: Run) -> None:
        """Open the pipeline anew, with the model now in production, in the sessions that hold the run."""
        with OPENING:
            opened = open_pipeline(self.pipeline.job, database=self.database)
        opened.close()
        self.pipeline = replace(
            opened, session=self.pipeline.session, source=self.pipeline.source, at_a_time=self.pipeline.at_a_time
        )
        say(
            _log,
            events.MODEL_ADOPTED,
            run_id=run.run_id,
            job=run.job,
            model_version=self.pipeline.model.manifest.model_version,
        )

    def _follow(self, run: Run) -> None:
        """Before a run's first batch, have the standby, if any, catch up with the primary as it is now."""
        if self.pipeline.source.has_standby and self._followed != run.run_id:
            with self.pipeline.session.transaction():
                position = mark_position(self.pipeline.session)
            self.pipeline.source.follow(position)
            self._followed = run.run_id

    def _read_server_load(self) -> ServerLoad:
        with self.pipeline.session.transaction():
            return read_server_load(self.pipeline.session)

    def _is_waiting(self, run: Run) -> bool:
        with self.pipeline.session.transaction():
            return is_waiting(self.pipeline.session, run.run_id)

    def _hold_again(self, run: Run | None) -> None:
        """Take the run's lock in the new session; the old one lost it."""
        if run is None:
            return
        try:
            with self.pipeline.session.transaction():
                hold_run(self.pipeline.session, run.run_id)
        except DatabaseUnavailable:
            self.close()
