-- Drift is seen: rows counted in the bins of a model's baseline, checkups of models in production with their live figures, alerts that are
-- told once, and the nightly chores that do it. Locks no table that holds rows for longer than a moment, but for an index of runs.

CREATE TABLE scorer.chores (
    job text NOT NULL,
    chore text NOT NULL,
    night timestamptz NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    attempts integer NOT NULL DEFAULT 1,
    daemon text NOT NULL,
    error text,
    PRIMARY KEY (job, chore, night),
    CONSTRAINT chores_ended CHECK (ended_at IS NOT NULL OR error IS NULL)
);
COMMENT ON TABLE scorer.chores IS 'What the daemons do once a night: one row per job, chore and night. Rows older than a year are forgotten.';
COMMENT ON COLUMN scorer.chores.job IS 'Job it is done for.';
COMMENT ON COLUMN scorer.chores.chore IS 'What is done.';
COMMENT ON COLUMN scorer.chores.night IS 'The tick of the nightly schedule.';
COMMENT ON COLUMN scorer.chores.begun_at IS 'When it was begun, the last time.';
COMMENT ON COLUMN scorer.chores.ended_at IS 'When it ended; null while it is done, or where its process died, and it is done anew.';
COMMENT ON COLUMN scorer.chores.attempts IS 'How often it was taken up, but for those who were asked to stop; at the fourth time it is given up.';
COMMENT ON COLUMN scorer.chores.daemon IS 'Host and process that began it last.';
COMMENT ON COLUMN scorer.chores.error IS 'Why it could not be done.';

ALTER TABLE scorer.batches ADD COLUMN model_version text;
COMMENT ON COLUMN scorer.batches.model_version IS 'Model that scored, which a run may change on its way; null in batches older than this column: the run''s.';

CREATE TABLE scorer.feature_counts (
    batch_id bigint PRIMARY KEY,
    run_id bigint NOT NULL,
    job text NOT NULL,
    model_version text NOT NULL,
    counted_at timestamptz NOT NULL DEFAULT now(),
    scores integer NOT NULL CHECK (scores > 0),
    counts integer [] NOT NULL
);
-- No foreign keys: one check a row, for rows whose batch is written in the same transaction, and which are pruned before it.
CREATE INDEX feature_counts_by_model ON scorer.feature_counts (job, model_version, counted_at);
CREATE INDEX feature_counts_by_run ON scorer.feature_counts (run_id);
COMMENT ON TABLE scorer.feature_counts IS 'How many scored rows of a batch lie in each bin of the model''s baseline: one row per batch, of requests every sixteenth. Rows are pruned after ninety days.';
COMMENT ON COLUMN scorer.feature_counts.batch_id IS 'Batch, in whose transaction it was written.';
COMMENT ON COLUMN scorer.feature_counts.run_id IS 'Run of the batch.';
COMMENT ON COLUMN scorer.feature_counts.job IS 'Job of the run.';
COMMENT ON COLUMN scorer.feature_counts.model_version IS 'Model that scored, whose baseline has the bins.';
COMMENT ON COLUMN scorer.feature_counts.counted_at IS 'When its transaction began.';
COMMENT ON COLUMN scorer.feature_counts.scores IS 'Scores that the model published in the batch.';
COMMENT ON COLUMN scorer.feature_counts.counts IS 'Eleven numbers for each feature in the manifest''s order, and for the score last: rows in up to ten bins, then the missing ones.';

