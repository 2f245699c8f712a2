-- Records what each rule found in a batch; one row per rule.
-- Parameters: run_id, batch_id (null: the batch was rolled back), results (a JSON list of objects).
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
    detail
)
SELECT
    :run_id,
    :batch_id,
    r.suite,
    r.rule,
    r.expectation,
    r.action,
    r.column_name,
    r.judged,
    r.unexpected,
    r.success,
    r.detail
FROM jsonb_to_recordset(CAST(:results AS jsonb)) AS r (
    suite text,
    rule text,
    expectation text,
    action text,
    column_name text,
    judged bigint,
    unexpected bigint,
    success boolean,
    detail text
)
