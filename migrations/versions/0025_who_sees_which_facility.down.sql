DROP VIEW scorer.views_past_facilities;
DROP VIEW reporting.facility_grants;
CREATE OR REPLACE VIEW reporting.current_scores AS
SELECT
    c.job,
    c.entity_id,
    c.output,
    c.status,
    c.reason,
    c.score,
    c.risk_band,
    c.label,
    c.outputs,
    c.attributes,
    COALESCE(c.as_of, c.status_as_of) AS as_of,
    c.scored_at,
    c.valid_until,
    COALESCE(c.valid_until <= now() OR c.scored_at > clock_timestamp(), false) AS stale,
    c.model_version,
    c.score_id,
    c.status_as_of,
    c.status_at
FROM scorer.current_scores AS c;
CREATE OR REPLACE VIEW reporting.score_history AS
SELECT
    s.job,
    s.entity_id,
    s.output,
    s.status,
    s.reason,
    s.score,
    s.risk_band,
    s.label,
    s.outputs,
    s.attributes,
    s.as_of,
    s.scored_at,
    s.valid_until,
    COALESCE(s.valid_until <= now() OR s.scored_at > clock_timestamp(), false) AS stale,
    s.model_version,
    s.score_id,
    s.run_id,
    s.job_version,
    s.shadow,
    s.status = 'SCORED' AND NOT s.shadow AND c.score_id IS DISTINCT FROM s.score_id
    AND NOT (c.score_id IS NULL AND COALESCE(r.was_current, false)) AS superseded,
    r.score_id IS NOT NULL AS recalled,
    r.why AS recalled_why
FROM scorer.scores AS s
LEFT JOIN scorer.current_scores AS c USING (job, entity_id, output)
LEFT JOIN scorer.recalls AS r ON r.score_id = s.score_id;
CREATE OR REPLACE VIEW reporting.score_reasons AS
SELECT
    s.job,
    s.entity_id,
    s.output,
    r.score_id,
    s.as_of,
    s.scored_at,
    s.score,
    s.risk_band,
    s.model_version,
    c.score_id IS NOT NULL AS current,
    r.rank,
    r.kind,
    r.feature,
    r.value,
    r.contribution,
    r.code,
    r.attribute,
    r.source,
    r.observation_id,
    r.observation_date,
    r.observation_value
FROM scorer.score_reasons AS r
JOIN scorer.scores AS s ON s.score_id = r.score_id AND s.run_began_at = r.run_began_at
LEFT JOIN scorer.current_scores AS c
    ON c.job = s.job
    AND c.entity_id = s.entity_id
    AND c.output = s.output
    AND c.score_id = s.score_id;
CREATE OR REPLACE VIEW reporting.published_scores AS
SELECT
    s.job,
    s.entity_id,
    s.output,
    s.score_id,
    s.score,
    s.risk_band,
    s.label,
    s.scored_at,
    s.valid_until,
    s.model_version,
    s.run_id,
    s.run_began_at
FROM scorer.scores AS s
WHERE s.status = 'SCORED'
  AND NOT s.shadow;
CREATE OR REPLACE VIEW reporting.challenger_pairs AS
SELECT
    p.job,
    p.entity_id,
    p.output,
    p.run_id,
    p.as_of,
    p.scored_at,
    p.score_id,
    p.model_version,
    p.status,
    p.score,
    p.risk_band,
    p.label,
    s.score_id AS shadow_score_id,
    s.model_version AS shadow_model_version,
    s.status AS shadow_status,
    s.score AS shadow_score,
    s.risk_band AS shadow_risk_band,
    s.label AS shadow_label,
    r.score_id IS NOT NULL AS recalled
FROM scorer.scores AS s
JOIN scorer.scores AS p
    ON p.job = s.job
    AND p.entity_id = s.entity_id
    AND p.run_id = s.run_id
    AND p.run_began_at = s.run_began_at
    AND p.output = s.output
    AND NOT p.shadow
LEFT JOIN scorer.recalls AS r ON r.score_id = p.score_id
WHERE s.shadow
  AND s.model_version IS DISTINCT FROM p.model_version;
CREATE OR REPLACE VIEW reporting.quarantine AS
SELECT
    q.job,
    q.entity_id,
    q.rule,
    q.action,
    q.observation_id,
    q.column_name,
    q.observed,
    q.expected,
    q.first_seen_at,
    q.last_seen_at,
    q.attempts,
    q.resolved_at
