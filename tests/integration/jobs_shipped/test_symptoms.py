"""The shipped job symptoms, on its example: each planted trap is found by its rule; landmarks, outcomes and the view are right."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from scorer.database.source.reader import Source
from scorer.evaluation.landmarks import read_landmarks
from scorer.types.values import WorkItem

AS_OF = datetime(2013, 2, 1, tzinfo=UTC)
COLUMNS = [
    *("report_id", "user_id", "predicted_class", "confidence", "asthma_probability", "copd_probability"),
    *("heart_probability", "none_probability", "risk_level", "prediction_timestamp", "model_version", "as_of"),
    *("valid_until", "stale", "status"),
]
# Reports whose conditions are known, one of two conditions and one of none known.
CONDITIONS = {1: "heart", 2: "two or more", 3: None, 4: "none"}


@pytest.fixture
def clinic(with_example: Callable[[str], Any]) -> Any:
    """The example, loaded, with the reports of CONDITIONS beside it; 3 and 4 are of one woman."""
    hospital = with_example("symptoms")
    for report, condition in CONDITIONS.items():
        hospital.execute(
            "INSERT INTO symptoms.reports VALUES (%s, %s, '2012-06-01', 50, 'never', 'other')", report, min(report, 3)
        )
        if condition is not None:
            hospital.execute("INSERT INTO symptoms.conditions VALUES (%s, %s)", report, condition)
    return hospital


def test_each_trap_is_found_and_the_rest_is_scored(clinic: Any) -> None:
    ended = clinic.run(as_of=AS_OF)
    assert ended.counts.scored > 120
    found = {rule for _, rule, *_ in clinic.open_findings()}
    suites = clinic.job.suites
    assert found == {
        each["meta"]["rule"] for name in ("observations", "features") for each in suites[name]["expectations"]
    }
    assert clinic.run(as_of=AS_OF).counts.scored == 0


def test_the_view_tells_each_class_and_the_likeliest(clinic: Any) -> None:
    clinic.run(as_of=AS_OF)
    columns = clinic.rows(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'reporting' "
        "AND table_name = 'symptoms_predictions' ORDER BY ordinal_position"
    )
    assert [name for (name,) in columns] == COLUMNS
    ((highest, one, alike),) = clinic.rows(
        "SELECT bool_and(confidence = greatest(asthma_probability, copd_probability, heart_probability, none_probability)), "
        "bool_and(abs(asthma_probability + copd_probability + heart_probability + none_probability - 1) < 1e-9), "
        "bool_and(user_id = report_id) FROM reporting.symptoms_predictions"
    )
    assert (highest, one, alike) == (True, True, True)
    ((low, high),) = clinic.rows(
        "SELECT min(none_probability) FILTER (WHERE risk_level = 'LOW'), max(none_probability) FILTER (WHERE risk_level <> 'LOW') "
        "FROM reporting.symptoms_predictions"
    )
    assert low > 0.85 >= high


def test_landmarks_are_the_day_after_and_two_conditions_are_none(clinic: Any, source: Source) -> None:
    landmarks = read_landmarks(clinic.job, source)
    own = landmarks.only((landmarks.cohort == "1") | (landmarks.cohort == "2") | (landmarks.cohort == "3"))
    assert own.entity_ids.tolist() == ["1", "2", "3", "4"]
    assert own.cohort.tolist() == ["1", "2", "3", "3"]
    assert {datetime.fromtimestamp(each / 1e6, UTC) for each in own.as_of.tolist()} == {
        datetime(2012, 6, 2, tzinfo=UTC)
    }
    named = [landmarks.classes[int(each)] if np.isfinite(each) else None for each in own.label.tolist()]
    assert named == ["heart", None, None, "none"]
    known = source.outcomes_known(clinic.job, [WorkItem(entity_id=str(each), as_of=AS_OF) for each in CONDITIONS])
    assert [None if each is None else str(each) for each in known.tolist()] == ["heart", None, None, "none"]
