"""What the tests of the report's sections share: a job with nothing to tell, to which a test gives what it wants told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from scorer.database.reporting.standing import Standing
from scorer.monitoring.report.period import week_of
from scorer.monitoring.report.reading import OfJob


@pytest.fixture
def of_job() -> Callable[..., OfJob]:
    """Makes what is known of a job in a week, nothing but what is given."""
    week = week_of("2026-W48")
    standing = Standing("a", "v1", 0, None, 0, None, 0, None, 0, None, 0, None, None, week.until)
    lists = ("runs", "failed_runs", "ticks", "load", "steps", "requests", "bands", "moves")
    lists += ("refused", "features", "live", "changes", "alerts")
    empty = OfJob(
        job="a", period=week, known_until=week.until, standing=standing, validity=None, **dict.fromkeys(lists, ())
    )

    def make(*, standing: dict[str, Any] | None = None, **given: Any) -> OfJob:
        return replace(empty, standing=replace(empty.standing, **standing or {}), **given)

    return make
