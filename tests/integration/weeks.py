"""Some days of a hospital: real runs whose times are moved back, and what else happens in a week; the names in it are hostile."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

DAYS = 4
JOB = "<script>alert(1)</script>"  # a job by such a name
CLIENT = '"><img src="https://example.org/x" onerror="alert(1)">'  # a client, and an entity, by such a name
VALUE = 987.654321  # of a patient: it stands for nothing else
# Where the days' tables have times; the ledger's months are left as they are.
_MOVE = """
DO $$
DECLARE
    moved record;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR moved IN
        SELECT c.oid::regclass AS name, string_agg(format('%%1$I = %%1$I - %s * INTERVAL ''1 day''', a.attname), ', ') AS change
        FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        JOIN pg_attribute AS a ON a.attrelid = c.oid
        WHERE (n.nspname = 'scorer' OR (n.nspname = 'public' AND c.relname IN ('visits', 'patient_observations')))
          AND c.relkind IN ('r', 'p')
          AND NOT c.relispartition
          AND a.atttypid IN ('timestamptz'::regtype)
          AND NOT a.attisdropped
          AND c.relname <> 'ledger_partitions'
        GROUP BY c.oid
    LOOP
        EXECUTE format('UPDATE %%s SET %%s', moved.name, moved.change);
    END LOOP;