FROM scorer.rejections AS q;
CREATE OR REPLACE VIEW reporting.requests AS
SELECT
    q.request_id,
    q.job,
    q.entity_id,
    q.status,
    q.outcome,
    q.reason,
    q.score_id,
    q.run_id,
    q.priority,
    q.requested_by,
    q.requested_at,
    q.finished_at,
    EXTRACT(EPOCH FROM q.finished_at - q.requested_at)::double precision * 1000 AS latency_ms,
    q.expires_at,
    q.entities,
    q.answered,
    q.scored,
    q.failed,
    q.absent
FROM scorer.requests AS q
WHERE q.requested_by = session_user
   OR (
       SELECT
           pg_has_role(session_user, 'scorer_owner', 'MEMBER')
           OR pg_has_role(session_user, 'scorer_worker', 'MEMBER')
           OR pg_has_role(session_user, 'scorer_approver', 'MEMBER')
           OR pg_has_role(session_user, 'scorer_reader', 'MEMBER')
   );
CREATE OR REPLACE VIEW reporting.request_statistics AS
SELECT
    q.job,
    count(*) FILTER (WHERE q.status = 'waiting') AS waiting,
    min(q.requested_at) FILTER (WHERE q.status = 'waiting') AS oldest_waiting_at,
    count(*) FILTER (WHERE q.status = 'done') AS done,
    count(*) FILTER (WHERE q.status = 'refused') AS refused,
    count(*) FILTER (WHERE q.status = 'cancelled') AS cancelled,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY q.latency_ms) FILTER (WHERE q.status = 'done' AND q.entities IS NULL) AS p50_ms,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY q.latency_ms) FILTER (WHERE q.status = 'done' AND q.entities IS NULL) AS p95_ms,
    percentile_cont(0.99) WITHIN GROUP (ORDER BY q.latency_ms) FILTER (WHERE q.status = 'done' AND q.entities IS NULL) AS p99_ms,
    count(*) FILTER (WHERE q.status = 'expired') AS expired,
    count(*) FILTER (WHERE q.entities IS NOT NULL) AS cohorts,
    COALESCE(sum(q.entities - q.answered) FILTER (WHERE q.status = 'waiting'), 0)::bigint AS cohort_entities_waiting
FROM (
    SELECT
        r.job,
        r.status,
        r.requested_at,
        r.entities,
        r.answered,
        EXTRACT(EPOCH FROM r.finished_at - r.requested_at)::double precision * 1000 AS latency_ms
    FROM scorer.requests AS r
) AS q
WHERE q.requested_at > now() - INTERVAL '1 day'
   OR q.status = 'waiting'
GROUP BY q.job;

CREATE OR REPLACE VIEW reporting.request_entities AS
SELECT
    e.request_id,
    q.job,
    e.entity_id,
    e.outcome,
    e.reason,
    e.score_id,
    e.answered_at
FROM scorer.request_entities AS e
JOIN reporting.requests AS q ON q.request_id = e.request_id;

CREATE OR REPLACE VIEW reporting.fhir_risk_assessments AS
SELECT
    p.job,
    p.entity_id,
    CASE WHEN made.subject IS NOT NULL THEN jsonb_strip_nulls(jsonb_build_object(
        'resourceType', 'RiskAssessment',
        'id', (v.fhir ->> 'id') || p.score_id,
        'identifier', jsonb_build_array(jsonb_build_object('system', v.fhir -> 'system', 'value', CAST(p.score_id AS text))),
        'status', p.status,
        'method', jsonb_build_object('text', 'job ' || p.job || ' ' || p.job_version || ', model ' || p.model_version),
        'subject', made.subject,
        'encounter', made.encounter,
        'occurrenceDateTime', scorer.fhir_time(p.as_of),
        'basis', basis.observations,
        'prediction', CASE v.fhir ->> 'task'
            WHEN 'multiclass' THEN (
                SELECT jsonb_agg(
                    jsonb_build_object(
                        'outcome', COALESCE(v.fhir -> 'classes' -> o.key, jsonb_build_object('text', o.key)),
                        'probabilityDecimal', trim_scale(CAST(CAST(o.value AS text) AS numeric) * 100),
                        'qualitativeRisk', CASE WHEN o.key = v.fhir ->> 'band_class' THEN made.risk END,
                        'whenPeriod', made.period
                    )
                    ORDER BY CAST(CAST(o.value AS text) AS numeric) DESC, o.key
                )
                FROM jsonb_each(p.outputs) AS o
                WHERE jsonb_typeof(o.value) = 'number'
                  AND o.key NOT IN ('conformal', 'unlike')
            )
            ELSE jsonb_build_array(scorer.fhir_prediction(v.fhir, p.score, made.risk, p.outputs, made.period))
        END
    )) END AS resource,
    CASE
        WHEN p.job_version IS NULL THEN 'job_version'
        WHEN v.fhir IS NULL THEN '[fhir]'
        WHEN made.subject IS NULL THEN v.fhir #>> '{subject,attribute}'
    END AS lacks,
    p.output,
    p.score_id,
    p.status,
    p.changed_at
