"""The block that the README gives for real data, on the real cohort: it runs, its counts balance, and again it adds nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from scorer.jobs.job import load_job

AS_OF = "2025-06-01T00:00:00Z"
KINDS = ("scored", "unchanged", "quarantined", "insufficient", "indeterminate", "failed")
ROWS = {"visits": 6_500, "patient_observations": 1_596_827, "outcomes": 6_500}
EVERYTHING = (
    "SELECT (SELECT count(*) FROM visits), (SELECT count(*) FROM patient_observations),"
    " (SELECT count(*) FROM outcomes), (SELECT count(*) FROM scorer.scores)"
)


@pytest.mark.real_data
@pytest.mark.long
def test_real_cohort_is_loaded_scored_and_accounted_for(
    real_cohort: Path, migrated_url: str, program: Any, tmp_path: Path
) -> None:
    environment = {**os.environ, "SCORER_DATABASE_URL": migrated_url, "SCORER_HOME": str(tmp_path)}

    def call(*arguments: str) -> Any:
        done = program(*arguments, "--json", environment=environment)
        assert done.code == 0, done.err
        return json.loads(done.out)

    def query(statement: str) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(migrated_url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall())
        finally:
            connection.close()

    loaded = call("load", str(real_cohort))
    assert {table["table"]: (table["read"], table["loaded"], table["rejected"]) for table in loaded["tables"]} == {
        table: (rows, rows, 0) for table, rows in ROWS.items()
    }
    assert loaded["rejects"] is None
    known_when_true = "SELECT count(*) FROM patient_observations WHERE recorded_at = observation_date"
    assert query(known_when_true) == [(ROWS["patient_observations"],)]
    visits = ROWS["visits"]

    first = call("run", "sepsis", "--as-of", AS_OF)
    assert first["status"] == "succeeded"
    (begun,) = query(f"SELECT count(*) FROM visits WHERE admitted_at <= '{AS_OF}'")[0]
    assert 1000 < begun <= visits
    assert first["eligible"] == begun == sum(first[kind] for kind in KINDS)
    assert first["scored"] > 0.9 * begun
    bands = dict(query("SELECT risk_level, count(*) FROM reporting.sepsis_predictions GROUP BY 1"))
    assert set(bands) == {"HIGH", "MEDIUM", "LOW"}
    assert sum(bands.values()) == first["scored"]
    shipped = load_job("sepsis").bands
    assert shipped is not None
    (_, high), (_, medium) = shipped.limits
    limits = f"CASE WHEN sepsis_score > {high} THEN 'HIGH' WHEN sepsis_score > {medium} THEN 'MEDIUM' ELSE 'LOW' END"
    written_back = f"SELECT risk_level, count(*) FROM visits WHERE risk_level = {limits} GROUP BY 1"
    assert dict(query(written_back)) == bands

    before = query(EVERYTHING)
    second = call("run", "sepsis", "--as-of", AS_OF)
    assert (second["scored"], second["failed"]) == (0, 0)
    assert second["eligible"] == sum(second[kind] for kind in KINDS)
    assert query(EVERYTHING) == before

    again = call("load", str(real_cohort))["tables"]
    assert [(table["loaded"], table["rejected"]) for table in again] == [(0, 0)] * len(again)
    assert query(EVERYTHING) == before

    # Of January alone, to be quick. The model was trained on these clients.
    told = call("evaluate", "sepsis", "--as-of-every", "1h", "--outcomes", "--to", "2025-02-01T00:00:00Z")
    steps, everyone = told["attrition"], told["groups"][0]
    assert steps["landmarks"] == steps["held"] + steps["insufficient"] + steps["declined"] + steps["scored"] > 20_000
    assert steps["scored_without_outcome"] == 0
    assert everyone["figures"]["auroc"]["low"] > 0.8
    assert everyone["events"] > 20
