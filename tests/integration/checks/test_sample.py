"""A job's data, tried on some entities: what would be set apart is told with its rule, and no value of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from scorer.checks.job import check_job
from scorer.checks.sample import Sample, tell_sample
from scorer.database.connection import Database
from scorer.jobs.job import Job


def test_a_cast_that_fails_for_one_is_told_with_its_cause(
    ward: Any, changed_job: Callable[..., Job], tmp_path: Path
) -> None:
    ward.admit(1, 2)
    ward.execute("ALTER TABLE visits ALTER COLUMN age_years TYPE text USING age_years::text")
    ward.execute("UPDATE visits SET age_years = 'secret' WHERE visit_id = 2")
    changed_job(("attributes.sql", "    v.age_years,", "    CAST(v.age_years AS double precision) AS age_years,"))
    database = Database(ward.url, replace(ward.settings, jobs_dir=tmp_path / "site"))
    of_job, of_data, of_write_back = check_job("sepsis", database=database)
    assert (of_job.holds, of_data.holds, of_data.blocks, of_write_back.holds) == (True, False, False, True)
    assert "data_readable of 2: The statement attributes of job sepsis meets data" in of_data.found
    assert "invalid text representation (SQLSTATE 22P02)" in of_data.found
    assert "secret" not in of_data.found


def test_an_attribute_that_is_no_number_is_told_without_its_text(ward: Any) -> None:
    ward.admit(1, 2)
    ward.execute("ALTER TABLE visits ALTER COLUMN age_years TYPE text USING age_years::text")
    ward.execute("UPDATE visits SET age_years = '>89' WHERE visit_id = 2")
    _, of_data, _ = check_job("sepsis", database=Database(ward.url, ward.settings))
    assert of_data.found == "Of 2 entities tried: attribute_is_number of 2: a number, or none."
    ward.run()
    assert ward.open_findings() == [("2", "attribute_is_number", "warn", "", "age_years '>89'")]


def test_where_none_is_due_nothing_is_found() -> None:
    assert tell_sample(Sample()) == "no entity is due"
