"""The check of a job: its statements are run on what the database holds, and nothing stays."""

from __future__ import annotations

from typing import Any

from scorer.checks.job import check_job
from scorer.database.connection import Database


def test_a_job_that_holds_tells_its_versions_and_next_ticks(ward: Any) -> None:
    ward.admit(1)
    of_job, of_data, of_write_back = check_job("sepsis", database=Database(ward.url, ward.settings))
    assert of_job.found.startswith("version ")
    assert ": next " in of_job.found
    assert of_data.found == "1 entities tried, and all can be read"
    assert of_write_back.holds
    assert ward.one("SELECT count(*) FROM scorer.runs") == 0, "the run of a check is not kept"


def test_a_job_that_is_not_there_is_told(ward: Any) -> None:
    (result,) = check_job("nosuch", database=Database(ward.url, ward.settings))
    assert not result.holds
    assert "nosuch" in result.found


def test_an_entity_that_would_be_set_apart_is_told_and_blocks_nothing(ward: Any) -> None:
    ward.admit(1, 2)
    ward.execute("ALTER TABLE visits DROP CONSTRAINT visits_pkey CASCADE")
    ward.execute("INSERT INTO visits SELECT * FROM visits WHERE visit_id = 2")
    of_job, of_data, _ = check_job("sepsis", database=Database(ward.url, ward.settings))
    assert of_job.holds
    assert (of_data.holds, of_data.blocks) == (False, False)
    assert of_data.found == "Of 2 entities tried: one_row of 2: two rows or more in the attributes statement."