END
$$
"""


def live(hospital: Any) -> None:
    """Days of a hospital whose model is made by hand: each with a run of visits new and old, and one visit that is held."""
    for day in range(DAYS):
        if day:
            hospital.execute(_MOVE % 1)
        hospital.noon = datetime.now(UTC)
        first = 1000 * day
        hospital.admit(*range(first + 1, first + 13), client=CLIENT)
        hospital.execute("UPDATE public.patient_observations SET client = %s WHERE visit_id > %s", CLIENT, first)
        hospital.observe(first + 3, client="another", observation_value=VALUE)
        for visit in range(first + 4, first + 7):
            hospital.observe(visit, hours_ago=0.5, observation_value=140.0, client=CLIENT)
        if day:  # of the day before: one is worse now, one is not known any more
            hospital.observe(first - 1000 + 9, hours_ago=0.5, observation_value=150.0, client=CLIENT)
        hospital.run()
    _happen(hospital)


def _happen(hospital: Any) -> None:
    """Ticks, requests, a failed run, alerts, live figures, what waits; and a second job, by another name, with all that the first has."""
    run = hospital.one("SELECT max(run_id) FROM scorer.runs")
    version = hospital.one(
        "SELECT max(model_version) FROM reporting.models WHERE job = 'sepsis' AND status = 'production'"
    )
    hospital.execute(
        "INSERT INTO scorer.ticks (job, scheduled_for, outcome, reason, schedule, recorded_by, run_id) "
        "SELECT 'sepsis', date_trunc('hour', now()) - h * INTERVAL '1 hour', o.outcome, o.reason, '0 * * * * UTC', 'here', "
        "CASE WHEN o.outcome <> 'missed' THEN %s END FROM generate_series(1, 30) AS h CROSS JOIN LATERAL (SELECT "
        "CASE WHEN h = 7 THEN 'missed' WHEN h %% 10 = 0 THEN 'late' ELSE 'ran' END, "
        "CASE WHEN h = 7 THEN 'no daemon was at work' WHEN h %% 10 = 0 THEN 'the run before went on' END) AS o (outcome, reason)",
        run,
    )
    hospital.execute(
        "INSERT INTO scorer.requests (job, entity_id, status, outcome, requested_at, finished_at, run_id) "
        "SELECT 'sepsis', '1', 'done', 'SCORED', now() - m * INTERVAL '20 min', "
        "now() - m * INTERVAL '20 min' + m * INTERVAL '3 ms', %s FROM generate_series(1, 60) AS m",
        run,
    )
    hospital.execute(
        "INSERT INTO scorer.runs (job, job_version, trigger, status, as_of, as_known_at, scorer_version, started_at, finished_at, error) "
        "SELECT job, job_version, 'schedule', 'failed', as_of, as_known_at, scorer_version, started_at - INTERVAL '1 hour', "
        "started_at - INTERVAL '59 min', 'The <b>database</b> did not answer.' FROM scorer.runs WHERE run_id = %s",
        run,
    )
    hospital.execute(
        "INSERT INTO scorer.alerts (job, kind, model_version, detail, since) VALUES ('sepsis', 'drift', %s, '3 of <i>features</i> moved', "
        "now() - INTERVAL '2 days')",
        version,
    )
    hospital.execute("INSERT INTO scorer.write_backs (job, entity_id) VALUES ('sepsis', '1')")
    for days, value in ((3, 0.81), (2, 0.79), (1, 0.76)):
        checkup = hospital.one(
            "INSERT INTO scorer.checkups (job, model_version, job_version, checked_at, window_from, scores, features, features_moved, "
            "retrain_after) SELECT 'sepsis', %s, job_version, now() - %s * INTERVAL '1 day', now() - INTERVAL '30 days', 400, 5, 0, "
            "INTERVAL '91 days' FROM scorer.runs LIMIT 1 RETURNING checkup_id",
            version,
            days,
        )
        known_until = days_ago(days)
        for metric, of in (("auroc", value), ("average_precision", value / 3), ("calibration_slope", value + 0.2)):
            hospital.execute(
                "INSERT INTO scorer.live_performance (checkup_id, job, model_version, window_from, window_until, metric, value, low, high, "
                "expected, expected_low, rows, entities, positives) VALUES (%s, 'sepsis', %s, now() - INTERVAL '30 days', "
                "%s, %s, %s, %s, %s, 0.82, 0.8, 400, 390, 31)",
                *(checkup, version, known_until, metric, of, of - 0.03, of + 0.03),
            )
    _drift(hospital)
    double(hospital)


FEATURES = ("HR_last_stay", "age_years")


def _drift(hospital: Any) -> None:
    """Counts of two features and the score for each batch, of 100 rows, and what they were in training."""
    shares = {name: {"edges": list(range(9)), "shares": [0.1] * 10, "missing": 0.0} for name in FEATURES}
    shares["age_years"]["shares"] = [0.01] * 9 + [0.91]
    baseline = {"rows": 1000, "features": shares, "score": {"edges": list(range(9)), "shares": [0.1] * 10}}
    with hospital.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "UPDATE scorer.model_versions SET manifest = jsonb_set(jsonb_set(manifest, '{features}', %s), '{baseline}', %s) "
            "WHERE job = 'sepsis' AND status = 'production'",
            (json.dumps(FEATURES), json.dumps(baseline)),
        )
        cursor.execute(
            "INSERT INTO scorer.feature_counts (batch_id, run_id, job, model_version, counted_at, scores, counts) "
            "SELECT b.batch_id, b.run_id, r.job, r.model_version, b.finished_at, 100, "
            "'{40,60,0,0,0,0,0,0,0,0,0, 0,0,0,0,0,0,0,0,0,90,10, 10,10,10,10,10,10,10,10,10,10,0}' "
            "FROM scorer.batches AS b JOIN scorer.runs AS r USING (run_id)"
        )


def double(hospital: Any, job: str = JOB) -> None:
    """Another job with the rows of the first, and entities of a hostile name."""
    for table in (
        "job_versions",
        "model_versions",
        "runs",
        "scores",
        "ticks",
        "requests",
        "rejections",
    ):
        columns = [
            name
            for (name,) in hospital.rows(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = 'scorer' AND table_name = %s "
                "AND is_identity = 'NO' AND is_generated = 'NEVER'",
                table,
            )
        ]
        if "job" not in columns:
            continue
        changed = {
            "job": "%(job)s",
            "entity_id": "CASE WHEN entity_id ~ '[39]$' THEN %(client)s || entity_id ELSE entity_id END",
        }
        taken = ", ".join(changed.get(name, f'"{name}"') for name in columns)
        named = ", ".join(f'"{name}"' for name in columns)
        with hospital.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute(
                f"INSERT INTO scorer.{table} ({named}) SELECT {taken} FROM scorer.{table} WHERE job = 'sepsis'",
                {"job": job, "client": CLIENT},
            )


def days_ago(days: float) -> datetime:
    """A moment before now."""
    return datetime.now(UTC) - timedelta(days=days)
