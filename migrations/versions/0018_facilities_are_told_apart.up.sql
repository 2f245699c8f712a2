-- Drift and live figures of each facility, where a job says which one an entity belongs to. Rows of all, and of jobs without facilities, have
-- the empty text.

ALTER TABLE scorer.feature_counts
    ADD COLUMN facility text NOT NULL DEFAULT '',
    DROP CONSTRAINT feature_counts_pkey,
    ADD PRIMARY KEY (batch_id, facility);
COMMENT ON COLUMN scorer.feature_counts.facility IS 'Facility that the scored entities belong to; empty where the job names none, or it is unknown.';
ALTER TABLE scorer.live_performance
    ADD COLUMN facility text NOT NULL DEFAULT '',
    DROP CONSTRAINT live_performance_pkey,
    ADD PRIMARY KEY (checkup_id, metric, facility);
COMMENT ON COLUMN scorer.live_performance.facility IS 'Facility whose scores they are; empty: of all.';

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
FROM scorer.live_performance AS p
WHERE p.facility = '';

CREATE VIEW reporting.facility_performance AS
SELECT
    p.job,
    p.model_version,
    p.facility,
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
FROM scorer.live_performance AS p
WHERE p.facility <> '';
COMMENT ON VIEW reporting.facility_performance IS 'One row per checkup, facility and metric: how well the scores published of a facility foretold what is known by now, beside the model''s cross-validated figure of it.';

CREATE VIEW scorer.facility_baselines AS
SELECT
    m.job,
    m.model_version,
    own.facility,
    f.place,
    f.feature,
    -- As wide as the counts, as those of scorer.baselines are.
    array_cat(
        array_cat(f.shares, array_fill(0::double precision, ARRAY[10 - cardinality(f.shares)])),
        ARRAY[f.missing]
    ) AS shares,
    f.missing
FROM (
    SELECT
        v.job,
        v.model_version,
        v.manifest -> 'features' AS features,
        v.manifest #> '{baseline,facilities}' AS facilities
    FROM scorer.model_versions AS v
    WHERE v.manifest #> '{baseline,facilities}' IS NOT NULL
    OFFSET 0
) AS m
CROSS JOIN LATERAL jsonb_each(m.facilities) AS own (facility, baseline)
CROSS JOIN LATERAL (
    SELECT
        named.place,
        named.feature,
        ARRAY(SELECT s.share::double precision FROM jsonb_array_elements_text(named.bins -> 'shares') AS s (share)) AS shares,
        (named.bins ->> 'missing')::double precision AS missing
    FROM (
        SELECT
            each.place,
            each.feature,
            bins.value AS bins
        FROM jsonb_array_elements_text(m.features) WITH ORDINALITY AS each (feature, place)
        JOIN jsonb_each(own.baseline -> 'features') AS bins ON bins.key = each.feature
        UNION ALL
        SELECT
            jsonb_array_length(m.features) + 1 AS place,
            'score' AS feature,
            own.baseline -> 'score' AS bins
    ) AS named
) AS f;
COMMENT ON VIEW scorer.facility_baselines IS 'One row per model version, facility that it was trained on, and feature, and one for its score: shares of that facility''s training rows by bin, eleven numbers, the missing ones last.';

CREATE VIEW reporting.facility_drift AS
SELECT
    d.job,
    d.model_version,
    d.facility,
    d.feature,
    d.rows,
    d.psi,
    d.missing,
    d.baseline_missing,
    d.trained_on
FROM (
    SELECT
        c.job,
        c.model_version,
        c.facility,
        b.feature,
        (SELECT sum(n) FROM unnest(c.counts) AS n)::bigint AS rows,
        scorer.psi(COALESCE(own.shares, b.shares), c.counts) AS psi,
        c.counts[11]::double precision / NULLIF((SELECT sum(n) FROM unnest(c.counts) AS n), 0) AS missing,
        COALESCE(own.missing, b.missing) AS baseline_missing,
        own.feature IS NOT NULL AS trained_on
    FROM (
        SELECT
            n.job,
            n.model_version,
            n.facility,
            n.place,
            array_agg(n.counted ORDER BY n.bin) AS counts
        FROM (
            SELECT
                f.job,
                f.model_version,
                f.facility,
                (e.at - 1) / 11 + 1 AS place,
                mod(e.at - 1, 11) AS bin,
                sum(e.n)::bigint AS counted
            FROM scorer.feature_counts AS f
            CROSS JOIN LATERAL unnest(f.counts) WITH ORDINALITY AS e (n, at)
            WHERE f.facility <> ''
              AND f.counted_at >= now() - INTERVAL '28 days'
            GROUP BY f.job, f.model_version, f.facility, place, bin
        ) AS n
        GROUP BY n.job, n.model_version, n.facility, n.place
    ) AS c
    JOIN scorer.baselines AS b
        ON b.job = c.job
        AND b.model_version = c.model_version
        AND b.place = c.place
    LEFT JOIN scorer.facility_baselines AS own
        ON own.job = c.job
        AND own.model_version = c.model_version
        AND own.facility = c.facility
        AND own.place = c.place
) AS d;
COMMENT ON VIEW reporting.facility_drift IS 'One row per facility and feature (and score), of the last 28 days: population stability index against the training rows of that facility (where the model was trained on none, against those of all), missing share then and in training. Ask for it with a job.';
COMMENT ON COLUMN reporting.facility_drift.trained_on IS 'Whether the model was trained on this facility, whose rows it is compared with.';

CREATE OR REPLACE VIEW reporting.model_health AS
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
    checkup.checked_at,
    checkup.facilities
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
        c.checked_at,
        (
            SELECT jsonb_object_agg(p.facility, p.figures)
            FROM (
                SELECT
                    l.facility,
                    jsonb_object_agg(l.metric, l.value) AS figures
                FROM scorer.live_performance AS l
                WHERE l.checkup_id = c.checkup_id
                  AND l.facility <> ''
                GROUP BY l.facility
            ) AS p
        ) AS facilities
    FROM scorer.checkups AS c
    WHERE c.job = m.job
      AND c.model_version = m.model_version
    ORDER BY c.checkup_id DESC
    LIMIT 1
) AS checkup ON true
WHERE m.promoted_at IS NOT NULL
   OR m.status = 'staging';
COMMENT ON COLUMN reporting.model_health.facilities IS 'Live figures of the newest checkup, by facility and metric; null where the job names no facility.';

GRANT SELECT ON reporting.facility_performance, reporting.facility_drift TO scorer_worker, scorer_approver, scorer_reader;
