-- A week of hourly runs, made of the two newest runs of a job that are there: the hours before them, of that job and of eight others; no row.
-- Some fail, are late or are missed; requests are answered, refused and cancelled; findings are made and resolved.
-- The keys of the two runs and of their batches must be greater than all that are made here.
-- Parameters: job.
SELECT scorer.make_partition(now() - interval '7 days');

INSERT INTO scorer.job_versions (job, job_version, definition)
SELECT
    'job_' || g,
    v.job_version,
    '{}'
FROM scorer.job_versions AS v
CROSS JOIN generate_series(1, 8) AS g
WHERE v.job = %(job)s;

CREATE TEMPORARY TABLE pattern ON COMMIT DROP AS
SELECT
    r.*,
    row_number() OVER (ORDER BY r.run_id) - 1 AS place
FROM scorer.runs AS r
WHERE r.job = %(job)s
  AND r.status = 'succeeded'
  AND r.trigger <> 'request'
ORDER BY r.run_id DESC
LIMIT 2;

CREATE TEMPORARY TABLE hours ON COMMIT DROP AS
SELECT
    row_number() OVER (ORDER BY h.hour DESC, j.place) AS run_id,
    p.run_id AS pattern_id,
    j.job,
    j.place AS job_place,
    h.hour,
    h.hour * interval '1 hour' AS ago,
    h.hour %% 53 = 0 AS fails
FROM generate_series(167, 1, -1) AS h (hour)
JOIN pattern AS p ON p.place = h.hour %% 2
CROSS JOIN (
    SELECT %(job)s AS job, 0 AS place
    UNION ALL
    SELECT 'job_' || g, g
    FROM generate_series(1, 8) AS g
) AS j;

INSERT INTO scorer.runs (
    run_id,
    job,
    job_version,
    model_version,
    trigger,
    status,
    scheduled_for,
    as_of,
    as_known_at,
    started_at,
    finished_at,
    eligible,
    scored,
    unchanged,
    quarantined,
    insufficient,
    indeterminate,
    failed,
    error,
    scorer_version
) OVERRIDING SYSTEM VALUE
SELECT
    h.run_id,
    h.job,
    p.job_version,
    p.model_version,
    CASE WHEN h.hour %% 53 = 52 THEN 'catch-up' ELSE 'schedule' END,
    CASE WHEN h.fails THEN 'failed' ELSE 'succeeded' END,
    date_trunc('hour', now()) - h.ago + interval '5 minutes',
    p.as_of - h.ago,
    p.as_known_at - h.ago,
    p.started_at - h.ago,
    p.finished_at - h.ago,
    p.eligible,
    CASE WHEN h.fails THEN 0 ELSE p.scored END,
    p.unchanged,
    p.quarantined,
    p.insufficient,
    p.indeterminate,
    p.failed,
    CASE WHEN h.fails THEN 'Connection lost.' END,
    p.scorer_version
FROM hours AS h
JOIN pattern AS p ON p.run_id = h.pattern_id;

CREATE TEMPORARY TABLE carried ON COMMIT DROP AS
SELECT
    row_number() OVER (ORDER BY h.run_id, b.batch_id) AS batch_id,
    b.batch_id AS pattern_id,
    h.run_id,
    h.job,
    h.job_place,
    h.ago
FROM hours AS h
JOIN scorer.batches AS b ON b.run_id = h.pattern_id
WHERE NOT h.fails;

INSERT INTO scorer.batches (
    batch_id,
    run_id,
    worker,
    started_at,
    finished_at,
    eligible,
    scored,
    unchanged,
    quarantined,
    insufficient,
    indeterminate,
    failed,
    observations_read,
    observations_dropped,
    unknown_codes,
    seconds,
    model_version
) OVERRIDING SYSTEM VALUE
SELECT
    c.batch_id,
    c.run_id,
    b.worker,
    b.started_at - c.ago,
    b.finished_at - c.ago,
    b.eligible,
    b.scored,
    b.unchanged,
    b.quarantined,
    b.insufficient,
    b.indeterminate,
    b.failed,
    b.observations_read,
    b.observations_dropped,
    b.unknown_codes,
    b.seconds,
    b.model_version
FROM carried AS c
JOIN scorer.batches AS b ON b.batch_id = c.pattern_id;

INSERT INTO scorer.validation_results (
    run_id,
    batch_id,
    suite,
    rule,
    expectation,
    action,
    column_name,
    judged,
    unexpected,
    success,
    detail,
    judged_at
)
SELECT
    c.run_id,
    c.batch_id,
    v.suite,
    v.rule,
    v.expectation,
    v.action,
    v.column_name,
    v.judged,
    v.unexpected,
    v.success,
    v.detail,
    v.judged_at - c.ago
FROM carried AS c
JOIN scorer.validation_results AS v ON v.batch_id = c.pattern_id;

