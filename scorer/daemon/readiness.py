"""A loop that checks what must hold before the daemon claims anything, or takes on a reload."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable
from dataclasses import dataclass, replace

from scorer.checks.check import check
from scorer.config import Settings
from scorer.daemon.loop import Loop
from scorer.database.connection import Database
from scorer.errors import UserError
from scorer.jobs.job import Job, load_job
from scorer.log import events
from scorer.log.logger import say

_log = logging.getLogger(__name__)
_LONGEST_PAUSE = 60.0  # seconds between two checks while something does not hold
_IDLE = 3600.0


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a check found: the jobs that are sound by these settings, and what does not hold first."""

    settings: Settings
    jobs: tuple[Job, ...]
    broken: str | None
    of_reload: bool


class ReadinessLoop(Loop):
    """Checks when the daemon starts, again and again until everything holds, and at each reload."""

    def __init__(self, *, database: Database, reload_settings: Callable[[], Settings]) -> None:
        super().__init__("gate", database=database)
        self._reload_settings = reload_settings
        self._reload = False
        self._passed = False
        self._pause = database.settings.poll.total_seconds()
        self._found: queue.SimpleQueue[Readiness] = queue.SimpleQueue()

    def close(self) -> None:
        """Nothing is open between two checks."""

    def check_reload(self) -> None:
        """Read settings and jobs anew, and check whether they hold."""
        self._reload = True
        self.wake()

    def take(self) -> Readiness | None:
        """Return what was found since the last call; None where nothing was."""
        try:
            return self._found.get_nowait()
        except queue.Empty:
            return None

    def step(self) -> float:
        """Check, where there is a reason to. Returns the seconds until the next step."""
        of_reload, self._reload = self._reload, False
        if self._passed and not of_reload:
            return _IDLE
        found = self._checked(of_reload=of_reload)
        if found.broken is None:
            self._passed = True
            self.adopt(found.settings)
        self._found.put(found)
        if self._passed:
            return _IDLE
        pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE)
        return pause

    def _checked(self, *, of_reload: bool) -> Readiness:
        settings = self.settings
        try:
            if of_reload:
                settings = self._changed_settings()
            results = list(check(database=replace(self.database, settings=settings)))
            blocking = [each for each in results if not each.holds and each.blocks]
            sound = {each.job for each in results if each.job} - {each.job for each in blocking}
            jobs = tuple(load_job(name, jobs_dir=settings.jobs_dir) for name in sorted(filter(None, sound)))
            broken = next((f"{each.name}: {each.found}" for each in blocking), None)
        except UserError as error:
            return Readiness(settings=settings, jobs=(), broken=str(error), of_reload=of_reload)
        except Exception as error:  # noqa: BLE001 - what is broken must not end the service that stands
            say(_log, events.BUG, raised=error)
            return Readiness(settings=settings, jobs=(), broken=f"a bug: {type(error).__name__}", of_reload=of_reload)
        return Readiness(settings=settings, jobs=jobs, broken=broken, of_reload=of_reload)

    def _changed_settings(self) -> Settings:
        """The settings as they stand now. Raises UserError where one has changed that needs a restart."""
        settings = self._reload_settings()
        for name in ("database_url", "home", "read_url", "health_address", "worker_role", "log_format"):
            if getattr(settings, name) != getattr(self.settings, name):
                raise UserError(f"{name} has changed, which a reload cannot take on; restart the service.")
        return settings
