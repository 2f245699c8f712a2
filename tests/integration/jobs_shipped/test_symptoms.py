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
from tests.integration.jobs_shipped.planted import Row, require_each_broken, require_each_score_rule

AS_OF = datetime(2013, 2, 1, tzinfo=UTC)
COLUMNS = [
    *("report_id", "user_id", "predicted_class", "confidence", "asthma_probability", "copd_probability"),
    *("heart_probability", "none_probability", "risk_level", "prediction_timestamp", "model_version", "as_of"),
    *("valid_until", "stale", "status"),
]
# Reports whose conditions are known, one of two conditions and one of none known.
CONDITIONS = {1: "heart", 2: "two or more", 3: None, 4: "none"}


def _answered(
    question: str, answer: str, *, at: str = "interviewed_at", recorded: str = "NULL", times: int = 1, first: str = ""
) -> Row:
    """Answers of a report, the n-th of them numbered n, after what is to be done `first`."""
    key = "(SELECT max(answer_id) FROM symptoms.answers) + n"
    return Row(
        f"{first}INSERT INTO symptoms.answers SELECT {key}, report_id, {at}, '{question}', {answer}, {recorded} "
        f"FROM symptoms.reports CROSS JOIN generate_series(1, {times}) AS n WHERE report_id = {{entity}}"
    )


def _woman(change: str) -> str:
    return f"UPDATE symptoms.reports SET {change} WHERE report_id = {{entity}}; "


_WITHOUT_PAIN = (
    "DELETE FROM symptoms.answers WHERE report_id = {entity} AND question LIKE 'CDQ%'; "
    "INSERT INTO symptoms.answers SELECT max(answer_id) + 1, {entity}, '2012-06-01', 'CDQ001', 2, NULL FROM symptoms.answers; "
)
_HOUR_LATER = "interviewed_at + interval '1 hour'"
BREAKS = {
    "date_present": _answered("BMXBMI", "30", at="NULL"),
    "not_in_future": _answered(
        "BMXBMI", "30", at="timestamptz '{as_of}' + interval '1 day'", recorded="interviewed_at"
    ),
    "not_of_diagnosis": _answered("RDQ134", "1"),
    "code_known": _answered("HUQ010", "1"),
    "value_present": _answered("BMXBMI", "NULL", at=_HOUR_LATER),
    "value_finite": _answered("BMXBMI", "'Infinity'", at=_HOUR_LATER),
    "answered": _answered("DPQ010", "9", at=_HOUR_LATER),
    "value_not_too_low": _answered("BMXBMI", "9", at=_HOUR_LATER),
    "value_not_too_high": _answered("BMXBMI", "101", at=_HOUR_LATER),
    "asked_at_age": _answered("CDQ001", "1", at=_HOUR_LATER, first=_woman("age_years = 39")),
    "asked_after_yes": _answered("CDQ002", "1", first=_woman("age_years = 50") + _WITHOUT_PAIN),
    "not_repeated": _answered("BMXBMI", "30", at=_HOUR_LATER, times=2),
    "superseded": _answered(
        "BMXBMI", "30 + n", at=_HOUR_LATER, recorded="interviewed_at + n * interval '1 day'", times=2
    ),
    "ambiguous": _answered("BMXBMI", "30 + n", at=_HOUR_LATER, times=2),
    "age_possible": Row(_woman("age_years = 19")),
    "interviewed_given": Row(_woman("interviewed_at = NULL")),
    "mostly_usable": _answered("BMXBMI", "30", at="NULL", times=500),
    "smoking_known": Row(_woman("smoking = 'pipe'")),
}


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


def test_each_rule_is_broken_by_a_row_planted_for_it(clinic: Any, source: Source) -> None:
    asked = "SELECT CAST(report_id AS text) FROM symptoms.reports WHERE report_id > 900000 AND interviewed_at < '2013-01-01' ORDER BY 1"
    require_each_broken(clinic, source, BREAKS, clean=asked, as_of=AS_OF)
    require_each_score_rule(clinic.job)
