"""The job `value` on its example: what houses would be sold for, and what its rules find of what was planted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

PLANTED = {
    "baths_fit_beds": 3,
    "age_possible": 2,
    "size_given": 1,
    "size_possible": 1,
    "use_type_known": 2,
    "latitude_possible": 1,
    "longitude_possible": 1,
    "superseded": 4,
    "not_resold_at_once": 4,
    "value_not_too_low": 4,
    "date_present": 3,
    "date_possible": 2,
    "entity_exists": 1,
}


def test_the_example_is_valued_and_each_trap_is_found_by_its_rule(shown: Callable[[str], Any]) -> None:
    job = shown("value")
    counts = job.ended.counts
    assert counts.eligible == 350
    assert counts.quarantined == 5
    assert counts.scored > 300
    found = {rule: job.found(rule) for rule in PLANTED}
    assert all(found[rule] >= times for rule, times in PLANTED.items()), found
    again = job.hospital.run(job.job, as_of=job.ended.as_of)
    assert again.counts.scored == 0
    columns = "entity_id, prediction_type, predicted_value, predicted_class, confidence, top_features, prediction_date"
    rows = job.hospital.rows(
        f"SELECT {columns}, model_version, latency_ms, predicted_low, predicted_high FROM reporting.value_predictions"
    )
    assert len(rows) == counts.scored
    for row in rows:
        assert row[1] == "PROPERTY_VALUE"
        assert row[4] == 0.9
        assert len(row[5]) == 5
        assert set(row[5][0]) == {"feature_name", "contribution", "value"}
        assert row[8] > 0
        assert row[9] <= row[2] <= row[10]
    assert len(rows[0][0]) == 10


def test_landmarks_and_outcomes_are_those_of_the_last_sale_of_a_day(shown: Callable[[str], Any]) -> None:
    job = shown("value")
    hospital = job.hospital
    (parcel, day, last), *_ = hospital.rows(
        "SELECT parcel, sold_at, price FROM value.sales WHERE sale LIKE 'same-day-%%' ORDER BY sale"
    )
    landmarks = hospital.rows(
        f"SELECT as_of, label FROM ({job.job.statements['landmarks']}) AS l WHERE entity_id = %s ORDER BY as_of", parcel
    )
    assert (day, last) in landmarks
    assert len({as_of for as_of, _ in landmarks}) == len(landmarks)
    assert job.known(f"('{parcel}', timestamptz '{day}' - interval '2 days')") == [last]
    assert job.known(f"('{parcel}', timestamptz '{day}' - interval '3 years')") == []
    (dollar, sold), *_ = hospital.rows(
        "SELECT parcel, sold_at FROM value.sales WHERE sale LIKE 'dollar-%%' ORDER BY sale"
    )
    assert job.known(f"('{dollar}', timestamptz '{sold}')") == [None]
