"""The job `move` on its example: which ownerships may end, and what its rules find of what was planted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

PLANTED = {
    "price_given": 1,
    "price_possible": 2,
    "bought_given": 1,
    "bought_possible": 1,
    "age_possible": 2,
    "use_type_known": 2,
    "place_given": 1,
    "latitude_possible": 1,
    "sold_once_a_day": 4,
    "superseded": 4,
    "not_resold_at_once": 4,
    "value_not_too_low": 2,
    "value_present": 1,
    "date_present": 1,
    "date_possible": 1,
}


def test_the_example_is_scored_and_each_trap_is_found_by_its_rule(shown: Callable[[str], Any]) -> None:
    job = shown("move")
    counts = job.ended.counts
    found = {rule: job.found(rule) for rule in PLANTED}
    assert all(found[rule] >= times for rule, times in PLANTED.items()), found
    assert counts.scored > 300
    assert job.hospital.run(job.job, as_of=job.ended.as_of).counts.scored == 0
    columns = "entity_id, prediction_type, predicted_value, predicted_class, confidence, top_features, prediction_date"
    rows = job.hospital.rows(f"SELECT {columns}, model_version, latency_ms FROM reporting.move_predictions")
    assert len(rows) == counts.scored
    for row in rows:
        assert row[1] == "MOVE_PROBABILITY"
        assert row[4] == max(row[2], 1 - row[2])
        assert len(row[5]) == 5


def test_the_label_is_a_resale_within_24_months_of_a_landmark(shown: Callable[[str], Any]) -> None:
    job = shown("move")
    hospital = job.hospital
    hospital.execute("DELETE FROM move.sales")
    parcel = hospital.one("SELECT min(parcel) FROM move.parcels")
    other = hospital.one("SELECT max(parcel) FROM move.parcels")
    for sale, of, sold, price in (
        ("first", parcel, "2012-01-01", 400_000),
        ("again", parcel, "2013-06-01", 450_000),
        ("twin of again", parcel, "2013-06-01", 460_000),
        ("kept", other, "2012-01-01", 500_000),
        ("newest", other, "2016-12-28", 600_000),
    ):
        hospital.execute("INSERT INTO move.sales VALUES (%s, %s, %s, %s, %s)", sale, of, sold, price, sold)
    text = job.job.statements["landmarks"]
    for name, value in job.job.parameters.items():
        text = text.replace(f":{name}", f"'{value}'")
    landmarks = dict(hospital.rows(f"SELECT entity_id, label FROM ({text}) AS l"))
    assert landmarks == {"first": 1, "twin of again": 0, "kept": 0}
    assert job.known("('first', timestamptz '2012-07-01'), ('kept', timestamptz '2012-07-01')") == [1, 0]
    assert job.known("('kept', timestamptz '2016-01-01')") == [None]
    assert job.known("('first', timestamptz '2014-01-01')") == []
