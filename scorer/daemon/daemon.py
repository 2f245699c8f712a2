"""The daemon: jobs on their schedules, requests, nightly chores, and what systemd is notified of.

The main thread does no work of its own and never waits for the database: it takes signals, feeds the watchdog as long as every loop
shows life, and starts and stops the loops. APScheduler is the metronome: it wakes a job's loop at each tick, and the loop finds out for
itself, by the database, what is due.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from scorer import __version__
from scorer.config import Settings
from scorer.daemon.heartbeat import HeartbeatLoop
from scorer.daemon.job_states import JobStates
from scorer.daemon.loop import Loop
from scorer.daemon.nightly_loop import NightlyLoop
from scorer.daemon.outage import Outage
from scorer.daemon.readiness import Readiness, ReadinessLoop
from scorer.daemon.request_loop import RequestLoop
from scorer.daemon.schedule_loop import ScheduleLoop
from scorer.daemon.service_manager import SIGNALS, ServiceManager
from scorer.database.connection import Database
from scorer.database.readonly_session import ReadOnlySession
from scorer.errors import UserError
from scorer.jobs.job import Job
from scorer.jobs.schedule import Schedule
from scorer.log import events
from scorer.log.logger import report_thread_bugs, say
from scorer.monitoring.health import Address, Health
from scorer.monitoring.prometheus import JobState
from scorer.registry.model import keep_to_one_thread

_log = logging.getLogger(__name__)
_LOOK = timedelta(seconds=1)
_STARTING = timedelta(minutes=1)  # asked of systemd at each look, while something must still be corrected
_PATIENCE = timedelta(seconds=3)  # that a scrape of the metrics has with the database
_A_JUMP = timedelta(minutes=1)
_STILL = timedelta(seconds=5)  # for a wait of a second


class Daemon:
    """All that the main thread does, until a signal asks it to end."""

    def __init__(self, *, database: Database, reload_settings: Callable[[], Settings]) -> None:
        self._database = database
        self._readiness = ReadinessLoop(database=database, reload_settings=reload_settings)
        self._manager = ServiceManager(os.environ)
        self._outage = Outage()
        self._heartbeat = HeartbeatLoop(database=database, outage=self._outage)
        self._read_health = ReadOnlySession(database.as_worker(), patience=_PATIENCE)
        views = ReadOnlySession(database.as_reader(), patience=_PATIENCE)
        self._health = Health(self._read_health, views=views, state=self)
        self._servers = self._outage.servers
        self._requests: RequestLoop | None = None
        self._nightly: NightlyLoop | None = None
        self._loops: dict[str, ScheduleLoop] = {}
        self._metronome = BackgroundScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        self._why_not: str | None = "starting"
        self._states = JobStates()
        self._starved = False
        self._clocks = time.time() - time.monotonic()

    def run(self) -> int:
        """Run until SIGTERM or SIGINT. Returns the exit code. SIGHUP reads settings, jobs and models anew.

        These must be blocked in every thread that there is: importing the numerical libraries starts some.
        """
        faulthandler.enable()  # where the watchdog ends us, the journal says which thread hung
        report_thread_bugs()
        keep_to_one_thread()
        say(_log, events.DAEMON_STARTED, version=__version__)
        self._serve_health()
        self._heartbeat.start()
        self._readiness.start()
        self._metronome.start()
        while True:
            taken = self._awaited()
            if taken is not None and taken.si_signo != signal.SIGHUP:
                return self._stop()
            if taken is not None:
                if self._why_not is None:
                    self._manager.reloading()
                self._readiness.check_reload()
            self._look()

    def _serve_health(self) -> None:
        """Serve health and metrics where the settings say so.

        Where the address is taken, scoring goes on without. Raises UserError where it is no address.
        """
        if self._database.settings.health_address is not None:
            address = Address.of(self._database.settings.health_address)
            try:
                self._health.serve(address)
            except UserError as error:
                say(_log, events.HEALTH_FAILED, error=str(error))

    def _awaited(self) -> Any:
        """Wait until the next look; log where that took far too long. Returns the signal that came, if any."""
        began = time.monotonic()
        taken = signal.sigtimedwait(SIGNALS, self._interval())
        seconds = time.monotonic() - began
        if seconds > _STILL.total_seconds():
            say(_log, events.STOOD_STILL, seconds=round(seconds))
        return taken

    def live(self) -> bool:
        """Whether every loop shows signs of life."""
        return not any(self._hangs(loop) for loop in self._all_loops())

    def ready(self) -> str | None:
        """Why it is not ready to work; None where it is."""
        if self._why_not is not None:
            return self._why_not
        if not self.live():
            return "a part of the service hangs"
        if self._outage.lasts:
            return "the database cannot be worked with"
        if self._heartbeat.liveness.hindered is not None:
            return self._heartbeat.liveness.hindered
        # One job that cannot run does not make the daemon unready: `job_states` and reporting.health show each by itself.
        hindered = [(name, loop.liveness.hindered) for name, loop in list(self._loops.items())]
        return (
            "; ".join(f"job {name}: {why}" for name, why in hindered)
            if hindered and all(why for _, why in hindered)
            else None
        )

    def job_states(self) -> dict[str, JobState]:
        """Where each job stands, by its name."""
        return self._states.read({name: loop.liveness.hindered for name, loop in list(self._loops.items())})

    def schedules(self) -> dict[str, Schedule]:
        """The schedule of each job, by its name."""
        return {name: loop.job.schedule for name, loop in list(self._loops.items())}

    def _interval(self) -> float:
        """Seconds between two looks: at least three looks within one period of the watchdog."""
        watchdog = self._manager.watchdog
        return min(_LOOK, _LOOK if watchdog is None else watchdog / 3).total_seconds()

    def _all_loops(self) -> list[Loop]:
        of_all = [loop for loop in (self._requests, self._nightly) if loop is not None]
        return [self._heartbeat, self._readiness, *self._loops.values(), *of_all]

    def _look(self) -> None:
        """Act on what has changed since the last look, and feed the watchdog if all loops live."""
        self._say_jumps()
        if self._servers != self._outage.servers:
            self._servers = self._outage.servers
            self._read_health.renew()
        if (found := self._readiness.take()) is not None:
            self._take_on(found)
        hanging = [loop.liveness for loop in self._all_loops() if self._hangs(loop)]
        if not hanging:
            self._manager.alive()
            if self._why_not is not None:
                self._manager.still_starting(_STARTING)
        elif not self._starved:
            seconds = round(time.monotonic() - hanging[0].beat_at)
            say(_log, events.WATCHDOG_STARVED, part=hanging[0].name, seconds=seconds)
        self._starved = bool(hanging)
        self._heartbeat.show(
            ready=self.ready() is None, detail=self._status(), jobs=None if self._why_not else list(self._loops)
        )
        self._manager.status(self._status())

    def _hangs(self, loop: Loop) -> bool:
        silent = time.monotonic() - loop.liveness.beat_at
        return not loop.lives or silent > self._database.settings.run_limit.total_seconds()

    def _say_jumps(self) -> None:
        """Log where this machine's clock has moved against the steady one; nothing depends on it."""
        clocks = time.time() - time.monotonic()
        if abs(clocks - self._clocks) > _A_JUMP.total_seconds():
            say(_log, events.CLOCK_JUMPED, of="this machine", seconds=round(clocks - self._clocks))
            for loop in self._loops.values():
                self._set_metronome(loop)
        self._clocks = clocks

    def _status(self) -> str:
        """What `systemctl status` shows."""
        if (why := self.ready()) is not None:
            return f"Not ready: {why}"
        ticks = [(loop.next_tick, name) for name, loop in self._loops.items() if loop.next_tick]
        parts = [f"next {name} {tick:%Y-%m-%d %H:%M} UTC" for tick, name in sorted(ticks)[:1]]
        busy = [loop.liveness for loop in self._loops.values() if loop.liveness.doing]
        parts += [f"{each.name}: {each.doing}" for each in busy[:1]]
        parts += [f"job {name} must be corrected" for name, state in sorted(self.job_states().items()) if state.broken]
        return "; ".join([*parts, *filter(None, [self._heartbeat.summary])]) or "Ready"

    # Becoming ready, and changing

    def _take_on(self, found: Readiness) -> None:
        """Act on what a check found: run the sound jobs, each by itself, and tell what must be corrected.

        A look at jobs that could not run before ends no reload: systemd would take that for done.
        """
        was = self._why_not
        if found.blocked is not None and found.of_reload:
            say(_log, events.RELOAD_REFUSED, reason=found.blocked)
        elif found.blocked is not None:
            self._not_ready(found.blocked)
        else:
            self._database = replace(self._database, settings=found.settings)
            self._states.note(found, running=self._loops)
            self._keep(found.jobs, others=found.broken if not found.partial else self._loops)
            if self._requests is not None:
                self._requests.leave_out(self._states.left_out(self._loops))
            if self._loops:
                self._why_not = None
                self._say_ready(found, was_ready=was is None)
            else:
                broken = "; ".join(f"job {name}: {why}" for name, why in sorted(found.broken.items()))
                self._not_ready(broken or "no job is to be run here; see `scorer job list`")
        if self._why_not is None and (found.of_reload or was is not None):
            self._manager.ready(self._status())

    def _say_ready(self, found: Readiness, *, was_ready: bool) -> None:
        if not was_ready:
            say(_log, events.DAEMON_READY, jobs=len(self._loops))
        elif found.of_reload:
            say(_log, events.DAEMON_RELOADED, jobs=len(self._loops))

    def _not_ready(self, reason: str) -> None:
        if not _is_same(reason, self._why_not):
            say(_log, events.NOT_READY, reason=reason)
        self._why_not = reason

    def _keep(self, jobs: Sequence[Job], *, others: Collection[str]) -> None:
        """Have a loop for each of `jobs`; those of `others` go on as they are.

        Any further loop ends after its batch.
        """
        names = {job.name for job in jobs}
        for name in set(self._loops) - names - set(others):
            self._metronome.remove_job(name)
            self._loops.pop(name).stop()
        of_before = [loop.job for name, loop in self._loops.items() if name not in names]
        for job in [*jobs, *of_before]:
            if job.name in self._loops:
                self._loops[job.name].adopt_job(job, settings=self._database.settings)
            else:
                self._loops[job.name] = ScheduleLoop(job, database=self._database, outage=self._outage)
                self._loops[job.name].start()
            self._set_metronome(self._loops[job.name])
        self._heartbeat.reload(settings=self._database.settings)
        if not self._loops and self._requests is None:
            return
        known = [loop.job for loop in self._loops.values()]
        if self._requests is None or self._nightly is None:
            self._requests = RequestLoop(known, database=self._database, outage=self._outage)
            self._nightly = NightlyLoop(known, database=self._database, outage=self._outage)
            self._requests.start()
            self._nightly.start()
            return
        for each in (self._requests, self._nightly):
            each.reload(known, settings=self._database.settings)
            each.wake()

    def _set_metronome(self, loop: ScheduleLoop) -> None:
        """Have the metronome wake a loop at each tick of its schedule."""
        self._metronome.add_job(loop.wake, _Ticks(loop.job.schedule), id=loop.job.name, replace_existing=True)

    def _stop(self) -> int:
        """End each loop after its batch, or, after `stop_grace`, in the middle of it. Returns the exit code."""
        say(_log, events.DAEMON_STOPPING)
        self._manager.stopping()
        self._metronome.shutdown(wait=False)
        self._health.close()
        loops = self._all_loops()
        for loop in loops:
            loop.stop()
        until = time.monotonic() + self._database.settings.stop_grace.total_seconds()
        ended = [loop.join(until - time.monotonic()) for loop in loops]
        say(_log, events.DAEMON_STOPPED, rolled_back=ended.count(False))
        if not all(ended):
            sys.stderr.flush()
            os._exit(0)  # no interpreter's end waits for a thread that waits for the server
        return 0


def _is_same(reason: str, before: str | None) -> bool:
    """Whether that was logged already; a database that is not there may give another text at each try."""
    database = "database: "
    return reason == before or (reason.startswith(database) and before is not None and before.startswith(database))


class _Ticks(BaseTrigger):  # type: ignore[misc]
    """The ticks of a schedule, as APScheduler asks for them."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """Return the tick after the last one, or after now."""
        return self._schedule.next_tick(after=max(filter(None, (previous_fire_time, now))))
