"""Where each job stands in this daemon: run, not run here, or broken, and what was logged of that.

A reload is taken job by job: what is new of the sound jobs is in force, and a job whose new files do not hold goes on as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from scorer.daemon.readiness import Readiness
from scorer.log import events
from scorer.log.logger import say
from scorer.monitoring.prometheus import JobState

_log = logging.getLogger(__name__)


class JobStates:
    """What the checks found of each job; read by other threads too."""

    def __init__(self) -> None:
        self._broken: Mapping[str, str] = {}  # by name of the job, what must be corrected
        self._not_run: Mapping[str, str] = {}  # by name of the job, why it is not run here
        self._disabled: Mapping[str, str] = {}  # by name of the job, that it is not enabled
        self._warned: frozenset[str] = frozenset()  # what was told that keeps no job from being run

    def read(self, hindered: Mapping[str, str | None]) -> dict[str, JobState]:
        """Where each job stands, by its name.

        `hindered` is, by job that has a loop, why that cannot do its work; None where it can.
        """
        found = {name: JobState(runs=False, why=why) for name, why in self._not_run.items()}
        found |= {name: JobState(scores=False, why=why) for name, why in self._broken.items()}
        for name, why in hindered.items():
            found[name] = JobState(scores=why is None, why=why or self._broken.get(name))
        return found

    def left_out(self, running: Collection[str]) -> dict[str, str]:
        """By name, why a job is not run here; `running` are the jobs that have a loop."""
        not_run = {**self._disabled, **self._not_run}
        found = {name: f"job {name} is not run here: {why}" for name, why in not_run.items()}
        return found | {
            name: f"job {name} cannot be run: {why}" for name, why in self._broken.items() if name not in running
        }

    def note(self, found: Readiness, *, running: Collection[str]) -> None:
        """Note what a check found, and log what is new of it; `running` are the jobs that have a loop."""
        self._say_warned(found)
        before, self._disabled = self._disabled, found.disabled
        ended = {name: why for name, why in found.disabled.items() if name in running}
        for name, why in {**ended, **found.not_run}.items():
            if self._not_run.get(name) != why:
                say(_log, events.JOB_NOT_RUN, job=name, reason=why)
        for name, why in found.broken.items():
            self._say_broken(name, why, running=running, alone=not (found.jobs or running))
        for job in found.jobs:
            if job.name in self._broken or job.name in before:
                say(_log, events.JOB_FREED, job=job.name)
        seen = {*found.broken, *found.not_run, *(job.name for job in found.jobs)} if found.partial else None
        self._broken = _renewed(self._broken, found.broken, seen=seen)
        self._not_run = _renewed(self._not_run, found.not_run, seen=seen)

    def _say_broken(self, name: str, why: str, *, running: Collection[str], alone: bool) -> None:
        """Log that a job is broken, where that is new. Where no job can be run, the daemon says so itself."""
        if self._broken.get(name) == why or alone:
            return
        if name in running:
            say(_log, events.JOB_NOT_RELOADED, job=name, reason=why)
        else:
            say(_log, events.JOB_HINDERED, job=name, reason=why)

    def _say_warned(self, found: Readiness) -> None:
        for result in found.warned:
            if result.found not in self._warned:
                say(_log, events.CHECK_WARNED, job=result.job, check=result.name, reason=result.found)
        told = frozenset(each.found for each in found.warned)
        self._warned = self._warned | told if found.partial else told


def _renewed(before: Mapping[str, str], now: Mapping[str, str], *, seen: Collection[str] | None) -> Mapping[str, str]:
    """What is known now; of jobs that were not `seen` (None: all were), what was known before."""
    return {**({} if seen is None else {name: why for name, why in before.items() if name not in seen}), **now}
