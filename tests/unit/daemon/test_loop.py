"""A lane's signs of life: what hangs is told from what waits."""

from __future__ import annotations

import threading
import time

from scorer.config import Settings
from scorer.daemon.loop import Loop
from scorer.database.connection import Database


class Patient(Loop):
    """Takes its turn at once, and then waits for an hour."""

    def __init__(self) -> None:
        super().__init__("patient", database=Database("", Settings()))
        self.turned = threading.Event()

    def step(self) -> float:
        self.turned.set()
        return 3600.0

    def close(self) -> None:
        """Nothing is open."""


def test_a_lane_that_waits_is_not_taken_for_one_that_hangs() -> None:
    lane = Patient()
    lane.start()
    try:
        assert lane.turned.wait(10)
        until = time.monotonic() + 10
        while lane.liveness.beat_at < time.monotonic() + 3000 and time.monotonic() < until:
            time.sleep(0.01)
        assert lane.liveness.beat_at > time.monotonic() + 3000
        assert lane.lives
    finally:
        lane.stop()
        assert lane.join(10)
