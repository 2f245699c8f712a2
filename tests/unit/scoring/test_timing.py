"""Seconds by step of a batch, by the monotonic clock."""

from __future__ import annotations

import pytest

from scorer.scoring.timing import StepTimer


def test_seconds_add_up_by_step_and_each_step_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 11.0, 13.0, 13.5, 20.0])
    monkeypatch.setattr("scorer.scoring.timing.time.monotonic", lambda: next(clock))
    reported: list[str] = []
    steps = StepTimer(reported.append)
    for step in ("read", "validate", "features", "validate"):
        steps.end(step)
    assert steps.seconds == {"read": 1.0, "validate": 2.0 + 6.5, "features": 0.5}
    assert reported == ["read", "validate", "features", "validate"]


def test_steps_need_not_be_reported() -> None:
    steps = StepTimer()
    steps.end("read")
    assert list(steps.seconds) == ["read"]
    assert steps.seconds["read"] >= 0
