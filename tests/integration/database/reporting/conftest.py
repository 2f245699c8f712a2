"""What the tests of the reporting views share: a reader's session with a week's database, and what it is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scorer.database.connection import Database
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.reporting.standing import Asked


@pytest.fixture
def views(week: Any) -> Iterator[ReadOnlySession]:
    """The week's views, as a reader reads them."""
    opened = ReadOnlySession(Database(week.url, week.settings).as_reader(), patience=timedelta(seconds=10))
    with closing(opened):
        yield opened


@pytest.fixture
def asked() -> Callable[..., Asked]:
    """Makes what is asked about sepsis in the last days."""

    def make(**more: Any) -> Asked:
        now = datetime.now(UTC)
        given = {"since": now - timedelta(days=7), "until": now + timedelta(days=1), "step": "day", "jobs": ["sepsis"]}
        return Asked(**given | more)

    return make
