"""Checks of what runs use beside the database: its other users, a cluster; the standby is tested with a real one in test_standby.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scorer.checks.check import check
from scorer.checks.hosts import check_cluster, check_neighbours, check_reports
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


def test_a_folder_for_reports_is_looked_at(hospital: Any, tmp_path: Path) -> None:
    def found(folder: Path) -> str:
        return check_reports(Database(hospital.url, replace(hospital.settings, report_dir=folder)))

    assert found(tmp_path) == f"each night's page goes to {tmp_path}"
    assert found(tmp_path / "reports") == f"each night's page goes to {tmp_path / 'reports'}"
    with pytest.raises(UserError, match="cannot be written; make it"):
        found(tmp_path / "nowhere" / "reports")


def test_a_daemon_that_may_read_no_view_is_told_what_to_grant(hospital: Any, tmp_path: Path) -> None:
    hospital.execute(
        "DO $$ BEGIN CREATE ROLE of_nobody LOGIN PASSWORD 'only-for-tests'; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
    )
    url = hospital.url.replace("//scorer@", "//of_nobody:only-for-tests@", 1)
    with pytest.raises(UserError, match='must be able to set role "scorer_reader"; GRANT that role'):
        check_reports(Database(url, replace(hospital.settings, report_dir=tmp_path)))


def test_a_host_without_a_folder_for_reports_has_no_line_for_it(hospital: Any, tmp_path: Path) -> None:
    database = Database(hospital.url, hospital.settings)
    assert "report" not in [each.name for each in check(database=database)]
    with_folder = replace(hospital.settings, report_dir=tmp_path / "nowhere" / "reports")
    (line,) = [each for each in check(database=replace(database, settings=with_folder)) if each.name == "report"]
    assert (line.holds, line.blocks) == (False, False)
