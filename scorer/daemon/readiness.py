"""A loop that checks what must hold before the daemon claims anything, or takes on a reload."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace

from scorer.checks.check import check
from scorer.checks.result import CheckResult
from scorer.config import Settings
from scorer.daemon.loop import Loop
from scorer.database.connection import Database
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.store.status import list_switches
from scorer.errors import UserError
from scorer.jobs.enabling import enabled_jobs, not_enabled
from scorer.jobs.job import Job, job_names, load_scheduled
from scorer.log import events
from scorer.log.logger import say

_log = logging.getLogger(__name__)
# Seconds between two checks while something does not hold, and between two looks at which jobs are enabled.
_LONGEST_PAUSE = 60.0


@dataclass(frozen=True, slots=True)
class Readiness:
    """What a check found.

    jobs      those that are sound by these settings
    broken    by name of the job, what does not hold of it
    not_run   by name of the job, why it is not run here
    disabled  by name of the job, that it is not enabled
    blocked   what keeps every job from running, first; None where nothing does
    warned    what does not hold, and keeps no job from running
    partial   whether only jobs were looked at that could not run before
    """

    settings: Settings
    jobs: tuple[Job, ...] = ()
    broken: Mapping[str, str] = field(default_factory=dict)
    not_run: Mapping[str, str] = field(default_factory=dict)
    disabled: Mapping[str, str] = field(default_factory=dict)
    blocked: str | None = None
    warned: tuple[CheckResult, ...] = ()
    of_reload: bool = False
    partial: bool = False


class ReadinessLoop(Loop):
    """Checks when the daemon starts, again and again until every job can run, and at each reload.

    It checks, too, when a job was enabled or disabled.
    """

    def __init__(self, *, database: Database, reload_settings: Callable[[], Settings]) -> None:
        super().__init__("gate", database=database)
        self._reload_settings = reload_settings
        self._reload = False
        self._passed = False
        self._waits: frozenset[str] = frozenset()  # jobs that cannot run, and may be able to later
        self._switches: Mapping[str, bool] = {}  # by name, whether a job was last enabled or disabled
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
        switches = self._read_switches()
        changed, self._switches = switches != self._switches, switches
        if self._passed and not of_reload and not self._waits and not changed:
            return _LONGEST_PAUSE
        partial = self._passed and not of_reload and not changed
        found = self._checked(of_reload=of_reload, among=self._waits if partial else None)
        if found.blocked is None:
            if of_reload or (found.jobs and not self._passed):
                self._pause = self.settings.poll.total_seconds()
            self._passed = self._passed or bool(found.jobs)
            self.adopt(found.settings)
            self._waits = _waiting(found)
        elif self._passed and not of_reload:
            self._switches = {} if changed else self._switches  # look again
            return self._next_pause()  # a database that is gone is told by the loops that need it
        self._found.put(found)
        return self._next_pause() if self._waits or not self._passed else _LONGEST_PAUSE

    def _next_pause(self) -> float:
        pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE)
        return pause

    def _read_switches(self) -> Mapping[str, bool]:
        """Read, by name, whether each job that was ever switched is enabled.

        Where the database cannot be asked, it is as read before.
        """
        try:
            target = self.database.as_worker()
            with closing(ReadOnlySession(target, patience=self.settings.connect_timeout)) as session:
                return list_switches(session)
        except UserError:
            return self._switches

    def _checked(self, *, of_reload: bool, among: frozenset[str] | None) -> Readiness:
        settings = self.settings
        try:
            if of_reload:
                settings = self._changed_settings()
            results = list(check(database=replace(self.database, settings=settings), among=among))
            failed = [each for each in results if not each.holds]
            broken = {each.job: each.found for each in reversed(failed) if each.blocks and each.job}
            not_run = {
                each.job: each.found.removeprefix("not run here: ") for each in results if not each.runs and each.job
            }
            sound = {each.job for each in results if each.job} - set(broken) - set(not_run)
            names = job_names(settings.jobs_dir)
            enabled = enabled_jobs(self._switches, jobs_dir=settings.jobs_dir)
            return Readiness(
                settings=settings,
                disabled={name: not_enabled(name) for name in names if name not in enabled},
                jobs=tuple(load_scheduled(name, settings=settings) for name in sorted(sound)),
                broken=broken,
                not_run=not_run,
                blocked=next((f"{each.name}: {each.found}" for each in failed if each.blocks and not each.job), None),
                warned=tuple(each for each in failed if not each.blocks),
                of_reload=of_reload,
                partial=among is not None,
            )
        except UserError as error:
            blocked = str(error)
        except Exception as error:  # noqa: BLE001 - what is broken must not end the service that stands
            say(_log, events.BUG, raised=error)
            blocked = f"a bug: {type(error).__name__}"
        return Readiness(settings=settings, blocked=blocked, of_reload=of_reload)

    def _changed_settings(self) -> Settings:
        """The settings as they stand now. Raises UserError where one has changed that needs a restart."""
        settings = self._reload_settings()
        for name in ("database_url", "home", "read_url", "health_address", "worker_role", "log_format"):
            if getattr(settings, name) != getattr(self.settings, name):
                raise UserError(f"{name} has changed, which a reload cannot take on; restart the service.")
        return settings


def _waiting(found: Readiness) -> frozenset[str]:
    """The jobs to look at again: what is broken may be mended, a table made, a model promoted."""
    return frozenset(found.broken) | (frozenset(found.not_run) if found.settings.jobs is None else frozenset())