CREATE TABLE scorer.checkups (
    checkup_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job text NOT NULL,
    model_version text NOT NULL,
    job_version text NOT NULL,
    checked_at timestamptz NOT NULL DEFAULT now(),
    checked_by text NOT NULL DEFAULT session_user,
    window_from timestamptz NOT NULL,
    scores bigint NOT NULL,
    drifted boolean,
    features bigint NOT NULL,
    features_moved bigint NOT NULL,
    worst_feature text,
    worst_psi double precision,
    score_psi double precision,
    moved jsonb NOT NULL DEFAULT '[]',
    constant_share double precision,
    new_codes jsonb NOT NULL DEFAULT '{}',
    performance_lost boolean,
    retrain_after interval NOT NULL,
    FOREIGN KEY (job, model_version) REFERENCES scorer.model_versions
);
CREATE INDEX checkups_by_model ON scorer.checkups (job, model_version, checkup_id DESC);
COMMENT ON TABLE scorer.checkups IS 'What was found when a model in production was looked at: one row per checkup, each night and whenever somebody asks. Never changed.';
COMMENT ON COLUMN scorer.checkups.checkup_id IS 'Key.';
COMMENT ON COLUMN scorer.checkups.job IS 'Job.';
COMMENT ON COLUMN scorer.checkups.model_version IS 'Model in production.';
COMMENT ON COLUMN scorer.checkups.job_version IS 'Job as it stood, with the limits that were used.';
COMMENT ON COLUMN scorer.checkups.checked_at IS 'When.';
COMMENT ON COLUMN scorer.checkups.checked_by IS 'Login that did it.';
COMMENT ON COLUMN scorer.checkups.window_from IS 'Scores from then on were looked at.';
COMMENT ON COLUMN scorer.checkups.scores IS 'Scores in the window whose features were counted.';
COMMENT ON COLUMN scorer.checkups.drifted IS 'Whether features or scores lie otherwise than in training; null where there are too few scores, or the manifest has no baseline.';
COMMENT ON COLUMN scorer.checkups.features IS 'Features compared.';
COMMENT ON COLUMN scorer.checkups.features_moved IS 'Of them, those whose index reaches the job''s limit.';
COMMENT ON COLUMN scorer.checkups.worst_feature IS 'The feature that moved most.';
COMMENT ON COLUMN scorer.checkups.worst_psi IS 'Its population stability index.';
COMMENT ON COLUMN scorer.checkups.score_psi IS 'The index of the scores.';
COMMENT ON COLUMN scorer.checkups.moved IS 'The twenty features that moved most, of those that moved: feature, psi, missing, baseline_missing.';
COMMENT ON COLUMN scorer.checkups.constant_share IS 'Share of the newest scores, one an entity, that are one and the same value; null where there are too few.';
COMMENT ON COLUMN scorer.checkups.new_codes IS 'Observation types that the job does not know and that were not there when the model went into production, with how many rows bore each.';
COMMENT ON COLUMN scorer.checkups.performance_lost IS 'Whether live figures are worse than the model''s own; null where too few outcomes are known.';
COMMENT ON COLUMN scorer.checkups.retrain_after IS 'The age from which on the job wants its model trained anew.';

CREATE TABLE scorer.live_performance (
    checkup_id bigint NOT NULL REFERENCES scorer.checkups,
    job text NOT NULL,
    model_version text NOT NULL,
    window_from timestamptz NOT NULL,
    window_until timestamptz NOT NULL,
    metric text NOT NULL,
    value double precision,
    low double precision,
    high double precision,
    expected double precision,
    expected_low double precision,
    rows bigint NOT NULL,
    entities bigint NOT NULL,
    positives bigint NOT NULL,
    PRIMARY KEY (checkup_id, metric)
);
CREATE INDEX live_performance_by_model ON scorer.live_performance (job, model_version, window_until);
COMMENT ON TABLE scorer.live_performance IS 'How well published scores foretold what is known by now: one row per checkup and metric, over a sample of the window''s scores.';
COMMENT ON COLUMN scorer.live_performance.checkup_id IS 'Checkup.';
COMMENT ON COLUMN scorer.live_performance.job IS 'Job.';
COMMENT ON COLUMN scorer.live_performance.model_version IS 'Model that scored.';
COMMENT ON COLUMN scorer.live_performance.window_from IS 'Scores written from then on.';
COMMENT ON COLUMN scorer.live_performance.window_until IS 'Scores written until then.';
COMMENT ON COLUMN scorer.live_performance.metric IS 'auroc, average_precision, brier, prevalence, calibration_intercept or calibration_slope.';
COMMENT ON COLUMN scorer.live_performance.value IS 'Its value; null where it cannot be computed.';
COMMENT ON COLUMN scorer.live_performance.low IS 'Lower end of its interval of 95 per cent, from a bootstrap over entities.';
COMMENT ON COLUMN scorer.live_performance.high IS 'Upper end.';
COMMENT ON COLUMN scorer.live_performance.expected IS 'The manifest''s cross-validated value.';
COMMENT ON COLUMN scorer.live_performance.expected_low IS 'Lower end of that one''s interval.';
COMMENT ON COLUMN scorer.live_performance.rows IS 'Scores whose outcome is known.';
COMMENT ON COLUMN scorer.live_performance.entities IS 'Entities that they are of.';
COMMENT ON COLUMN scorer.live_performance.positives IS 'Of the scores, those that the event followed.';

