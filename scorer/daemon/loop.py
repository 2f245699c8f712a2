"""Threads of the daemon: each takes a turn whenever it is woken or some time has passed, and never ends by itself."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace

from scorer.config import Settings
from scorer.daemon.outage import Outage
from scorer.database.connection import Database
from scorer.errors import DatabaseUnavailable, Stopping, UserError
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
        """Why the loop cannot do its work: what it found itself, or that the database has kept it from it for long."""
        return self.reason or self.blocked

    def beat(self, doing: str = "") -> None:
        """Say that the loop lives, and what it does."""
        self.beat_at = time.monotonic()
        self.doing = doing

    def rest(self, seconds: float) -> None:
        """Say that the loop waits for so long, and is expected to show no life before."""
        self.beat_at = time.monotonic() + seconds
        self.doing = ""


class Loop:
    """A thread that takes its turn whenever it is woken, or some time has passed, until the daemon stops."""

    def __init__(self, name: str, *, database: Database, outage: Outage | None = None) -> None:
        """`outage` is what it knows together with other loops, if there are any."""
        self.liveness = Liveness(name)
        self.database = database
        self._outage = outage or Outage()
        self._bugs = BugReports()
        self._new = False  # its sessions are, since the database broke off its last turn
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

    def start(self) -> None:
        """Begin to take turns."""
        self._thread.start()

    def wake(self) -> None:
        """Take a turn now, or once more after the one in hand."""
        self._wake.set()

    def stop(self) -> None:
        """Take no further turn; the one in hand ends after its batch."""
        self._stop.set()
        self._wake.set()

    def stopping(self) -> bool:
        """Whether the loop was told to stop."""
        return self._stop.is_set()

    @property
    def lives(self) -> bool:
        """Whether its thread runs, as it does until it is told to stop."""
        return self._thread.is_alive() or self.stopping()

    def join(self, seconds: float) -> bool:
        """Whether the loop has ended, within so many seconds."""
        self._thread.join(max(seconds, 0.0))
        return not self._thread.is_alive()

    def step(self) -> float:
        """Do what is to be done now; seconds until the next turn, if nobody wakes the loop before."""
        raise NotImplementedError

    def close(self) -> None:
        """End the loop's sessions; the next turn opens new ones."""
        raise NotImplementedError

    def end(self) -> None:
        """What is done once, at the end."""
        self.close()

    def _live(self) -> None:
        while not self.stopping():
            seconds = self._guarded_turn()
            self.liveness.rest(seconds)
            self._guarded_wait(seconds)
        try:
            self.end()
        except Exception as error:  # noqa: BLE001 - a thread's edge
            self._bugs.tell(error, job=self.liveness.name)
        finally:
            self._outage.forget(self.liveness.name)

    def _guarded_turn(self) -> float:
        """One turn; whatever it raises is told and tried again at the next, so that a loop never ends by itself."""
        try:
            self.liveness.beat()
            seconds = self.step()
        except Stopping:
            return 0.0
        except DatabaseUnavailable as error:
            self.close()
            if not self._new:
                # Broken sessions alone are no outage: the server may be back, or may have ended those that stood still.
                self._new = True
                return 0.0
            self._kept_by(error)
        except UserError as error:
            self._told(str(error))
            self._let_go()
        except Exception as error:  # noqa: BLE001 - a thread's edge
            self._stumbles(error)
        else:
            self._new = False
            self._let_go()
            return seconds
        return self._rest()

    def _guarded_wait(self, seconds: float) -> None:
        """The wait between two turns; what it raises is told like what a turn raises, and the wait goes on without it."""
        try:
            self._wait(seconds)
        except Exception as error:  # noqa: BLE001 - a thread's edge
            self._stumbles(error)
            Loop._wait(self, self._rest())

    def _stumbles(self, error: Exception) -> None:
        self._bugs.tell(error, job=self.liveness.name)
        self.close()

    def _kept_by(self, error: DatabaseUnavailable) -> None:
        """The database keeps the loop from what it wants, with new sessions too."""
        self.liveness.blocked = str(error) if self._outage.keeps(self.liveness.name, error) else None

    def _let_go(self) -> None:
        """The database let the loop do what it wanted."""
        self.liveness.blocked = None
        self._outage.lets_go(self.liveness.name)

    def _rest(self) -> float:
        """Seconds until the next try of what has failed."""
        return min(self.settings.retry_last_wait, self.settings.poll).total_seconds()

    def _told(self, reason: str | None) -> None:
        """Say why the loop cannot do its work, once."""
        if reason is not None and reason != self.liveness.reason:
            say(_log, events.NOT_READY, job=self.liveness.name, reason=reason)
        if reason is None and self.liveness.reason is not None:
            say(_log, events.READY_AGAIN, job=self.liveness.name)
        self.liveness.reason = reason

    def _wait(self, seconds: float) -> None:
        self._wake.wait(seconds)
        self._wake.clear()
