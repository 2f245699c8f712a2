"""A loop's signs of life, and what a reload changes."""

from __future__ import annotations

import threading
import time

from scorer.config import Settings
from scorer.daemon.loop import Loop
from scorer.daemon.outage import Outage
from scorer.database.connection import Database
from scorer.errors import DatabaseUnavailable, UserError
from scorer.jobs.job import Job


class Patient(Loop):
    """Takes a step at once, and then waits for an hour."""

    def __init__(self) -> None:
        super().__init__("patient", database=Database("", Settings()))
        self.stepped = threading.Event()

    def step(self) -> float:
        self.stepped.set()
        return 3600.0

    def close(self) -> None:
        """Nothing is open."""


def test_a_loop_that_waits_is_not_taken_for_one_that_hangs() -> None:
    loop = Patient()
    loop.start()
    try:
        assert loop.stepped.wait(10)
        until = time.monotonic() + 10
        while loop.liveness.beat_at < time.monotonic() + 3000 and time.monotonic() < until:
            time.sleep(0.01)
        assert loop.liveness.beat_at > time.monotonic() + 3000
        assert loop.lives
    finally:
        loop.stop()
        assert loop.join(10)


def test_a_reload_is_taken_up_at_the_next_step_and_opens_sessions_for_other_settings_alone(sepsis: Job) -> None:
    done: list[str] = []

    class Noting(Patient):
        def close(self) -> None:
            done.append("close")

        def _open(self) -> None:
            done.append(f"open with {self.settings.workers}")

    loop = Noting()
    assert not loop._take_up_reload()
    loop.reload([sepsis], settings=Settings())
    assert loop.jobs == ()
    assert loop._take_up_reload()
    assert (loop.jobs, done) == ((sepsis,), [])
    loop.reload([], settings=Settings(workers=3))
    assert loop._take_up_reload()
    assert (loop.jobs, done) == ((), ["close", "open with 3"])
    assert not loop._take_up_reload()


class Stepping(Loop):
    """Raises what it is given at its steps, and counts how often its sessions were ended."""

    def __init__(self, outage: Outage, *raised: Exception) -> None:
        super().__init__("stepping", database=Database("", Settings()), outage=outage)
        self.raised, self.closed = list(raised), 0

    def step(self) -> float:
        if self.raised:
            raise self.raised.pop(0)
        return 1.0

    def close(self) -> None:
        self.closed += 1


def test_a_server_that_only_reads_is_left_by_every_loop_of_the_daemon() -> None:
    """A primary that was left standing after a switchover goes on answering loops that read alone."""
    outage = Outage()
    writes, reads = Stepping(outage, DatabaseUnavailable("It only reads.", sqlstate="25006")), Stepping(outage)
    reads._guarded_step()
    writes._guarded_step()
    assert (writes.closed, reads.closed) == (1, 0)
    reads._guarded_step()
    reads._guarded_step()
    writes._guarded_step()
    assert (writes.closed, reads.closed) == (1, 1)
    assert not outage.lasts


def test_whatever_a_step_raises_the_next_has_new_sessions() -> None:
    loop = Stepping(Outage(), UserError("It may not."), DatabaseUnavailable("It is away."), ValueError("A bug."))
    for number in (1, 2, 3):
        loop._guarded_step()
        assert loop.closed == number