CREATE TABLE scorer.alerts (
    alert_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('drift', 'performance', 'new observation types', 'age', 'constant score')),
    model_version text NOT NULL,
    detail text NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    told_at timestamptz,
    ended_at timestamptz
);
CREATE UNIQUE INDEX alerts_open ON scorer.alerts (job, kind) WHERE ended_at IS NULL;
COMMENT ON TABLE scorer.alerts IS 'What is wrong with a model in production: one row from when it was found until it is no more. The journal is told when a row appears.';
COMMENT ON COLUMN scorer.alerts.alert_id IS 'Key.';
COMMENT ON COLUMN scorer.alerts.job IS 'Job.';
COMMENT ON COLUMN scorer.alerts.kind IS 'drift, performance, new observation types, age or constant score.';
COMMENT ON COLUMN scorer.alerts.model_version IS 'Model in production.';
COMMENT ON COLUMN scorer.alerts.detail IS 'What was found, the last time.';
COMMENT ON COLUMN scorer.alerts.since IS 'When it was found first.';
COMMENT ON COLUMN scorer.alerts.told_at IS 'When the journal was told.';
COMMENT ON COLUMN scorer.alerts.ended_at IS 'When it was found to be so no more, or another model went into production; null while it lasts.';

-- Counting, and comparing with the baseline.

CREATE FUNCTION scorer.psi(expected double precision [], counted bigint []) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN sum(b.n) > 0 THEN sum((b.share - b.usual) * ln(b.share / b.usual)) END
    FROM (
        SELECT
            e.n,
            GREATEST(e.n / NULLIF(sum(e.n) OVER (), 0), 0.0001)::double precision AS share,
            GREATEST(e.usual, 0.0001) AS usual
        FROM unnest(expected, counted) AS e (usual, n)
    ) AS b
$$;
COMMENT ON FUNCTION scorer.psi(double precision [], bigint []) IS 'Population stability index of counts against expected shares, bin by bin: the sum of (share - expected) * ln(share / expected), where a share is at least 0.0001, so that an empty bin has a logarithm. Null where nothing was counted. Siddiqi, Credit Risk Scorecards (2006): below 0.1 stable, from 0.25 on major.';
REVOKE ALL ON FUNCTION scorer.psi(double precision [], bigint []) FROM PUBLIC;

