"""The job `transaction` on its example: what applications are for, and what its rules find of what was planted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scorer.database.source.reader import Source
from tests.integration.jobs_shipped.planted import (
    Row,
    in_future,
    infinite,
    of_unknown_code,
    require_each_broken,
    require_each_score_rule,
    twice,
)


def _with(change: str) -> Row:
    return Row(f"UPDATE transaction.applications SET {change} WHERE application = {{entity}}")


# An application has one number of a kind, which its statement reads where it was submitted by the as-of time.
BREAKS = {
    "date_present": _with("submitted_at = NULL"),
    "date_possible": _with("submitted_at = '1700-01-01'"),
    "not_in_future": Row(change=in_future),
    "code_known": Row(change=of_unknown_code),
    "value_present": _with("property_value = 'Exempt'"),
    "value_finite": Row(change=infinite),
    "value_not_too_low": _with("income = '-1442'"),
    "value_not_too_high": _with("loan_to_value_ratio = '10000'"),
    "not_repeated": Row(change=twice),
    "superseded": Row(change=lambda observations: twice(observations, apart=1, rank=1)),
    "ambiguous": Row(change=lambda observations: twice(observations, apart=1)),
    "mostly_usable": _with(
        "property_value = 'Exempt', income = 'Exempt', loan_to_value_ratio = 'Exempt', debt_to_income_ratio = 'Exempt'"
    ),
    "submitted_given": _with("submitted_at = NULL"),
    "submitted_possible": _with("submitted_at = '1850-01-01'"),
    "loan_share_possible": _with("loan_amount = '505000', property_value = '105000'"),
    "not_twice": Row(
        "INSERT INTO transaction.applications SELECT 1000000, submitted_at, loan_amount, property_value, income, debt_to_income_ratio, "
        "loan_to_value_ratio, applicant_age, applicant_sex, applicant_race FROM transaction.applications WHERE application = {entity}"
    ),
}

PLANTED = {"value_present": 4, "value_not_too_low": 2, "value_not_too_high": 2, "not_twice": 2, "mostly_usable": 1}
CLASSES = {"BUY", "IMPROVE_OR_OTHER", "INVESTMENT", "REFINANCE"}


def test_the_example_is_scored_and_each_trap_is_found_by_its_rule(shown: Callable[[str], Any]) -> None:
    job = shown("transaction")
    counts = job.ended.counts
    found = {rule: job.found(rule) for rule in PLANTED}
    assert all(found[rule] >= times for rule, times in PLANTED.items()), found
    assert counts.insufficient == 1
    assert counts.scored > 550
    assert job.hospital.run(job.job, as_of=job.ended.as_of).counts.scored == 0
    columns = "entity_id, prediction_type, predicted_value, predicted_class, confidence, top_features, prediction_date"
    rows = job.hospital.rows(
        f"SELECT {columns}, model_version, latency_ms, probabilities FROM reporting.transaction_predictions"
    )
    assert len(rows) == counts.scored
    for row in rows:
        assert row[1] == "TRANSACTION_TYPE"
        assert row[2] == row[4] == pytest.approx(row[9][row[3]])
        assert set(row[9]) == CLASSES
        assert sum(row[9].values()) == pytest.approx(1)


def test_a_label_is_the_first_class_that_fits_and_none_where_no_purpose_is_given(shown: Callable[[str], Any]) -> None:
    job = shown("transaction")
    hospital = job.hospital
    hospital.execute("DELETE FROM transaction.outcomes WHERE application <= 6")
    cases = [("1", "3"), ("1", "1"), ("31", "2"), ("32", "1"), ("4", "1"), ("5", "1")]
    for number, (purpose, occupancy) in enumerate(cases, start=1):
        hospital.execute("INSERT INTO transaction.outcomes VALUES (%s, %s, %s)", number, purpose, occupancy)
    expected = ["INVESTMENT", "BUY", "REFINANCE", "REFINANCE", "IMPROVE_OR_OTHER", None]
    rows = hospital.rows(
        f"SELECT label FROM ({job.job.statements['landmarks']}) AS l WHERE length(entity_id) = 1 AND entity_id < '7' ORDER BY entity_id"
    )
    assert [label for (label,) in rows] == expected
    assert job.known(", ".join(f"('{number}', now())" for number in range(1, 7))) == expected


def test_no_protected_attribute_is_a_feature(shown: Callable[[str], Any]) -> None:
    features = shown("transaction").job.features
    assert not {"applicant_age", "applicant_sex", "applicant_race"} & {*features.numbers, *dict(features.categories)}


def test_each_rule_is_broken_by_a_row_planted_for_it(with_example: Callable[[str], Any], source: Source) -> None:
    hospital = with_example("transaction")
    day = hospital.one("SELECT max(submitted_at) FROM transaction.applications")
    hospital.execute("UPDATE transaction.applications SET submitted_at = %s", day)
    whole = (
        "SELECT CAST(application AS text) FROM transaction.applications WHERE loan_amount <> '' AND property_value <> '' AND income <> '' "
        "AND debt_to_income_ratio <> '' AND loan_to_value_ratio <> '' ORDER BY application"
    )
    require_each_broken(hospital, source, BREAKS, clean=whole, as_of=day)
    require_each_score_rule(hospital.job)
