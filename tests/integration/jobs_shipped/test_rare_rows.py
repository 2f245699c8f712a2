"""Rows that are rare, or wrong in one column: no shipped job stops at one, scores another entity, or gives a label that is none."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from scorer.config import shipped_root
from scorer.database.connection import Target
from scorer.database.source.reader import Source

MONDAY = datetime(2026, 11, 16, 0, tzinfo=UTC)


def _labels(site: Any, entity: str) -> list[tuple[datetime, float | None]]:
    """The landmarks of an entity, in the order of time."""
    with closing(Source(Target.of(site.url, site.settings, role=site.settings.worker_role))) as source:
        rows = source.landmarks(site.job).to_pylist()
    return sorted((row["as_of"], row["label"]) for row in rows if row["entity_id"] == entity)


def test_a_person_whose_id_has_a_slash_is_no_other_person(with_example: Any) -> None:
    site = with_example("contact")
    ((known,),) = site.rows(
        "SELECT person_id FROM contact.prompts GROUP BY person_id ORDER BY count(*) DESC, person_id LIMIT 1"
    )
    site.execute("INSERT INTO contact.people (person_id, joined_at) VALUES (%s, '2026-10-01Z')", f"{known}/Mon-10")
    site.execute("INSERT INTO contact.prompts VALUES (900001, %s, 'Mon-10', '2026-11-02 09:00Z')", f"{known}/Mon-10")

    site.run(as_of=MONDAY)

    rows = site.rows(
        "SELECT status, attributes ->> 'person_id' FROM reporting.current_scores WHERE entity_id LIKE %s",
        f"{known}/Mon-10/%",
    )
    assert len(rows) == 42
    assert set(rows) == {("INSUFFICIENT", f"{known}/Mon-10")}


def test_the_newest_landmarks_are_not_of_events_alone(with_example: Any) -> None:
    """What has happened is known at once, what has not only when its time is over: until then neither is a label."""
    now = datetime.now(UTC)
    site = with_example("churn")
    site.execute(
        "INSERT INTO churn.courses VALUES ('NEW', 'AAA', %s, %s)", now - timedelta(days=20), now + timedelta(days=200)
    )
    for name, left in (("leaves", now - timedelta(days=2)), ("stays", None)):
        site.execute(
            "INSERT INTO churn.enrolments (enrolment_id, user_id, course_id, registered_at, unregistered_at) "
            "VALUES (%s, %s, 'NEW', %s, %s)",
            *(name, name, now - timedelta(days=40), left),
        )
    assert {label for name in ("leaves", "stays") for _, label in _labels(site, name)} == {None}


def test_a_contact_that_is_recorded_late_is_counted_from_its_day(with_example: Any) -> None:
    """As the landmarks have it, so have the outcomes of scores; and nobody learns from a contact that was never the newest known."""
    site = with_example("iit")
    site.execute("TRUNCATE iit.programmes, iit.patients, iit.visits, iit.obs")
    site.execute("INSERT INTO iit.programmes VALUES ('Program_A', '2025-06-30')")
    for name in ("late", "overtaken"):
        site.execute("INSERT INTO iit.patients VALUES (%s, 'Program_A', '2024-01-01')", name)
    # 198 days from the contact to the next one, and 137 from when it was recorded.
    for number, (name, day, recorded_at) in enumerate(
        (
            ("late", "2024-03-01", "2024-05-01 08:00Z"),
            ("late", "2024-09-15", None),
            ("overtaken", "2024-03-01", "2024-05-01 08:00Z"),
            ("overtaken", "2024-03-20", None),
        )
    ):
        site.execute("INSERT INTO iit.visits VALUES (%s, %s, %s, %s)", number, name, day, recorded_at)
    recorded = datetime(2024, 5, 1, 8, tzinfo=UTC)

    assert (recorded, 1) in _labels(site, "late")
    assert recorded not in {as_of for as_of, _ in _labels(site, "overtaken")}
    statement = (shipped_root() / "sql" / "iit" / "outcomes_known.sql").read_text(encoding="utf-8")
    for name, value in {"horizon": "'180'", "zone": "'Africa/Johannesburg'"}.items():
        statement = statement.replace(f":{name}", value)
    statement = statement.replace(":entity_ids", "%s::text []").replace(":as_ofs", "%s::timestamptz []")
    assert site.rows(statement, ["late"], [recorded]) == [(1, 1)]


def test_a_woman_who_is_pregnant_by_now_has_no_score_of_before(with_example: Any) -> None:
    site = with_example("pcos")
    site.run(as_of=MONDAY - timedelta(days=30))
    ((woman, examined_at),) = site.rows(
        "SELECT c.entity_id, x.examined_at FROM reporting.current_scores AS c "
        "JOIN pcos.examinations AS x ON x.user_id = c.entity_id "
        "WHERE c.status = 'SCORED' ORDER BY x.examined_at DESC, c.entity_id LIMIT 1"
    )
    site.execute(
        "INSERT INTO pcos.examinations (exam_id, user_id, examined_at, exclusion) VALUES (900001, %s, %s, 'pregnant')",
        *(woman, examined_at + timedelta(days=1)),
    )
    site.execute("INSERT INTO pcos.examinations (exam_id, examined_at) VALUES (900002, %s)", examined_at)

    site.run(as_of=MONDAY)

    assert site.status(woman)[0] == "RECALLED"
    assert ("900002", "entity_exists") in {(entity, rule) for entity, rule, *_ in site.open_findings()}


# By job, rows by which an entity would be scored as of a time before Christ, which no program holds.
ANCIENT = {
    "contact": ("UPDATE contact.people SET left_at = '0044-03-15 12:00Z BC' WHERE person_id = 'P01'",),
    "churn": (
        "INSERT INTO churn.courses VALUES ('OLD', 'AAA', '0045-03-15 12:00Z BC', '0044-03-15 12:00Z BC')",
        "INSERT INTO churn.enrolments (enrolment_id, user_id, course_id, registered_at) VALUES ('OLD', 'OLD', 'OLD', '2025-03-15 12:00Z')",
    ),
    "iit": (
        "INSERT INTO iit.patients (patient_uuid, programme) VALUES ('old', 'Program_A'), ('older', 'Program_A')",
        "INSERT INTO iit.visits VALUES (900001, 'old', '0044-03-15 BC', NULL), (900002, 'older', '-infinity', NULL)",
    ),
    "value": (
        "UPDATE value.parcels SET area = 'OLD' WHERE parcel = (SELECT min(parcel) FROM value.parcels)",
        "INSERT INTO value.markets VALUES ('OLD', '0044-03-15 12:00Z BC', 500000, 300, 10)",
    ),
}


@pytest.mark.parametrize("job", sorted(ANCIENT))
def test_a_date_before_christ_stops_no_run(with_example: Any, job: str) -> None:
    site = with_example(job)
    for statement in ANCIENT[job]:
        site.execute(statement)
    assert site.run(as_of=MONDAY).counts.scored > 100