FROM (
    -- Whoever was judged otherwise since has the score of a version that only the ledger knows.
    SELECT
        c.job,
        c.entity_id,
        c.output,
        c.score_id,
        'final' AS status,
        c.scored_at AS changed_at,
        c.score,
        c.risk_band,
        c.outputs,
        c.attributes,
        c.as_of,
        c.valid_until,
        c.model_version,
        CASE
            WHEN c.status = 'SCORED' THEN c.judged_by_job
            ELSE (SELECT s.job_version FROM scorer.scores AS s WHERE s.score_id = c.score_id)
        END AS job_version
    FROM scorer.current_scores AS c
    WHERE c.score_id IS NOT NULL
    UNION ALL
    SELECT
        s.job,
        s.entity_id,
        s.output,
        s.score_id,
        'entered-in-error' AS status,
        r.recalled_at AS changed_at,
        s.score,
        s.risk_band,
        s.outputs,
        s.attributes,
        s.as_of,
        s.valid_until,
        s.model_version,
        s.job_version
    FROM scorer.recalls AS r
    JOIN scorer.scores AS s ON s.score_id = r.score_id AND s.run_began_at = r.run_began_at
    WHERE NOT s.shadow
) AS p
LEFT JOIN scorer.job_versions AS v ON v.job = p.job AND v.job_version = p.job_version
CROSS JOIN LATERAL (
    SELECT
        scorer.fhir_reference(v.fhir -> 'subject', CASE v.fhir #>> '{subject,attribute}'
            WHEN 'entity_id' THEN p.entity_id
            ELSE p.attributes ->> (v.fhir #>> '{subject,attribute}')
        END) AS subject,
        scorer.fhir_reference(v.fhir -> 'encounter', CASE v.fhir #>> '{encounter,attribute}'
            WHEN 'entity_id' THEN p.entity_id
            ELSE p.attributes ->> (v.fhir #>> '{encounter,attribute}')
        END) AS encounter,
        CASE
            WHEN p.risk_band IS NOT NULL THEN COALESCE(v.fhir -> 'bands' -> p.risk_band, jsonb_build_object('text', p.risk_band))
        END AS risk,
        jsonb_build_object('start', scorer.fhir_time(p.as_of), 'end', scorer.fhir_time(p.valid_until)) AS period
    OFFSET 0  -- each is made once
) AS made
LEFT JOIN LATERAL (
    SELECT
        jsonb_agg(
            scorer.fhir_reference(v.fhir -> 'observation', o.observation_id)
            || jsonb_build_object('display', COALESCE(o.code || ' of ', '') || scorer.fhir_time(o.observation_date))
            ORDER BY o.rank
        ) AS observations
    FROM (
        SELECT
            r.observation_id,
            min(r.code) AS code,
            min(r.observation_date) AS observation_date,
            min(r.rank) AS rank
        FROM scorer.score_reasons AS r
        WHERE r.score_id = p.score_id
          AND r.observation_id ~ '\S'
        GROUP BY r.observation_id
    ) AS o
) AS basis ON made.subject IS NOT NULL;
CREATE OR REPLACE VIEW reporting.feature_vectors AS
SELECT
    v.job,
    v.entity_id,
    v.as_of,
    v.status,
    v.reason,
    v.features,
    v.job_version,
    v.built_at,
    v.built_by
FROM scorer.feature_vectors AS v;
CREATE OR REPLACE VIEW reporting.recalls AS
SELECT
    r.recall_id,
    r.score_id,
    s.job,
    s.entity_id,
    s.output,
    s.shadow,
    s.model_version,
    s.job_version,
    s.as_of,
    s.scored_at,
    s.score AS from_score,
    s.risk_band AS from_band,
    r.was_current,
    r.recalled_at,
    r.recalled_by,
    r.why,
    n.score_id AS replaced_by,
    n.scored_at AS replaced_at,
    CASE WHEN r.was_current THEN COALESCE(n.status, c.status) END AS to_status,
    n.score AS to_score,
    n.risk_band AS to_band,
    n.model_version AS to_model_version,
    CASE WHEN n.score_id IS NOT NULL THEN n.risk_band IS DISTINCT FROM s.risk_band END AS changes_band,
    r.was_current AND w.entity_id IS NOT NULL AS stands_in_source
FROM scorer.recalls AS r
JOIN scorer.scores AS s ON s.score_id = r.score_id AND s.run_began_at = r.run_began_at
LEFT JOIN scorer.current_scores AS c
    ON c.job = s.job
    AND c.entity_id = s.entity_id
    AND c.output = s.output
LEFT JOIN scorer.write_backs AS w
    ON w.job = s.job
    AND w.entity_id = s.entity_id
LEFT JOIN LATERAL (
    SELECT
        l.score_id,
        l.scored_at,
        l.status,
        l.score,
        l.risk_band,
        l.model_version
    FROM scorer.scores AS l
    WHERE l.job = s.job
      AND l.entity_id = s.entity_id
      AND l.output = s.output
      AND NOT l.shadow
      AND l.scored_at > r.recalled_at
      AND r.was_current
    ORDER BY l.score_id
    LIMIT 1
) AS n ON true;
CREATE OR REPLACE VIEW reporting.replays AS
SELECT
    r.replay_id,
    r.score_id,
    s.job,
    s.entity_id,
    s.output,
    s.model_version,
    s.job_version,
    s.scored_at,
    r.part,
    r.verdict,
    r.difference,
    r.why,
    r.inputs_changed,
    r.alarming,
    r.replayed_at,
    r.replayed_by,
    r.scorer_version
FROM scorer.replays AS r
JOIN scorer.scores AS s ON s.score_id = r.score_id AND s.run_began_at = r.run_began_at;
CREATE OR REPLACE VIEW reporting.feature_counts AS
SELECT
    f.run_id,
    f.job,
    f.model_version,
    f.facility,
    f.counted_at,
    f.scores,
    f.counts
FROM scorer.feature_counts AS f;
CREATE OR REPLACE VIEW reporting.drift AS
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
CREATE OR REPLACE VIEW reporting.facility_drift AS
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
CREATE OR REPLACE VIEW reporting.facility_performance AS
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
CREATE OR REPLACE VIEW reporting.runs AS
SELECT
    r.run_id,
    r.job,
    r.trigger,
    r.status,
    r.scheduled_for,
    r.as_of,
    r.started_at,
    r.finished_at,
    r.eligible,
    r.scored,
    r.unchanged,
    r.quarantined,
    r.insufficient,
    r.indeterminate,
    r.failed,
    r.error,
    r.job_version,
    r.model_version,
    r.resumed
FROM scorer.runs AS r;
CREATE OR REPLACE VIEW reporting.batches AS
SELECT
    b.batch_id,
    b.run_id,
    r.job,
    b.started_at,
    b.finished_at,
    b.eligible,
    b.scored,
    b.unchanged,
    b.quarantined,
    b.insufficient,
    b.indeterminate,
    b.failed,
    b.observations_read,
    b.observations_dropped,
    b.seconds,
    b.flags
FROM scorer.batches AS b
JOIN scorer.runs AS r USING (run_id);
CREATE OR REPLACE VIEW reporting.validation AS
SELECT
    v.run_id,
    r.job,
    v.suite,
    v.rule,
    v.expectation,
    v.action,
    v.column_name,
    sum(v.judged)::bigint AS judged,
    sum(v.unexpected)::bigint AS unexpected,
    bool_and(v.success) AS success,
    max(v.judged_at) AS judged_at
FROM scorer.validation_results AS v
JOIN scorer.runs AS r USING (run_id)
GROUP BY v.run_id, r.job, v.suite, v.rule, v.expectation, v.action, v.column_name;
CREATE OR REPLACE VIEW reporting.health AS
SELECT
    j.job,
    alive.daemons > 0 AND b.opened_at IS NULL AND m.model_version IS NOT NULL AS ready,
    alive.daemons,
    alive.beat_at,
    m.model_version,
    last.run_id AS last_run_id,
    last.status AS last_status,
    last.started_at AS last_started_at,
    last.finished_at AS last_finished_at,
    good.finished_at AS last_success_at,
    tick.scheduled_for AS last_tick_at,
    tick.outcome AS last_tick,
    COALESCE(missed.ticks, 0) AS missed_last_day,
    missed.recorded_at AS last_missed_at,
    COALESCE(b.failures, 0) AS failures,
    b.opened_at AS breaker_opened_at,
    b.next_try_at AS breaker_next_try_at,
    b.reason AS breaker_reason,
    COALESCE(work.entities, 0) AS backlog,
    work.oldest_at AS backlog_since,
    COALESCE(asked.waiting, 0) AS requests_waiting,
    asked.oldest_at AS requests_since,
    COALESCE(current.valid, 0) AS valid,
    COALESCE(current.expiring, 0) AS expiring,
    COALESCE(current.stale, 0) AS stale,
    COALESCE(current.held, 0) AS held,
    COALESCE(late.entities, 0) AS write_backs_waiting,
    late.oldest_at AS write_backs_since,
    COALESCE(late.recalled, 0) AS take_backs_waiting,
    late.recalled_since AS take_backs_since
FROM (
    SELECT v.job FROM scorer.job_versions AS v
    UNION
    SELECT v.job FROM scorer.model_versions AS v
) AS j
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (
            WHERE d.ready
              AND abs(EXTRACT(EPOCH FROM now() - d.beat_at)) < 60
              AND (d.jobs IS NULL OR j.job = ANY (d.jobs))
        ) AS daemons,
        max(d.beat_at) AS beat_at
    FROM scorer.daemons AS d
) AS alive
LEFT JOIN scorer.model_versions AS m ON m.job = j.job AND m.status = 'production'
LEFT JOIN scorer.breakers AS b ON b.job = j.job
LEFT JOIN LATERAL (
    SELECT r.run_id, r.status, r.started_at, r.finished_at
    FROM scorer.runs AS r
    WHERE r.job = j.job
      AND r.trigger <> 'request'
    ORDER BY r.run_id DESC
    LIMIT 1
) AS last ON true
LEFT JOIN LATERAL (
    SELECT r.finished_at
    FROM scorer.runs AS r
    WHERE r.job = j.job
      AND r.status = 'succeeded'
      AND r.trigger <> 'request'
    ORDER BY r.run_id DESC
    LIMIT 1
) AS good ON true
LEFT JOIN LATERAL (
    SELECT t.scheduled_for, t.outcome
    FROM scorer.ticks AS t
    WHERE t.job = j.job
    ORDER BY t.scheduled_for DESC
    LIMIT 1
) AS tick ON true
LEFT JOIN (
    SELECT t.job, count(*) AS ticks, max(t.recorded_at) AS recorded_at
    FROM scorer.ticks AS t
    WHERE t.outcome = 'missed'
      AND t.recorded_at > now() - INTERVAL '1 day'
    GROUP BY t.job
) AS missed ON missed.job = j.job
LEFT JOIN (
    SELECT w.job, count(*) AS entities, min(w.enqueued_at) AS oldest_at
    FROM scorer.work AS w
    GROUP BY w.job
) AS work ON work.job = j.job
LEFT JOIN (
    SELECT q.job, count(*) AS waiting, min(q.requested_at) AS oldest_at
    FROM scorer.requests AS q
    WHERE q.status = 'waiting'
    GROUP BY q.job
) AS asked ON asked.job = j.job
LEFT JOIN (
    SELECT
        l.job,
        count(*) AS entities,
        min(l.since) AS oldest_at,
        count(*) FILTER (WHERE l.recalled) AS recalled,
        min(l.since) FILTER (WHERE l.recalled) AS recalled_since
    FROM scorer.write_backs AS l
    GROUP BY l.job
) AS late ON late.job = j.job
-- Joined from the left, so that whoever leaves these columns out does not pay for the counting.
LEFT JOIN (
    SELECT
        c.job,
        count(*) FILTER (WHERE c.valid_until > now()) AS valid,
        count(*) FILTER (WHERE c.valid_until > now() AND c.valid_until <= now() + INTERVAL '1 hour') AS expiring,
        count(*) FILTER (WHERE c.valid_until <= now()) AS stale,
        count(*) FILTER (WHERE c.status = 'QUARANTINED') AS held
    FROM scorer.current_scores AS c
    GROUP BY c.job
) AS current ON current.job = j.job;
CREATE OR REPLACE VIEW reporting.checkups AS
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
CREATE OR REPLACE VIEW reporting.alerts AS
SELECT
    a.job,
    a.kind,
    a.model_version,
    a.detail,
    a.since,
    a.told_at,
    a.ended_at
FROM scorer.alerts AS a;
CREATE OR REPLACE VIEW reporting.recall_events AS
SELECT
    e.recall_id,
    e.job,
    e.happened_at,
    e.done_by,
    e.why,
    e.model_version,
    e.job_version,
    e.scored_from,
    e.scored_until,
    e.in_force,
    e.scores,
    e.shadow_scores,
    e.entities
FROM scorer.recall_events AS e;
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
CREATE OR REPLACE VIEW reporting.retrain_due AS
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
CREATE OR REPLACE VIEW reporting.evaluation_figures AS
SELECT
    f.evaluation_id,
    e.job,
    e.model_version,
    e.evaluated_at,
    f.place,
    f.attribute,
    f.subgroup,
    f.figure,
    f.threshold,
    f.threshold_name,
    f.value,
    f.low,
    f.high,
    f.entities,
    f.events,
    f.positives,
    e.outcomes AND f.events < 10 AS too_few_events
FROM scorer.evaluation_figures AS f
JOIN scorer.evaluations AS e USING (evaluation_id);
DROP VIEW scorer.seen_validation_results;
DROP VIEW scorer.own_validation_results;
DROP VIEW scorer.seen_batches;
DROP VIEW scorer.own_batches;
DROP VIEW scorer.seen_runs;
DROP VIEW scorer.own_runs;
DROP VIEW scorer.seen_live_performance;
DROP VIEW scorer.own_live_performance;
DROP VIEW scorer.seen_feature_counts;
DROP VIEW scorer.own_feature_counts;
DROP VIEW scorer.seen_feature_vectors;
DROP VIEW scorer.own_feature_vectors;
DROP VIEW scorer.seen_request_entities;
DROP VIEW scorer.own_request_entities;
DROP VIEW scorer.seen_requests;
DROP VIEW scorer.own_requests;
DROP VIEW scorer.seen_rejections;
DROP VIEW scorer.own_rejections;
DROP VIEW scorer.seen_replays;
DROP VIEW scorer.own_replays;
DROP VIEW scorer.seen_recalls;
DROP VIEW scorer.own_recalls;
DROP VIEW scorer.seen_score_reasons;
DROP VIEW scorer.own_score_reasons;
DROP VIEW scorer.seen_scores;
DROP VIEW scorer.own_scores;
DROP VIEW scorer.seen_current_scores;
DROP VIEW scorer.own_current_scores;
DROP FUNCTION scorer.revoke_facilities(text, text [], boolean, text);
DROP FUNCTION scorer.grant_facilities(text, text [], text, boolean);
DROP FUNCTION scorer.require_facilities(text, text [], text, boolean);
DROP TRIGGER request_entities_seen ON scorer.request_entities;
DROP FUNCTION scorer.refuse_unseen_entities();
DROP TRIGGER requests_seen ON scorer.requests;
DROP FUNCTION scorer.refuse_unseen();
DROP FUNCTION scorer.require_seen(text, text []);
DROP FUNCTION scorer.sees_whole(text);
DROP FUNCTION scorer.is_facility_attribute(jsonb, text, text);
DROP FUNCTION scorer.is_seen(jsonb, text, jsonb);
DROP FUNCTION scorer.is_facility_seen(jsonb, text, text);
DROP FUNCTION scorer.seen_facilities();
DROP FUNCTION scorer.still_sees_all();
DROP FUNCTION scorer.sees_all_as_planned();
DROP FUNCTION scorer.sees_all();
DROP VIEW scorer.facilities_granted;
DROP TABLE scorer.facility_grants;
ALTER TABLE scorer.job_versions DROP COLUMN facility;
