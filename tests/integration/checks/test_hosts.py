"""Checks of what runs use beside the database: its other users, a cluster; the standby is tested with a real one in test_standby.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from scorer.checks.hosts import check_cluster, check_neighbours
from scorer.database.connection import Database
from scorer.errors import UserError


def test_limits_that_are_kept_hold(hospital: Any) -> None:
    settings = replace(hospital.settings, neighbour_lock_waits=0)
    found = check_neighbours(Database(hospital.url, settings).as_worker(), settings=settings)
    assert found == "the limits can be seen, and are kept"


def test_a_limit_that_is_passed_is_told(hospital: Any) -> None:
    settings = replace(hospital.settings, neighbour_lock_waits=-1)
    found = check_neighbours(Database(hospital.url, settings).as_worker(), settings=settings)
    assert found.startswith("runs would give way now: ")


def test_a_limit_on_what_may_not_be_seen_is_refused(hospital: Any) -> None:
    settings = replace(hospital.settings, neighbour_active_sessions=10)
    with pytest.raises(UserError, match="GRANT pg_read_all_stats TO scorer_owner"):
        check_neighbours(Database(hospital.url, settings).as_worker(), settings=settings)


def test_a_cluster_that_is_not_there_is_told(hospital: Any) -> None:
    settings = replace(hospital.settings, backend="dask", scheduler="tcp://127.0.0.1:9")
    assert check_cluster(settings).startswith("runs would go on without it now: ")
