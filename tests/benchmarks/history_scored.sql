-- Visits that ended long ago and are settled: scored, but for one in so many that had too few rows. Filled are the hospital's table of
-- visits and our tables, the ledger with rows of their real size; of observations there are none, since no run looks for those of settled
-- visits. Ids are of eight digits, so that the indexes grow at their ends and the filling is quick.
-- Parameters: scored, one_in, job, job_version, model_version, days (one run a day).

-- Whoever fills ten million rows checks none of them.
SET session_replication_role = replica;

SET synchronous_commit = off;

INSERT INTO scorer.runs (
    run_id, job, job_version, model_version, trigger, status, scheduled_for, as_of, as_known_at, started_at, finished_at, eligible, scored,
    insufficient, scorer_version
)
OVERRIDING SYSTEM VALUE
SELECT
    d.day,
    %(job)s,
    %(job_version)s,
    %(model_version)s,
    'schedule',
    'succeeded',
    d.at,
    d.at,
    d.at,
    d.at,
    d.at + INTERVAL '1 minute',
    %(scored)s / %(days)s,
    %(scored)s / %(days)s - %(scored)s / %(days)s / %(one_in)s,
    %(scored)s / %(days)s / %(one_in)s,
    '0'
FROM (
    SELECT
        g.day,
        TIMESTAMPTZ '2025-04-20T03:05:00Z' - (%(days)s - g.day) * INTERVAL '1 day' AS at
    FROM generate_series(1, %(days)s) AS g (day)
) AS d;

INSERT INTO scorer.batches (
    run_id, worker, started_at, finished_at, eligible, scored, unchanged, quarantined, insufficient, indeterminate, failed,
    observations_read, observations_dropped
)
SELECT
    r.run_id,
    'filled',
    r.started_at,
    r.finished_at,
    r.eligible,
    r.scored,
    0,
    0,
    r.insufficient,
    0,
    0,
    50 * r.eligible,
    0
FROM scorer.runs AS r;

INSERT INTO public.visits (
    visit_id, client, admitted_at, discharged_at, age_years, sex, unit, hours_before_icu, sepsis_score, risk_level, scored_at
)
SELECT
    10000000 + n,
    'H' || n,
    r.started_at - INTERVAL '2 days',
    r.started_at - INTERVAL '1 hour',
    20 + mod(n, 70),
    CASE WHEN mod(n, 2) = 0 THEN 'F' ELSE 'M' END,
    'MICU',
    mod(n, 50),
    CASE WHEN mod(n, %(one_in)s) > 0 THEN mod(n, 997) / 1000.0 END,
    CASE WHEN mod(n, %(one_in)s) > 0 THEN CASE WHEN mod(n, 997) > 80 THEN 'LOW' ELSE 'HIGH' END END,
    CASE WHEN mod(n, %(one_in)s) > 0 THEN r.started_at END
FROM generate_series(1, %(scored)s) AS n
JOIN scorer.runs AS r ON r.run_id = 1 + (n - 1) * CAST(%(days)s AS bigint) / %(scored)s;

SELECT scorer.make_partition(r.started_at)
FROM (
    SELECT min(started_at) AS started_at
    FROM scorer.runs
    GROUP BY date_trunc('month', started_at AT TIME ZONE 'UTC')
) AS r;

INSERT INTO scorer.scores (
    job, entity_id, output, run_id, batch_id, task, status, reason, score, risk_band, attributes, as_of, as_known_at, scored_at, valid_until,
    input_hash, features, model_version, job_version, run_began_at
)
SELECT
    %(job)s,
    CAST(v.visit_id AS text),
    'sepsis_probability',
    r.run_id,
    r.run_id,
    'binary',
    CASE WHEN v.risk_level IS NULL THEN 'INSUFFICIENT' ELSE 'SCORED' END,
    CASE WHEN v.risk_level IS NULL THEN '2 usable observations, 5 needed' END,
    v.sepsis_score,
    v.risk_level,
    jsonb_build_object('client', v.client),
    v.discharged_at,
    v.discharged_at,
    r.started_at,
    CASE WHEN v.risk_level IS NOT NULL THEN v.discharged_at + INTERVAL '6 hours' END,
    sha256(CAST(v.client AS bytea)),
    CAST(repeat('-', 1224) AS bytea),
    %(model_version)s,
    %(job_version)s,
    r.started_at
FROM public.visits AS v
JOIN scorer.runs AS r ON r.run_id = 1 + (v.visit_id - 10000001) * %(days)s / %(scored)s
ORDER BY v.visit_id;

INSERT INTO scorer.current_scores (
    job, entity_id, output, status, status_as_of, status_at, reason, input_hash, judged_by_model, judged_by_job, attributes, score_id, score,
    risk_band, as_of, scored_at, valid_until, model_version
)
SELECT
    s.job,
    s.entity_id,
    s.output,
    s.status,
    s.as_of,
    s.scored_at,
    s.reason,
    s.input_hash,
    s.model_version,
    s.job_version,
    s.attributes,
    CASE WHEN s.status = 'SCORED' THEN s.score_id END,
    s.score,
    s.risk_band,
    CASE WHEN s.status = 'SCORED' THEN s.as_of END,
    CASE WHEN s.status = 'SCORED' THEN s.scored_at END,
    s.valid_until,
    CASE WHEN s.status = 'SCORED' THEN s.model_version END
FROM scorer.scores AS s
ORDER BY s.score_id;

SELECT setval('scorer.runs_run_id_seq', max(run_id)) FROM scorer.runs;

VACUUM (ANALYZE) public.visits;

VACUUM (ANALYZE) scorer.current_scores;

VACUUM (ANALYZE) scorer.scores;

ANALYZE scorer.runs;

ANALYZE scorer.batches
