"""A loop's signs of life, and what a reload changes."""

from __future__ import annotations

import threading
import time

from scorer.config import Settings
from scorer.daemon.loop import Loop
from scorer.database.connection import Database


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
