"""A score is shown beside whom and what it was made of, and no longer: else it is taken back in the run that sees it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
def ward(hospital: Any) -> Any:
    """Visits 1 to 3 of now, scored; their scores are valid, and stand in the hospital's own columns."""
    hospital.noon = datetime.now(UTC) - timedelta(minutes=30)
    hospital.admit(1, 2, 3)
    assert hospital.run().counts.scored == 3
    assert in_visits(hospital) == [1, 2, 3]
    return hospital


def in_visits(ward: Any) -> list[int]:
    """The visits whose own columns bear anything of a score."""
    return [
        key
        for (key,) in ward.rows(
            "SELECT visit_id FROM visits WHERE num_nonnulls(sepsis_score, risk_level, scored_at) > 0 ORDER BY 1"
        )
    ]


def shown(ward: Any) -> list[int]:
    return [key for (key,) in ward.rows("SELECT visit_id FROM reporting.sepsis_predictions ORDER BY 1")]


def taken_back(ward: Any) -> list[tuple[str, str]]:
    """(entity_id, why) of the scores that runs have taken back."""
    return ward.rows("SELECT entity_id, why FROM reporting.recalls WHERE recall_id IS NULL ORDER BY score_id")


def again(ward: Any, minutes: int = 1) -> Any:
    """A run as of some minutes later."""
    return ward.run(as_of=ward.noon + minutes * MINUTE).counts


ANOTHER_PATIENT = "UPDATE visits SET client = 'B', admitted_at = %s, age_years = 81 WHERE visit_id = 1"


def test_a_score_is_not_shown_beside_the_client_who_has_its_visit_now(ward: Any) -> None:
    ward.execute("DELETE FROM patient_observations WHERE visit_id = 1")
    ward.execute(ANOTHER_PATIENT, ward.noon - HOUR)
    for code in ("HR", "SBP", "TEMP", "LACTATE"):
        ward.observe(1, hours_ago=0.5, client="B", observation_type_code=code, observation_value=39.0)
    assert again(ward).insufficient == 1
    assert shown(ward) == in_visits(ward) == [2, 3]
    assert ward.status(1) == ("INSUFFICIENT", "4 usable observations, 5 needed")
    assert taken_back(ward) == [("1", "attributes_changed")]
    assert ward.ledger(1) == ["SCORED", "INSUFFICIENT"]
    assert ward.rows("SELECT count(*) FROM scorer.write_backs") == [(0,)]


def test_nor_beside_a_visit_that_is_there_no_more(ward: Any) -> None:
    ward.execute("DELETE FROM visits WHERE visit_id = 1")
    assert again(ward).eligible == 2
    assert shown(ward) == in_visits(ward) == [2, 3]
    assert ward.status(1) == ("RECALLED", "gone")
    assert taken_back(ward) == [("1", "gone")]
