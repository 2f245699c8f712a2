-- Records how well a model's scores foretold the outcomes known by now; one row per metric.
-- Parameters: checkup_id, job, model_version, facility (empty: all), window_from, window_until, rows, entities, positives,
-- figures (JSON: an array of objects).
INSERT INTO scorer.live_performance (
    checkup_id,
    job,
    model_version,
    facility,
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
    :checkup_id,
    :job,
    :model_version,
    :facility,
    :window_from,
    :window_until,
    f.metric,
    f.value,
    f.low,
    f.high,
    f.expected,
    f.expected_low,
    :rows,
    :entities,
    :positives
FROM jsonb_to_recordset(CAST(:figures AS jsonb)) AS f (
    metric text,
    value double precision,
    low double precision,
    high double precision,
    expected double precision,
    expected_low double precision
)