CREATE FUNCTION scorer.first_score_since(moment timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    low bigint;
    high bigint;
    middle bigint;
    found record;
BEGIN
    SELECT min(s.score_id), max(s.score_id) + 1 INTO low, high FROM scorer.scores AS s;
    WHILE low < high LOOP
        middle := low + (high - low) / 2;
        SELECT s.score_id, s.scored_at INTO found
        FROM scorer.scores AS s
        WHERE s.score_id >= middle
        ORDER BY s.score_id
        LIMIT 1;
        IF found.score_id IS NULL OR found.score_id >= high OR found.scored_at >= moment THEN
            high := middle;
        ELSE
            low := found.score_id + 1;
        END IF;
    END LOOP;
    RETURN low;
END
$$;
COMMENT ON FUNCTION scorer.first_score_since(timestamptz) IS 'A key of the ledger before which there are the scores written before the moment, but for those of transactions that overlapped: found by halving, without an index by time. Null where the ledger is empty.';
REVOKE ALL ON FUNCTION scorer.first_score_since(timestamptz) FROM PUBLIC;

-- The bins of each model's baseline, as the counts have them.
CREATE VIEW scorer.baselines AS
SELECT
    m.job,
    m.model_version,
    f.place,
    f.feature,
    -- As wide as the counts: bins that the feature has not are filled up with 0, and the missing share is last.
    array_cat(
        array_cat(f.shares, array_fill(0::double precision, ARRAY[10 - cardinality(f.shares)])),
        ARRAY[f.missing]
    ) AS shares,
    f.missing
FROM (
    -- Taken out of the manifest once, and not for each feature.
    SELECT
        v.job,
        v.model_version,
        v.manifest -> 'features' AS features,
        v.manifest -> 'baseline' AS baseline
    FROM scorer.model_versions AS v
    WHERE v.manifest ? 'baseline'
    OFFSET 0
) AS m
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
        JOIN jsonb_each(m.baseline -> 'features') AS bins ON bins.key = each.feature
        UNION ALL
        SELECT
            jsonb_array_length(m.features) + 1 AS place,
            'score' AS feature,
            m.baseline -> 'score' AS bins
    ) AS named
) AS f;
COMMENT ON VIEW scorer.baselines IS 'One row per model version and feature, and one for its score: shares of the training rows by bin, eleven numbers, the missing ones last.';

-- What reporting tools read.

CREATE VIEW reporting.drift AS
WITH baselines AS MATERIALIZED (
    SELECT
        k.job,
        k.model_version,
        k.place,
        k.feature,
        k.shares,
        k.missing
    FROM scorer.baselines AS k
)

SELECT
    d.run_id,
    d.job,
    d.model_version,
    d.feature,
    d.rows,
    d.psi,
    d.missing,
    d.baseline_missing,
    CASE
        -- Chance alone brings 300 rows of ten bins beyond 0.1 once in a thousand times.
        WHEN d.rows < 300 THEN 'too few rows'
        WHEN d.psi < 0.1 THEN 'stable'
        WHEN d.psi < 0.25 THEN 'moderate'
        ELSE 'major'
    END AS verdict
FROM (
    SELECT
        c.run_id,
        b.job,
        b.model_version,
        b.feature,
        (SELECT sum(n) FROM unnest(c.counts) AS n)::bigint AS rows,
        scorer.psi(b.shares, c.counts) AS psi,
        c.counts[11]::double precision / NULLIF((SELECT sum(n) FROM unnest(c.counts) AS n), 0) AS missing,
        b.missing AS baseline_missing
    FROM (
        SELECT
            n.run_id,
            n.job,
            n.model_version,
            n.place,
            array_agg(n.counted ORDER BY n.bin) AS counts
        FROM (
            SELECT
                f.run_id,
                f.job,
                f.model_version,
                (e.at - 1) / 11 + 1 AS place,
                mod(e.at - 1, 11) AS bin,
                sum(e.n)::bigint AS counted
            FROM scorer.feature_counts AS f
            CROSS JOIN LATERAL unnest(f.counts) WITH ORDINALITY AS e (n, at)
            GROUP BY f.run_id, f.job, f.model_version, place, bin
        ) AS n
        GROUP BY n.run_id, n.job, n.model_version, n.place
    ) AS c
    JOIN baselines AS b
        ON b.job = c.job
        AND b.model_version = c.model_version
        AND b.place = c.place
) AS d;
COMMENT ON VIEW reporting.drift IS 'One row per run of the last ninety days and feature (and score): population stability index against the training rows, missing share then and in training, and the verdict stable, moderate, major or too few rows. Ask for it with a run_id.';

CREATE VIEW reporting.checkups AS
SELECT
    c.job,
    c.model_version,
    c.checked_at,
    c.window_from,
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
    c.performance_lost
FROM scorer.checkups AS c;
COMMENT ON VIEW reporting.checkups IS 'One row per checkup of a model in production: drift over the job''s window, constant scores, new observation types, and whether live figures are worse than its own.';

