"""The time that a batch takes, step by step."""

from __future__ import annotations

import time
from collections.abc import Callable

# What is in the row of every batch: the steps that end before it is written.
RECORDED_STEPS = ("claim", "read", "validate", "features", "score", "write")


class StepTimer:
    """Seconds by step, on the monotonic clock; `watch` is called with the name of each step as it ends."""

    def __init__(self, watch: Callable[[str], None] | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._watch = watch
        self._since = time.monotonic()

    def end(self, step: str) -> None:
        """Count the time since the last step ended for `step`; a step may end several times."""
        now = time.monotonic()
        self.seconds[step] = self.seconds.get(step, 0.0) + now - self._since
        self._since = now
        if self._watch is not None:
            self._watch(step)
