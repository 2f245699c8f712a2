"""The check of a job: its statements are run on what the database holds, and nothing stays."""

from __future__ import annotations

from typing import Any

import pytest

from scorer.checks.job import check_job
from scorer.database.connection import Database
from scorer.errors import UserError


def test_a_job_that_holds_tells_its_versions_and_next_ticks(ward: Any) -> None:
    ward.admit(1)
    found = check_job("sepsis", database=Database(ward.url, ward.settings))
    assert found.startswith("version ")
    assert ": next " in found
    assert ward.one("SELECT count(*) FROM scorer.runs") == 0, "the run of a check is not kept"


def test_a_job_that_is_not_there_is_told(ward: Any) -> None:
    with pytest.raises(UserError, match="nosuch"):
        check_job("nosuch", database=Database(ward.url, ward.settings))
