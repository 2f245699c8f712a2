"""The job iit on its example: every planted trap is found by its rule, and labels are those that one counts by hand."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from scorer.config import shipped_root
from scorer.database.connection import Target
from scorer.database.source.reader import Source

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
    ("before_treatment", None, None, ("2023-11-01", "2024-01-01"), {}),
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
