"""The job `value` on its example: what houses would be sold for, and what its rules find of what was planted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scorer.database.source.reader import Source
from tests.integration.jobs_shipped.planted import Row, of_unknown_code, require_each_broken, require_each_score_rule

_SALE = (
    "INSERT INTO value.sales (sale, parcel, sold_at, price, recorded_at) SELECT 'planted {entity} ' || n, '{entity}', "
)
_TWO = _SALE + "timestamptz '{as_of}' - interval '50 days' %s FROM generate_series(1, 2) AS n"
_PARCEL = "UPDATE value.parcels SET %s WHERE parcel = '{entity}'"


def _one(sold_at: str, price: str = "400000", recorded_at: str = "NULL") -> Row:
    return Row(f"{_SALE} {sold_at}, {price}, {recorded_at} FROM generate_series(1, 1) AS n")


def _house(change: str) -> Row:
    return Row(_PARCEL % change)


BREAKS = {
    "date_present": _one("NULL"),
    "date_possible": _one("'1900-01-01'"),
    "not_in_future": _one(
        "timestamptz '{as_of}' + interval '1 day'", recorded_at="timestamptz '{as_of}' - interval '1 day'"
    ),
    "code_known": Row(change=of_unknown_code),
    "value_present": _one("'2015-03-01'", "NULL"),
    "value_finite": _one("'2015-03-01'", "'Infinity'"),
    "value_not_too_low": _one("'2015-03-01'", "1"),
    "value_not_too_high": _one("'2015-03-01'", "1e9"),
    "not_repeated": Row(_TWO % ", 400000, NULL"),
    "superseded": Row(_TWO % ", 400000 + n, timestamptz '{as_of}' - n * interval '1 day'"),
    "ambiguous": Row(_TWO % ", 400000 + n, NULL"),
    "not_resold_at_once": Row(_TWO % "+ n * interval '10 days', 400000, NULL"),
    "mostly_usable": Row(f"{_SALE} NULL, 400000, NULL FROM generate_series(1, 500) AS n"),
    "size_given": _house("tot_sf = NULL"),
    "size_possible": _house("tot_sf = 20"),
    "age_possible": _house("year_built = 1700"),
    "place_given": _house("latitude = NULL"),
    "latitude_possible": _house("latitude = 0"),
    "longitude_possible": _house("longitude = 122.3"),
    "lot_possible": _house("lot_sf = 1"),
    "grade_possible": _house("bldg_grade = 20"),
    "beds_possible": _house("beds = 33"),
    "baths_fit_beds": _house("beds = 1, baths = 8"),
    "use_type_known": _house("use_type = 'condo'"),
    "area_known": _house("area = '999'"),
}

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


def test_each_rule_is_broken_by_a_row_planted_for_it(with_example: Callable[[str], Any], source: Source) -> None:
    hospital = with_example("value")
    newest = hospital.one("SELECT max(reported_at) FROM value.markets")
    require_each_broken(hospital, source, BREAKS, clean="SELECT parcel FROM value.parcels ORDER BY 1", as_of=newest)
    require_each_score_rule(hospital.job, possible=(20_000, 5_000_000), impossible=5_000)
