"""What must hold before scoring may start: each thing that does not is found, with a sentence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from scorer.checks.check import check
from scorer.database.connection import Database
from scorer.jobs.job import Job


def test_a_nightly_schedule_that_cannot_be_read_is_found(hospital: Any) -> None:
    results = check(database=Database(hospital.url, replace(hospital.settings, nightly="at night")))
    broken = [each for each in results if not each.holds]
    assert [each.name for each in broken] == ["nightly"]
    assert 'nightly: "at night" is not cron\'s five fields' in broken[0].found


def test_a_statement_that_fails_only_where_it_gives_rows_is_found(
    ward: Any, changed_job: Callable[..., Job], tmp_path: Path
) -> None:
    ward.admit(1)
    ward.execute("CREATE FUNCTION public.never(text) RETURNS text LANGUAGE sql AS $$ SELECT (1 / 0)::text $$")
    changed_job(("requested.sql", "CAST(v.visit_id AS text)", "public.never(CAST(v.visit_id AS text))"))
    settings = replace(ward.settings, jobs_dir=tmp_path / "site")
    (found,) = (each for each in check(database=Database(ward.url, settings)) if each.name == "job sepsis")
    assert not found.holds
    assert "The statement requested of job sepsis" in found.found
    assert "22012" in found.found
