"""The columns of predictions, by job, and a row for every entity."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

from scorer.jobs.job import Job, load_job
from scorer.runs.files.predictions import Layout, rows_of, write_predictions
from scorer.types.enums import Status
from scorer.types.values import Outcome

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)


def outcome(entity_id: str, **more: object) -> Outcome:
    plain: dict[str, object] = {"status": Status.SCORED, "as_of": NOON, "input_hash": b"", **more}
    return Outcome(entity_id=entity_id, **plain)  # type: ignore[arg-type]


def written(path: Path, layout: Layout, outcomes: list[Outcome], **more: object) -> list[dict[str, str]]:
    given: dict[str, object] = {"named": [], "orphans": [], **more}
    rows = rows_of(layout, outcomes, processed_at=NOON, model_version="7", **given)  # type: ignore[arg-type]
    write_predictions(path, layout.columns, rows)
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_guides_columns_come_first(sepsis: Job) -> None:
    assert Layout(sepsis).columns[:7] == (
        "visit_id",
        "client",
        "sepsis_probability",
        "risk_level",
        "status",
        "processed_at",
        "model_version",
    )


def test_other_jobs_name_theirs() -> None:
    value = load_job("value")
    assert {f"{value.entity}_id", value.output, f"{value.output}_low", f"{value.output}_high"} <= set(
        Layout(value).columns
    )
    kinds = load_job("transaction")
    found = Layout(kinds, classes=("SALE", "LEASE")).columns
    assert {f"{kinds.output}_SALE", f"{kinds.output}_LEASE", "label"} <= set(found)
    assert "label" not in Layout(value).columns


def test_every_entity_has_its_row(sepsis: Job, tmp_path: Path) -> None:
    scored = outcome("10", score=0.1 + 0.2, risk_band="HIGH", attributes={"client": 'C, "10"'}, valid_until=NOON)
    held = outcome("9", status=Status.QUARANTINED, reason="age_possible", attributes={"client": "=1+1"})
    rows = written(
        tmp_path / "p.csv",
        Layout(sepsis),
        [scored, held],
        named=[("9", "=1+1"), ("10", 'C, "10"'), ("11", "C11")],
        orphans=[("12", 3), ("", 2)],
    )
    assert [(row["visit_id"], row["status"], row["reason"]) for row in rows] == [
        ("9", "QUARANTINED", "age_possible"),
        ("10", "SCORED", ""),
        ("11", "NOT_DUE", "has not begun by the as-of time"),
        ("12", "QUARANTINED", "entity_exists"),
    ]
    assert [row["client"] for row in rows] == ["=1+1", 'C, "10"', "C11", ""]
    assert [row["sepsis_probability"] for row in rows] == ["", repr(0.1 + 0.2), "", ""]
    assert float(rows[1]["sepsis_probability"]) == 0.1 + 0.2
    assert {row["processed_at"] for row in rows} == {"2025-06-01T12:00:00+00:00"}
    assert rows[1]["model_version"] == "7"


def test_a_score_that_is_missing_has_no_interval(tmp_path: Path) -> None:
    job = load_job("value")
    (row,) = written(
        tmp_path / "p.csv",
        Layout(job),
        [outcome("1", status=Status.INDETERMINATE, reason="unlike", outputs={"low": 1.0, "high": 2.0})],
    )
    assert (row[job.output], row[f"{job.output}_low"], row[f"{job.output}_high"]) == ("", "", "")