CREATE VIEW reporting.live_performance AS
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
COMMENT ON VIEW reporting.live_performance IS 'One row per checkup and metric: how well published scores foretold what is known by now, beside the model''s cross-validated figure.';

CREATE VIEW reporting.alerts AS
SELECT
    a.job,
    a.kind,
    a.model_version,
    a.detail,
    a.since,
    a.told_at,
    a.ended_at
FROM scorer.alerts AS a;
COMMENT ON VIEW reporting.alerts IS 'One row per thing found wrong with a model in production; open where ended_at is null.';

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
        SELECT n.*
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

CREATE VIEW reporting.retrain_due AS
SELECT
    m.job,
    reasons.due,
    reasons.reason,
    reasons.detail,
    reasons.since,
    m.model_version
FROM (
    SELECT
        v.job,
        v.model_version,
        COALESCE(
            CASE
                WHEN v.manifest ->> 'created_at' ~ '^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}' THEN (v.manifest ->> 'created_at')::timestamptz
            END,
            v.registered_at
        ) AS trained_at,
        COALESCE((
            SELECT c.retrain_after
            FROM scorer.checkups AS c
            WHERE c.job = v.job
              AND c.model_version = v.model_version
            ORDER BY c.checkup_id DESC
            LIMIT 1
        ), INTERVAL '91 days') AS retrain_after
    FROM scorer.model_versions AS v
    WHERE v.status = 'production'
) AS m
CROSS JOIN LATERAL (
    SELECT
        a.since IS NOT NULL AS due,
        kinds.kind AS reason,
        a.detail,
        a.since
    FROM (VALUES ('performance'), ('drift'), ('new observation types')) AS kinds (kind)
    LEFT JOIN scorer.alerts AS a
        ON a.job = m.job
        AND a.model_version = m.model_version
        AND a.kind = kinds.kind
        AND a.ended_at IS NULL
    UNION ALL
    SELECT
        now() >= m.trained_at + m.retrain_after AS due,
        'age' AS reason,
        'trained on ' || to_char(m.trained_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') || ', due from '
            || to_char((m.trained_at + m.retrain_after) AT TIME ZONE 'UTC', 'YYYY-MM-DD') || ' on' AS detail,
        CASE WHEN now() >= m.trained_at + m.retrain_after THEN m.trained_at + m.retrain_after END AS since
) AS reasons;
COMMENT ON VIEW reporting.retrain_due IS 'Four rows per job with a model in production: whether it is due for training, by reason: performance, drift, new observation types (each as the newest checkup found it), or age.';

-- Who may do what.

CREATE INDEX runs_by_model ON scorer.runs (job, model_version, run_id);
GRANT SELECT ON
    scorer.chores,
    scorer.feature_counts,
    scorer.checkups,
    scorer.live_performance,
    scorer.alerts,
    scorer.baselines
TO scorer_worker;
GRANT INSERT ON scorer.chores, scorer.feature_counts, scorer.live_performance, scorer.alerts TO scorer_worker;
GRANT INSERT (
    job,
    model_version,
    job_version,
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
) ON scorer.checkups TO scorer_worker;
GRANT UPDATE (begun_at, ended_at, attempts, daemon, error), DELETE ON scorer.chores TO scorer_worker;
GRANT UPDATE (detail, told_at, ended_at) ON scorer.alerts TO scorer_worker;
GRANT DELETE ON scorer.feature_counts TO scorer_worker;
GRANT EXECUTE ON FUNCTION scorer.psi(double precision [], bigint []), scorer.first_score_since(timestamptz) TO scorer_worker;
-- A view's functions run with the rights of whoever asks; this one looks at nothing but what it is given.
GRANT EXECUTE ON FUNCTION scorer.psi(double precision [], bigint []) TO scorer_approver, scorer_reader;
GRANT SELECT ON
    reporting.drift,
    reporting.checkups,
    reporting.live_performance,
    reporting.alerts,
    reporting.model_health,
    reporting.retrain_due
TO scorer_worker, scorer_approver, scorer_reader;
