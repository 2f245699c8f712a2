"""What the daemon's loops share: each is a thread that takes steps, when woken or after some time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from dataclasses import replace

from scorer.config import Settings
from scorer.daemon.outage import Outage
from scorer.database.connection import Database
from scorer.errors import DatabaseUnavailable, Stopping, UserError
from scorer.jobs.job import Job
from scorer.log import events
from scorer.log.bug_reports import BugReports
from scorer.log.logger import say

_log = logging.getLogger(__name__)


class Liveness:
    """A loop's signs of life, and why it cannot do its work, if it cannot; read by other threads."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.beat_at = time.monotonic()
        self.reason: str | None = None
        self.blocked: str | None = None
        self.doing = ""

    @property
    def hindered(self) -> str | None:
        """Why the loop cannot do its work: its own reason, or that the database has blocked it for long."""
        return self.reason or self.blocked

    def beat(self, doing: str = "") -> None:
        """Show that the loop lives, and what it does."""
        self.beat_at = time.monotonic()
        self.doing = doing

    def rest(self, seconds: float) -> None:
        """Show that the loop waits for so long; no sign of life is expected before."""
        self.beat_at = time.monotonic() + seconds
        self.doing = ""


class Loop:
    """A thread that takes a step whenever it is woken or some time has passed, until the daemon stops.

    A step that raises is logged and tried again: a loop never ends by itself.
    """

    def __init__(
        self, name: str, *, database: Database, jobs: Iterable[Job] = (), outage: Outage | None = None
    ) -> None:
        """`outage` is shared with the other loops of a daemon, where there are any."""
        self.liveness = Liveness(name)
        self.database = database
        self.jobs = tuple(jobs)
        self._outage = outage or Outage()
        self._bugs = BugReports()
        self._reloaded: tuple[tuple[Job, ...], Settings] | None = None
        self._servers = self._outage.servers  # that had been left when its sessions were opened
        self._new = False  # its sessions are, since the database broke off its last step
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._live, name=name, daemon=True)

    @property
    def settings(self) -> Settings:
        """The settings that the loop keeps to."""
        return self.database.settings

    def adopt(self, settings: Settings) -> None:
        """Keep to these settings from now on; sessions that are open keep theirs."""
        self.database = replace(self.database, settings=settings)

    def reload(self, jobs: Iterable[Job] = (), *, settings: Settings) -> None:
        """Know these jobs, and keep to these settings, from the next step on."""
        self._reloaded = tuple(jobs), settings

    def start(self) -> None:
        """Begin to take steps."""
        self._thread.start()

    def wake(self) -> None:
        """Take a step now, or once more after the one in hand."""
        self._wake.set()

    def stop(self) -> None:
        """Take no further step; the one in hand ends after its batch."""
        self._stop.set()
        self._wake.set()

    def stopping(self) -> bool:
        """Whether the loop was asked to stop."""
        return self._stop.is_set()

    @property
    def lives(self) -> bool:
        """Whether its thread runs, as it does until it is asked to stop."""
        return self._thread.is_alive() or self.stopping()

    def join(self, seconds: float) -> bool:
        """Wait for the loop's end, for so many seconds at most. Returns whether it has ended."""
        self._thread.join(max(seconds, 0.0))
        return not self._thread.is_alive()

    def step(self) -> float:
        """Do what is to be done now. Returns the seconds until the next step, unless the loop is woken before.

        Raises NotImplementedError in this class: each loop has its own.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End the loop's sessions; the next step opens new ones.

        Raises NotImplementedError in this class: each loop has its own.
        """
        raise NotImplementedError

    def end(self) -> None:
        """Do what is to be done once, when the loop ends."""
        self.close()

    def _open(self) -> None:
        """Make the loop's sessions, by the settings as they are now."""

    def _take_up_reload(self) -> bool:
        """Take up what `reload` has brought: the jobs, and new sessions where the settings have changed.

        Returns whether there was a reload since the last step.
        """
        reloaded, self._reloaded = self._reloaded, None
        if reloaded is None:
            return False
        self.jobs, settings = reloaded
        if settings != self.settings:
            self.close()
            self.adopt(settings)
            self._open()
        return True

    def _live(self) -> None:
        while not self.stopping():
            seconds = self._guarded_step()
            self.liveness.rest(seconds)
            self._guarded_wait(seconds)
        try:
            self.end()
        except Exception as error:  # noqa: BLE001 - a thread's edge
            self._bugs.report(error, job=self.liveness.name)
        finally:
            self._outage.forget(self.liveness.name)

    def _guarded_step(self) -> float:
        """Take one step; what it raises is logged. Returns the seconds until the next."""
        try:
            self.liveness.beat()
            self._follow()
            seconds = self.step()
        except Stopping:
            return 0.0
        except DatabaseUnavailable as error:
            self.close()
            if error.only_reads:
                self._outage.leave_server()
                self._servers = self._outage.servers
            if not self._new:
                # Broken sessions alone are no outage: the server may be back, or may have ended those that stood still.
                self._new = True
                return 0.0
            self._blocked_by(error)
        except UserError as error:
            self.close()  # whatever of it is the session's, the next step has a new one
            self._report(str(error))
            self._unblocked()
        except Exception as error:  # noqa: BLE001 - a thread's edge
            self._report_bug(error)
        else:
            self._new = False
            self._unblocked()
            return seconds
        return self._until_retry()

    def _follow(self) -> None:
        """End the sessions where another loop found that their server only reads."""
        if self._servers != self._outage.servers:
            self._servers = self._outage.servers
            self.close()

    def _guarded_wait(self, seconds: float) -> None:
        """Wait between two steps; what that raises is logged as a step's is, and the wait goes on without it."""
        try:
            self._wait(seconds)
        except Exception as error:  # noqa: BLE001 - a thread's edge
            self._report_bug(error)
            Loop._wait(self, self._until_retry())

    def _report_bug(self, error: Exception) -> None:
        self._bugs.report(error, job=self.liveness.name)
        self.close()

    def _blocked_by(self, error: DatabaseUnavailable) -> None:
        """Note that the database keeps the loop from its work, with new sessions too."""
        self.liveness.blocked = str(error) if self._outage.blocks(self.liveness.name, error) else None

    def _unblocked(self) -> None:
        """Note that the database let the loop do its work."""
        self.liveness.blocked = None
        self._outage.lets_go(self.liveness.name)

    def _until_retry(self) -> float:
        """Seconds until what has failed is tried again."""
        return min(self.settings.retry_last_wait, self.settings.poll).total_seconds()

    def _report(self, reason: str | None) -> None:
        """Log why the loop cannot do its work, or that it can again, where that is new."""
        if reason is not None and reason != self.liveness.reason:
            self._say_hindered(reason)
        if reason is None and self.liveness.reason is not None:
            self._say_freed()
        self.liveness.reason = reason

    def _say_hindered(self, reason: str) -> None:
        say(_log, events.PART_HINDERED, part=self.liveness.name, reason=reason)

    def _say_freed(self) -> None:
        say(_log, events.PART_FREED, part=self.liveness.name)

    def _wait(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()
