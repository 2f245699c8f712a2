DROP VIEW reporting.facility_drift;
DROP VIEW scorer.facility_baselines;
DROP VIEW reporting.facility_performance;
-- A view loses a column by being made anew.
DROP VIEW reporting.model_health;
CREATE VIEW reporting.model_health AS
WITH done AS (
    SELECT
        r.job,
        COALESCE(b.model_version, r.model_version) AS model_version,
        sum(b.scored) AS scores,
        max(b.finished_at) FILTER (WHERE b.scored > 0) AS newest_at
    FROM scorer.batches AS b
    JOIN scorer.runs AS r ON r.run_id = b.run_id
    GROUP BY r.job, COALESCE(b.model_version, r.model_version)
)

SELECT
    m.job,
    m.model_version,
    m.status,
    m.promoted_at AS deployed_at,
    COALESCE(CASE WHEN m.status = 'staging' THEN shadow.scores ELSE done.scores END, 0)::bigint AS prediction_count,
    lately.milliseconds / NULLIF(lately.scored, 0) AS avg_latency_ms,
    lately.lost::double precision / NULLIF(lately.eligible, 0) AS error_rate,
    checkup.drifted AS drift_detected,
    CASE WHEN m.status = 'staging' THEN shadow.newest_at ELSE done.newest_at END AS last_prediction_at,
    checkup.checked_at
FROM scorer.model_versions AS m
LEFT JOIN done
    ON done.job = m.job
    AND done.model_version = m.model_version
LEFT JOIN LATERAL (
    SELECT
        count(*) AS scores,
        (
            SELECT s.scored_at
            FROM scorer.scores AS s
            WHERE s.score_id = max(k.score_id)
        ) AS newest_at
    FROM scorer.scores AS k
    WHERE k.shadow
      AND k.job = m.job
      AND k.model_version = m.model_version
      AND m.status = 'staging'
) AS shadow ON true
LEFT JOIN LATERAL (
    SELECT
        sum(spent.milliseconds) AS milliseconds,
        sum(spent.scored) AS scored,
        sum(r.eligible) AS eligible,
        sum(r.failed + CASE
            WHEN r.status = 'failed'
                THEN r.eligible - r.scored - r.unchanged - r.quarantined - r.insufficient - r.indeterminate - r.failed
            ELSE 0
        END) AS lost
    FROM (
        SELECT
            n.run_id,
            n.model_version,
            n.status,
            n.eligible,
            n.scored,
            n.unchanged,
            n.quarantined,
            n.insufficient,
            n.indeterminate,
            n.failed
        FROM scorer.runs AS n
        WHERE n.job = m.job
          AND n.model_version = m.model_version
          AND n.status <> 'running'
        ORDER BY n.run_id DESC
        LIMIT 100
    ) AS r
    LEFT JOIN LATERAL (
        SELECT
            sum(EXTRACT(EPOCH FROM b.finished_at - b.started_at) * 1000)::double precision AS milliseconds,
            sum(b.scored) AS scored
        FROM scorer.batches AS b
        WHERE b.run_id = r.run_id
          AND COALESCE(b.model_version, r.model_version) = m.model_version
    ) AS spent ON true
) AS lately ON true
LEFT JOIN LATERAL (
    SELECT
        c.drifted,
        c.checked_at
    FROM scorer.checkups AS c
    WHERE c.job = m.job
      AND c.model_version = m.model_version
    ORDER BY c.checkup_id DESC
    LIMIT 1
) AS checkup ON true
WHERE m.promoted_at IS NOT NULL
   OR m.status = 'staging';
COMMENT ON VIEW reporting.model_health IS 'One row per model version that ever was in production, or is in staging (whose predictions are those made in the shadow). Latency, a batch''s time by score, and error rate, entities without an outcome or FAILED, are of the newest hundred runs that began with it; drift of its newest checkup.';
GRANT SELECT ON reporting.model_health TO scorer_worker, scorer_approver, scorer_reader;
CREATE OR REPLACE VIEW reporting.live_performance AS
SELECT
    p.job,
    p.model_version,
    p.window_from,
    p.window_until,
    p.metric,
    p.value,
    p.low,
    p.high,
    p.expected,
    p.expected_low,
    p.rows,
    p.entities,
    p.positives
FROM scorer.live_performance AS p;
DELETE FROM scorer.live_performance WHERE facility <> '';
ALTER TABLE scorer.live_performance DROP COLUMN facility, ADD PRIMARY KEY (checkup_id, metric);
DELETE FROM scorer.feature_counts WHERE facility <> '';
ALTER TABLE scorer.feature_counts DROP COLUMN facility, ADD PRIMARY KEY (batch_id);
