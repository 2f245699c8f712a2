"""The job `move` on its example: which ownerships may end, and what its rules find of what was planted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scorer.database.source.reader import Source
from tests.integration.jobs_shipped.planted import Row, of_unknown_code, require_each_broken, require_each_score_rule

_FURTHER = (
    "INSERT INTO move.sales (sale, parcel, sold_at, price, recorded_at) SELECT 'planted ' || sale || ' ' || n, parcel, %s "
    "FROM move.sales CROSS JOIN generate_series(1, %s) AS n WHERE sale = '{entity}'"
)


def _before(sale: str, times: int = 1) -> Row:
    """Sales of the parcel before the purchase."""
    return Row(_FURTHER % (sale, times))


def _purchase(change: str) -> Row:
    return Row(f"UPDATE move.sales SET {change} WHERE sale = '{{entity}}'")


def _house(change: str) -> Row:
    return Row(
        f"UPDATE move.parcels SET {change} WHERE parcel = (SELECT parcel FROM move.sales WHERE sale = '{{entity}}')"
    )


_LONG_BEFORE = "sold_at - interval '3 years'"
BREAKS = {
    "date_present": _before("NULL, price, NULL"),
    "date_possible": _before("'1900-01-01', price, NULL"),
    "not_in_future": _purchase(
        "sold_at = timestamptz '{as_of}' + interval '1 day', recorded_at = timestamptz '{as_of}' - interval '1 day'"
    ),
    "code_known": Row(change=of_unknown_code),
    "value_present": _before(f"{_LONG_BEFORE}, NULL, NULL"),
    "value_finite": _before(f"{_LONG_BEFORE}, 'Infinity', NULL"),
    "value_not_too_low": _before(f"{_LONG_BEFORE}, 1, NULL"),
    "value_not_too_high": _before(f"{_LONG_BEFORE}, 1e9, NULL"),
    "not_repeated": _before(f"{_LONG_BEFORE}, 400000, NULL", 2),
    "superseded": _before(f"{_LONG_BEFORE}, 400000 + n, sold_at - n * interval '1 day'", 2),
    "ambiguous": _before(f"{_LONG_BEFORE}, 400000 + n, NULL", 2),
    "not_resold_at_once": _before("sold_at - interval '10 days', price, NULL"),
    "mostly_usable": _before("NULL, price, NULL", 500),
    "bought_given": _purchase("sold_at = NULL"),
    "price_given": _purchase("price = NULL"),
    "price_possible": _purchase("price = 1"),
    "bought_before": _purchase("sold_at = timestamptz '{as_of}' + interval '1 day'"),
    "bought_possible": _purchase("sold_at = '1900-01-01'"),
    "sold_once_a_day": _before("sold_at, price, NULL"),
    "age_possible": _house("year_built = 2019"),
    "place_given": _house("latitude = NULL"),
    "latitude_possible": _house("latitude = 0"),
    "longitude_possible": _house("longitude = 122.3"),
    "lot_possible": _house("lot_sf = 1"),
    "use_type_known": _house("use_type = 'condo'"),
}

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
    labels: dict[str, dict[int, int | None]] = {}
    for sale, days, label in hospital.rows(
        f"SELECT l.entity_id, round(extract(epoch FROM l.as_of - s.sold_at) / 86400), l.label FROM ({text}) AS l "
        "JOIN move.sales AS s ON s.sale = l.entity_id"
    ):
        labels.setdefault(sale, {})[int(days)] = label
    # Nothing is known after the newest deed, of 2016-12-28.
    assert labels == {
        "first": {180: 1},
        "twin of again": {180: 0, 545: 0, 910: None, 1275: None},
        "kept": {180: 0, 545: 0, 910: 0, 1275: None},
    }
    assert job.known("('first', timestamptz '2012-07-01'), ('kept', timestamptz '2012-07-01')") == [1, 0]
    assert job.known("('kept', timestamptz '2016-01-01')") == [None]
    assert job.known("('first', timestamptz '2014-01-01')") == []


def test_each_rule_is_broken_by_a_row_planted_for_it(with_example: Callable[[str], Any], source: Source) -> None:
    hospital = with_example("move")
    newest = hospital.one("SELECT max(reported_at) FROM move.markets")
    only = "SELECT min(sale) FROM move.sales GROUP BY parcel HAVING count(*) = 1 ORDER BY 1"
    require_each_broken(hospital, source, BREAKS, clean=only, as_of=newest)
    require_each_score_rule(hospital.job)
