"""The job iit on its example: every planted trap is found by its rule, and labels are those that one counts by hand."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from scorer.config import shipped_root
from scorer.database.connection import Target
from scorer.database.source.reader import Source
from scorer.types.arrays import Observations
from scorer.types.values import WorkItem
from tests.integration.jobs_shipped.planted import Row, require_each_broken, require_each_score_rule

NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)
HELD = ("not_after_death", "death_not_before_treatment", "treatment_known", "mostly_usable")
TOLD = ("not_after_transfer", "programme_known", "date_present", "not_in_future", "not_long_before_treatment")
TOLD += ("code_known", "not_repeated")


def test_every_planted_trap_is_found_by_its_rule(with_example: Any) -> None:
    site = with_example("iit")

    ended = site.run(as_of=NOW)

    assert ended.counts.scored > 200
    found = {(entity, rule) for entity, rule, *_ in site.open_findings()}
    statuses = site.statuses()
    for number in range(1, 4):
        for rule in (*HELD, *TOLD):
            assert (f"{rule}_{number}", rule) in found
        assert {statuses[f"{rule}_{number}"] for rule in HELD} == {"QUARANTINED"}
        assert {statuses[f"{rule}_{number}"] for rule in TOLD} == {"SCORED"}
        assert f"ended_{number}" not in statuses
    assert ("nobody", "entity_exists") in found
    # What comes after the tables cease to be complete counts for nothing: the newest contact is that of March.
    ((as_of,),) = site.rows("SELECT as_of FROM reporting.current_scores WHERE entity_id = 'after_closing_1'")
    assert as_of == datetime(2026, 3, 16, 16, tzinfo=UTC)

    again = site.run(as_of=NOW)
    assert again.counts.scored == 0
    assert again.counts.unchanged > 10  # the others are settled


def test_the_view_has_the_columns_of_the_document(with_example: Any) -> None:
    site = with_example("iit")
    site.run(as_of=NOW)

    rows = site.rows(
        "SELECT patient_uuid, iit_risk_score, risk_level, confidence, prediction_timestamp, model_version "
        "FROM reporting.iit_predictions"
    )

    assert rows
    assert all(confidence == max(score, 1 - score) >= 0.5 for _, score, _, confidence, _, _ in rows)
    assert "confidence" in site.one("SELECT obj_description('reporting.iit_predictions'::regclass)")


# Patient, when treatment began, death, transfer, days of contact; and by day the label that one counts by hand.
BY_HAND: tuple[tuple[str, str | None, str | None, tuple[str, ...], dict[str, int | None]], ...] = (
    # 2024-03-01 + 180 days is 2024-08-28: a contact on that day is one, on the next it is none.
    ("on_the_day", None, None, ("2024-03-01", "2024-08-28"), {"2024-03-01": 0, "2024-08-28": 1}),
    ("a_day_late", None, None, ("2024-03-01", "2024-08-29"), {"2024-03-01": 1, "2024-08-29": 1}),
    ("died_first", "2024-05-01", None, ("2024-03-01",), {"2024-03-01": None}),
    ("died_after_one_more", "2024-05-01", None, ("2024-03-01", "2024-04-01"), {"2024-03-01": 0, "2024-04-01": None}),
    ("died_later", "2025-01-01", None, ("2024-03-01",), {"2024-03-01": 1}),
    ("moved", None, "2024-04-15", ("2024-03-01", "2024-06-01"), {"2024-03-01": None, "2024-06-01": 1}),
    ("on_the_day_of_the_start", None, None, ("2023-11-01", "2024-01-01"), {"2024-01-01": 1}),
    # The tables are complete to 2025-06-30: of a contact on 2025-01-01 that is 180 days, of one a day later 179.
    ("just_complete", None, None, ("2025-01-01",), {"2025-01-01": 1}),
    ("not_complete", None, None, ("2025-01-02",), {"2025-01-02": None}),
)


def test_labels_are_those_that_one_counts_by_hand(with_example: Any) -> None:
    site = with_example("iit")
    site.execute("TRUNCATE iit.programmes, iit.patients, iit.visits, iit.obs")
    site.execute("INSERT INTO iit.programmes VALUES ('Program_A', '2025-06-30')")
    number = 0
    for name, died, moved, days, _ in BY_HAND:
        site.execute(
            "INSERT INTO iit.patients (patient_uuid, programme, art_start, died_on, transferred_on) "
            "VALUES (%s, 'Program_A', '2024-01-01', %s, %s)",
            name,
            died,
            moved,
        )
        for day in days:
            number += 1
            site.execute(
                "INSERT INTO iit.visits (visit_id, patient_uuid, visit_date) VALUES (%s, %s, %s)", number, name, day
            )
    expected = {(name, day): label for name, *_, labels in BY_HAND for day, label in labels.items()}

    with closing(Source(Target.of(site.url, site.settings, role=site.settings.worker_role))) as source:
        table = source.landmarks(site.job).to_pylist()

    assert {(row["entity_id"], f"{row['as_of']:%Y-%m-%d}"): row["label"] for row in table} == {
        key: label for key, label in expected.items() if label is not None
    }
    statement = (shipped_root() / "sql" / "iit" / "outcomes_known.sql").read_text(encoding="utf-8")
    for name, value in {"horizon": "'180'", "zone": "'Africa/Johannesburg'"}.items():
        statement = statement.replace(f":{name}", value)
    entities, days = zip(*expected, strict=True)
    statement = statement.replace(":entity_ids", "%s::text []").replace(":as_ofs", "%s::timestamptz []")
    rows = site.rows(statement, list(entities), [f"{day} 16:00+00" for day in days])
    assert {(entities[position - 1], days[position - 1]): label for position, label in rows} == expected


def test_the_rhythm_of_a_programme_is_what_one_counts_by_hand(
    with_example: Callable[[str], Any], source: Source
) -> None:
    site = with_example("iit")
    site.execute("TRUNCATE iit.programmes, iit.patients, iit.visits, iit.obs")
    site.execute(
        "INSERT INTO iit.patients SELECT 'P' || n, 'Program_A', '2020-01-01', CASE n WHEN 41 THEN DATE '2026-11-20' - 250 END "
        "FROM generate_series(1, 41) AS n"
    )
    # 450 days before, 30 are seen; after 150 days those and 11 more; the 30 then 10 days later, 190 days later, and 20 days later.
    # Ten are lost after their only contact, and the one who died is not; after the third contact nobody comes for 180 days.
    for number, (before, patients, recorded_at) in enumerate(
        (
            (450, 30, None),
            (300, 41, None),
            (290, 30, None),
            (100, 30, None),
            (80, 30, None),
            (60, 30, "2026-11-10 12:00Z"),  # 50 days late: too late to count
            (20, 30, None),  # too new
        )
    ):
        site.execute(
            "INSERT INTO iit.visits SELECT %s + n, 'P' || n, DATE '2026-11-20' - %s, %s::timestamptz FROM generate_series(1, %s) AS n",
            *(1000 * number, before, recorded_at, patients),
        )

    told = source.attributes(site.job, [WorkItem(entity_id="P1", as_of=datetime(2026, 11, 20, 16, tzinfo=UTC))]).numbers

    # Of 30 + 40 + 30 contacts, 10 + 30 are the last for 180 days.
    assert {name: values.tolist() for name, values in told.items() if name.startswith("programme_")} == {
        "programme_lost": [0.4],
        "programme_gap": [20.0],
        "programme_growth": [2.0],
    }
    few = source.attributes(site.job, [WorkItem(entity_id="P1", as_of=datetime(2025, 9, 20, 16, tzinfo=UTC))]).numbers
    assert [bool(np.isnan(few[f"programme_{name}"][0])) for name in ("lost", "gap", "growth")] == [True, True, True]


def _visits(day: str, times: int = 1, *, recorded_at: str = "NULL") -> Row:
    """Visits of a patient on a day."""
    return Row(
        "INSERT INTO iit.visits (visit_id, patient_uuid, visit_date, recorded_at) "
        f"SELECT m.last + n, '{{entity}}', {day}, {recorded_at} "
        f"FROM generate_series(1, {times}) AS n CROSS JOIN (SELECT max(visit_id) AS last FROM iit.visits) AS m"
    )


def _xrays(times: int) -> Row:
    """Rows of a concept that the job does not know."""
    return Row(
        "INSERT INTO iit.obs (obs_id, patient_uuid, obs_date, concept) SELECT m.last + n, '{entity}', DATE '2026-05-04', 'CHEST_XRAY' "
        f"FROM generate_series(1, {times}) AS n CROSS JOIN (SELECT max(obs_id) AS last FROM iit.obs) AS m"
    )


def _patient(change: str) -> Row:
    return Row(f"UPDATE iit.patients SET {change} WHERE patient_uuid = '{{entity}}'")


def _of_value(value: float) -> Row:
    """A contact of another value: the statement gives each the value 1."""

    def change(observations: Observations) -> Observations:
        values = np.append(value, observations.value[1:])
        return replace(observations, value=values, value_is_null=np.isnan(values))

    return Row(change=change)


_BEFORE_THE_LAST = "(SELECT max(visit_date) - 1 FROM iit.visits WHERE patient_uuid = '{entity}')"
BREAKS = {
    "date_present": _visits("NULL"),
    "not_in_future": _visits("DATE '{as_of}' + 30", recorded_at="timestamptz '{as_of}' - interval '1 day'"),
    "not_long_before_treatment": _visits("DATE '1900-01-01'"),
    "code_known": _xrays(1),
    "value_present": _of_value(np.nan),
    "value_not_too_low": _of_value(-1),
    "value_not_too_high": _visits("DATE '1900-01-01'"),  # the next contact's gap
    "not_repeated": _visits("DATE '2026-05-04'", 2),
    "not_after_death": _patient(f"died_on = {_BEFORE_THE_LAST}"),
    "not_after_transfer": _patient(f"transferred_on = {_BEFORE_THE_LAST}"),
    "treatment_known": _patient("art_start = NULL"),
    "treatment_possible": _patient("art_start = '1900-01-01'"),
    "death_not_before_treatment": _patient("died_on = art_start - 1"),
    "mostly_usable": _xrays(500),
    "programme_known": _patient("programme = 'Program_X'"),
}


def test_each_rule_is_broken_by_a_row_planted_for_it(with_example: Callable[[str], Any], source: Source) -> None:
    hospital = with_example("iit")
    seen = "SELECT patient_uuid FROM iit.visits WHERE patient_uuid LIKE 'P0%' GROUP BY 1 HAVING count(*) > 4 ORDER BY 1 LIMIT 90"
    require_each_broken(hospital, source, BREAKS, clean=seen, as_of=NOW)
    require_each_score_rule(hospital.job)
