"""What the tests of validation share: rules made of expectations, and frames made of columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from scorer.scoring.validation.frames import Frame
from scorer.scoring.validation.rules import Rule, read_rules


@pytest.fixture(scope="session")
def make_rules() -> Callable[..., tuple[Rule, ...]]:
    """Makes rules r0, r1, ... of pairs of an expectation and its arguments."""

    def make(*entries: tuple[str, dict[str, Any]]) -> tuple[Rule, ...]:
        return read_rules(
            [
                {"type": kind, "kwargs": kwargs, "meta": {"rule": f"r{n}", "action": "warn", "expected": "x"}}
                for n, (kind, kwargs) in enumerate(entries)
            ],
            where="a test",
        )

    return make


@pytest.fixture(scope="session")
def make_frame() -> Callable[..., Frame]:
    """Makes a frame of columns, given as lists of values by name."""

    def make(**columns: Any) -> Frame:
        arrays = {name: np.array(values) for name, values in columns.items()}
        return Frame(arrays, rows=len(next(iter(arrays.values()))))

    return make


@pytest.fixture
def nothing_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test begins as a new process does, in which no compiled form is proved yet, of an installation without proofs."""
    monkeypatch.setattr("scorer.scoring.validation.rule_engine._proved", {})
    monkeypatch.setattr("scorer.scoring.validation.rule_engine._shipped", dict)
