"""A read-only session changes nothing, and opens anew after it was ended."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest

from scorer.database import revisions
from scorer.database.connection import Target
from scorer.database.readonly_session import ReadOnlySession
from scorer.database.store.status import list_health, read_revision
from scorer.errors import DatabaseUnavailable


def opened(hospital: Any) -> ReadOnlySession:
    target = Target.of(hospital.url, hospital.settings, role="scorer_worker")
    return ReadOnlySession(target, patience=hospital.settings.connect_timeout)


def test_it_is_read_only(hospital: Any) -> None:
    with closing(opened(hospital)) as session:
        assert read_revision(session) == revisions.known_revisions()[-1]
        (row,) = session._read("SHOW default_transaction_read_only", {}, deadline=float("inf"))
    assert row.default_transaction_read_only == "on"


def test_it_opens_anew_after_it_was_ended(hospital: Any) -> None:
    with closing(opened(hospital)) as session:
        list_health(session)
        hospital.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'scorer'"
        )
        with pytest.raises(DatabaseUnavailable):
            list_health(session)
        assert [health.job for health in list_health(session)] == ["sepsis"]
