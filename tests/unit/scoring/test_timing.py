"""The time of a batch, step by step."""

from __future__ import annotations

import pytest

from scorer.scoring.timing import StepTimer


def test_seconds_add_up_by_step_and_the_watcher_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 11.0, 13.0, 13.5, 20.0])
    monkeypatch.setattr("scorer.scoring.timing.time.monotonic", lambda: next(clock))
    ended: list[str] = []
    steps = StepTimer(ended.append)
    for step in ("read", "validate", "features", "validate"):
        steps.end(step)
    assert steps.seconds == {"read": 1.0, "validate": 2.0 + 6.5, "features": 0.5}
    assert ended == ["read", "validate", "features", "validate"]


def test_a_watcher_is_not_needed() -> None:
    steps = StepTimer()
    steps.end("read")
    assert list(steps.seconds) == ["read"]
    assert steps.seconds["read"] >= 0