-- The ledger of three of the jobs; the others have runs alone.
INSERT INTO scorer.scores (
    job,
    entity_id,
    output,
    run_id,
    batch_id,
    task,
    status,
    reason,
    score,
    risk_band,
    label,
    outputs,
    attributes,
    as_of,
    as_known_at,
    scored_at,
    valid_until,
    input_hash,
    features,
    model_version,
    job_version,
    run_began_at
)
SELECT
    c.job,
    s.entity_id,
    s.output,
    c.run_id,
    c.batch_id,
    s.task,
    s.status,
    s.reason,
    s.score,
    s.risk_band,
    s.label,
    s.outputs,
    s.attributes,
    s.as_of - c.ago,
    s.as_known_at - c.ago,
    s.scored_at - c.ago,
    s.valid_until - c.ago,
    s.input_hash,
    s.features,
    s.model_version,
    s.job_version,
    s.run_began_at - c.ago
FROM carried AS c
JOIN scorer.scores AS s ON s.batch_id = c.pattern_id
WHERE c.job_place < 3;

INSERT INTO scorer.ticks (job, scheduled_for, outcome, reason, schedule, run_id, recorded_at, recorded_by)
SELECT
    h.job,
    date_trunc('hour', now()) - h.ago + interval '5 minutes',
    CASE WHEN h.hour %% 53 = 51 THEN 'missed' WHEN h.hour %% 53 = 52 THEN 'late' ELSE 'ran' END,
    CASE WHEN h.hour %% 53 IN (51, 52) THEN 'no daemon was running' END,
    '5 * * * *',
    CASE WHEN h.hour %% 53 <> 51 THEN h.run_id END,
    now() - h.ago + interval '5 minutes',
    'a/1'
FROM hours AS h;

INSERT INTO scorer.requests (job, entity_id, status, outcome, reason, run_id, requested_at, finished_at)
SELECT
    h.job,
    CAST(g.n AS text),
    CASE WHEN g.n = 1 THEN 'cancelled' WHEN g.n = 2 THEN 'refused' ELSE 'done' END,
    CASE WHEN g.n > 2 THEN 'SCORED' END,
    CASE WHEN g.n = 2 THEN 'no such entity' END,
    h.run_id,
    now() - h.ago,
    now() - h.ago + (20 + g.n * 3) * interval '1 millisecond'
FROM hours AS h
CROSS JOIN generate_series(1, 20) AS g (n);

INSERT INTO scorer.rejections (
    job,
    entity_id,
    observation_id,
    rule,
    action,
    column_name,
    observed,
    expected,
    first_seen_at,
    last_seen_at,
    attempts,
    run_id,
    resolved_at
)
SELECT
    h.job,
    q.entity_id || '-' || h.hour,
    q.observation_id,
    q.rule,
    q.action,
    q.column_name,
    q.observed,
    q.expected,
    q.first_seen_at - h.ago,
    q.last_seen_at - h.ago + interval '30 minutes',
    2,
    h.run_id,
    CASE WHEN h.hour > 5 THEN q.last_seen_at - h.ago + interval '30 minutes' END
FROM hours AS h
JOIN scorer.rejections AS q ON q.run_id = h.pattern_id
WHERE h.hour %% 24 = 1;

WITH nights AS (
    INSERT INTO scorer.checkups (
        job,
        model_version,
        job_version,
        checked_at,
        window_from,
        scores,
        drifted,
        features,
        features_moved,
        worst_feature,
        worst_psi,
        score_psi,
        moved,
        constant_share,
        new_codes,
        performance_lost,
        retrain_after
    )
    SELECT
        c.job,
        c.model_version,
        c.job_version,
        c.checked_at - n * interval '1 day',
        c.window_from - n * interval '1 day',
        c.scores,
        c.drifted,
        c.features,
        c.features_moved,
        c.worst_feature,
        c.worst_psi,
        c.score_psi,
        c.moved,
        c.constant_share,
        c.new_codes,
        c.performance_lost,
        c.retrain_after
    FROM scorer.checkups AS c
    CROSS JOIN generate_series(7, 0, -1) AS n
    RETURNING checkup_id, job, checked_at
)
INSERT INTO scorer.live_performance (
    checkup_id,
    job,
    model_version,
    window_from,
    window_until,
    metric,
    value,
    low,
    high,
    expected,
    expected_low,
    rows,
    entities,
    positives
)
SELECT
    n.checkup_id,
    p.job,
    p.model_version,
    n.checked_at - interval '7 days',
    n.checked_at,
    p.metric,
    p.value,
    p.low,
    p.high,
    p.expected,
    p.expected_low,
    p.rows,
    p.entities,
    p.positives
FROM nights AS n
JOIN scorer.live_performance AS p ON p.job = n.job;

-- One that has ended; those that are open are the checkup's own.
INSERT INTO scorer.alerts (job, kind, model_version, detail, since, told_at, ended_at)
SELECT
    m.job,
    'units',
    m.model_version,
    'values of TEMP look like Fahrenheit',
    now() - interval '5 days',
    now() - interval '5 days',
    now() - interval '4 days'
FROM scorer.model_versions AS m
WHERE m.job = %(job)s
  AND m.status = 'production';
