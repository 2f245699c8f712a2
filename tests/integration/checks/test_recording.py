"""Observations that were recorded after the time as of which they would be used."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from scorer.checks.job import check_job
from scorer.checks.recording import look_for_late_recording
from scorer.database.connection import Database


def looked(hospital: Any) -> str | None:
    return look_for_late_recording(
        hospital.job, database=Database(hospital.url, hospital.settings), as_of=hospital.noon
    )


def test_a_history_that_was_loaded_today_is_told_with_what_to_do(hospital: Any) -> None:
    hospital.admit(1, 2, 3)
    assert looked(hospital) is None
    hospital.execute("UPDATE patient_observations SET recorded_at = now()")
    ended = hospital.run()
    assert ended.counts.insufficient == ended.counts.eligible == 3
    told = looked(hospital)
    assert told is not None
    assert told.startswith(
        "3 of 3 entities of job sepsis that were looked at have observations, but these were recorded after"
    )
    assert "--as-known-at" in told
    hospital.execute("UPDATE patient_observations SET recorded_at = observation_date")
    assert looked(hospital) is None


def test_the_check_of_visits_that_have_ended_tells_it(hospital: Any) -> None:
    hospital.admit(1, 2)
    hospital.execute("UPDATE visits SET discharged_at = %s", hospital.noon)
    hospital.execute("UPDATE patient_observations SET recorded_at = now()")
    found = next(check_job("sepsis", database=Database(hospital.url, hospital.settings)))
    assert "2 of 2 entities of job sepsis that were looked at" in found.found


@pytest.mark.parametrize("missing", ["no rows at all", "few of many"])
def test_what_lacks_for_another_reason_is_no_late_recording(hospital: Any, missing: str) -> None:
    hospital.admit(1, 2, 3)
    if missing == "few of many":
        hospital.execute("UPDATE patient_observations SET recorded_at = now() WHERE visit_id = 1")
    else:
        hospital.execute("DELETE FROM patient_observations")
    assert looked(hospital) is None


def test_a_statement_without_a_time_of_recording_tells_nothing(hospital: Any) -> None:
    hospital.admit(1)
    hospital.execute("UPDATE patient_observations SET recorded_at = now()")
    text = hospital.job.statements["observations"].replace(":known_ats", ":as_ofs")
    hospital.job = replace(hospital.job, statements={**hospital.job.statements, "observations": text})
    hospital.noon += timedelta(hours=1)
    assert looked(hospital) is None
